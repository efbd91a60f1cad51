"""Changes of records that are taken back or made again, though the records went on since."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from napari_sa2va.core.records import ObjectRecord

_ABSENT = object()


def rebased(
    now: ObjectRecord | None, start: ObjectRecord | None, end: ObjectRecord | None
) -> ObjectRecord | None:
    """A record with the change from `start` to `end` made to what it is now; None: no object.

    What is now no longer as it was at the start was changed by somebody else since, and stays:
    field by field, and in fields with several entries, entry by entry.
    """
    if now == start:
        return end
    if now is None:  # somebody else deleted it
        return None
    blank = ObjectRecord(now.object_id, place=now.place)
    first, last = start or blank, end or blank
    merged = ObjectRecord(
        **{
            f.name: _moved(*(getattr(record, f.name) for record in (now, first, last)))
            for f in fields(ObjectRecord)
        }
    )
    merged.verified_frames = sorted(merged.verified_frames)
    # Of an object that was made there is nothing left, unless somebody else has added to it.
    return merged if end is not None or merged.scores else None


def _moved(now: Any, start: Any, end: Any) -> Any:
    if now == start:
        return end
    if isinstance(now, dict):
        changed = {k for k in start.keys() | end.keys() if start.get(k) != end.get(k)}
        ours = {k for k in changed if now.get(k, _ABSENT) == start.get(k, _ABSENT)}
        kept = {k: value for k, value in now.items() if k not in ours}
        return kept | {k: value for k, value in end.items() if k in ours}
    if isinstance(now, list):
        before, after, there = ({repr(it) for it in items} for items in (start, end, now))
        kept = [it for it in now if repr(it) not in before - after]
        return kept + [it for it in end if repr(it) not in before | there]
    return now
