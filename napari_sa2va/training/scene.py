"""A labelled image and what can be said about each of its objects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

MASK_STRIDE = 4  # pixels of SAM 2's input to a cell of its mask grid, along each side
REFERENCE = 256  # side of the image that areas in pixels refer to; they grow with its square
MIN_AREA = 40  # pixels of an object that language may speak of
MIN_CLICKABLE = 16  # pixels of an object that a user would click or box

REGIONS = (
    ("top left", "top", "top right"),
    ("left", "center", "right"),
    ("bottom left", "bottom", "bottom right"),
)


@dataclass(frozen=True)
class SceneObject:
    """One object as language sees it; positions are fractions of the image's sides."""

    label: int
    area: int
    y: float
    x: float
    noun: str
    color: str | None = None
    brightness: float | None = None
    motion: str = "still"  # still, moving, dividing, leaving, entering, drifting
    direction: str | None = None  # left, right, up, down: where it goes, if clearly one of them
    speed: float = 0.0  # of a moving one, in image sides a frame

    @property
    def region(self) -> str:
        """Which ninth of the image the centre lies in, in words."""
        return REGIONS[min(2, int(self.y * 3))][min(2, int(self.x * 3))]


@dataclass(frozen=True)
class Scene:
    """An image with its labels; `objects` lists what is large enough to be talked about."""

    image: NDArray[np.uint8]  # (H, W, 3)
    labels: NDArray[np.uint8]  # (H, W)
    objects: tuple[SceneObject, ...]
    kind: str  # shapes, fluorescence, phase, histology, coins, beads, bacteria, fibres

    @property
    def coverage(self) -> NDArray[np.float32]:
        """How much of each cell of the mask grid each label covers: (H / 4, W / 4, labels).

        Not kept: of a crowded scene of 512 pixels it takes megabytes.
        """
        return label_coverage(self.labels, len(self.labels) // MASK_STRIDE)

    @cached_property
    def clickable(self) -> tuple[int, ...]:
        """Labels of all that is large enough to be clicked, talked about or not."""
        areas = np.bincount(self.labels.ravel())
        large = np.flatnonzero(areas >= MIN_CLICKABLE * _magnification(self.labels))
        return tuple(int(label) for label in large if label)

    def target(self, labels: tuple[int, ...]) -> NDArray[np.float32]:
        """The soft mask of some labels on SAM 2's mask grid."""
        return soft_mask(self.labels, labels)


def min_area(labels: NDArray[np.uint8]) -> float:
    """Pixels from which an object of an image may be talked about."""
    return MIN_AREA * _magnification(labels)


def _magnification(labels: NDArray[np.uint8]) -> float:
    """How many pixels one of an image of `REFERENCE` a side corresponds to."""
    return (len(labels) / REFERENCE) ** 2


def soft_mask(labels: NDArray[np.uint8], chosen: tuple[int, ...]) -> NDArray[np.float32]:
    """Share of each cell of the mask grid that some labels cover: (..., H / 4, W / 4)."""
    member = np.zeros(256, np.uint8)
    member[list(chosen)] = 1
    *frames, height, width = labels.shape
    cells = (height // MASK_STRIDE, MASK_STRIDE, width // MASK_STRIDE, MASK_STRIDE)
    rows = member[labels].reshape(*frames, *cells).sum(-3, dtype=np.uint8)
    return rows.sum(-1, dtype=np.uint8).astype(np.float32) / MASK_STRIDE**2


def label_coverage(labels: NDArray[np.uint8], grid: int) -> NDArray[np.float32]:
    """Share of each grid cell that each label covers: (grid, grid, 256 at most)."""
    side = labels.shape[0] // grid
    count = int(labels.max()) + 1
    cell = np.arange(labels.shape[0]) // side
    index = (cell[:, None] * grid + cell) * count + labels
    histogram = np.bincount(index.ravel(), minlength=grid * grid * count)
    return (histogram.reshape(grid, grid, count) / side**2).astype(np.float32)


def mean_light(image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean light (256,) of each label, of the brightest channel, between 0 and 1."""
    light = np.bincount(labels.ravel(), image.max(-1).ravel(), minlength=256)
    return light / np.maximum(1, np.bincount(labels.ravel(), minlength=256)) / 255


def describe(
    labels: NDArray[np.uint8], said: dict[int, dict[str, object]]
) -> tuple[SceneObject, ...]:
    """Measure the labels and join what is known of each (noun, color, ...).

    Objects of fewer than `MIN_AREA` pixels (of an image of `REFERENCE` a side; the threshold grows
    with the image's area) are left out: too little of them is seen.
    """
    height, width = labels.shape
    # Counts by row and by column hold all sums; weights for each pixel would cost much more.
    numbers = labels.astype(np.intp)
    by_row = _histogram(numbers + 256 * np.arange(height)[:, None], height)
    by_column = _histogram(numbers + 256 * np.arange(width), width)
    areas, least = by_row.sum(0), min_area(labels)
    y, x = np.arange(height) @ by_row, np.arange(width) @ by_column
    return tuple(
        SceneObject(
            label=label,
            area=int(areas[label]),
            y=float((y[label] / areas[label] + 0.5) / height),
            x=float((x[label] / areas[label] + 0.5) / width),
            **words,  # type: ignore[arg-type]  # the keys are SceneObject's own
        )
        for label, words in said.items()
        if areas[label] >= least
    )


def _histogram(index: NDArray[np.intp], lines: int) -> NDArray[np.intp]:
    return np.bincount(index.ravel(), minlength=256 * lines).reshape(lines, 256)
