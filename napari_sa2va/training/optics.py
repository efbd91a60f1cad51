"""What a camera makes of painted light: blur, uneven light, noise, bit depths."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.bodies import Array

Generator = np.random.Generator

BLOCK = 64  # rows that are blurred at once
NOISE = 1 << 21  # values of the shared noise


def smooth_field(
    rng: Generator, nodes: int | tuple[int, int], amplitude: float, size: int
) -> Array:
    """Draw a smooth random field (size, size) with about `nodes` bumps along each side.

    Parameters
    ----------
    nodes : int or (int, int)
        Bumps along both sides, or along y and along x: unequal ones make streaks.
    amplitude : float
        Standard deviation at the nodes.
    """
    rows, columns = (nodes, nodes) if isinstance(nodes, int) else nodes
    coarse = rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(amplitude)
    return _interpolation(size, rows) @ coarse @ _interpolation(size, columns).T


@lru_cache(maxsize=512)
def _interpolation(size: int, nodes: int) -> Array:
    """Gaussian weights (size, nodes) that join the nodes and keep their variance.

    Polynomial steps between nodes would be no slower, but show the grid.
    """
    position = np.linspace(-0.5, nodes - 0.5, size)
    distance = position[:, None] - np.arange(nodes)
    weights = np.exp(-0.5 * (distance / 0.6) ** 2)
    return (weights / np.sqrt((weights**2).sum(1, keepdims=True))).astype(np.float32)


def wavy_streaks(rng: Generator, amplitude: float, size: int) -> Array:
    """Draw wavy streaks (size, size) along any direction, as the fibres of a tissue run."""
    angle = rng.uniform(0, np.pi)
    line = np.linspace(0, 1, size, dtype=np.float32)
    across = np.cos(angle) * line[:, None] + np.sin(angle) * line[None]
    across = across + smooth_field(rng, 4, 0.06, size)
    waves = smooth_line(rng, int(rng.integers(30, 100)), amplitude, 1024)
    place = (across - across.min()) * (1023 / max(1e-6, float(np.ptp(across))))
    return waves[place.astype(np.int16)]


def smooth_line(rng: Generator, nodes: int, amplitude: float, length: int) -> Array:
    """Draw a smooth random line (length,) with about `nodes` bumps."""
    return _interpolation(length, nodes) @ rng.normal(0, amplitude, nodes).astype(np.float32)


def blur(image: Array, sigma: float) -> Array:
    """Gaussian blur of (H, W) or (H, W, C) by matrices over blocks of rows."""
    if sigma <= 0.3:
        return image
    flat = _blur_rows(image.reshape(len(image), -1), sigma).reshape(image.shape)
    turned = np.ascontiguousarray(flat.swapaxes(0, 1))
    turned = _blur_rows(turned.reshape(len(turned), -1), sigma).reshape(turned.shape)
    return np.ascontiguousarray(turned.swapaxes(0, 1))


def _blur_rows(image: Array, sigma: float) -> Array:
    reach = int(3 * sigma + 1)
    block = BLOCK if len(image) % BLOCK == 0 else 32
    padded = np.concatenate(
        (np.repeat(image[:1], reach, 0), image, np.repeat(image[-1:], reach, 0))
    )
    weights = _gaussian(round(sigma, 2), reach, block)
    parts = [
        weights @ padded[start : start + block + 2 * reach] for start in range(0, len(image), block)
    ]
    return np.concatenate(parts)


@lru_cache(maxsize=256)
def _gaussian(sigma: float, reach: int, block: int) -> Array:
    """Weights (block, block + 2 reach) of a block of rows and its neighbours."""
    distance = np.arange(block + 2 * reach)[None] - reach - np.arange(block)[:, None]
    weights = np.where(abs(distance) <= reach, np.exp(-0.5 * (distance / sigma) ** 2), 0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=1)
def _noise_bank() -> NDArray[np.float32]:
    return np.random.default_rng(20260117).standard_normal(NOISE, dtype=np.float32)


def white_noise(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal noise: a random stretch of one long draw, many times faster than a new one.

    The result is read-only.
    """
    count = int(np.prod(shape))
    start = int(rng.integers(NOISE - count))
    noise = _noise_bank()[start : start + count].reshape(shape)
    noise.flags.writeable = False
    return noise


def draw_illumination(rng: Generator, size: int, strength: float) -> Array:
    """Draw uneven light (size, size) around 1: a slope, a bright middle, or patches."""
    form = int(rng.integers(3))
    line = np.linspace(-1, 1, size, dtype=np.float32)
    if form == 0:
        angle = rng.uniform(0, 2 * np.pi)
        slope = np.sin(angle) * line[:, None] + np.cos(angle) * line[None]
        return (1 + strength * 0.7 * slope).astype(np.float32)
    if form == 1:
        y, x = rng.uniform(-0.3, 0.3, 2)
        fall = (line[:, None] - y) ** 2 + (line[None] - x) ** 2
        return (1.1 - strength * 0.5 * fall).clip(0.3).astype(np.float32)
    return 1 + np.clip(smooth_field(rng, 3, strength * 0.6, size), -0.6, 0.6)


def contrast_window(image: Array, quantile: float = 0.998) -> tuple[float, float]:
    """Between which grey values a viewer would stretch the image."""
    some = image[::4, ::4]
    low, high = float(some.min()), float(np.quantile(some, quantile))
    return low, max(high, low + 1e-3)
