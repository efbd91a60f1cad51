"""Two stacks that the package draws itself, with the labels that are true of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FRAMES, SIZE = 24, 256

Plane = npt.NDArray[np.float64]

_ROWS, _COLUMNS = np.mgrid[:SIZE, :SIZE].astype(float)


@dataclass(frozen=True)
class Sample:
    """A drawn stack.

    Attributes
    ----------
    frames : (T, H, W) uint16 or (T, H, W, 3) uint8 array
        What is seen.
    labels : (T, H, W) uint8 array
        What is true: the id of the object that each pixel shows, 0 for background.
    phrases : dict of int to str
        What each object is, by id.
    mothers : dict of int to int
        For each object that came from another by division: which one.
    """

    frames: npt.NDArray[Any]
    labels: npt.NDArray[np.uint8]
    phrases: dict[int, str]
    mothers: dict[int, int] = field(default_factory=dict)


def dividing_cells() -> list[tuple[npt.NDArray[np.uint16], dict[str, Any], str]]:
    """A fluorescence time-lapse of drifting cells, one of which divides, for napari.

    Returns
    -------
    list of (array, dict, str)
        One image layer: (24, 256, 256) uint16, 0.65 micrometres a pixel.
    """
    sample = draw_dividing_cells()
    options = {
        "scale": (1.0, 0.65, 0.65),
        "units": ("pixel", "um", "um"),
        "axis_labels": ("t", "y", "x"),
        "colormap": "gray",
    }
    return [_layer(sample, "dividing cells", options)]


def moving_shapes() -> list[tuple[npt.NDArray[np.uint8], dict[str, Any], str]]:
    """Four coloured shapes that move, bounce and cross, for napari.

    Returns
    -------
    list of (array, dict, str)
        One image layer: (24, 256, 256, 3) uint8.
    """
    sample = draw_moving_shapes()
    return [_layer(sample, "moving shapes", {"rgb": True, "axis_labels": ("t", "y", "x")})]


def _layer(sample: Sample, name: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any], str]:
    metadata = {"phrases": sample.phrases}
    return sample.frames, {"name": name, "metadata": metadata, **options}, "image"


@dataclass(frozen=True)
class _Shape:
    phrase: str
    color: tuple[int, int, int]
    distance: Callable[[Plane, Plane], Plane]  # to the outline, negative inside, in radii
    radius: float
    start: tuple[float, float]
    velocity: tuple[float, float]  # (y, x) pixels a frame
    turn: float = 0.0  # radians a frame

    def position(self, frame: int) -> tuple[float, float]:
        """Centre (y, x); it bounces off the borders."""
        y, x = (
            _bounce(start + frame * speed, self.radius, SIZE - self.radius)
            for start, speed in zip(self.start, self.velocity, strict=True)
        )
        return y, x


def draw_moving_shapes() -> Sample:
    """Draw `moving_shapes`: the same at every call."""
    rng = np.random.default_rng(7)
    background = 132 + 4 * _texture(rng, 2) + 12 * _texture(rng, 24)
    shapes = (
        _Shape("the red circle", (214, 48, 40), _circle, 27, (60, 45), (3.2, 7)),
        _Shape("the blue square", (44, 84, 208), _square, 32, (212, 45), (2.5, 4), 0.02),
        _Shape("the green triangle", (52, 166, 70), _triangle, 33, (190, 200), (-4.2, -6.2), -0.04),
        _Shape("the yellow star", (240, 208, 52), _star, 33, (45, 215), (8, -0.5), 0.05),
    )
    frames = np.empty((FRAMES, SIZE, SIZE, 3), np.uint8)
    labels = np.zeros((FRAMES, SIZE, SIZE), np.uint8)
    for frame in range(FRAMES):
        image = np.repeat(background[..., None], 3, axis=-1)
        for object_id, shape in enumerate(shapes, 1):
            window, y, x = _around(shape.position(frame), 1.2 * shape.radius, shape.turn * frame)
            distance = shape.distance(y / shape.radius, x / shape.radius)
            labels[frame][window][distance < 0] = object_id
            cover = np.clip(0.5 - distance * shape.radius, 0, 1)[..., None]  # smooth edges
            image[window] += cover * (np.array(shape.color) - image[window])
        frames[frame] = np.clip(image + rng.normal(0, 3, image.shape), 0, 255)
    return Sample(frames, labels, {i: shape.phrase for i, shape in enumerate(shapes, 1)})


@dataclass(frozen=True)
class _Cell:
    y: float
    x: float
    radius: float
    brightness: float
    aspect: float
    angle: float
    drift: tuple[float, float]  # (y, x) pixels in all

    def draw(
        self, image: Plane, inside: npt.NDArray[np.bool_], stage: _Stage, grain: Plane
    ) -> None:
        """Add the cell, or one of its daughters, to an image, and mark its pixels."""
        y, x = stage.at * np.array(self.drift) + (self.y, self.x)
        y += 3 * np.sin(2 * np.pi * stage.at + self.angle)
        window, along, across = _around((y, x), 2.4 * self.radius, self.angle)
        along -= stage.side * self.radius * (0.6 + 0.5 * stage.parting)
        radius = self.radius * (0.78 if stage.side else 1)
        aspect = self.aspect if stage.side else self.aspect + 0.45 * stage.parting
        turn = np.arctan2(across, along)
        outline = 1 + 0.05 * np.cos(2 * turn + 5 * self.angle) + 0.04 * np.cos(3 * turn + self.y)
        distance = np.hypot(along / aspect**0.5, across * aspect**0.5) / (radius * outline) - 1
        cover = np.clip(0.5 - distance * radius / 3, 0, 1)  # cells thin out towards the edge
        dome = 1 - 0.4 * np.clip(distance + 1, 0, 1) ** 2
        texture = 1 + 0.14 * np.roll(grain, (round(y), round(x)), (0, 1))[window]  # moves along
        np.maximum(image[window], self.brightness * cover * dome * texture, out=image[window])
        inside[window] = distance < 0


@dataclass(frozen=True)
class _Stage:
    """How far a cell has come: in time, in dividing, and which daughter it is (-1 or 1)."""

    at: float
    parting: float = 0.0
    side: int = 0


def draw_dividing_cells() -> Sample:
    """Draw `dividing_cells`: the same at every call."""
    rng = np.random.default_rng(3)
    cells = _place_cells(rng)
    mother = len(cells)  # the last one divides
    light = 0.7 + 0.4 * np.exp(-((_ROWS - 110) ** 2 + (_COLUMNS - 140) ** 2) / (2 * 110**2))
    haze, grain = 0.07 + 0.012 * _texture(rng, 30), _texture(rng, 2.2)
    frames = np.empty((FRAMES, SIZE, SIZE), np.uint16)
    labels = np.zeros((FRAMES, SIZE, SIZE), np.uint8)
    for frame in range(FRAMES):
        image = haze.copy()
        stages = {object_id: _Stage(frame / FRAMES) for object_id in range(1, mother)}
        for object_id, stage in (stages | _division(frame, mother)).items():
            inside = np.zeros((SIZE, SIZE), bool)
            cells[min(object_id, mother) - 1].draw(image, inside, stage, grain)
            labels[frame][inside] = object_id
        photons = rng.poisson(220 * light * _blur(image, 1.3))
        frames[frame] = 300 + 12 * photons + rng.normal(0, 30, image.shape)
    phrases = {object_id: f"cell {object_id}" for object_id in range(1, mother)}
    phrases |= {mother: "the mother cell", mother + 1: "a daughter", mother + 2: "a daughter"}
    return Sample(frames, labels, phrases, {mother + 1: mother, mother + 2: mother})


def _division(frame: int, mother: int) -> dict[int, _Stage]:
    """The mother until half-way, stretching towards the end; then two daughters with new ids."""
    at, since = frame / FRAMES, (frame - FRAMES // 2) / 6
    if since < 0:
        return {mother: _Stage(at, parting=max(0, 1 + since))}
    parting = min(since, 1)
    return {mother + 1: _Stage(at, parting, side=-1), mother + 2: _Stage(at, parting, side=1)}


def _place_cells(rng: np.random.Generator) -> list[_Cell]:
    """Cells that stay apart while they drift; the last one is free to divide in the middle."""
    places = [(45, 50), (50, 132), (46, 212), (128, 40), (205, 62), (200, 208), (118, 212)]
    brightness = [0.55, 0.4, 0.75, 0.45, 0.6, 1.1, 0.5]
    cells = []
    for (y, x), shine in zip(places, brightness, strict=True):
        radius, aspect, angle = rng.uniform((17, 1, 0), (24, 1.45, np.pi))
        drift_y, drift_x = rng.uniform(-20, 20, 2)
        cells.append(_Cell(y, x, radius, shine, aspect, angle, (drift_y, drift_x)))
    return [*cells, _Cell(138, 124, 26, 0.7, aspect=1.0, angle=0.9, drift=(10, 6))]


def _around(
    centre: tuple[float, float], reach: float, angle: float
) -> tuple[tuple[slice, slice], Plane, Plane]:
    """The window around a centre, and its pixels' coordinates along two axes turned by `angle`."""
    y, x = (slice(max(0, int(c - reach)), int(c + reach) + 2) for c in centre)
    dy, dx = _ROWS[y, x] - centre[0], _COLUMNS[y, x] - centre[1]
    cos, sin = np.cos(angle), np.sin(angle)
    return (y, x), dy * cos - dx * sin, dy * sin + dx * cos


