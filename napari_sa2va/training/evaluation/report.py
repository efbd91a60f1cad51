"""All that was measured, as text for a reader and as JSON for the card."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import napari_sa2va
from napari_sa2va.models.catalog import find_model
from napari_sa2va.training.evaluation.aims import Row, rows
from napari_sa2va.training.evaluation.calibration import Calibration, calibrate
from napari_sa2va.training.evaluation.cases import Case
from napari_sa2va.training.evaluation.statistics import Figure, figures

REACHED = {True: "yes", False: "NO", None: "-"}


def report(cases: Sequence[Case], about: Mapping[str, object]) -> dict[str, Any]:
    """What is written as JSON: the table, all figures, the calibration, and how to repeat it."""
    measured = figures(cases)
    return {
        **about,
        "table": [_row(row) for row in rows(measured)],
        "figures": {
            group: {task: asdict(found) for task, found in tasks.items()}
            for group, tasks in measured.items()
        },
        "answers": list(_answers(cases)),
        "calibration": {name: asdict(found) for name, found in calibrations(cases).items()},
    }


def origin(model: str) -> dict[str, Any]:
    """Which weights were measured, and by which versions."""
    return {
        "weights_sha256": digest(find_model(model)),
        "versions": {
            "napari-sa2va": napari_sa2va.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def digest(folder: Path) -> str:
    """SHA-256 of a checkpoint's weights."""
    sum_ = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        sum_.update(path.read_bytes())
    return sum_.hexdigest()


def _answers(cases: Sequence[Case]) -> Iterator[dict[str, Any]]:
    """The first right and the first wrong answer of each task."""
    seen = set()
    for case in cases:
        key = (case.group, case.task, case.value)
        if case.answer and key not in seen:
            seen.add(key)
            expected, said = case.answer
            right = "yes" if case.value else "no"
            yield {
                "task": case.task,
                "asked": case.text,
                "expected": expected,
                "said": said,
                "right": right,
            }


def calibrations(cases: Sequence[Case]) -> dict[str, Calibration]:
    """Of masks of images: those of visual prompts apart from those of text."""
    parts: dict[str, list[Case]] = {"visual prompts": [], "text": []}
    for case in cases:
        if case.score is not None:
            parts["text" if case.text else "visual prompts"].append(case)
    return {
        name: calibrate([case.score or 0.0 for case in part], [case.value for case in part])
        for name, part in parts.items()
        if part
    }


def _row(row: Row) -> dict[str, Any]:
    return {**asdict(row), "is_reached": row.is_reached}


def lines(cases: Sequence[Case]) -> Iterator[str]:
    """The table, then the finer break-down, then the calibration."""
    measured = figures(cases)
    yield f"{'what':<50}{'aim':>8}{'measured':>10}{'95 %':>16}{'values':>8}  reached"
    for row in rows(measured):
        bound = f"{'<=' if row.aim.is_most else '>='} {row.aim.bound:.2f}"
        what = f"{row.aim.group}: {row.aim.task}, {row.aim.quantity}"
        yield f"{what:<50}{bound:>8}{_numbers(row.figure)}  {REACHED[row.is_reached]}"
    for group, tasks in measured.items():
        yield f"\n{group}"
        for task, found in tasks.items():
            yield f"  {task:<56}{_numbers(found)}"
    for name, trust in calibrations(cases).items():
        rank = "undefined" if trust.rank_correlation is None else f"{trust.rank_correlation:.2f}"
        yield (
            f"\npredicted IoU of {name}: {trust.masks} masks, expected calibration error "
            f"{trust.error:.3f}, rank correlation {rank}"
        )
        for part in trust.bins:
            yield (
                f"  {part.low:.1f} to {part.high:.1f}{part.masks:>8} masks, "
                f"predicted {part.score:.3f}, true {part.iou:.3f}"
            )


def _numbers(found: Figure | None) -> str:
    if found is None:
        return f"{'-':>10}{'':>16}{'':>8}"
    interval = f"{found.low:.3f} - {found.high:.3f}"
    return f"{found.mean:>10.3f}{interval:>16}{found.values:>8}"
