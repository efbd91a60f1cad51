"""Drawn scenes: shapes, what microscopes see, coins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.bodies import Body
from napari_sa2va.training.drawing import SIZE, Canvas, Style, paint
from napari_sa2va.training.exposing import expose
from napari_sa2va.training.placing import CROWD, place_bodies
from napari_sa2va.training.scene import Scene, describe, mean_light, min_area
from napari_sa2va.training.styles import KIND_SHARES, KINDS, draw_style

__all__ = ["KINDS", "KIND_SHARES", "draw_scene", "said_of"]

Generator = np.random.Generator

SEEN = 0.6  # share of a body's area below which it is hidden too much to be recognised
MANY_FIBRES = 30
FEW = {"fibre": 6, "vessel": 3}


def draw_scene(rng: Generator, most: int = 8, kind: str | None = None, size: int = SIZE) -> Scene:
    """Draw a scene of up to `most` shapes, or up to 1.6 times as many cells.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance: equal states draw equal scenes.
    most : int
        Largest number of shapes. From `CROWD` on the field is crowded: it holds between `CROWD`
        and `most` small objects of similar size.
    kind : str, optional
        One of `KINDS`; drawn by `KIND_SHARES` where not given.
    size : int
        Side of the image in pixels, a multiple of 32.
    """
    while True:
        style = draw_style(rng, kind, size)
        if most >= CROWD and style.noun == "vessel":
            style.noun = "fibre"
        bodies = place_bodies(rng, style, _count(rng, style, most))
        canvas = paint(bodies, style)
        kept = _recognisable(bodies, canvas)
        if len(kept) < len(bodies):
            bodies, canvas = kept, paint(kept, style)
        image = expose(canvas.image, style, rng)
        objects = describe(canvas.labels, said_of(bodies, style, image, canvas.labels))
        if len(objects) >= (CROWD if most >= CROWD else 1):
            return Scene(image, canvas.labels, objects, style.kind)


def _recognisable(bodies: list[Body], canvas: Canvas) -> list[Body]:
    """Bodies that show enough of themselves: what is seen and what is counted are the same."""
    seen = np.bincount(canvas.labels.ravel(), minlength=len(bodies) + 1)[1:]
    least = min_area(canvas.labels)
    return [
        body
        for body, area, whole in zip(bodies, seen, canvas.areas, strict=True)
        if area >= max(least, SEEN * whole)
    ]


def _count(rng: Generator, style: Style, most: int) -> int:
    if most >= CROWD:
        # A few are lost where there is no room, or where they would be hidden.
        most = min(most, MANY_FIBRES) if style.noun == "fibre" else most
        return int(rng.integers(CROWD, most + 1)) + 2
    limit = most if style.kind == "shapes" else int(most * 1.6)
    limit = min(limit, FEW.get(style.noun, CROWD - 1))
    # The smaller of two draws: few objects are more often talked about than many.
    return min(int(rng.integers(1, limit + 1)), int(rng.integers(1, limit + 1)) + 2)


def said_of(
    bodies: list[Body], style: Style, image: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> dict[int, dict[str, object]]:
    """What language may say of each body; brightness only where light means signal.

    Brightness is the mean of the pixels, between 0 and 1: uneven light and saturation count.
    """
    said: dict[int, dict[str, object]] = {
        number: {"noun": body.noun, "color": body.color} for number, body in enumerate(bodies, 1)
    }
    if style.light_is_signal:
        light = mean_light(image, labels)
        for number in said:
            said[number]["brightness"] = float(light[number])
    return said
