"""The ways along which objects are followed: as far as no person confirmed what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from napari_sa2va.core.records import ObjectRecord

_TOLD = 4  # frames by number


@dataclass(frozen=True)
class Leg:
    """A way through frames.

    Attributes
    ----------
    start, stop : int
        Half-open range of frames.
    reverse : bool
        From the last frame to the first.
    """

    start: int
    stop: int
    reverse: bool = False

    def __len__(self) -> int:
        return self.stop - self.start

    def frame(self, number: int) -> int:
        """The frame that comes after so many others."""
        return self.stop - 1 - number if self.reverse else self.start + number

    def part(self, done: int, end: int) -> Leg:
        """What is left of its first `end` frames when `done` of them are done."""
        if self.reverse:
            return Leg(self.stop - end, self.stop - done, True)
        return Leg(self.start + done, self.start + end)

    def next_verified(self, record: ObjectRecord) -> int | None:
        """The first frame beyond its beginning in which a person confirmed the object's mask."""
        beyond = range(self.start, self.stop)
        ahead = [f for f in record.verified_frames if f in beyond and f != self.frame(0)]
        return min(ahead, key=lambda frame: abs(frame - self.frame(0)), default=None)


@dataclass(frozen=True)
class Stretch:
    """A part of a leg, and the objects that are followed through it."""

    leg: Leg
    labels: tuple[int, ...]


def stretches(
    leg: Leg, labels: Iterable[int], records: Mapping[int, ObjectRecord]
) -> list[Stretch]:
    """A leg in stretches: each object is followed up to its next verified frame, and no further.

    Objects whose very next frame is verified are not followed.
    """
    reach = {}
    for label in labels:
        end = leg.next_verified(records[label]) if label in records else None
        reach[label] = len(leg) if end is None else abs(end - leg.frame(0))
    ends = sorted({frames for frames in reach.values() if frames > 1 or frames == len(leg)})
    return [
        Stretch(leg.part(done, end), tuple(label for label in reach if reach[label] >= end))
        for done, end in zip([0, *ends], ends, strict=False)
    ]


def told_ends(
    legs: Sequence[Leg], labels: Iterable[int], records: Mapping[int, ObjectRecord]
) -> str:
    """In words, the verified frames at which objects end along legs; empty where there are none."""
    ends = {leg.next_verified(records[label]) for label in labels for leg in legs}
    frames = sorted(frame for frame in ends if frame is not None)
    if len(frames) < 2:
        return "".join(f"up to verified frame {frame}" for frame in frames)
    if len(frames) > _TOLD:
        return f"up to verified frames {frames[0]} … {frames[-1]}"
    return f"up to verified frames {', '.join(map(str, frames[:-1]))} and {frames[-1]}"
