"""Runs that can be taken back and done again: sparse differences, frame by frame."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.masks import bounding_box
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.regions import Region, shifted
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._label_blocks import Block, LabelPixels

# Differences of a run over a long stack may be large; the oldest steps go first.
_MAX_BYTES = 512 * 2**20
# What a change takes beside its pixels, and a score in a copied record.
_CHANGE_BYTES, _SCORE_BYTES = 300, 64


@dataclass(frozen=True)
class PlaneChange:
    """Pixels that changed in one block of a frame.

    Attributes
    ----------
    geometry : StackGeometry
        Which plane of the array `frame` is.
    frame : int
        The frame.
    box : Region
        The box of the image's frame around them.
    bits : bytes
        Which pixels of the box they are: a bit each, compressed.
    before, after : int
        Their value; one for all, as a mask replaces background or its own object only.
    """

    geometry: StackGeometry
    frame: int
    box: Region
    bits: bytes
    before: int
    after: int

    @classmethod
    def of(
        cls, block: Block, where: npt.NDArray[np.bool_], before: int, after: int
    ) -> PlaneChange | None:
        """The change of a block's pixels where a mask (h, w) is; None where there are none."""
        box = bounding_box(where)
        if box is None:
            return None
        y0, x0, y1, x1 = box
        bits = zlib.compress(np.packbits(where[y0:y1, x0:x1]).data, 1)
        place = shifted(box, *block.box[:2])
        return cls(block.geometry, block.frame, place, bits, before, after)

    def revert(self, labels: LabelPixels) -> None:
        """Write the old value, except where somebody painted since."""
        self._replace(labels, self.after, self.before)

    def repeat(self, labels: LabelPixels) -> None:
        """Write the new value again, except where somebody painted since."""
        self._replace(labels, self.before, self.after)

    def _replace(self, labels: LabelPixels, now: int, then: int) -> None:
        block = Block(labels, self.geometry, self.frame, self.box)
        plane = block.read()
        bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        where = np.unpackbits(bits, count=plane.size).view(bool).reshape(plane.shape)
        block.assign(where & (plane == now), then)

    @property
    def nbytes(self) -> int:
        return len(self.bits) + _CHANGE_BYTES


@dataclass
class UndoStep:
    """One run: what it changed in the labels, and the objects before it.

    Attributes
    ----------
    title : str
        What the run was.
    labels : array or LabelStore
        The array that it wrote into.
    records : dict of int to ObjectRecord
        The objects as they were.
    after : dict of int to ObjectRecord
        The objects as they were when the run was taken back.
    changes : list of PlaneChange
        In the order of writing.
    """

    title: str
    labels: LabelPixels
    records: dict[int, ObjectRecord]
    changes: list[PlaneChange] = field(default_factory=list)
    after: dict[int, ObjectRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records = copied(self.records)

    @property
    def nbytes(self) -> int:
        records = (*self.records.values(), *self.after.values())
        scores = sum(len(record.scores) for record in records)
        return sum(change.nbytes for change in self.changes) + scores * _SCORE_BYTES

    def objects_changed(self, records: Mapping[int, ObjectRecord]) -> set[int]:
        """The objects that the run made or changed, given what they are now."""
        written = {label for change in self.changes for label in (change.before, change.after)}
        return (written | (records.keys() ^ self.records.keys())) - {0}


def copied(records: Mapping[int, ObjectRecord]) -> dict[int, ObjectRecord]:
    """A copy of records that shares nothing that changes; far quicker than `deepcopy`."""
    return {
        object_id: replace(
            record,
            prompts=list(record.prompts),
            scores=dict(record.scores),
            verified_frames=list(record.verified_frames),
            verifications=list(record.verifications),
            expressions=list(record.expressions),
            verified_expressions=list(record.verified_expressions),
        )
        for object_id, record in records.items()
    }


class UndoStack:
    """The last runs, and those that were taken back, within a budget of bytes."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._done: deque[UndoStep] = deque()
        self._undone: list[UndoStep] = []
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._done)

    def push(self, step: UndoStep) -> None:
        """Keep a run; what was taken back before it is forgotten.

        The oldest ones are dropped where the budget is exceeded.
        """
        self._undone.clear()
        self._done.append(step)
        while len(self._done) > 1 and sum(s.nbytes for s in self._done) > self._max_bytes:
            self._done.popleft()

    def forget(self, step: UndoStep) -> None:
        """Drop a run that goes on: it is pushed again when it ends."""
        if step in self._done:
            self._done.remove(step)

    def undo(self, records: Mapping[int, ObjectRecord]) -> UndoStep | None:
        """The last run, to be taken back from these records; None where there is none."""
        if not self._done:
            return None
        step = self._done.pop()
        step.after = copied(records)
        self._undone.append(step)
        return step

    def redo(self) -> UndoStep | None:
        """The run that was taken back last, to be done again; None where there is none."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]

    @property
    def title(self) -> str:
        """What the last run was; empty where there is none."""
        return self._done[-1].title if self._done else ""

    @property
    def redo_title(self) -> str:
        """What was taken back last; empty where nothing was."""
        return self._undone[-1].title if self._undone else ""