def _circle(y: Plane, x: Plane) -> Plane:
    return np.hypot(y, x) - 1


def _square(y: Plane, x: Plane) -> Plane:
    return np.maximum(abs(y), abs(x)) - 0.7


def _triangle(y: Plane, x: Plane) -> Plane:
    return np.maximum(0.866 * abs(x) - 0.5 * y, y) - 0.5


def _star(y: Plane, x: Plane) -> Plane:
    half = np.pi / 5
    # Fold the plane onto half a point: its edge runs from the tip to the corner between tips.
    folded = abs((np.arctan2(x, -y) + half) % (2 * half) - half)
    tip, corner = np.array((1.0, 0.0)), 0.45 * np.array((np.cos(half), np.sin(half)))
    edge = tip - corner
    length = np.hypot(y, x)
    along, across = length * np.cos(folded), length * np.sin(folded)
    return ((along - 1) * -edge[1] + across * edge[0]) / np.hypot(*edge)


def _bounce(value: float, low: float, high: float) -> float:
    span = high - low
    folded = (value - low) % (2 * span)
    return low + min(folded, 2 * span - folded)


def _texture(rng: np.random.Generator, sigma: float) -> Plane:
    """A smooth random field of mean 0 and standard deviation 1."""
    field = _blur(rng.normal(size=(SIZE, SIZE)), sigma)
    return (field - field.mean()) / field.std()


def _blur(image: Plane, sigma: float) -> Plane:
    """Gaussian blur across the borders, down the rows and then, transposed, down the columns."""
    reach = int(3 * sigma) + 1
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    for _ in range(2):
        padded = np.pad(image, ((reach, reach), (0, 0)), mode="wrap")
        image = sum(w * padded[row : row + SIZE] for row, w in enumerate(weights)).T
    return image
