"""What a person does to objects without the model: name, judge, verify, part, join, delete."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets import _requests as requests
from napari_sa2va.widgets._joining import (
    check_parent,
    join_lineage,
    merged,
    part_lineage,
    split_at,
)
from napari_sa2va.widgets._remeasuring import joined
from napari_sa2va.widgets._sent import Sent
from napari_sa2va.widgets._strokes import who_and_when

if TYPE_CHECKING:
    from napari_sa2va.widgets._workbench import Workbench

_FIELDS = {"phrase": "Name", "category": "Class", "parent": "Origin", "locked": "Lock"}


class Editing:
    """Edits the objects of a workbench, each edit a step that can be undone.

    Parameters
    ----------
    workbench : Workbench
        Whose objects are edited.
    """

    def __init__(self, workbench: Workbench) -> None:
        self._bench = workbench

    def change(self, object_id: int, field: str, value: object) -> None:
        """Give a field of an object's record another value."""
        bench = self._bench
        if bench.objects is None or getattr(bench.records[object_id], field) == value:
            return
        title = f"{_FIELDS[field]} of object {object_id}" if field in _FIELDS else ""
        with bench.edit(title, object_id):
            setattr(bench.records[object_id], field, value)
        bench.publish()

    def set_phrases(self, object_id: int, phrases: Iterable[str]) -> None:
        """Refer to an object by these phrases, the first its own."""
        with self._bench.edit(f"Phrases of object {object_id}", object_id):
            self._bench.records[object_id].set_phrases(phrases)
        self._bench.publish()

    def set_parent(self, object_id: int, parent: int) -> None:
        """Take note that an object came from another one by division; from none where it is 0."""
        check_parent(self._bench.records, object_id, parent)
        self.change(object_id, "parent", parent)

    def judge(self, object_id: int, expression: str, fits: bool) -> None:
        """Take note whether a person finds that an expression fits an object's masks."""
        with self._bench.edit(f"Judgement on object {object_id}", object_id):
            self._bench.records[object_id].judge(expression, fits, *who_and_when())
        self._bench.publish()

    def verify(self, object_id: int, frame: int, verified: bool) -> None:
        """Take note that a person confirmed an object's mask in a frame, or no longer does."""
        said = "right" if verified else "not verified"
        with self._bench.edit(f"Mask of object {object_id} in frame {frame} is {said}", object_id):
            record = self._bench.records[object_id]
            if verified:
                record.verify(frame, *who_and_when())
            else:
                record.unverify(frame)
        self._bench.publish()

    def reject(self, sent: Sent, object_id: int, frame: int) -> None:
        """Erase an object's mask in a frame: a person says that it is wrong."""
        bench = self._bench
        bench.check_unlocked(object_id)
        work = bench.begin("Wrong mask", _whole(sent))
        bench.records[object_id].reject(frame)
        bench.carry_out(requests.reject(work, object_id, frame))

    def delete(self, sent: Sent, object_id: int) -> None:
        """Delete an object."""
        bench = self._bench
        bench.check_unlocked(object_id)
        work = bench.begin(f"Delete object {object_id}", _whole(sent))
        record = self._drop(object_id)
        bench.carry_out(requests.delete(work, object_id, record.scores))

    def clear(self, sent: Sent) -> None:
        """Delete all objects that are not locked."""
        bench = self._bench
        work = bench.begin("Clear objects", _whole(sent))
        for label in [label for label, record in bench.records.items() if not record.locked]:
            self._drop(label)
        bench.carry_out(requests.clear(work))

    def merge(self, sent: Sent, object_id: int, other: int) -> None:
        """Let one object have the masks of another, too."""
        bench = self._bench
        bench.check_unlocked(object_id, other)
        work = bench.begin(f"Merge objects {object_id} and {other}", _whole(sent))
        for frame, facts in tuple(bench.facts.get(other, {}).items()):
            own = bench.facts.get(object_id, {}).get(frame)
            bench.note_facts(object_id, frame, joined(own, facts))
        gone, records = self._drop(other), bench.needed_objects().records
        records[object_id] = merged(records[object_id], gone)
        join_lineage(bench.records, object_id, gone)
        bench.carry_out(requests.relabel(work, other, object_id, gone.scores))

    def split(self, sent: Sent, object_id: int, frame: int, new: int) -> None:
        """From a frame on, let an object be another one."""
        bench = self._bench
        bench.check_unlocked(object_id)
        before, after = split_at(bench.records[object_id], frame, new)
        if not before.scores or not after.scores:
            raise InputError(
                f"Object {object_id} is not on both sides of frame {frame}.",
                "Go to the first frame in which it is another object.",
            )
        work = bench.begin(f"Split object {object_id}", _whole(sent))
        bench.needed_objects().records.update({object_id: before, new: after})
        part_lineage(bench.records, object_id, frame, new)
        for at, facts in tuple(bench.facts.get(object_id, {}).items()):
            if at >= frame:
                bench.note_facts(new, at, facts)
                bench.note_facts(object_id, at, None)
        bench.carry_out(requests.relabel(work, object_id, new, after.scores))

    def _drop(self, object_id: int) -> ObjectRecord:
        """An object is there no more."""
        for frame in tuple(self._bench.facts.get(object_id, ())):
            self._bench.note_facts(object_id, frame, None)
        return self._bench.needed_objects().records.pop(object_id)


def _whole(sent: Sent) -> Sent:
    """What is edited reaches beyond the region that is sent."""
    return replace(sent, geometry=sent.geometry.whole)
