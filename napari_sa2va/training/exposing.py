"""How a painted scene becomes a photograph: the optics and the sensor of its style."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training import optics
from napari_sa2va.training.bodies import Array
from napari_sa2va.training.drawing import Style


def expose(image: Array, style: Style, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Photograph painted light as 8-bit RGB."""
    return present(develop(image, style, rng), style)


def develop(image: Array, style: Style, rng: np.random.Generator) -> Array:
    """Blur, illuminate, add noise; what comes out is not clipped where it is coloured."""
    image = optics.blur(image, style.sigma)
    if style.illumination is not None:
        light = style.illumination
        image = image * (light[..., None] if style.is_coloured else light)
    if style.noise or style.shot:
        noise = optics.white_noise(rng, image.shape)
        if style.shot:
            image = image + noise * (style.noise + style.shot * np.sqrt(np.clip(image, 0, None)))
        else:
            image = image + noise * np.float32(style.noise)
    if style.is_coloured:
        return image
    if style.hot is not None:
        y, x = style.hot[:, :2].astype(int).T
        image[y, x] = style.hot[:, 2]
    image = np.clip(image, 0, 1)
    if style.levels:
        image = np.round(image * style.levels) * np.float32(1 / style.levels)
    if style.gamma != 1:
        image **= np.float32(style.gamma)
    return image


def present(
    image: Array, style: Style, window: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Turn into (H, W, 3) uint8; stretch between the grey values of a window, or of the image."""
    if style.stretch and not style.is_coloured:
        low, high = window or optics.contrast_window(image)
        image = (image - low) / np.float32(high - low)
    image = image * np.float32(style.gain * 255)
    if style.invert:
        image = 255 - image
    if style.is_coloured:
        return np.clip(image, 0, 255).astype(np.uint8)
    if style.tint_name is None:
        grey = np.clip(image, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.clip(image[..., None] * style.tint, 0, 255).astype(np.uint8)
