"""Contact sheets: the pictures of a model's card, small enough to come with the package."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_sa2va.evaluation.overlap import boundary
from napari_sa2va.training.evaluation.cases import TILE, Example
from napari_sa2va.training.visual_prompts import BOX_END, BOX_START, POSITIVE

FOUND, TRUE = (255, 140, 0), (255, 255, 255)
CLICK, AGAINST, BOX = (0, 220, 90), (255, 50, 50), (90, 200, 255)
_GAP = 4
_COLORS = (128, 64, 32, 16)
_KEPT = (TRUE, CLICK, AGAINST, BOX)  # small marks, which a palette of few colours would lose


def sheet(examples: Sequence[Example]) -> Image.Image:
    """Examples in a row; wide ones, which are frames of a clip, one below the other."""
    tiles = [draw(example) for example in examples]
    below = all(tile.width > 2 * tile.height for tile in tiles)
    right, down = (0, 1) if below else (1, 0)
    width = max(tile.width for tile in tiles) if below else _total(tile.width for tile in tiles)
    height = _total(tile.height for tile in tiles) if below else max(t.height for t in tiles)
    page = Image.new("RGB", (width, height), "white")
    x = y = 0
    for tile in tiles:
        page.paste(tile, (x, y))
        x, y = x + right * (tile.width + _GAP), y + down * (tile.height + _GAP)
    return page


def draw(example: Example) -> Image.Image:
    """What was found as an orange veil, the truth as a white outline, the prompt on top."""
    shown: NDArray[np.float64] = example.image.astype(float)
    shown[example.found] = 0.55 * shown[example.found] + 0.45 * np.array(FOUND)
    shown[boundary(example.truth)] = TRUE
    tile = Image.fromarray(shown.astype(np.uint8))
    pen = ImageDraw.Draw(tile)
    corners = [(x, y) for y, x, kind in example.marks if kind in (BOX_START, BOX_END)]
    if len(corners) == 2:
        pen.rectangle(corners, outline=BOX)
    for y, x, kind in example.marks:
        if kind <= POSITIVE:
            ring = (x - 3, y - 3, x + 3, y + 3)
            pen.ellipse(ring, fill=CLICK if kind == POSITIVE else AGAINST, outline="black")
    return tile


def save_small(image: Image.Image, path: Path, limit: int) -> None:
    """Write a PNG of at most `limit` bytes, by fewer colours and then by fewer pixels."""
    while True:
        for colors in _COLORS:
            buffer = io.BytesIO()
            _with_few_colors(image, colors).save(buffer, "PNG", optimize=True)
            if buffer.tell() <= limit:
                path.write_bytes(buffer.getvalue())
                return
        if max(image.size) < TILE // 2:
            raise ValueError(f"a picture cannot be written in {limit} bytes")
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4))


def _with_few_colors(image: Image.Image, colors: int) -> Image.Image:
    own = image.quantize(colors - len(_KEPT)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(
        [*own[: 3 * (colors - len(_KEPT))], *(part for kept in _KEPT for part in kept)]
    )
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _total(lengths: Iterable[int]) -> int:
    every = list(lengths)
    return sum(every) + _GAP * (len(every) - 1)
