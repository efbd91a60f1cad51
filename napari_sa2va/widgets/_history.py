"""The steps that were done to the objects of an image, and the one that a run is making."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._label_blocks import LabelPixels
from napari_sa2va.widgets._record_changes import rebased
from napari_sa2va.widgets._undo import UndoStack, UndoStep, copied


class History:
    """Keeps what a run does apart from what a person does meanwhile: each is a step of its own.

    Attributes
    ----------
    stack : UndoStack
        The steps that are done.
    step : UndoStep or None
        The one that a run is making.
    before : dict of int to ObjectRecord
        The objects of its stack as they were before that run, but for what a person did to them
        since.
    """

    def __init__(self) -> None:
        self.stack = UndoStack()
        self.step: UndoStep | None = None
        self.before: dict[int, ObjectRecord] = {}
        self._place: list[int] = []

    def begin(
        self,
        title: str,
        labels: LabelPixels,
        records: Mapping[int, ObjectRecord],
        place: list[int],
    ) -> UndoStep:
        """A run begins that can change these objects, those of the stack at a place."""
        self.before, self._place = copied(records), place
        self.step = UndoStep(title, labels)
        return self.step

    def go_on(self, step: UndoStep) -> None:
        """A run that was interrupted goes on."""
        self.stack.forget(step)
        self.step = step

    def finish(self, records: Mapping[int, ObjectRecord]) -> None:
        """The run ended; `records` are the objects of its stack."""
        step, self.step = self.step, None
        if step is not None:
            step.compare(self.before, records)
            self._push(step)

    @contextmanager
    def edit(
        self,
        title: str,
        labels: LabelPixels,
        records: dict[int, ObjectRecord],
        object_ids: Iterable[int],
    ) -> Iterator[UndoStep]:
        """What a person does to these objects within becomes a step, if it has a title."""
        ids = set(object_ids)
        step = UndoStep(title, labels)
        before = copied({i: records[i] for i in ids & records.keys()})
        yield step
        step.compare(before, {i: records[i] for i in ids & records.keys()})
        self._note(step)
        if title:
            self._push(step)

    def _note(self, step: UndoStep) -> None:
        """A person's step is none of the run's."""
        for label in step.before.keys() | step.after.keys():
            known, start, end = (of.get(label) for of in (self.before, step.before, step.after))
            record = rebased(known, start, end)
            if record is None:
                self.before.pop(label, None)
                continue
            if not record.is_at(self._place):
                continue
            (record,) = copied({label: record}).values()
            new = set(record.verified_frames) - set(known.verified_frames if known else ())
            for frame in new:
                # What the run wrote is verified as long as it is there: with the run, that goes.
                if self.step is not None and (label, frame) in self.step.facts:
                    record.unverify(frame)
            self.before[label] = record

    def _push(self, step: UndoStep) -> None:
        if step.changes or step.before or step.after:
            self.stack.push(step)
