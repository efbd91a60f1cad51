"""Parts of a frame that are worked on by themselves, so that small objects are seen large.

Regions are half-open boxes (y0, x0, y1, x1) in data pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.prompts import BoxPrompt, FramePrompts, PointPrompt

Region = tuple[int, int, int, int]

# Large frames are worked through in blocks of so many pixels each way.
BLOCK = 1024

# More than this many pixels each way no model uses: SAM 2 looks at 1024, the language sides at up
# to twelve tiles of 448.
_USEFUL = 2048

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


def step_for(height: int, width: int) -> int:
    """Every how many pixels of a part of a frame are enough for a model."""
    return max(1, max(height, width) // _USEFUL)


def blocks(region: Region) -> Iterator[Region]:
    """A region in blocks, cut at multiples of `BLOCK`."""
    y0, x0, y1, x1 = region
    for top in range(y0 - y0 % BLOCK, y1, BLOCK):
        for left in range(x0 - x0 % BLOCK, x1, BLOCK):
            yield max(y0, top), max(x0, left), min(y1, top + BLOCK), min(x1, left + BLOCK)


def shifted(region: Region, y: int, x: int) -> Region:
    """A region so many pixels further down and to the right."""
    y0, x0, y1, x1 = region
    return y0 + y, x0 + x, y1 + y, x1 + x


def enlarged(mask: BoolMask, step: int, part: Region) -> BoolMask:
    """A mask (h, w) of every `step`-th pixel as one of all pixels, smooth at its edge.

    Parameters
    ----------
    mask : (h, w) bool
        Pixel (y, x) stands for the `step` x `step` pixels from (y * step, x * step) on.
    step : int
        How many pixels each way.
    part : Region
        Which pixels to give.

    Returns
    -------
    (y1 - y0, x1 - x0) bool
    """
    y0, x0, y1, x1 = part
    if step == 1:
        return mask[y0:y1, x0:x1]
    (above, below, down), (left, right, across) = (
        _between(start, stop, step, size)
        for start, stop, size in zip((y0, x0), (y1, x1), mask.shape, strict=True)
    )
    first, last = int(left[0]), int(right[-1]) + 1
    columns = mask[:, first:last].astype(np.float32)
    rows = columns[above] * (1 - down[:, None]) + columns[below] * down[:, None]
    pixels = rows[:, left - first] * (1 - across) + rows[:, right - first] * across
    return pixels > 0.5


def _between(start: int, stop: int, step: int, size: int) -> tuple[np.ndarray, ...]:
    """For pixels: the coarse pixel before and after each, and how far it is on the way."""
    at = np.clip((np.arange(start, stop) + 0.5) / step - 0.5, 0, size - 1)
    before = np.floor(at).astype(int)
    return before, np.minimum(before + 1, size - 1), (at - before).astype(np.float32)


def seen_from(prompts: FramePrompts, region: Region, step: int = 1) -> FramePrompts:
    """Points and box of a frame in the coordinates of a region, of which every `step`-th is sent.

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
        edges = zip(vars(box).values(), (y0, x0) * 2, ((y1 - y0), (x1 - x0)) * 2, strict=True)
        # The last pixels of a region are fewer than a step: nothing of them is sent.
        box = BoxPrompt(*(min((edge - start) / step, size // step) for edge, start, size in edges))

    def seen(at: float, start: int, stop: int) -> float:
        """The index of a pixel is where its centre lies."""
        return min((at - start + 0.5) / step, (stop - start) // step) - 0.5

    points = tuple(
        PointPrompt(seen(p.y, y0, y1), seen(p.x, x0, x1), p.positive) for p in prompts.points
    )
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
