"""Measurements: a row an object and frame, in pixels and in the stack's units."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.core.runs import ObjectRuns
from napari_sa2va.core.trajectories import Place, length_unit, place, time_unit
from napari_sa2va.export.dataset import Export, category_of
from napari_sa2va.export.provenance import Provenance

COLUMNS = (
    "stack", "part", "frame", "source_frame", "object_id", "class", "phrase", "parent",
    "area_pixels", "area", "area_unit", "centroid_y", "centroid_x",
    "box_y0", "box_x0", "box_y1", "box_x1", "score", "verified",
    "present", "y", "x", "position_unit", "speed", "speed_unit",
)  # fmt: skip


def write(export: Export, variant: str) -> Iterator[None]:
    """Write a table a stack."""
    for part, stacks in export.by_part().items():
        folder = export.folder / part
        folder.mkdir(exist_ok=True)
        for stack in stacks:
            file = folder / f"{stack.name}.csv"
            # With the mark by which spreadsheet programs know UTF-8.
            with file.open("w", encoding="utf-8-sig", newline="") as stream:
                table = csv.writer(stream)
                table.writerow(COLUMNS)
                seen: dict[int, tuple[int, Place]] = {}
                for frame in range(stack.shape[0]):
                    found = stack.runs(frame)
                    judged = _judged_absent(stack, frame) - found.keys()
                    for object_id in sorted(found.keys() | judged):
                        row = _row(stack, frame, object_id, found.get(object_id), seen)
                        table.writerow(row)
                    yield


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Measurements are no labels."""
    raise InputError(f"{path} holds measurements, no labels.", "Import the labels themselves.")


def recognizes(path: Path) -> bool:
    """Never: they cannot be imported."""
    return False


def _judged_absent(stack: LabelledStack, frame: int) -> set[int]:
    """Objects that were looked for in a frame and not seen."""
    source = stack.source_frames[frame]
    return {i for i in stack.object_ids if stack.record(i).scores.get(source, 1.0) <= 0}


def _row(
    stack: LabelledStack,
    frame: int,
    object_id: int,
    runs: ObjectRuns | None,
    seen: dict[int, tuple[int, Place]],
) -> list[Any]:
    record = stack.record(object_id)
    source = stack.source_frames[frame]
    _, unit_y, unit_x = stack.mapping.units
    unit = f"{unit_y}^2" if unit_y == unit_x else f"{unit_y} {unit_x}"
    score = record.scores.get(source)
    return [
        stack.name, stack.part, frame, source, object_id, category_of(stack, object_id),
        record.phrase, record.parent or "",
        *(["", "", unit] + 6 * [""] if runs is None else _size(stack, runs, unit)),
        "" if score is None else round(score, 4), int(source in record.verified_frames),
        int(runs is not None), *_motion(stack, object_id, source, runs, seen),
    ]  # fmt: skip


def _size(stack: LabelledStack, runs: ObjectRuns, unit: str) -> list[Any]:
    _, height, width = stack.mapping.scale
    centroid = (round(value, 3) for value in runs.centroid)
    return [runs.area, runs.area * height * width, unit, *centroid, *runs.box]


def _motion(
    stack: LabelledStack,
    object_id: int,
    source: int,
    runs: ObjectRuns | None,
    seen: dict[int, tuple[int, Place]],
) -> list[Any]:
    """Position and speed since the object was seen last; takes note of where it is now."""
    unit, time = length_unit(stack.mapping), time_unit(stack.mapping)
    units = unit, f"{unit}/{time}"
    if runs is None:
        return ["", "", units[0], "", units[1]]
    where, before = place(*runs.centroid, stack.mapping), seen.get(object_id)
    seen[object_id] = (source, where)
    step = 1.0 if time == "frame" else stack.mapping.scale[0]
    speed: Any = ""
    if before is not None:
        speed = round(math.dist(where, before[1]) / ((source - before[0]) * step), 4)
    return [*(round(value, 4) for value in where), units[0], speed, units[1]]
