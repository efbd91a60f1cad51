"""Stages `crops` and `clicks`: SAM 2's image path learns clicks, boxes and corrections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.batches import PromptBatch, batch_prompts, to_pixels
from napari_sa2va.training.drawing import SIZE
from napari_sa2va.training.losses import MaskLosses, mask_losses
from napari_sa2va.training.scene import MASK_STRIDE, Scene
from napari_sa2va.training.stage import (
    ImageFeatures,
    RawDecoded,
    SceneSource,
    Stage,
    decode_prompts,
    encode,
)
from napari_sa2va.training.visual_prompts import NEGATIVE, POSITIVE, draw_prompt
from napari_sa2va.training.zooming import window

# The parts of SAM 2 that look at one image; the rest is memory.
IMAGE_PATH = (
    "grounding.image_encoder.",
    "grounding.sam_",
    "grounding.no_mem_embed",
)
POINTS = (1, 1, 2, 2, 3)  # a batch holds prompts of equally many points
CORRECTED = 0.3  # share of batches that get a second click on the first mask
ZOOMED = 0.5  # share of small scenes that are shown as SAM 2 sees them: enlarged, in part
ENLARGED = 2
LOGIT_LIMIT = 32.0  # as SAM 2 clips the mask it refines


@dataclass(frozen=True)
class ClickBatch:
    """Images and prompts; `corrected` asks for a second round."""

    pixels: Tensor
    prompts: PromptBatch
    corrected: bool


class Clicker:
    """Draws images with visual prompts.

    Parameters
    ----------
    small, large : SceneSource
        Scenes of a part of SAM 2's input, and of all of it.
    images : pair of int
        How many small or large ones a batch holds.
    prompts : int
        About each.
    whole : float
        Share of batches of large scenes.
    side : int
        Pixels along each side of the windows that are shown of small scenes.
    """

    def __init__(
        self,
        small: SceneSource,
        large: SceneSource,
        images: Sequence[int] = (10, 3),
        prompts: int = 6,
        whole: float = 0.3,
        side: int = SIZE,
    ) -> None:
        self.rng, self.small, self.large = small.rng, small, large
        self.images, self.prompts, self.whole, self.side = images, prompts, whole, side

    def draw(self) -> ClickBatch:
        whole = self.rng.random() < self.whole
        if whole:
            scenes = [self.large.draw() for _ in range(self.images[1])]
        else:
            scenes = [self._part(self.small.draw()) for _ in range(self.images[0])]
        points = POINTS[int(self.rng.integers(len(POINTS)))]
        prompts = [
            [draw_prompt(self.rng, scene, points) for _ in range(self.prompts)] for scene in scenes
        ]
        pixels = to_pixels(np.stack([scene.image for scene in scenes]))
        corrected = bool(self.rng.random() < CORRECTED)
        return ClickBatch(pixels, batch_prompts(scenes, prompts), corrected)

    def _part(self, scene: Scene) -> Scene:
        enlarged = ENLARGED if self.rng.random() < ZOOMED else 1
        return window(self.rng, scene, self.side, enlarged)


class ClicksStage(Stage[ClickBatch]):
    """Masks of visual prompts."""

    name = "clicks"
    learning_rate = 4e-4
    matrix_rate = 1.5e-3
    trained = IMAGE_PATH

    def losses(self, batch: ClickBatch) -> dict[str, Tensor]:
        return click_losses(self.model, encode(self.model.grounding, batch.pixels), batch)


class CropsStage(ClicksStage):
    """Small windows first: from nothing they teach what a click is in a quarter of the time."""

    name = "crops"
    learning_rate = 1e-3
    matrix_rate = 4e-3


def click_losses(model: Sa2VA, features: ImageFeatures, batch: ClickBatch) -> dict[str, Tensor]:
    """Losses of a batch whose images are encoded."""
    prompts, mask = batch.prompts, None
    if batch.corrected:
        with torch.no_grad():
            first = _decode(model, features, prompts, None)
        prompts, mask = correct(prompts, first.logits)
    decoded = _decode(model, features, prompts, mask)
    masks = mask_losses(decoded.logits, prompts.targets)
    corrected = "corrected" if batch.corrected else f"points_{prompts.points.shape[1]}"
    return {
        "loss": decoding_loss(decoded, masks),
        "dice": masks.dice.mean(),
        f"iou_{corrected}": masks.iou.mean(),
        f"iou_at_{batch.pixels.shape[-1]}": masks.iou.mean(),
        "score_error": (decoded.iou.float() - masks.iou).abs().mean(),
    }


def _decode(
    model: Sa2VA, features: ImageFeatures, prompts: PromptBatch, mask: Tensor | None
) -> RawDecoded:
    points = (prompts.points, prompts.kinds)
    return decode_prompts(model.grounding, features, prompts.rows, points, mask_logits=mask)


def decoding_loss(decoded: RawDecoded, masks: MaskLosses) -> Tensor:
    """Mask, predicted IoU and presence of prompts whose object is there.

    The squared error of the score makes it the mean IoU to be expected, as a calibrated score is.
    """
    quality = (decoded.iou.float() - masks.iou).square().mean()
    presence = F.softplus(-decoded.presence).mean()
    return 2 * masks.cross_entropy.mean() + masks.dice.mean() + quality + 0.02 * presence


def correct(prompts: PromptBatch, logits: Tensor) -> tuple[PromptBatch, Tensor]:
    """A click where each mask is most wrong, and the mask to start from, as SAM 2 corrects."""
    wrong = (prompts.targets - (logits > 0).float()).flatten(1)
    cell = wrong.abs().argmax(1)
    side = logits.shape[-1]
    spot = torch.stack((cell % side, cell // side), 1) * MASK_STRIDE + MASK_STRIDE // 2
    missed = wrong.gather(1, cell[:, None]) > 0
    kinds = torch.where(missed, POSITIVE, NEGATIVE)
    added = replace(
        prompts,
        points=torch.cat([prompts.points, spot[:, None].float()], 1),
        kinds=torch.cat([prompts.kinds, kinds], 1),
    )
    return added, logits[:, None].clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
