"""Other looks of real micrographs: contrast, light, blur, noise, tints and stains."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.bodies import Array
from napari_sa2va.training.optics import blur, draw_illumination, white_noise
from napari_sa2va.training.styles import TINTS

Generator = np.random.Generator

PURPLE = (235 / 360, 320 / 360)  # hues that people call purple
HALF_CUT = np.float32(1 / 255)


@dataclass(frozen=True)
class Look:
    """An image in a new look, and what that does to its words."""

    image: NDArray[np.uint8]  # (H, W, 3)
    tint: str | None = None
    inverted: bool = False


def vary_signal(rng: Generator, image: NDArray[np.uint8]) -> Look:
    """Vary a fluorescence image: each change comes in a share of the draws.

    Parameters
    ----------
    image : (H, W, 3) uint8
        Light on dark; of colours, the brightest channel is kept.
    """
    grey = image.max(-1).astype(np.float32) / 255
    if rng.random() < 0.5:
        grey = grey ** np.float32(rng.uniform(0.6, 1.6))
    grey = _degrade(rng, grey)
    if rng.random() < 0.3:  # a weak exposure, or a saturated one
        grey = grey * np.float32(rng.uniform(0.35, 1.6))
    if rng.random() < 0.1:
        levels = np.float32(rng.choice((10, 20, 40)))
        grey = np.round(grey * levels) / levels
    pedestal = np.float32(rng.uniform(0, 0.15) if rng.random() < 0.2 else 0)
    grey = np.clip(pedestal + (1 - pedestal) * grey, 0, 1)
    if rng.random() < 0.2:
        name = str(rng.choice(list(TINTS)))
        return Look(
            (grey[..., None] * np.array(TINTS[name], np.float32) * 255).astype(np.uint8), name
        )
    inverted = bool(rng.random() < 0.1)
    final = ((1 - grey if inverted else grey) * 255).astype(np.uint8)
    return Look(np.repeat(final[..., None], 3, axis=2), inverted=inverted)


def vary_stain(rng: Generator, image: NDArray[np.uint8]) -> Look:
    """Vary stained tissue: how much light each channel loses, never what is light and what dark."""
    light = np.maximum(image.astype(np.float32) / 255, HALF_CUT)
    if rng.random() < 0.7:
        # Stains absorb: in optical density a stronger or redder one is a factor.
        factors = rng.uniform(0.75, 1.3) * rng.uniform(0.88, 1.12, 3)
        light = light ** factors.astype(np.float32)
    light = _degrade(rng, light)
    return Look((np.clip(light, 0, 1) * 255).astype(np.uint8))


def _degrade(rng: Generator, image: Array) -> Array:
    """Uneven light, blur and noise."""
    if rng.random() < 0.2:
        light = draw_illumination(rng, len(image), rng.uniform(0.1, 0.4))
        image = image * (light if image.ndim == 2 else light[..., None])
    if rng.random() < 0.25:
        image = blur(image, rng.uniform(0.5, 1.5) * len(image) / 256)
    if rng.random() < 0.35:
        image = image + white_noise(rng, image.shape) * np.float32(rng.uniform(0.005, 0.05))
    return np.clip(image, 0, 1)


def is_purple(image: NDArray[np.uint8], where: NDArray[np.bool_]) -> bool:
    """Whether the chosen pixels are, by their median, what people call purple."""
    red, green, blue = (float(part) / 255 for part in np.median(image[where], axis=0))
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    return PURPLE[0] < hue < PURPLE[1] and saturation > 0.15
