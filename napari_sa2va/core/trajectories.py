"""How objects move: by numbers that were measured, in the units of the stack."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from napari_sa2va.core.labelled import PixelMapping
from napari_sa2va.core.review import MaskFacts

Place = tuple[float, float]  # (y, x) in the world

_NO_UNIT, _FRAME = "pixel", "frame"


@dataclass(frozen=True)
class Way:
    """The way of an object through a stack.

    Attributes
    ----------
    frames : tuple of int
        Where it is present, ascending.
    steps : dict of int to float
        By frame but the first: how far its centroid is from where it was seen last, in `unit`.
    displacement : float
        From its first place to its last, in `unit`.
    areas : tuple of float
        Of its masks, frame by frame, in `unit` squared.
    duration : float
        From its first frame to its last, in `time_unit`.
    unit, time_unit : str
        Of lengths and times; "pixel" and "frame" where the stack knows no others.
    """

    frames: tuple[int, ...]
    steps: Mapping[int, float]
    displacement: float
    areas: tuple[float, ...]
    duration: float
    unit: str
    time_unit: str

    @property
    def length(self) -> float:
        """The whole way, step by step, in `unit`."""
        return sum(self.steps.values())


def way(facts: Mapping[int, MaskFacts], mapping: PixelMapping) -> Way:
    """The way of an object, from what its masks measure by frame and where the pixels are."""
    frames = tuple(sorted(facts))
    places = {frame: place(facts[frame].y, facts[frame].x, mapping) for frame in frames}
    steps = {frame: math.dist(places[frame], places[before]) for before, frame in pairwise(frames)}
    pixel = mapping.scale[1] * mapping.scale[2]
    lasts = frames[-1] - frames[0] if frames else 0
    return Way(
        frames,
        steps,
        math.dist(places[frames[0]], places[frames[-1]]) if frames else 0.0,
        tuple(facts[frame].area * pixel for frame in frames),
        lasts * (1.0 if time_unit(mapping) == _FRAME else mapping.scale[0]),
        length_unit(mapping),
        time_unit(mapping),
    )


def place(y: float, x: float, mapping: PixelMapping) -> Place:
    """Where a position (y, x) in pixels is in the world."""
    return (
        mapping.translate[1] + y * mapping.scale[1],
        mapping.translate[2] + x * mapping.scale[2],
    )


def length_unit(mapping: PixelMapping) -> str:
    """The unit of lengths in a frame; both where rows and columns differ."""
    y, x = mapping.units[1:]
    return y if y == x else f"{y}, {x}"


def time_unit(mapping: PixelMapping) -> str:
    """The unit of time; "frame" where the stack knows none."""
    return _FRAME if mapping.units[0] == _NO_UNIT else mapping.units[0]


def told(object_id: int, phrase: str, moved: Way) -> str:
    """An object's way in a sentence."""
    name = f"Object {object_id}" + (f" ({phrase})" if phrase else "")
    frames = moved.frames
    if not frames:
        return f"{name} has no mask."
    unit = moved.unit
    if len(frames) == 1:
        return f"{name}: in frame {frames[0]} alone; area {_number(moved.areas[0])} {unit}²."
    missing = frames[-1] - frames[0] + 1 - len(frames)
    gaps = f", missing in {missing} between" if missing else ""
    timed = moved.time_unit != _FRAME
    lasts = f", for {_number(moved.duration)} {moved.time_unit}" if timed else ""
    speed = moved.length / moved.duration if moved.duration else 0.0
    return (
        f"{name}: in {len(frames)} frames, {frames[0]} to {frames[-1]}{gaps}{lasts}; "
        f"moved {_number(moved.length)} {unit} in all, {_number(moved.displacement)} {unit} from "
        f"its first place to its last, {_number(speed)} {unit} per {moved.time_unit}; "
        f"area {_number(moved.areas[0])} to {_number(moved.areas[-1])} {unit}²."
    )


def _number(value: float) -> str:
    """Three digits that count, as people read them."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
