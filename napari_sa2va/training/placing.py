"""Where the bodies of a scene lie, and how large they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.bodies import Array, Body
from napari_sa2va.training.drawing import SIZE, Style
from napari_sa2va.training.making import draw_body
from napari_sa2va.training.styles import between

Generator = np.random.Generator

CROWD = 15  # objects from which a field is crowded: all small and alike in size
FILLED = 0.3  # share of a crowded field that its objects' circles cover


def place_bodies(
    rng: Generator, style: Style, count: int, radii: tuple[float, float] | None = None
) -> list[Body]:
    """Draw `count` bodies (fewer where there is no room) that hardly overlap."""
    low, high = radii or draw_radii(rng, style, count)
    overlap, clumped = _crowding(rng, style)
    rows = style.kind == "coins" and rng.random() < 0.5
    placed = np.empty((0, 3))  # y, x, effective radius
    bodies: list[Body] = []
    spots_in_rows = _rows(rng, style.size, count, (low + high) / 2) if rows else None
    for tried, radius in enumerate(rng.uniform(low, high, count * 6)):
        if len(bodies) == count:
            break
        body = draw_body(rng, style, float(radius))
        reach = _effective(body)
        if spots_in_rows is not None:
            if tried == len(spots_in_rows):
                break
            spots = spots_in_rows[tried : tried + 1]
        else:
            margin = min(radius * 0.75, style.size * 0.45)
            spots = rng.uniform(margin, style.size - margin, (8, 2))
            if len(placed) and rng.random() < clumped:
                spots = _beside(rng, placed, reach, 8).clip(margin, style.size - margin)
        gaps = np.hypot(*(spots[:, None] - placed[None, :, :2]).transpose(2, 0, 1))
        free = (gaps > overlap * (reach + placed[:, 2])).all(1)
        if free.any():
            body.y, body.x = (float(at) for at in spots[free.argmax()])
            placed = np.vstack((placed, (body.y, body.x, reach)))
            bodies.append(body)
    return bodies


def _crowding(rng: Generator, style: Style) -> tuple[float, float]:
    """How near two may come, in sums of their radii, and which share lies beside another."""
    match style.noun:
        case "cell" | "nucleus" | "bacterium":
            return 0.9, float(rng.choice((0, 0, 0.3, 0.7)))
        case "fibre" | "vessel":
            return 0.6, 0.0
    # Shapes must be seen whole.
    return (0.98 if style.kind == "shapes" else 0.95), float(rng.choice((0, 0, 0.3)))


def _effective(body: Body) -> float:
    """Radius of a circle that stands for the body; long ones may lie side by side."""
    if body.shape == "rod":
        return body.radius * 0.75
    return body.radius * (0.5 + 0.5 * body.aspect) if body.shape == "blob" else body.radius


def _beside(rng: Generator, placed: NDArray[np.float64], reach: float, count: int) -> Array:
    """Spots that touch what is placed."""
    y, x, radius = placed[rng.integers(len(placed), size=count)].T
    angle, gap = rng.uniform(0, 2 * np.pi, count), (reach + radius) * rng.uniform(0.9, 1.05, count)
    return np.stack((y + gap * np.sin(angle), x + gap * np.cos(angle)), 1)


def _rows(rng: Generator, size: int, count: int, radius: float) -> Array:
    """Spots in rows, a little out of line, as coins are laid out."""
    columns = max(1, min(int(size / (2.3 * radius)), int(np.ceil(np.sqrt(count * 1.3)))))
    lines = int(np.ceil(count / columns))
    step = min(size / columns, size / lines)
    y, x = np.divmod(np.arange(lines * columns), columns)
    spots = (np.stack((y, x), 1) + 0.5 - np.array((lines, columns)) / 2) * step + size / 2
    spots += rng.normal(0, 0.04 * step, spots.shape)
    return rng.permutation(spots)[:count]


def draw_radii(rng: Generator, style: Style, count: int) -> tuple[float, float]:
    """Smallest and largest radius in pixels for so many bodies."""
    zoom = style.scale if rng.random() < 0.6 else between(rng, 1, style.scale)
    if count >= CROWD:
        filled = FILLED * rng.uniform(0.5, 1)
        middle = SIZE * np.sqrt(filled / count / np.pi) * zoom
        # Smaller ones would be too few pixels to be objects.
        middle = max(middle, 7.5 * zoom, 5.8 * style.scale)
        return middle * 0.85, middle * 1.2
    high = min(52.0, 150 / np.sqrt(count + 1)) * zoom
    low = max(6.0 * style.scale, high * 0.3)
    match style.noun:
        case "vessel":
            return high * 1.5, high * 2
        case "fibre":
            return high * 0.8, high * 1.7
        case "bacterium":
            low, high = max(8.0 * style.scale, high * 0.3), max(14.0 * style.scale, high * 0.6)
        case "bead":
            high = max(7.0 * style.scale, high * rng.uniform(0.2, 0.8))
            low = min(low, high)
    if style.noun in ("cell", "nucleus", "coin", "bead", "bacterium") and rng.random() < 0.5:
        middle = rng.uniform(low, high)
        return middle * 0.8, max(low, min(high, middle * 1.25))
    return low, high
