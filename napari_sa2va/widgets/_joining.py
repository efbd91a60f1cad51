"""Records of objects that are joined or taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.records import ObjectRecord


def check_parent(records: Mapping[int, ObjectRecord], object_id: int, parent: int) -> None:
    """Raise InputError where an object cannot have come from another one by division."""
    if parent == 0:
        return
    first, last = records[object_id].first_frame, records[parent].first_frame
    if first is None or last is None or last >= first:
        raise InputError(
            f"Object {parent} is not there before object {object_id}.",
            "Split it first at the frame where it divides: right-click, Another object from here.",
        )


def merged(kept: ObjectRecord, other: ObjectRecord) -> ObjectRecord:
    """One object with the masks of both; where both were, the better score counts."""
    scores = dict(other.scores)
    for frame, score in kept.scores.items():
        scores[frame] = max(score, scores.get(frame, 0.0))
    both = replace(
        kept,
        prompts=[*kept.prompts, *other.prompts],
        scores=dict(sorted(scores.items())),
        # Of two masks in a frame that are one now, a person has seen but one.
        verified_frames=sorted(
            frame
            for frame in {*kept.verified_frames, *other.verified_frames}
            if all(
                frame in record.verified_frames
                for record in (kept, other)
                if record.scores.get(frame, 0) > 0
            )
        ),
    )
    told = [*kept.verifications, *other.verifications]
    both.verifications = [it for it in told if it.get("frame", -1) in both.verified_frames]
    both.verified_expressions = []  # they were said of other masks
    both.set_phrases([*kept.phrases, *other.phrases])
    return both


def join_lineage(records: Mapping[int, ObjectRecord], kept: int, gone: ObjectRecord) -> None:
    """Let an object have the daughters of one that is gone, and its parent if it has none."""
    for record in records.values():
        if record.parent == gone.object_id:
            record.parent = kept
    parents = (records[kept].parent, gone.parent)
    # Of two that came from each other, what lay between is a daughter now and no parent.
    records[kept].parent = next((it for it in parents if it and not _is_of(records, it, kept)), 0)


def part_lineage(records: Mapping[int, ObjectRecord], object_id: int, frame: int, new: int) -> None:
    """Let daughters that begin after a frame be those of what an object is from there on."""
    for record in records.values():
        if record.parent == object_id and (record.first_frame or 0) > frame:
            record.parent = new


def split_at(record: ObjectRecord, frame: int, new: int) -> tuple[ObjectRecord, ObjectRecord]:
    """An object up to a frame, and the object `new` from there on.

    What was said of the object stays with the first, as does what it came from; what was clicked
    goes with its frame.
    """

    def part(object_id: int, later: bool) -> ObjectRecord:
        return replace(
            record,
            object_id=object_id,
            prompts=[it for it in record.prompts if (it.get("frame", -1) >= frame) == later],
            scores={at: score for at, score in record.scores.items() if (at >= frame) == later},
            verified_frames=[at for at in record.verified_frames if (at >= frame) == later],
            parent=0 if later else record.parent,
            expressions=list(record.expressions),
            verified_expressions=[] if later else list(record.verified_expressions),
            verifications=[
                it for it in record.verifications if (it.get("frame", -1) >= frame) == later
            ],
        )

    return part(record.object_id, later=False), part(new, later=True)


def _is_of(records: Mapping[int, ObjectRecord], object_id: int, eldest: int) -> bool:
    """Whether an object is another one, or came from it by divisions."""
    seen: set[int] = set()
    while object_id != eldest and object_id in records and object_id not in seen:
        seen.add(object_id)
        object_id = records[object_id].parent
    return object_id == eldest
