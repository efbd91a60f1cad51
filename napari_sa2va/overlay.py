"""Masks drawn over their frames: tiles, and a sheet of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from napari_sa2va.core.frames import RGBFrame
from napari_sa2va.core.masks import BoolMask

# Colours that people with any colour vision tell apart, after Okabe and Ito; bright ones first.
PALETTE = (
    (86, 180, 233),
    (240, 96, 170),
    (0, 200, 140),
    (240, 228, 66),
    (230, 159, 0),
    (213, 94, 0),
    (0, 114, 178),
)

_TILE = 256  # height of a tile in pixels
_GAP = 6
_LEGEND_ROW = 30
_BACKGROUND, _INK = (24, 26, 30), (232, 232, 232)
_FILL = 0.35  # opacity of a mask inside its contour


def color_of(object_id: int) -> tuple[int, int, int]:
    """The colour of an object; colours come again after the last."""
    return PALETTE[(object_id - 1) % len(PALETTE)]


def draw_masks(frame: RGBFrame, labels: npt.NDArray[Any]) -> RGBFrame:
    """Lay each object's colour over a frame, and its contour at full strength.

    Parameters
    ----------
    frame : (H, W, 3) uint8 array
        What is seen.
    labels : (H, W) integer array
        The object id of each pixel, 0 for none.

    Returns
    -------
    (H, W, 3) uint8 array
    """
    drawn = frame.astype(float)
    for object_id in np.unique(labels[labels > 0]):
        mask, color = labels == object_id, np.array(color_of(int(object_id)), float)
        drawn[mask] += _FILL * (color - drawn[mask])
        drawn[_contour(mask)] = color
    return drawn.astype(np.uint8)


def contact_sheet(
    tiles: Iterable[tuple[str, RGBFrame, npt.NDArray[Any]]],
    legend: Sequence[tuple[int, str]],
    title: str,
    columns: int = 4,
) -> Image.Image:
    """A grid of frames with their masks, and what each colour means.

    Parameters
    ----------
    tiles : iterable of (caption, frame, labels)
        Frames (H, W, 3) uint8 with their labels (H, W).
    legend : sequence of (object id, text)
        One row each, below the grid.
    title : str
        Above the grid.
    columns : int
        Tiles side by side.
    """
    drawn = [_tile(*tile) for tile in tiles]
    width, height = drawn[0].size
    rows = -(-len(drawn) // columns)
    top, bottom = _LEGEND_ROW + _GAP, _GAP + _LEGEND_ROW * len(legend)
    grid = (columns * (width + _GAP) + _GAP, rows * (height + _GAP) + _GAP)
    sheet = Image.new("RGB", (grid[0], top + grid[1] + bottom), _BACKGROUND)
    for number, tile in enumerate(drawn):
        row, column = divmod(number, columns)
        place = (_GAP + column * (width + _GAP), top + _GAP + row * (height + _GAP))
        sheet.paste(tile, place)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    pen.text((2 * _GAP, top / 2 + _GAP / 2), title, _INK, font, anchor="lm")
    for row, (object_id, text) in enumerate(legend):
        y = top + grid[1] + row * _LEGEND_ROW + _LEGEND_ROW // 2
        pen.rectangle((2 * _GAP, y - 8, 2 * _GAP + 16, y + 8), color_of(object_id))
        pen.text((4 * _GAP + 16, y), text, _INK, font, anchor="lm")
    return sheet


def _tile(caption: str, frame: RGBFrame, labels: npt.NDArray[Any]) -> Image.Image:
    size = (round(_TILE * frame.shape[1] / frame.shape[0]), _TILE)
    large = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
    # Contours are drawn at the tile's size: as thin on a large image as on a small one.
    areas = Image.fromarray(labels.astype(np.int32)).resize(size, Image.Resampling.NEAREST)
    tile = Image.fromarray(draw_masks(np.asarray(large), np.asarray(areas)))
    font = ImageFont.load_default(15)
    ImageDraw.Draw(tile).text(
        (6, 4), caption, (255, 255, 255), font, stroke_width=2, stroke_fill=(0, 0, 0)
    )
    return tile


def _contour(mask: BoolMask) -> BoolMask:
    """The mask's pixels with a neighbour outside, two pixels wide."""
    inside = mask
    for _ in range(2):
        padded = np.pad(inside, 1, mode="edge")
        inside = (
            padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:] & inside
        )
    return mask & ~inside
