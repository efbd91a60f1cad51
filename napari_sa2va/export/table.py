"""Measurements: a row an object and frame, in pixels and in the stack's units."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.core.runs import ObjectRuns
from napari_sa2va.export.dataset import Export, category_of
from napari_sa2va.export.provenance import Provenance

COLUMNS = (
    "stack", "part", "frame", "source_frame", "object_id", "class", "phrase", "parent",
    "area_pixels", "area", "area_unit", "centroid_y", "centroid_x",
    "box_y0", "box_x0", "box_y1", "box_x1", "score", "verified",
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
                for frame in range(stack.shape[0]):
                    for object_id, runs in stack.runs(frame).items():
                        table.writerow(_row(stack, frame, object_id, runs))
                    yield


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Measurements are no labels."""
    raise InputError(f"{path} holds measurements, no labels.", "Import the labels themselves.")


def recognizes(path: Path) -> bool:
    """Never: they cannot be imported."""
    return False


def _row(stack: LabelledStack, frame: int, object_id: int, runs: ObjectRuns) -> list[Any]:
    record = stack.record(object_id)
    source = stack.source_frames[frame]
    _, height, width = stack.mapping.scale
    _, unit_y, unit_x = stack.mapping.units
    unit = f"{unit_y}^2" if unit_y == unit_x else f"{unit_y} {unit_x}"
    score = record.scores.get(source)
    return [
        stack.name, stack.part, frame, source, object_id, category_of(stack, object_id),
        record.phrase, record.parent or "", runs.area, runs.area * height * width, unit,
        *(round(value, 3) for value in runs.centroid), *runs.box,
        "" if score is None else round(score, 4), int(source in record.verified_frames),
    ]  # fmt: skip
