"""Steps that can be taken back and done again: sparse differences, frame by frame."""

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
from napari_sa2va.core.review import MaskFacts
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._label_blocks import Block, LabelPixels
from napari_sa2va.widgets._record_changes import rebased

# Differences of runs over a long stack may be large; the oldest steps go first.
_MAX_BYTES = 512 * 2**20
# What a change takes beside its pixels, and a score or a measured mask.
_CHANGE_BYTES, _ENTRY_BYTES = 300, 64

Facts = dict[int, dict[int, MaskFacts]]  # by object and frame


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
    def reversed(self) -> PlaneChange:
        """The change that takes this one back."""
        return replace(self, before=self.after, after=self.before)

    @property
    def nbytes(self) -> int:
        return len(self.bits) + _CHANGE_BYTES


@dataclass
class UndoStep:
    """What a run, or a person, changed: in the labels, and in what is known of the objects.

    Attributes
    ----------
    title : str
        What it was.
    labels : array or LabelStore
        The array that was written into.
    before, after : dict of int to ObjectRecord
        The objects that changed, as they were and as they became; one that was not there is left
        out.
    changes : list of PlaneChange
        In the order of writing.
    facts : dict of (int, int) to MaskFacts or None
        By object and frame, what the masks measured before; while the step is taken back, what
        they measured after.
    """

    title: str
    labels: LabelPixels
    before: dict[int, ObjectRecord] = field(default_factory=dict)
    after: dict[int, ObjectRecord] = field(default_factory=dict)
    changes: list[PlaneChange] = field(default_factory=list)
    facts: dict[tuple[int, int], MaskFacts | None] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        records = (*self.before.values(), *self.after.values())
        entries = sum(len(record.scores) for record in records) + len(self.facts)
        return sum(change.nbytes for change in self.changes) + entries * _ENTRY_BYTES

    @property
    def written(self) -> set[int]:
        """The objects whose pixels it gave or took."""
        return {label for change in self.changes for label in (change.before, change.after)} - {0}

    @property
    def deleted(self) -> set[int]:
        """The objects that it deleted."""
        return self.before.keys() - self.after.keys()

    def compare(
        self, before: Mapping[int, ObjectRecord], after: Mapping[int, ObjectRecord]
    ) -> None:
        """Keep the objects that differ."""
        differ = {i for i in before.keys() | after.keys() if before.get(i) != after.get(i)}
        self.before, self.after = (
            copied({i: records[i] for i in differ & records.keys()}) for records in (before, after)
        )

    def take_back(self, records: dict[int, ObjectRecord], facts: Facts) -> None:
        """Bring what is known of its objects to what it was before."""
        _rebase(records, self.after, self.before)
        self._swap(facts)

    def do_again(self, records: dict[int, ObjectRecord], facts: Facts) -> None:
        """Bring what is known of its objects to what it was after."""
        _rebase(records, self.before, self.after)
        self._swap(facts)

    def measured(self, facts: Facts, object_id: int, frame: int, now: MaskFacts | None) -> None:
        """A mask measures something else now."""
        known = facts.setdefault(object_id, {})
        self.facts.setdefault((object_id, frame), known.pop(frame, None))
        if now is not None:
            known[frame] = now

    def _swap(self, facts: Facts) -> None:
        for (object_id, frame), other in self.facts.items():
            known = facts.setdefault(object_id, {})
            self.facts[object_id, frame] = known.pop(frame, None)
            if other is not None:
                known[frame] = other


def _rebase(
    records: dict[int, ObjectRecord],
    start: Mapping[int, ObjectRecord],
    end: Mapping[int, ObjectRecord],
) -> None:
    """Make the change of some objects from `start` to `end`; others are not touched."""
    for object_id in start.keys() | end.keys():
        record = rebased(records.get(object_id), start.get(object_id), end.get(object_id))
        if record is None:
            records.pop(object_id, None)
        else:
            records |= copied({object_id: record})


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
    """The last steps, and those that were taken back, within a budget of bytes."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._done: deque[UndoStep] = deque()
        self._undone: list[UndoStep] = []
        self._held = 0  # bytes of what is done
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._done)

    def push(self, step: UndoStep) -> None:
        """Keep a step; what was taken back before it is forgotten.

        The oldest ones are dropped where the budget is exceeded.
        """
        self._undone.clear()
        self._keep(step)
        while len(self._done) > 1 and self._held > self._max_bytes:
            self._held -= self._done.popleft().nbytes

    def forget(self, step: UndoStep) -> None:
        """Drop a step: a run that goes on, and is pushed again when it ends."""
        # Not by `==`: steps that look alike are others.
        if any(step is done for done in self._done):
            self._done = deque(done for done in self._done if done is not step)
            self._held -= step.nbytes

    @property
    def last(self) -> UndoStep | None:
        """The step that is taken back next."""
        return self._done[-1] if self._done else None

    @property
    def next(self) -> UndoStep | None:
        """The step that is done again next."""
        return self._undone[-1] if self._undone else None

    def undo(self) -> UndoStep | None:
        """The last step, to be taken back; None where there is none."""
        step = self.last
        if step is not None:
            self._held -= step.nbytes
            self._undone.append(self._done.pop())
        return step

    def redo(self) -> UndoStep | None:
        """The step that was taken back last, to be done again; None where there is none."""
        step = self.next
        if step is not None:
            self._keep(self._undone.pop())
        return step

    def _keep(self, step: UndoStep) -> None:
        self._done.append(step)
        self._held += step.nbytes

    @property
    def title(self) -> str:
        """What the last step was; empty where there is none."""
        return "" if self.last is None else self.last.title

    @property
    def redo_title(self) -> str:
        """What was taken back last; empty where nothing was."""
        return "" if self.next is None else self.next.title
