"""Stage `joint`: language and mask decoder learn to understand each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.clicking import ClickBatch, Clicker, ClicksStage, decoding_loss
from napari_sa2va.training.losses import mask_losses
from napari_sa2va.training.speaking import REPORTED, LanguageStage, Speaker, SpokenBatch
from napari_sa2va.training.stage import Stage, decode_prompts, encode

MOST_MASKS = 36  # of a batch, so that its cost is bounded
CLICKS_EVERY = 5  # batches
CLIPS_EVERY = 4  # batches of language


@dataclass(frozen=True)
class JointBatch:
    """Either a batch of dialogues or one of visual prompts."""

    spoken: SpokenBatch | None = None
    clicked: ClickBatch | None = None


class JointStage(Stage):
    """Everything but SAM 2's image encoder and memory."""

    name = "joint"
    learning_rate = 7e-4
    trained = (*LanguageStage.trained, "grounding.sam_")
    # These shape the features of the (resting) image encoder.
    slow = LanguageStage.slow
    frozen = ("grounding.sam_mask_decoder.conv_s",)

    def __init__(self, model: Sa2VA, speaker: Speaker, clicker: Clicker) -> None:
        super().__init__(model)
        self.language = LanguageStage(model, speaker, CLIPS_EVERY)
        self.clicks = ClicksStage(model, clicker)
        self.rng = speaker.rng
        self.heads = self.language.heads

    def draw(self) -> JointBatch:
        if self.turn_of(CLICKS_EVERY):
            return JointBatch(clicked=self.clicks.draw())
        return JointBatch(spoken=self.language.draw())

    def losses(self, batch: JointBatch) -> dict[str, Tensor]:
        if batch.clicked is not None:
            with torch.no_grad():
                features = encode(self.model.grounding, batch.clicked.pixels)
            return self.clicks.click_losses(features, batch.clicked)
        assert batch.spoken is not None
        return self._spoken(batch.spoken)

    def _spoken(self, batch: SpokenBatch) -> dict[str, Tensor]:
        losses, seg = self.language.losses_and_seg(batch)
        frames = batch.frame_targets.shape[1]
        count = len(seg)
        chosen = torch.from_numpy(self.rng.permutation(count)[:MOST_MASKS])
        # One [SEG] grounds its object in every frame that the LLM has seen.
        frame = torch.from_numpy(self.rng.integers(frames, size=len(chosen)))
        rows = batch.packed.seg_rows[chosen] * frames + frame
        with torch.no_grad():
            spoken_of = batch.packed.pixels[: len(batch.packed.ids) * frames]
            features = encode(self.model.grounding, spoken_of)
        decoded = decode_prompts(self.model.grounding, features, rows, language=seg[chosen])
        masks = mask_losses(decoded.logits, batch.frame_targets[chosen, frame])
        losses["loss"] = losses["loss"] + decoding_loss(decoded, masks)
        kind = "clip" if frames > 1 else "image"
        losses[f"iou_{kind}"] = masks.iou.mean()
        for means in REPORTED:
            picked = [i for i, row in enumerate(chosen.tolist()) if batch.means[row] == means]
            if picked:
                losses[f"iou_{means}"] = masks.iou[picked].mean()
        return losses
