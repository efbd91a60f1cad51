"""Where the bodies of a scene lie, and how large they are."""

from __future__ import annotations

import numpy as np

from napari_sa2va.training.bodies import Body
from napari_sa2va.training.drawing import Style
from napari_sa2va.training.making import draw_body

Generator = np.random.Generator

CROWD = 15  # objects from which a field is crowded: all small and alike in size
FILLED = 0.3  # share of a crowded field that its objects' circles cover


def place_bodies(
    rng: Generator, style: Style, count: int, radii: tuple[float, float] | None = None
) -> list[Body]:
    """Draw `count` bodies (fewer where there is no room) that hardly overlap."""
    low, high = radii or draw_radii(rng, style, count)
    overlap = 0.95 if style.kind in ("shapes", "coins", "beads") else 0.88
    if style.noun in ("fibre", "vessel"):
        overlap = 0.5
    placed = np.empty((0, 3))
    bodies: list[Body] = []
    for radius in rng.uniform(low, high, count * 6):
        if len(bodies) == count:
            break
        margin = min(radius * 0.75, style.size * 0.45)
        spots = rng.uniform(margin, style.size - margin, (8, 2))
        gaps = np.hypot(*(spots[:, None] - placed[None, :, :2]).transpose(2, 0, 1))
        free = (gaps > overlap * (radius + placed[:, 2])).all(1)
        if free.any():
            y, x = spots[free.argmax()]
            body = draw_body(rng, style, float(radius))
            body.y, body.x = float(y), float(x)
            placed = np.vstack((placed, (y, x, radius)))
            bodies.append(body)
    return bodies


def draw_radii(rng: Generator, style: Style, count: int) -> tuple[float, float]:
    """Smallest and largest radius in pixels for so many bodies."""
    zoom = style.scale if rng.random() < 0.6 else rng.uniform(*sorted((1, style.scale)))
    if count >= CROWD:
        middle = style.size * np.sqrt(FILLED * rng.uniform(0.5, 1) / count / np.pi)
        middle = max(middle, 7.5 * style.scale)
        return middle * 0.85, middle * 1.2
    high = min(52.0, 150 / np.sqrt(count + 1)) * zoom
    low = max(6.0 * style.scale, high * 0.3)
    match style.noun:
        case "vessel":
            return high * 1.5, high * 2
        case "fibre":
            return high * 0.8, high * 1.6
        case "bacterium":
            low, high = max(8.0 * style.scale, high * 0.3), max(14.0 * style.scale, high * 0.6)
        case "bead":
            high *= 0.7
            low = min(low, high)
    if style.noun in ("cell", "nucleus", "coin", "bead", "bacterium") and rng.random() < 0.5:
        middle = rng.uniform(low, high)
        return middle * 0.8, max(low, min(high, middle * 1.25))
    return low, high
