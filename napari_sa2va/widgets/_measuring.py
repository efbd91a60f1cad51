"""What the masks of an image measure, frame by frame, read off the Qt thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core import review
from napari_sa2va.core.events import Progress
from napari_sa2va.core.labelled import LabelledStack, PixelMapping
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts
from napari_sa2va.core.runs import object_runs
from napari_sa2va.core.trajectories import told, way
from napari_sa2va.export.api import writing
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._undo import copied
from napari_sa2va.widgets._updates import Measured, Saved, Update

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sa2va.widgets._object_labels import ObjectLabels

Facts = dict[int, dict[int, MaskFacts]]


class StackLabels:
    """The labels of an image as a stack along its time axis.

    Parameters
    ----------
    array : array
        Of the image's shape without channels.
    geometry : StackGeometry
        How it is read as a stack.
    """

    def __init__(self, array: Any, geometry: StackGeometry) -> None:
        self._array, self._geometry = array, geometry.whole
        self.shape = self._geometry.stack_shape

    def planes(self, frame: int) -> list[Any]:
        """The label image (H, W) of a frame."""
        return [np.asarray(self._geometry.plane(self._array, frame))]


def labelled(objects: ObjectLabels, geometry: StackGeometry) -> LabelledStack:
    """The objects of an image as they are now; call it on the Qt thread."""
    return LabelledStack(
        StackLabels(objects.array, geometry),
        copied({i: r for i, r in objects.records.items() if r.is_at(geometry.place)}),
        name=objects.image.name,
        mapping=pixel_mapping(objects.image, geometry),
    )


def pixel_mapping(image: Image, geometry: StackGeometry) -> PixelMapping:
    """Where the pixels of an image are, along time, rows and columns."""
    axes = (geometry.time_axis, geometry.rows, geometry.columns)

    def of(values: Any, missing: Any) -> Any:
        return tuple(missing if axis is None else type(missing)(values[axis]) for axis in axes)

    return PixelMapping(
        of(image.scale, 1.0), of(image.translate, 0.0), of([str(u) for u in image.units], "pixel")
    )


def measuring(
    stack: LabelledStack, object_ids: Collection[int], frames: Iterable[int]
) -> Iterator[Progress | Facts]:
    """Measure objects in frames of a stack; the last that comes is what was measured."""
    facts: Facts = {object_id: {} for object_id in object_ids}
    wanted = sorted({frame for frame in frames if frame < stack.shape[0]})
    pixels = stack.shape[1] * stack.shape[2]
    for done, frame in enumerate(wanted):
        yield Progress(done, len(wanted), "measured frames")
        for object_id, runs in object_runs(stack.labels.planes(frame)[0]).items():
            if object_id in facts:
                measured = review.measure(runs.crop(), runs.box[:2], sent=pixels)
                if measured is not None:
                    facts[object_id][frame] = measured
    yield facts


def measure(stack: LabelledStack) -> Iterator[Update]:
    """Measure all objects of a stack."""
    for update in measuring(stack, stack.objects, _judged(stack.objects.values())):
        yield Measured(update) if isinstance(update, dict) else update


def save_table(stack: LabelledStack, path: Path, overwrite: bool) -> Iterator[Update]:
    """Write a table with a row an object and frame; perhaps in the place of what is there."""
    yield from writing([stack], path, "csv", overwrite=overwrite)
    yield Saved(path)


@dataclass
class Telling:
    """What an answer is to be told with.

    Attributes
    ----------
    stack : LabelledStack
        The objects; its labels are read as they are when they are read.
    about : sequence of int
        The objects to tell of where the answer points at none.
    to_model : bool
        Whether the model is told, too, before the question.
    """

    stack: LabelledStack
    about: Sequence[int]
    to_model: bool = False

    def words(self, found: Mapping[int, str], frames: Collection[int]) -> Iterator[Progress | str]:
        """Measure what was found, by id and phrase, in these frames and all known ones.

        The last that comes tells of each object in a sentence; it is empty where there is none.
        """
        names = found or {label: self.stack.record(label).phrase for label in self.about}
        known = _judged(self.stack.record(label) for label in names)
        for update in measuring(self.stack, list(names), known | set(frames)):
            if not isinstance(update, dict):
                yield update
                continue
            yield "\n".join(
                told(label, names[label], way(facts, self.stack.mapping))
                for label, facts in update.items()
                if facts
            )


def _judged(records: Iterable[ObjectRecord]) -> set[int]:
    """The frames in which anything is known of objects."""
    return {frame for record in records for frame in record.scores}
