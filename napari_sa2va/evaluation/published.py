"""Published figures, each with its source, to put a run beside.

Only figures that were read in their source are here. Papers round, sample frames and fine-tune in
their own ways: a figure of a run beside them is a hint, not a ranking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SA2VA = "Sa2VA, arXiv:2501.04001"
TABLE_6 = f"{SA2VA}, Table 6"
TABLE_8 = f"{SA2VA}, Table 8 (InternVL2.5)"
TABLE_10 = f"{SA2VA}, Table 10"
TABLE_14 = f"{SA2VA}, Table 14"
SA2VA_I = "Sa2VA-i (arXiv:2509.19082), README of github.com/kumuji/sa2va-i"


@dataclass(frozen=True)
class Published:
    """A figure from a paper.

    Attributes
    ----------
    model : str
        As the source calls it.
    figure : str
        ``J&F`` or ``cIoU``.
    value : float
        In percent, as it is printed.
    source : str
        Paper and table.
    """

    model: str
    figure: str
    value: float
    source: str


def published(name: str, split: str) -> list[Published]:
    """The figures of a data set's split, best first; empty where none is known."""
    rows = [
        Published(model, figure, value, source)
        for source, columns, models in _TABLES
        for model, values in models.items()
        for (benchmark, figure), value in zip(columns, values, strict=True)
        if benchmark == f"{name} {split}" and value is not None
    ]
    return sorted(rows, key=lambda row: -row.value)


def benchmarks() -> Iterator[str]:
    """``<name> <split>`` of everything that has figures."""
    yield from sorted({name for _, columns, _ in _TABLES for name, _ in columns})


_IMAGES = (("refcoco val", "cIoU"), ("refcoco+ val", "cIoU"), ("refcocog val", "cIoU"))
_Table = tuple[str, tuple[tuple[str, str], ...], dict[str, tuple[float | None, ...]]]

_TABLES: tuple[_Table, ...] = (
    (
        TABLE_6,
        (
            *_IMAGES,
            ("mevis valid", "J&F"),
            ("ref-davis valid", "J&F"),
            ("ref-youtube-vos valid", "J&F"),
            ("revos valid", "J&F"),
        ),
        {
            "PixelLM-7B": (73.0, 66.3, 69.3, None, None, None, None),
            "LaSagnA": (76.8, 66.4, 70.6, None, None, None, None),
            "LISA-7B": (74.1, 62.4, 66.4, None, None, None, None),
            "GLaMM-7B": (79.5, 72.6, 74.2, None, None, None, None),
            "LLaVA-G-7B": (77.1, 68.8, 71.5, None, None, None, None),
            "GSVA-13B": (79.2, 70.3, 75.7, None, None, None, None),
            "OMG-LLaVA-7B": (78.0, 69.1, 72.9, None, None, None, None),
            "VideoLISA-3.8B": (73.8, 63.4, 68.3, 44.4, 68.8, 63.7, None),
            "VISA-13B": (72.4, 59.8, 65.5, 44.5, 70.4, 63.0, 50.9),
            "Sa2VA-1B (InternVL2)": (77.4, 69.9, 72.3, 41.7, 72.3, 65.3, 47.6),
            "Sa2VA-4B (InternVL2)": (80.4, 74.3, 76.7, 46.2, 73.8, 70.0, 53.2),
            "Sa2VA-8B (InternVL2)": (81.9, 76.5, 78.9, 46.9, 75.2, 70.7, 57.6),
            "Sa2VA-26B (InternVL2)": (82.5, 78.8, 79.7, 46.2, 77.0, 70.1, 58.4),
        },
    ),
    (
        TABLE_8,
        (
            *_IMAGES,
            ("mevis valid_u", "J&F"),
            ("ref-youtube-vos valid", "J&F"),
            ("ref-davis valid", "J&F"),
        ),
        {
            "Sa2VA-1B": (79.6, 73.6, 77.7, 53.4, 68.0, 69.5),
            "Sa2VA-4B": (82.4, 77.6, 79.7, 55.9, 71.3, 73.7),
            "Sa2VA-8B": (82.6, 78.0, 80.3, 58.9, 72.3, 75.9),
            "Sa2VA-26B": (82.9, 79.3, 81.2, 61.8, 75.1, 78.6),
        },
    ),
    (
        TABLE_14,
        (
            *_IMAGES,
            ("mevis valid_u", "J&F"),
            ("revos valid", "J&F"),
            ("ref-davis valid", "J&F"),
        ),
        {
            "Sa2VA-InternVL3-2B": (81.4, 75.7, 80.3, 53.9, 56.2, 74.5),
            "Sa2VA-InternVL3-8B": (83.3, 78.9, 81.8, 56.4, 60.8, 76.3),
            "Sa2VA-InternVL3-14B": (83.6, 79.9, 83.6, 59.2, 60.7, 76.6),
            "Sa2VA-Qwen2.5-VL-3B": (79.6, 74.0, 77.1, 51.6, 52.0, 73.4),
            "Sa2VA-Qwen2.5-VL-7B": (82.4, 77.5, 81.5, 56.4, 58.3, 79.4),
            "Sa2VA-Qwen3-VL-4B": (81.7, 77.4, 80.0, 57.1, 56.7, 75.9),
        },
    ),
    (
        TABLE_10,
        (("ref-sav valid", "J&F"),),
        {
            "UniRef++ (zero-shot)": (10.5,),
            "UNINEXT (zero-shot)": (7.6,),
            "LMPM of MeViS (zero-shot)": (10.3,),
            "VISA (zero-shot)": (11.8,),
            "Sa2VA-8B (zero-shot)": (41.3,),
            "Sa2VA-8B (trained on Ref-SAV)": (50.0,),
        },
    ),
    (
        SA2VA_I,
        (("mevis valid", "J&F"), ("ref-youtube-vos valid", "J&F"), ("ref-davis valid", "J&F")),
        {
            "Sa2VA-i-1B": (52.6, 70.3, 73.6),
            "Sa2VA-i-4B": (56.6, 73.2, 78.6),
            "Sa2VA-i-8B": (59.5, 73.9, 79.1),
            "Sa2VA-i-26B": (63.2, 76.5, 81.2),
        },
    ),
)
