"""What each cell of a coarse grid over a scene lies on, as targets for a vision tower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sa2va.training.bodies import COLORS, NOUNS
from napari_sa2va.training.scene import Scene, SceneObject, label_coverage

CELLS = 16  # along each side of an image: the grid of the vision tower, and of SAM 2 at 256 px
COLOR_NAMES = (*COLORS, "brown")
NOUN_NAMES = NOUNS
MEASURES = 4  # offsets to the centre (y, x), log of the size, lightness
COLUMNS = 3 + MEASURES  # coverage, colour, noun, measures
RAYS = 16  # directions
REACH = 24  # steps along each
STEP = 3 / 256  # of the image's side
FINE = 4  # sub-cells along each side of a cell
TYPICAL_RAY = 12 / 256  # rays are told relative to it
TYPICAL_SIZE = 20 / 256


@dataclass(frozen=True)
class DenseLabels:
    """Targets of B images with P = CELLS^2 cells each.

    Attributes
    ----------
    cells : (B, P, COLUMNS) tensor
        Coverage, colour, noun (-1: none), offset y, offset x, log of the size, lightness.
    rays : (B, P, RAYS) tensor
        Log of the distance from the cell's middle to the outline of the object below it, as in
        StarDist (arXiv 1806.03535); NaN beside objects. They make a tower see outlines, and
        thereby shapes, after a tenth of the images that it takes by the names of shapes alone.
    fine : (B, P, FINE^2) tensor
        Foreground in each sub-cell.
    centres : (B, P) tensor
        How many objects have their centre in the cell: what there is to count.
    things : (N, 2) tensor
        For each object that has a cell's middle: its number among `NOUN_NAMES`, and its image.
    owners : (N, P) tensor
        Share of each cell's weight in the mean over the thing's cells.
    """

    cells: Tensor
    rays: Tensor
    fine: Tensor
    centres: Tensor
    things: Tensor
    owners: Tensor


def dense_labels(scenes: Sequence[Scene]) -> DenseLabels:
    """Targets of some scenes of any sizes."""
    things, owners = [], []
    for row, scene in enumerate(scenes):
        own = _at_middles(scene.labels)
        for thing in scene.objects:
            held = own == thing.label
            if held.any():
                things.append((NOUN_NAMES.index(thing.noun), row))
                owners.append(held / held.sum())
    return DenseLabels(
        cells=torch.from_numpy(np.stack([cell_labels(scene) for scene in scenes])),
        rays=torch.from_numpy(np.stack([_rays(scene.labels) for scene in scenes])),
        fine=torch.from_numpy(np.stack([_fine(scene.labels) for scene in scenes])),
        centres=torch.from_numpy(np.stack([centres(scene.objects, CELLS) for scene in scenes])),
        things=torch.tensor(things).reshape(-1, 2),
        owners=torch.from_numpy(np.array(owners, np.float32).reshape(-1, CELLS**2)),
    )


def cell_labels(scene: Scene) -> NDArray[np.float32]:
    """(CELLS^2, COLUMNS): one scene's part of `DenseLabels.cells`."""
    count = int(scene.labels.max()) + 1
    flat = scene.labels.ravel()
    summed = np.bincount(flat, scene.image.mean(-1).ravel(), minlength=count)
    light = summed / np.maximum(np.bincount(flat, minlength=count), 1) / 255
    known = np.full((count, 6), -1, np.float32)
    for thing in scene.objects:
        color = COLOR_NAMES.index(thing.color) if thing.color else -1
        size = np.log(np.sqrt(thing.area) / len(scene.labels) / TYPICAL_SIZE)
        noun = NOUN_NAMES.index(thing.noun)
        known[thing.label] = (color, noun, thing.y, thing.x, size, light[thing.label])
    covered = label_coverage(scene.labels, CELLS).reshape(CELLS**2, count)[:, 1:]
    best = np.where(covered.max(1, initial=0) > 0.02, covered.argmax(1) + 1, 0)
    found = known[best]
    row, column = np.divmod(np.arange(CELLS**2), CELLS)
    middle = (np.stack((row, column), 1) + 0.5) / CELLS
    offset = np.clip((found[:, 2:4] - middle) * 8, -1, 1)
    columns = (covered.sum(1), found[:, 0], found[:, 1], offset, found[:, 4], found[:, 5])
    return np.column_stack(columns).astype(np.float32)


def centres(objects: Sequence[SceneObject], side: int) -> NDArray[np.float32]:
    """How many objects have their centre in each cell (side^2,) of a grid over the image."""
    counts = np.zeros((side, side), np.float32)
    for thing in objects:
        row, column = (min(side - 1, int(place * side)) for place in (thing.y, thing.x))
        counts[row, column] += 1
    return counts.ravel()


def _middles(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns of the cells' middles, in pixels."""
    centres = (np.arange(CELLS) + 0.5) * side / CELLS
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return y.ravel(), x.ravel()


def _at_middles(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    y, x = _middles(len(labels))
    return labels[y.astype(int), x.astype(int)]


def _rays(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    side = len(labels)
    own = _at_middles(labels)
    told = np.full((CELLS**2, RAYS), np.nan, np.float32)
    on = np.flatnonzero(own)
    y, x = (middle[on, None, None] for middle in _middles(side))
    reach = np.arange(1, REACH + 1, dtype=np.float32) * STEP
    angle = np.arange(RAYS, dtype=np.float32)[:, None] * (2 * np.pi / RAYS)
    rows = np.floor(y + np.sin(angle) * reach * side).astype(int)
    columns = np.floor(x + np.cos(angle) * reach * side).astype(int)
    outside = (rows < 0) | (rows >= side) | (columns < 0) | (columns >= side)
    met = labels[rows.clip(0, side - 1), columns.clip(0, side - 1)]
    left = outside | (met != own[on, None, None])
    left[..., -1] = True
    told[on] = np.log(reach[left.argmax(-1)] / TYPICAL_RAY)
    return told


def _fine(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    fine = CELLS * FINE
    at = ((np.arange(fine) + 0.5) * len(labels) / fine).astype(int)
    filled = (labels[np.ix_(at, at)] > 0).reshape(CELLS, FINE, CELLS, FINE)
    return filled.swapaxes(1, 2).reshape(CELLS**2, FINE**2).astype(np.float32)
