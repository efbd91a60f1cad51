"""Debris: dust, specks and blobs out of focus that are nobody's object."""

from __future__ import annotations

import numpy as np

from napari_sa2va.training.bodies import Array
from napari_sa2va.training.drawing import Style

Generator = np.random.Generator


def add_debris(rng: Generator, style: Style) -> None:
    """Lay debris onto a style's background, in place: weaker or far smaller than any object."""
    specks = int(rng.integers(3, 20))
    for _ in range(specks):
        _blob(rng, style, rng.uniform(0.7, 1.6), rng.uniform(0.05, 0.25))
    for _ in range(int(rng.integers(0, 4))):
        _blob(rng, style, rng.uniform(8, 25), rng.uniform(0.02, 0.06))


def _blob(rng: Generator, style: Style, sigma: float, contrast: float) -> None:
    """One soft round spot; light where light is signal, else dark."""
    sigma *= style.scale
    y, x = rng.uniform(0, style.size, 2)
    reach = int(3 * sigma) + 1
    y0, x0 = max(0, int(y) - reach), max(0, int(x) - reach)
    view = style.background[y0 : int(y) + reach + 1, x0 : int(x) + reach + 1]
    dy = np.arange(y0, y0 + view.shape[0], dtype=np.float32)[:, None] - y
    dx = np.arange(x0, x0 + view.shape[1], dtype=np.float32)[None] - x
    spot: Array = np.exp(-(dy * dy + dx * dx) / (2 * sigma * sigma))
    signed = contrast if style.paint in ("glow", "relief") else -contrast
    view += signed * (spot[..., None] if style.is_coloured else spot)
