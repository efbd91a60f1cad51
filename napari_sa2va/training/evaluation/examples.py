"""Pictures of the worst, the middle and the best case of each task: by rule, not by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sa2va.training.evaluation.cases import Case, Example, by_task


@dataclass(frozen=True)
class Ranked:
    """A case that is shown: its rank among all cases of its task, its value, what was asked."""

    rank: str
    value: float
    text: str
    example: Example


Shown = Mapping[tuple[str, str], tuple[Ranked, ...]]


def choose(cases: Iterable[Case]) -> dict[tuple[str, str], tuple[Ranked, ...]]:
    """The worst, the median and the best case of each task; the first of equal ones."""
    chosen = {}
    for key, members in by_task(cases).items():
        order = sorted((case for case in members if case.example), key=lambda case: case.value)
        if order:
            best = next(case for case in order if case.value == order[-1].value)
            picked = {"worst": order[0], "median": order[len(order) // 2], "best": best}
            if len(order) < len(picked):
                picked = {
                    "only" if len(order) == 1 else f"{n} of 2": case
                    for n, case in enumerate(order, 1)
                }
            chosen[key] = tuple(
                Ranked(rank, case.value, case.text, case.example)
                for rank, case in picked.items()
                if case.example
            )
    return chosen


def save_examples(path: Path, shown: Shown) -> None:
    """Write the pictures and what belongs to them to one .npz file."""
    arrays: dict[str, Any] = {}
    described: list[dict[str, Any]] = []
    for (group, task), ranked in shown.items():
        for one in ranked:
            number = len(described)
            described.append(
                {
                    "group": group,
                    "task": task,
                    "rank": one.rank,
                    "value": one.value,
                    "text": one.text,
                    "marks": one.example.marks,
                }
            )
            arrays[f"image_{number}"] = one.example.image
            arrays[f"truth_{number}"] = one.example.truth
            arrays[f"found_{number}"] = one.example.found
    np.savez_compressed(path, described=np.array(json.dumps(described)), **arrays)


def load_examples(path: Path) -> dict[tuple[str, str], tuple[Ranked, ...]]:
    """What `save_examples` wrote."""
    shown: dict[tuple[str, str], tuple[Ranked, ...]] = {}
    with np.load(path) as stored:
        for number, about in enumerate(json.loads(str(stored["described"]))):
            example = Example(
                stored[f"image_{number}"],
                stored[f"truth_{number}"],
                stored[f"found_{number}"],
                tuple((y, x, kind) for y, x, kind in about["marks"]),
            )
            key = about["group"], about["task"]
            shown[key] = (
                *shown.get(key, ()),
                Ranked(about["rank"], about["value"], about["text"], example),
            )
    return shown
