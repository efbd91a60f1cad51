"""Which masks a person should look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.records import ObjectRecord

LOW_SCORE = 0.6
# From one frame to the next: as many times the area; as many times its diameter of way.
AREA_JUMP = 2.0
WAY_JUMP = 1.0
FLOODED = 0.5  # share of the frame


@dataclass(frozen=True)
class MaskFacts:
    """What a mask measures: pixels, centre (y, x) in pixels, share of what was sent."""

    area: int
    y: float
    x: float
    share: float


def measure(mask: BoolMask, origin: tuple[int, int] = (0, 0), step: int = 1) -> MaskFacts | None:
    """Measure a mask (H, W) of every `step`-th pixel from `origin` on; None for an empty one."""
    by_row, by_column = mask.sum(1), mask.sum(0)
    area = int(by_row.sum())
    if area == 0:
        return None
    y, x = (
        (float(counts @ np.arange(len(counts))) / area + 0.5) * step - 0.5 + start
        for counts, start in zip((by_row, by_column), origin, strict=True)
    )
    return MaskFacts(area * step**2, y, x, area / mask.size)


def doubt(record: ObjectRecord, facts: Mapping[int, MaskFacts], frame: int) -> str:
    """Why an object's mask in a frame may be wrong, in words; empty where nothing says so.

    Doubtful is a low score, a jump in area or position since the frame before, a mask that floods
    what was sent, and the first frame in which the object is lost. What a person verified is not.

    Parameters
    ----------
    record : ObjectRecord
        The object.
    facts : mapping of int to MaskFacts
        Of its masks, by frame; frames that were not measured are judged by score alone.
    frame : int
        The frame.
    """
    score, before = record.scores.get(frame), record.scores.get(frame - 1, 0.0)
    if score is None or frame in record.verified_frames:
        return ""
    if score <= 0:
        return "lost here" if before > 0 else ""
    reasons = [f"score {score:.2f}"] if score < LOW_SCORE else []
    now, then = facts.get(frame), facts.get(frame - 1)
    if now is not None and now.share > FLOODED:
        reasons.append(f"covers {now.share:.0%} of what was sent")
    if now is not None and then is not None and before > 0:
        grown = now.area / then.area
        if max(grown, 1 / grown) > AREA_JUMP:
            reasons.append(f"area x {grown:.1f}")
        way = math.hypot(now.y - then.y, now.x - then.x)
        if way > WAY_JUMP * 2 * math.sqrt(then.area / math.pi):
            reasons.append(f"jumped {way:.0f} pixels")
    return ", ".join(reasons)


def next_doubt(
    doubtful: Mapping[int, BoolMask], object_id: int | None, frame: int, step: int
) -> tuple[int, int] | None:
    """The next (object, frame) to look at, frame by frame and object by object, without wrapping.

    Parameters
    ----------
    doubtful : mapping of int to (T,) bool arrays
        By object: in which frames.
    object_id, frame : int
        Where the user stands; None where no object is selected.
    step : int
        1 for the next one, -1 for the one before.
    """
    stands_at = object_id if object_id is not None else -step * math.inf
    places = []
    for label, marks in doubtful.items():
        if step > 0:
            first = frame if label > stands_at else frame + 1
            beyond = marks[first:]
            if beyond.any():
                places.append((first + int(beyond.argmax()), label))
        else:
            stop = frame + 1 if label < stands_at else frame
            beyond = marks[:stop][::-1]
            if beyond.any():
                places.append((stop - 1 - int(beyond.argmax()), label))
    if not places:
        return None
    at, label = min(places) if step > 0 else max(places)
    return label, at
