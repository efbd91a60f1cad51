"""Runs that can be taken back: sparse differences, frame by frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._geometry import StackGeometry

# Differences of a run over a long stack may be large; the oldest steps go first.
_MAX_BYTES = 512 * 2**20


@dataclass(frozen=True)
class PlaneChange:
    """Pixels that changed in one frame.

    Attributes
    ----------
    geometry : StackGeometry
        Which plane of the array `frame` is.
    frame : int
        The frame.
    pixels : (n,) array
        Flat indices into the (H, W) plane.
    before, after : int
        Their value; one for all, as a mask replaces background or its own object only.
    """

    geometry: StackGeometry
    frame: int
    pixels: npt.NDArray[np.integer[Any]]
    before: int
    after: int

    def revert(self, labels: npt.NDArray[Any]) -> None:
        """Write the old value, except where somebody painted since."""
        plane = self.geometry.plane(labels, self.frame)
        where = np.unravel_index(self.pixels, plane.shape)
        untouched = plane[where] == self.after
        plane[tuple(axis[untouched] for axis in where)] = self.before

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes


@dataclass
class UndoStep:
    """One run: what it changed in the labels, and the objects before it.

    Attributes
    ----------
    title : str
        What the run was.
    labels : array
        The array that it wrote into.
    records : dict of int to ObjectRecord
        The objects as they were.
    changes : list of PlaneChange
        In the order of writing.
    """

    title: str
    labels: npt.NDArray[Any]
    records: dict[int, ObjectRecord]
    changes: list[PlaneChange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.records = copied(self.records)

    @property
    def nbytes(self) -> int:
        return sum(change.nbytes for change in self.changes)

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
    """The last runs, within a budget of bytes."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._steps: deque[UndoStep] = deque()
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._steps)

    def push(self, step: UndoStep) -> None:
        """Keep a run; the oldest ones are dropped where the budget is exceeded."""
        self._steps.append(step)
        while len(self._steps) > 1 and sum(s.nbytes for s in self._steps) > self._max_bytes:
            self._steps.popleft()

    def pop(self) -> UndoStep | None:
        """The last run; None where there is nothing to undo."""
        return self._steps.pop() if self._steps else None

    @property
    def title(self) -> str:
        """What the last run was; empty where there is none."""
        return self._steps[-1].title if self._steps else ""
