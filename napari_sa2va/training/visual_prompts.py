"""Clicks and boxes as users give them, drawn from the labels of a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.scene import MASK_STRIDE, Scene

Generator = np.random.Generator

NEGATIVE, POSITIVE, BOX_START, BOX_END = 0, 1, 2, 3  # SAM's point labels
CLICKED = 0.5  # share of prompts of several points that begin with a click, not a box
BOX_JITTER = 0.05  # of the longer side


@dataclass(frozen=True)
class VisualPrompt:
    """Points (x, y) in pixels with SAM's labels, and the label that they mean."""

    points: NDArray[np.float32]  # (P, 2)
    kinds: NDArray[np.int64]  # (P,)
    target: int


def draw_prompt(
    rng: Generator, scene: Scene, points: int, target: int | None = None
) -> VisualPrompt:
    """Draw a prompt of exactly so many points, so that prompts batch without padding.

    One point is a click; two are a box or two clicks; three a box with a click or three clicks.
    Any object is meant where no target is given.
    """
    if target is None:
        target = scene.clickable[int(rng.integers(len(scene.clickable)))]
    if points == 1 or rng.random() < CLICKED:
        placed = [(*_inside(rng, scene, target), POSITIVE)]
    else:
        placed = _box(rng, scene, target)
    while len(placed) < points:
        placed.append(_second_click(rng, scene, target))
    spots = np.array([spot[:2] for spot in placed], np.float32)
    return VisualPrompt(spots, np.array([spot[2] for spot in placed], np.int64), target)


def _second_click(rng: Generator, scene: Scene, target: int) -> tuple[float, float, int]:
    """Half the time one that says what does not belong: a neighbour or the background."""
    others = _others(scene, target)
    background = not scene.labels.all()
    if rng.random() < 0.5 or not (others or background):
        return (*_inside(rng, scene, target), POSITIVE)
    if others and (not background or rng.random() < 0.7):
        # The nearest is the likeliest to have been taken for a part of it.
        other = others[0 if rng.random() < 0.5 else int(rng.integers(len(others)))]
        return (*_inside(rng, scene, other), NEGATIVE)
    return (*_inside(rng, scene, 0), NEGATIVE)


def _others(scene: Scene, target: int) -> list[int]:
    """Other clickable labels, the nearest by its centre first; what has no name comes last."""
    places = {thing.label: complex(thing.x, thing.y) for thing in scene.objects}
    here = places.get(target, 0)
    others = [label for label in scene.clickable if label != target]
    return sorted(others, key=lambda label: abs(places.get(label, np.inf) - here))


def click(rng: Generator, scene: Scene, label: int) -> VisualPrompt:
    """One positive click inside a label."""
    spot = np.array([_inside(rng, scene, label)], np.float32)
    return VisualPrompt(spot, np.array([POSITIVE]), label)


def box(rng: Generator, scene: Scene, label: int) -> VisualPrompt:
    """A slightly imprecise box around a label."""
    corners = _box(rng, scene, label)
    spots = np.array([corner[:2] for corner in corners], np.float32)
    return VisualPrompt(spots, np.array([BOX_START, BOX_END]), label)


def _inside(rng: Generator, scene: Scene, label: int) -> tuple[float, float]:
    """A pixel of the label, away from its rim where it has an inside."""
    cover = scene.target((label,))
    covered = cover.ravel()
    cells = np.flatnonzero(covered > 0.9 * covered.max())
    side, grid = MASK_STRIDE, cover.shape[1]
    row, column = divmod(int(cells[rng.integers(len(cells))]), grid)
    cell = scene.labels[row * side : (row + 1) * side, column * side : (column + 1) * side]
    spots = np.argwhere(cell == label)
    y, x = spots[int(rng.integers(len(spots)))]
    return float(column * side + x), float(row * side + y)


def _box(rng: Generator, scene: Scene, label: int) -> list[tuple[float, float, int]]:
    rows, columns = np.nonzero(scene.labels == label)
    x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    jitter = rng.normal(0, BOX_JITTER * max(x1 - x0, y1 - y0), 4)
    x0, x1, y0, y1 = np.array((x0, x1, y0, y1)) + np.clip(jitter, -6, 6)
    return [(float(x0), float(y0), BOX_START), (float(x1), float(y1), BOX_END)]
