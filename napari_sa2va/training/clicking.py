"""Stage `clicks`: SAM 2's image path learns clicks, boxes and corrections."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.batches import PromptBatch, batch_prompts, to_pixels
from napari_sa2va.training.losses import MaskLosses, mask_losses
from napari_sa2va.training.stage import (
    ImageFeatures,
    RawDecoded,
    SceneSource,
    Stage,
    decode_prompts,
    encode,
)
from napari_sa2va.training.visual_prompts import NEGATIVE, POSITIVE, draw_prompt

# The parts of SAM 2 that look at one image; the rest is memory.
IMAGE_PATH = (
    "grounding.image_encoder.",
    "grounding.sam_",
    "grounding.no_mem_embed",
)
POINTS = (1, 2, 2, 3)  # a batch holds prompts of equally many points
CORRECTED = 0.3  # share of batches that get a second click on the first mask
LOGIT_LIMIT = 32.0  # as SAM 2 clips the mask it refines


@dataclass(frozen=True)
class ClickBatch:
    """Images and prompts; `corrected` asks for a second round."""

    pixels: Tensor
    prompts: PromptBatch
    corrected: bool


class Clicker:
    """Draws images with visual prompts."""

    def __init__(
        self, rng: np.random.Generator, source: SceneSource, images: int = 10, prompts: int = 6
    ) -> None:
        self.rng, self.source = rng, source
        self.images, self.prompts = images, prompts

    def draw(self) -> ClickBatch:
        scenes = [self.source.draw() for _ in range(self.images)]
        points = POINTS[int(self.rng.integers(len(POINTS)))]
        prompts = [
            [draw_prompt(self.rng, scene, points) for _ in range(self.prompts)] for scene in scenes
        ]
        pixels = to_pixels(np.stack([scene.image for scene in scenes]))
        corrected = bool(self.rng.random() < CORRECTED)
        return ClickBatch(pixels, batch_prompts(scenes, prompts), corrected)


class ClicksStage(Stage):
    """Masks of visual prompts."""

    name = "clicks"
    learning_rate = 7e-4
    trained = IMAGE_PATH

    def __init__(self, model: Sa2VA, clicker: Clicker) -> None:
        super().__init__(model)
        self.clicker = clicker

    def draw(self) -> ClickBatch:
        return self.clicker.draw()

    def losses(self, batch: ClickBatch) -> dict[str, Tensor]:
        features = encode(self.model.grounding, batch.pixels)
        return self.click_losses(features, batch)

    def click_losses(self, features: ImageFeatures, batch: ClickBatch) -> dict[str, Tensor]:
        prompts, mask = batch.prompts, None
        if batch.corrected:
            with torch.no_grad():
                first = self._decode(features, prompts, None)
            prompts, mask = correct(prompts, first.logits)
        decoded = self._decode(features, prompts, mask)
        masks = mask_losses(decoded.logits, prompts.targets)
        corrected = "corrected" if batch.corrected else f"points_{prompts.points.shape[1]}"
        return {
            "loss": decoding_loss(decoded, masks),
            "dice": masks.dice.mean(),
            f"iou_{corrected}": masks.iou.mean(),
        }

    def _decode(
        self, features: ImageFeatures, prompts: PromptBatch, mask: Tensor | None
    ) -> RawDecoded:
        return decode_prompts(
            self.model.grounding,
            features,
            prompts.rows,
            (prompts.points, prompts.kinds),
            mask_logits=mask,
        )


def decoding_loss(decoded: RawDecoded, masks: MaskLosses) -> Tensor:
    """Mask, predicted IoU and presence of prompts whose object is there."""
    quality = (decoded.iou.float() - masks.iou).abs().mean()
    presence = F.softplus(-decoded.presence).mean()
    return 2 * masks.cross_entropy.mean() + masks.dice.mean() + 0.2 * quality + 0.02 * presence


def correct(prompts: PromptBatch, logits: Tensor) -> tuple[PromptBatch, Tensor]:
    """A click where each mask is most wrong, and the mask to start from, as SAM 2 corrects."""
    wrong = (prompts.targets - (logits > 0).float()).flatten(1)
    cell = wrong.abs().argmax(1)
    side = logits.shape[-1]
    stride = 4
    spot = torch.stack((cell % side, cell // side), 1) * stride + stride // 2
    missed = wrong.gather(1, cell[:, None]) > 0
    kinds = torch.where(missed, POSITIVE, NEGATIVE)
    added = replace(
        prompts,
        points=torch.cat([prompts.points, spot[:, None].float()], 1),
        kinds=torch.cat([prompts.kinds, kinds], 1),
    )
    return added, logits[:, None].clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
