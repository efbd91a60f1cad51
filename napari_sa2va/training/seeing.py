"""Stage `vision`: the vision tower learns to tell, in every cell, what it lies on.

Dense labels teach colours, shapes, sizes and places far faster than sentences do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.batches import to_pixels
from napari_sa2va.training.dense_labels import (
    COLOR_NAMES,
    FINE,
    MEASURES,
    NOUN_NAMES,
    RAYS,
    DenseLabels,
    dense_labels,
)
from napari_sa2va.training.precision import low_precision
from napari_sa2va.training.scene import Scene
from napari_sa2va.training.stage import SceneSource, Stage

SPLIT = (1, len(COLOR_NAMES), len(NOUN_NAMES), MEASURES)


class DenseHead(nn.Module):
    """Reads the dense labels off the cells' features (B, P, C); only training needs it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cells = nn.Linear(width, sum(SPLIT))
        self.outlines = nn.Linear(width, RAYS + FINE**2)
        self.centres = nn.Linear(width, 1)
        self.thing = nn.Sequential(
            nn.Linear(width, 256), nn.GELU(), nn.Linear(256, len(NOUN_NAMES))
        )

    def losses(self, cells: Tensor, labels: DenseLabels) -> dict[str, Tensor]:
        """Losses of features (B, P, C); `dense` is their sum."""
        cells = cells.float()
        covered, color, noun, measures = labels.cells.split((1, 1, 1, MEASURES), -1)
        of_covered, of_color, of_noun, of_measures = self.cells(cells).split(SPLIT, -1)
        on, colored = noun[..., 0] >= 0, color[..., 0] >= 0
        coverage = F.binary_cross_entropy_with_logits(of_covered, covered.clamp(0, 1))
        colors = _classes(of_color[colored], color[..., 0][colored].long())
        nouns = _classes(of_noun[on], noun[..., 0][on].long())
        measured = _distance(of_measures[on], measures[on])
        of_rays, of_fine = self.outlines(cells).split((RAYS, FINE**2), -1)
        drawn = ~labels.rays[..., 0].isnan()
        rays = _distance(of_rays[drawn], labels.rays[drawn])
        fine = F.binary_cross_entropy_with_logits(of_fine, labels.fine)
        centres = F.poisson_nll_loss(self.centres(cells)[..., 0], labels.centres)
        of_things = self.thing(
            torch.einsum("npc,np->nc", cells[labels.things[:, 1]], labels.owners)
        )
        things = _classes(of_things, labels.things[:, 0])
        right = (of_things.argmax(-1) == labels.things[:, 0]).float()
        shapes = labels.things[:, 0] < NOUN_NAMES.index("cell")
        outlined = 2 * coverage + 3 * rays + 2 * fine
        total = outlined + 0.3 * colors + nouns + 4 * measured + 2 * centres + things
        losses = {"dense": total, "measures": measured, "rays": rays, "centres": centres}
        if shapes.any():
            losses["shape_accuracy"] = right[shapes].mean()
        return losses


def _classes(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy; 0 where there is nothing to tell apart."""
    return F.cross_entropy(logits, classes) if len(classes) else logits.sum()


def _distance(found: Tensor, true: Tensor) -> Tensor:
    return (found - true).abs().mean() if len(true) else found.sum()


@dataclass(frozen=True)
class SeenBatch:
    """Images (B, 3, 256, 256) and their dense labels."""

    pixels: Tensor
    labels: DenseLabels


class Looker:
    """Draws images with dense labels, mostly of coloured shapes: they take the longest to tell."""

    def __init__(self, every: SceneSource, shapes: SceneSource, images: int = 16) -> None:
        self.every, self.shapes, self.images = every, shapes, images

    def draw(self) -> SeenBatch:
        rng = self.every.rng
        scenes = [
            (self.shapes if rng.random() < 0.5 else self.every).draw() for _ in range(self.images)
        ]
        return seen_batch(scenes)


def seen_batch(scenes: list[Scene]) -> SeenBatch:
    """Images with dense labels; the scenes are of one size."""
    pixels = to_pixels(np.stack([scene.image for scene in scenes]))
    return SeenBatch(pixels, dense_labels(scenes))


class VisionStage(Stage[SeenBatch]):
    """Dense labels of the language side's vision tower."""

    name = "vision"
    learning_rate = 1e-3
    matrix_rate = 4e-3
    trained = ("language.vision.",)

    def __init__(self, model: Sa2VA) -> None:
        super().__init__(model)
        self.heads: DenseHead = DenseHead(model.language.vision.config.hidden_size)

    def losses(self, batch: SeenBatch) -> dict[str, Tensor]:
        with low_precision(batch.pixels):
            patches = see(self.model, batch.pixels)
        losses = self.heads.losses(patches, batch.labels)
        return {"loss": losses["dense"], **losses}


def see(model: Sa2VA, pixels: Tensor) -> Tensor:
    """What the vision tower says of each patch (B, P, C), without its class token."""
    patches: Tensor = model.language.vision(pixel_values=pixels).last_hidden_state[:, 1:]
    return patches
