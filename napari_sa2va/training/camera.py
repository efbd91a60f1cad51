"""What changes in front of a camera over a clip, but for the bodies: focus, light, the stage."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napari_sa2va.training.bodies import Array
from napari_sa2va.training.drawing import Style

Generator = np.random.Generator

FOCUS, LIGHT = 0.2, 0.2  # shares of clips in which they drift
STAGE = 0.15  # share of unsteady clips in which the stage drifts; of steady ones a third


@dataclass(frozen=True)
class Camera:
    """Blur, light and the stage's place in each frame: (T,), (T,) and (T, 2) in whole pixels."""

    blur: Array  # added to the style's sigma
    light: Array  # 1: as in the first frame
    stage: Array

    @property
    def drifts(self) -> bool:
        """Whether everything moves at once."""
        return bool(self.stage.any())

    def look(self, style: Style, frame: int) -> Style:
        """The style as the camera has it in a frame."""
        background = style.background
        if self.drifts:
            y, x = (np.arange(style.size) - int(part) for part in self.stage[frame])
            rows, columns = y.clip(0, style.size - 1), x.clip(0, style.size - 1)
            background = background[rows][:, columns]
        light = np.float32(self.light[frame])
        even = np.ones((style.size, style.size), np.float32)
        illumination = style.illumination
        if light != 1:
            illumination = (even if illumination is None else illumination) * light
        sigma = style.sigma + float(self.blur[frame])
        return replace(style, background=background, illumination=illumination, sigma=sigma)


def draw_camera(rng: Generator, length: int, scale: float, steady: bool) -> Camera:
    """Draw a camera; most hold still."""
    ramp = np.linspace(0, 1, length)
    blur, light, stage = np.zeros(length), np.ones(length), np.zeros((length, 2))
    if rng.random() < FOCUS:
        blur = rng.uniform(0.8, 2.2) * scale * (ramp if rng.random() < 0.5 else ramp[::-1])
    form = rng.random()
    if form < LIGHT * 0.7:
        light = 1 - rng.uniform(0.15, 0.5) * ramp
    elif form < LIGHT:
        light = 1 + rng.normal(0, 0.06, length)
    if rng.random() < STAGE * (1 / 3 if steady else 1):
        stage = ramp[:, None] * rng.uniform(-3, 3, 2) * (length - 1)
        if rng.random() < 0.4:
            stage = stage * 0.3 + rng.normal(0, 2, (length, 2))
        stage = np.round((stage - stage[0]) * scale)
    return Camera(blur, light, stage)
