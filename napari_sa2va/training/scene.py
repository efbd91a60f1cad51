"""A labelled image and what can be said about each of its objects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

MASK_STRIDE = 4  # pixels of SAM 2's input to a cell of its mask grid, along each side
MIN_AREA = 40

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
    motion: str = "still"  # still, moving, dividing, leaving, entering
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
    kind: str  # shapes, fluorescence, phase, histology, coins

    @cached_property
    def coverage(self) -> NDArray[np.float32]:
        """How much of each cell of the mask grid each label covers: (H / 4, W / 4, labels)."""
        return label_coverage(self.labels, len(self.labels) // MASK_STRIDE)

    def target(self, labels: tuple[int, ...]) -> NDArray[np.float32]:
        """The soft mask of some labels on SAM 2's mask grid."""
        return self.coverage[..., list(labels)].sum(-1)


def label_coverage(labels: NDArray[np.uint8], grid: int) -> NDArray[np.float32]:
    """Share of each grid cell that each label covers: (grid, grid, 256 at most)."""
    side = labels.shape[0] // grid
    count = int(labels.max()) + 1
    cell = np.arange(labels.shape[0]) // side
    index = (cell[:, None] * grid + cell) * count + labels
    histogram = np.bincount(index.ravel(), minlength=grid * grid * count)
    return (histogram.reshape(grid, grid, count) / side**2).astype(np.float32)


def describe(
    labels: NDArray[np.uint8], said: dict[int, dict[str, object]]
) -> tuple[SceneObject, ...]:
    """Measure the labels and join what is known of each (noun, color, ...).

    Objects of fewer than `MIN_AREA` pixels are left out: too little of them is seen.
    """
    areas = np.bincount(labels.ravel(), minlength=256)
    height, width = labels.shape
    y = np.bincount(labels.ravel(), np.repeat(np.arange(height), width), minlength=256)
    x = np.bincount(labels.ravel(), np.tile(np.arange(width), height), minlength=256)
    return tuple(
        SceneObject(
            label=label,
            area=int(areas[label]),
            y=float((y[label] / areas[label] + 0.5) / height),
            x=float((x[label] / areas[label] + 0.5) / width),
            **words,  # type: ignore[arg-type]  # the keys are SceneObject's own
        )
        for label, words in said.items()
        if areas[label] >= MIN_AREA
    )
