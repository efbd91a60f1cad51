"""Which masks a person should look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.records import ObjectRecord

LOW_SCORE = 0.6
# From one frame to the next: as many times the area; as many times its diameter of way.
AREA_JUMP = 2.0
WAY_JUMP = 1.0
FLOODED = 0.5  # share of the frame
# As many times less overlap with the frame before than usual; of objects that usually overlap less
# than the second, it says nothing: they are small and fast. Usual is the median of the frames near.
OVERLAP_DROP = 2.0
USUAL_OVERLAP = 0.4
NEAR = 5
_FEWEST = 3  # frames that say what is usual
_PIXEL = 1 / 12  # the variance of a square pixel along its side


@dataclass(frozen=True)
class MaskFacts:
    """What a mask measures.

    Attributes
    ----------
    area : int
        In pixels.
    y, x : float
        Its centre, in pixels.
    share : float
        Of what was sent.
    yy, yx, xx : float
        How far its pixels spread around the centre: their covariance. 0 where it was not measured.
    """

    area: int
    y: float
    x: float
    share: float
    yy: float = 0.0
    yx: float = 0.0
    xx: float = 0.0


def measure(
    mask: BoolMask, origin: tuple[int, int] = (0, 0), step: int = 1, sent: int | None = None
) -> MaskFacts | None:
    """Measure a mask; None for an empty one.

    Parameters
    ----------
    mask : (H, W) bool
        Of every `step`-th pixel from `origin` on.
    origin : tuple of int
        (y, x) of its first pixel.
    step : int
        Every how many pixels, each way, it has one.
    sent : int, optional
        Of how many pixels, as coarse as it, it is a part. Default: its own.
    """
    by_row, by_column = mask.sum(1), mask.sum(0)
    area = int(by_row.sum())
    if area == 0:
        return None
    rows, columns = np.flatnonzero(by_row), np.flatnonzero(by_column)
    middle = by_row[rows] @ rows / area, by_column[columns] @ columns / area
    down, across = rows - middle[0], columns - middle[1]
    spread = (
        by_row[rows] @ down**2 / area + _PIXEL,
        down @ (mask[np.ix_(rows, columns)] @ across) / area,
        by_column[columns] @ across**2 / area + _PIXEL,
    )
    y, x = (
        (float(at) + 0.5) * step - 0.5 + start for at, start in zip(middle, origin, strict=True)
    )
    share = area / (sent or mask.size)
    return MaskFacts(area * step**2, y, x, share, *(float(it) * step**2 for it in spread))


def overlap(one: MaskFacts, other: MaskFacts) -> float | None:
    """How much two masks overlap (IoU), as estimated from what they measure; None if it cannot be.

    Each mask is taken as the ellipse of its spread: exactly where they have one centre; apart, by
    as much less as discs at that distance overlap. Unlike masks, that is little to keep by frame.
    """
    first, second = (it.yy * it.xx - it.yx**2 for it in (one, other))
    if first <= 0 or second <= 0:
        return None
    # Where the one is the unit disc, the other has the semi-axes a and b, a the longer one.
    trace = (one.xx * other.yy + one.yy * other.xx - 2 * one.yx * other.yx) / first
    product = second / first
    aa = trace / 2 + math.sqrt(max(0.0, trace**2 / 4 - product))
    bb, area = product / aa, math.pi * math.sqrt(product)
    common = min(area, math.pi)
    if aa > 1 > bb:
        on_disc = math.atan2(math.sqrt(bb * (aa - 1)), math.sqrt(aa * (1 - bb)))
        on_other = math.atan2(math.sqrt(aa - 1), math.sqrt(1 - bb))
        common = 2 * (on_disc + math.sqrt(product) * (math.pi / 2 - on_other))
    yy, yx, xx = one.yy + other.yy, one.yx + other.yx, one.xx + other.xx
    y, x = other.y - one.y, other.x - one.x
    way = (y * y * xx - 2 * y * x * yx + x * x * yy) / (yy * xx - yx**2)
    apart = min(1.0, math.sqrt(way / 8))  # in diameters
    common *= (math.acos(apart) - apart * math.sqrt(1 - apart**2)) * 2 / math.pi
    return common / (math.pi + area - common)


def usual_overlap(facts: Mapping[int, MaskFacts], frame: int) -> float | None:
    """The median overlap of masks near a frame with those before them; None if too few are known.

    Parameters
    ----------
    facts : mapping of int to MaskFacts
        Of an object's masks, by frame.
    frame : int
        The frame, which does not count itself.
    """
    near = [at for at in range(frame - NEAR, frame + NEAR + 1) if at != frame]
    pairs = [(facts[at - 1], facts[at]) for at in near if at in facts and at - 1 in facts]
    known = [it for it in (overlap(*pair) for pair in pairs) if it is not None]
    return median(known) if len(known) >= _FEWEST else None


def doubt(record: ObjectRecord, facts: Mapping[int, MaskFacts], frame: int) -> str:
    """Why an object's mask in a frame may be wrong, in words; empty where nothing says so.

    Doubtful is a low score, a jump in area, position or overlap since the frame before, a mask that
    floods what was sent, and the first frame in which the object is lost. What a person verified is
    not.

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
        common = overlap(then, now)
        if common is not None and common * OVERLAP_DROP < 1:
            usual = usual_overlap(facts, frame) or 0.0
            if usual >= USUAL_OVERLAP and common * OVERLAP_DROP < usual:
                reasons.append(f"overlap {common:.0%}, usually {usual:.0%}")
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
