"""How a scene is painted: the optics of each kind of image."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.bodies import Array, Body, signed_distance

SIZE = 256


@dataclass
class Style:
    """What all bodies of a scene share: background, optics and noise."""

    kind: str  # shapes, fluorescence, phase, histology, coins
    background: Array  # (H, W, 3) where the scene is coloured, else (H, W)
    sigma: float = 0.0
    noise: float = 0.0
    shot: float = 0.0
    dome: float = 0.0
    halo: float = 0.0
    rim: float = 0.0
    rim_width: float = 2.0
    lift: float = 0.0
    light: tuple[float, float] = (0.0, 0.0)
    gamma: float = 1.0
    illumination: Array | None = None
    tint: Array = field(default_factory=lambda: np.ones(3, np.float32))
    tint_name: str | None = None
    stretch: bool = False
    invert: bool = False

    @property
    def is_coloured(self) -> bool:
        return self.background.ndim == 3


def smooth_field(rng: np.random.Generator, nodes: int, amplitude: float, size: int = SIZE) -> Array:
    """Draw a smooth random field with about `nodes` bumps along each side."""
    weights = _interpolation(size, nodes)
    coarse = rng.standard_normal((nodes, nodes), dtype=np.float32) * amplitude
    return weights @ coarse @ weights.T


@lru_cache(maxsize=512)
def _interpolation(size: int, nodes: int) -> Array:
    """Weights (size, nodes) that join the nodes by cubic steps; faster than a spline zoom."""
    position = np.linspace(0, nodes - 1, size)
    left = np.minimum(position.astype(int), nodes - 2)
    step = position - left
    step = step * step * (3 - 2 * step)
    weights = np.zeros((size, nodes), np.float32)
    weights[np.arange(size), left] = 1 - step
    weights[np.arange(size), left + 1] = step
    return weights


def _blur(image: Array, sigma: float) -> Array:
    """Gaussian blur of (SIZE, SIZE) or (SIZE, SIZE, 3)."""
    weights = _gaussian(sigma)
    rows = (weights @ image.reshape(SIZE, -1)).reshape(image.shape)
    return rows @ weights.T if image.ndim == 2 else weights @ rows


@lru_cache(maxsize=16)
def _gaussian(sigma: float) -> Array:
    """Blur along one side as a matrix (SIZE, SIZE); as fast as a filter at this size."""
    distance = np.subtract.outer(np.arange(SIZE), np.arange(SIZE))
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def render(
    bodies: list[Body], style: Style, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint the bodies in order.

    Returns
    -------
    image : (SIZE, SIZE, 3) uint8
    labels : (SIZE, SIZE) uint8
        The number of the topmost body, counted from 1; 0 is background.
    """
    image = style.background.copy()
    labels = np.zeros((SIZE, SIZE), np.uint8)
    for number, body in enumerate(bodies, 1):
        window = _window(body)
        if not body.visible or window is None:
            continue
        dy = (np.arange(window[0].start, window[0].stop, dtype=np.float32) - body.y)[:, None]
        dx = (np.arange(window[1].start, window[1].stop, dtype=np.float32) - body.x)[None]
        dy, dx = dy / body.radius, dx / body.radius
        cos, sin = np.float32(np.cos(body.angle)), np.float32(np.sin(body.angle))
        distance = signed_distance(body, dx * cos + dy * sin, dy * cos - dx * sin)
        labels[window][distance < 0] = number
        _paint(image[window], body, style, distance, dy, dx)
    return _expose(image, style, rng), labels


def _window(body: Body) -> tuple[slice, slice] | None:
    reach = body.radius * 1.25 + 5
    y0, y1 = max(0, int(body.y - reach)), min(SIZE, int(body.y + reach) + 1)
    x0, x1 = max(0, int(body.x - reach)), min(SIZE, int(body.x + reach) + 1)
    return (slice(y0, y1), slice(x0, x1)) if min(y1 - y0, x1 - x0) >= 2 else None


def _paint(view: Array, body: Body, style: Style, distance: Array, dy: Array, dx: Array) -> None:
    """Blend one body into its window of the image, in place."""
    alpha = np.clip(0.5 - distance * body.radius, 0, 1)
    texture: Array | float = 1.0
    if body.texture is not None:
        texture = 1 + body.texture[: distance.shape[0], : distance.shape[1]]
    if style.is_coloured:
        shade = (texture * (1 + body.shading * (dx + dy)))[..., None]
        alpha = alpha[..., None] * (0.85 if style.kind == "histology" else 1.0)
        view += alpha * (body.rgb * shade - view)
    elif style.kind == "fluorescence":
        profile = 1 - style.dome * np.clip(distance + 1, 0, 1) ** 2
        if style.halo:
            glow = np.exp(-np.clip(distance, 0, None) * body.radius / 5)
            view += style.halo * body.brightness * glow
        view += alpha * (body.brightness * profile * texture)
        np.minimum(view, 1.5, out=view)
    elif style.kind == "phase":
        rim = style.rim * np.exp(-((distance * body.radius / style.rim_width) ** 2))
        view += alpha * (style.lift * texture + (body.brightness - 0.6) * 0.12) + rim
    else:
        light = style.light[0] * dy + style.light[1] * dx
        rim = style.rim * np.exp(-(((distance + 0.06) * body.radius / 2.5) ** 2))
        view += alpha * (body.brightness * texture + light - view) - rim


def _expose(image: Array, style: Style, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, illuminate, add noise and turn into 8-bit RGB."""
    if style.sigma > 0.3:
        image = _blur(image, style.sigma)
    if style.illumination is not None:
        image = image * style.illumination
    if style.noise or style.shot:
        spread = style.noise + style.shot * np.sqrt(np.clip(image, 0, None))
        image = image + spread * rng.standard_normal(image.shape, dtype=np.float32)
    if not style.is_coloured:
        image = np.clip(image, 0, 1) ** style.gamma
        if style.stretch:
            low, high = image[::4, ::4].min(), np.quantile(image[::4, ::4], 0.998)
            image = (image - low) / max(high - low, 1e-3)
        image = image[..., None] * style.tint
    if style.invert:
        image = 1 - image
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)
