"""Parts of a frame that are worked on by themselves, so that small objects are seen large.

Regions are half-open boxes (y0, x0, y1, x1) in data pixels.
"""

from __future__ import annotations

import math

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.prompts import BoxPrompt, FramePrompts, PointPrompt

Region = tuple[int, int, int, int]

# Around a click alone: as large a share of the frame's shorter side, within these bounds.
_SHARE_OF_FRAME = 1 / 4
_SMALLEST, _LARGEST = 64, 256
# Around a box, or several clicks: as many times their longer side.
_TIMES_EXTENT = 3.0


def around(prompts: FramePrompts, shape: tuple[int, int]) -> Region:
    """A square part of a frame (H, W) with the prompts in its middle, as far as there is room.

    Parameters
    ----------
    prompts : FramePrompts
        Points or a box.
    shape : tuple of int
        (H, W) of the frame.
    """
    ys = [point.y for point in prompts.points]
    xs = [point.x for point in prompts.points]
    if prompts.box is not None:
        ys += [prompts.box.y0, prompts.box.y1]
        xs += [prompts.box.x0, prompts.box.x1]
    extent = max(max(ys) - min(ys), max(xs) - min(xs))
    least = min(max(min(shape) * _SHARE_OF_FRAME, _SMALLEST), _LARGEST)
    if prompts.box is not None:  # it tells the object's size
        least = _SMALLEST
    side = math.ceil(max(least, _TIMES_EXTENT * extent))
    return _square((min(ys) + max(ys)) / 2, (min(xs) + max(xs)) / 2, side, shape)


def widened(region: Region, shape: tuple[int, int]) -> Region:
    """Twice as long each way, in a frame (H, W)."""
    y0, x0, y1, x1 = region
    return _square((y0 + y1) / 2, (x0 + x1) / 2, 2 * max(y1 - y0, x1 - x0), shape)


def is_cut(mask: BoolMask, region: Region, shape: tuple[int, int]) -> bool:
    """Whether a mask of a region reaches a border behind which the frame (H, W) goes on."""
    y0, x0, y1, x1 = region
    height, width = shape
    return bool(
        (y0 > 0 and mask[0].any())
        or (y1 < height and mask[-1].any())
        or (x0 > 0 and mask[:, 0].any())
        or (x1 < width and mask[:, -1].any())
    )


def seen_from(prompts: FramePrompts, region: Region) -> FramePrompts:
    """Points and box of a frame in the coordinates of a region.

    Raises
    ------
    InputError
        A point, or all of the box, lies outside the region.
    """
    y0, x0, y1, x1 = region
    for point in prompts.points:
        if not (y0 - 0.5 <= point.y <= y1 - 0.5 and x0 - 0.5 <= point.x <= x1 - 0.5):
            raise _outside(f"The point (y={point.y:g}, x={point.x:g})", region)
    box = prompts.box
    if box is not None:
        shown = f"The box (y0={box.y0:g}, x0={box.x0:g}, y1={box.y1:g}, x1={box.x1:g})"
        box = BoxPrompt(max(box.y0, y0), max(box.x0, x0), min(box.y1, y1), min(box.x1, x1))
        if box.y1 <= box.y0 or box.x1 <= box.x0:
            raise _outside(shown, region)
        box = BoxPrompt(box.y0 - y0, box.x0 - x0, box.y1 - y0, box.x1 - x0)
    points = tuple(PointPrompt(p.y - y0, p.x - x0, p.positive) for p in prompts.points)
    return FramePrompts(points, box)


def _square(y: float, x: float, side: int, shape: tuple[int, int]) -> Region:
    (y0, y1), (x0, x1) = (
        _span(middle, side, size) for middle, size in zip((y, x), shape, strict=True)
    )
    return y0, x0, y1, x1


def _span(middle: float, side: int, size: int) -> tuple[int, int]:
    """So many pixels around a middle, moved into the frame where they reach over its border."""
    side = min(side, size)
    start = min(max(0, round(middle - side / 2)), size - side)
    return start, start + side


def _outside(what: str, region: Region) -> InputError:
    shown = "(y0={}, x0={}, y1={}, x1={})".format(*region)
    return InputError(
        f"{what} lies outside the region {shown} that is sent.",
        "Move the region, or send the whole frame.",
    )
