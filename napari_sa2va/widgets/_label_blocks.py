"""Labels in blocks, wherever they are kept: in memory or on disk."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.regions import Region, blocks
from napari_sa2va.widgets._geometry import StackGeometry

# A numpy array, or a `LabelStore`.
LabelPixels = Any


@dataclass(frozen=True)
class Block:
    """A part of a frame of labels that fits memory.

    Attributes
    ----------
    labels : array or LabelStore
        All labels.
    geometry : StackGeometry
        Which plane of them a frame is.
    frame : int
        The frame.
    box : Region
        The part of the image's frame.
    """

    labels: LabelPixels
    geometry: StackGeometry
    frame: int
    box: Region

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there for sure; only labels on disk can tell without a look."""
        return not isinstance(self.labels, np.ndarray) and self.labels.is_empty(self._index)

    def read(self) -> npt.NDArray[Any]:
        """The labels, (h, w); for reading only."""
        return self.geometry.upright(self.labels[self._index])

    def assign(self, where: npt.NDArray[np.bool_], value: int) -> None:
        """Set the pixels where a mask (h, w) is."""
        where = self.geometry.upright(where)
        if isinstance(self.labels, np.ndarray):
            self.labels[self._index][where] = value
        else:
            self.labels.assign(self._index, where, value)

    @property
    def _index(self) -> tuple[int | slice, ...]:
        return self.geometry.index(self.frame, self.box)


def blocks_of(labels: LabelPixels, geometry: StackGeometry, frame: int) -> Iterator[Block]:
    """What a stack covers of the labels of a frame."""
    for box in blocks(geometry.box):
        yield Block(labels, geometry, frame, box)


def holds(labels: LabelPixels, geometry: StackGeometry, frame: int, object_id: int) -> bool:
    """Whether an object is in a frame."""
    return any(
        bool((block.read() == object_id).any())
        for block in blocks_of(labels, geometry, frame)
        if not block.is_empty
    )


def free_label(labels: LabelPixels, taken: Collection[int]) -> int:
    """The id of a new object: the one after those taken, or else the lowest that is free.

    Raises
    ------
    InputError
        The labels can hold no more objects.
    """
    most, after = largest_label(labels), max(taken, default=0) + 1
    if after <= most:
        return after
    free = set(range(1, most + 1)).difference(taken)
    if not free:
        raise InputError(
            f"Labels of the type {labels.dtype} hold {most} objects, and so many are there.",
            "Delete some, or go on in another layer of labels.",
        )
    return min(free)


def largest_label(labels: LabelPixels) -> int:
    """The largest id that labels can hold."""
    return int(np.iinfo(labels.dtype).max)


def settle(labels: LabelPixels) -> None:
    """Let a thread that writes much wait for the disk. Raises InputError where it fails."""
    if not isinstance(labels, np.ndarray):
        labels.settle()
