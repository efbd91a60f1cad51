"""Stage `vision`: the vision tower learns to tell, in every patch, what it lies on.

Dense labels teach colours, shapes, sizes and places far faster than sentences do.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.batches import to_pixels
from napari_sa2va.training.bodies import COLORS, SHAPES
from napari_sa2va.training.scene import Scene, label_coverage
from napari_sa2va.training.stage import SceneSource, Stage

PATCHES = 16  # along each side
COLOR_NAMES = (*COLORS, "brown")
NOUN_NAMES = (*SHAPES, "cell", "nucleus", "coin")
MEASURES = 3  # offsets to the centre (y, x) and log of the size


class DenseHead(nn.Linear):
    """Reads classes and measures of the object under each patch; only training needs it."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 1 + len(COLOR_NAMES) + len(NOUN_NAMES) + MEASURES)

    def losses(self, patches: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Losses of patches (B, P, C) against `patch_labels` (B, P, 6)."""
        covered, color, noun, measures = labels.split((1, 1, 1, MEASURES), -1)
        sizes = [1, len(COLOR_NAMES), len(NOUN_NAMES), MEASURES]
        of_covered, of_color, of_noun, of_measures = self(patches.float()).split(sizes, -1)
        on, colored = noun[..., 0] >= 0, color[..., 0] >= 0
        coverage = F.binary_cross_entropy_with_logits(of_covered, covered)
        colors = F.cross_entropy(of_color[colored], color[..., 0][colored].long())
        nouns = F.cross_entropy(of_noun[on], noun[..., 0][on].long())
        measured = (of_measures[on] - measures[on]).abs().mean()
        shaped = (noun[..., 0] >= 0) & (noun[..., 0] < len(SHAPES)) & (covered[..., 0] > 0.5)
        right = of_noun[shaped][:, : len(SHAPES)].argmax(-1) == noun[..., 0][shaped]
        return {
            "dense": 2 * coverage + 0.3 * colors + nouns + 4 * measured,
            "shape_accuracy": right.float().mean(),
            "measures": measured,
        }


class VisionStage(Stage):
    """Dense labels alone."""

    name = "vision"
    learning_rate = 1e-3
    trained = ("language.vision.",)

    def __init__(self, model: Sa2VA, source: SceneSource, images: int = 16) -> None:
        super().__init__(model)
        self.source, self.images = source, images
        self.heads: DenseHead = DenseHead(model.language.vision.config.hidden_size)

    def draw(self) -> tuple[Tensor, Tensor]:
        scenes = [self.source.draw() for _ in range(self.images)]
        images = np.stack([scene.image for scene in scenes])
        return to_pixels(images), torch.from_numpy(np.stack([patch_labels(s) for s in scenes]))

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        pixels, labels = batch
        with torch.autocast("cpu", torch.bfloat16):
            patches = see(self.model, pixels)
        losses = self.heads.losses(patches, labels)
        return {"loss": losses["dense"], **losses}


def see(model: Sa2VA, pixels: Tensor) -> Tensor:
    """What the vision tower says of each patch (B, P, C), without its class token."""
    patches: Tensor = model.language.vision(pixel_values=pixels).last_hidden_state[:, 1:]
    return patches


def patch_labels(scene: Scene) -> NDArray[np.float32]:
    """(PATCHES^2, 6): coverage, colour, noun (-1: none), offset y, offset x, log of the size."""
    count = int(scene.labels.max()) + 1
    known = np.full((count, 5), -1, np.float32)
    for thing in scene.objects:
        color = COLOR_NAMES.index(thing.color) if thing.color else -1
        size = np.log(np.sqrt(thing.area) / 20)
        known[thing.label] = (color, NOUN_NAMES.index(thing.noun), thing.y, thing.x, size)
    covered = label_coverage(scene.labels, PATCHES).reshape(PATCHES**2, count)[:, 1:]
    best = np.where(covered.max(1) > 0.02, covered.argmax(1) + 1, 0)
    found = known[best]
    row, column = np.divmod(np.arange(PATCHES**2), PATCHES)
    middle = (np.stack((row, column), 1) + 0.5) / PATCHES
    offset = np.clip((found[:, 2:4] - middle) * 8, -1, 1)
    columns = (covered.sum(1), found[:, 0], found[:, 1], offset[:, 0], offset[:, 1], found[:, 4])
    return np.stack(columns, 1).astype(np.float32)
