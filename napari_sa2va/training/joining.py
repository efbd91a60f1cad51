"""Stage `joint`: language and mask decoder learn to understand each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.clicking import ClickBatch, Clicker, click_losses, decoding_loss
from napari_sa2va.training.hearing import hear
from napari_sa2va.training.losses import MaskLosses, mask_losses
from napari_sa2va.training.remembering import PRESENT
from napari_sa2va.training.seeing import DenseHead
from napari_sa2va.training.speaking import REPORTED, LanguageStage, Speaker, SpokenBatch
from napari_sa2va.training.stage import RawDecoded, Stage, decode_prompts, encode

MOST_MASKS = 32  # of a batch, so that its cost is bounded
FEWER = 12  # of a batch that SAM 2 sees enlarged: each costs four times as much
CLICKS_EVERY = 4  # batches
ENLARGED_EVERY = 3  # batches of language
DENSE_WEIGHT = 0.5
PRESENCE_WEIGHT = 0.1  # of whether a [SEG]'s object is in the frame


@dataclass(frozen=True)
class JointBatch:
    """A batch of dialogues with the masks to decode, or one of visual prompts.

    Attributes
    ----------
    chosen, frames : (M,) tensors
        Which [SEG] states to decode, and in which of its frames each.
    enlarged : bool
        SAM 2 looks at the images at twice their size, as it does in use.
    """

    spoken: SpokenBatch | None = None
    clicked: ClickBatch | None = None
    chosen: Tensor | None = None
    frames: Tensor | None = None
    enlarged: bool = False


class JointSource:
    """Takes turns between a speaker and a clicker."""

    def __init__(self, speaker: Speaker, clicker: Clicker) -> None:
        self.speaker, self.clicker, self.rng = speaker, clicker, speaker.rng
        self._drawn = 0

    def draw(self) -> JointBatch:
        self._drawn += 1
        if self._drawn % CLICKS_EVERY == 0:
            return JointBatch(clicked=self.clicker.draw())
        spoken = self.speaker.draw()
        enlarged = self._drawn % ENLARGED_EVERY == 0
        count, frames = spoken.frame_targets.shape[:2]
        chosen = self.rng.permutation(count)[: FEWER if enlarged else MOST_MASKS]
        # One [SEG] grounds its object in every frame that the LLM has seen.
        frame = self.rng.integers(frames, size=len(chosen))
        return JointBatch(
            spoken,
            chosen=torch.from_numpy(chosen),
            frames=torch.from_numpy(frame),
            enlarged=enlarged,
        )


class JointStage(Stage[JointBatch]):
    """Everything but SAM 2's image encoder and memory."""

    name = "joint"
    learning_rate = 6e-4
    matrix_rate = 1.5e-3
    trained = ("language.", "text_hidden_fcs.", "grounding.sam_")
    slow = ("language.vision.", "grounding.")
    # These shape the features of the (resting) image encoder.
    frozen = ("grounding.sam_mask_decoder.conv_s",)

    def __init__(self, model: Sa2VA, tokenizer: Tokenizer) -> None:
        super().__init__(model)
        self.language = LanguageStage(model, tokenizer)
        self.heads: DenseHead = DenseHead(model.language.vision.config.hidden_size)

    def losses(self, batch: JointBatch) -> dict[str, Tensor]:
        if batch.clicked is not None:
            with torch.no_grad():
                features = encode(self.model.grounding, batch.clicked.pixels)
            return click_losses(self.model, features, batch.clicked)
        return self._spoken(batch)

    def _spoken(self, batch: JointBatch) -> dict[str, Tensor]:
        spoken, chosen, frame = batch.spoken, batch.chosen, batch.frames
        assert spoken is not None
        assert chosen is not None
        assert frame is not None
        heard = hear(self.model, spoken.packed, self.language.context)
        losses, seg = self.language.spoken(heard, spoken)
        if spoken.dense is not None:
            # The labels keep the vision tower from forgetting what no sentence asks for.
            dense = self.heads.losses(heard.patches, spoken.dense)
            losses |= dense | {"loss": losses["loss"] + DENSE_WEIGHT * dense["dense"]}
        if not len(chosen):
            return losses
        frames = spoken.frame_targets.shape[1]
        rows, row_of = (spoken.packed.seg_rows[chosen] * frames + frame).unique(return_inverse=True)
        pixels = spoken.packed.pixels[rows]
        targets = spoken.frame_targets[chosen, frame]
        if batch.enlarged:
            pixels = F.interpolate(pixels, scale_factor=2, mode="bicubic", align_corners=False)
            targets = F.interpolate(targets[:, None], scale_factor=2, mode="bilinear")[:, 0]
        with torch.no_grad():
            features = encode(self.model.grounding, pixels)
        decoded = decode_prompts(self.model.grounding, features, row_of, language=seg[chosen])
        masks = mask_losses(decoded.logits, targets)
        present = targets.sum((1, 2)) > PRESENT
        presence = F.binary_cross_entropy_with_logits(decoded.presence[:, 0], present.float())
        losses["loss"] = losses["loss"] + PRESENCE_WEIGHT * presence
        if frames > 1:
            losses["presence"] = presence
        if not present.any():
            return losses
        decoded, masks = _of(decoded, present), MaskLosses(*(it[present] for it in masks))
        losses["loss"] = losses["loss"] + decoding_loss(decoded, masks)
        losses["iou_clip" if frames > 1 else "iou_image"] = masks.iou.mean()
        losses["score_error"] = (decoded.iou.float() - masks.iou).abs().mean().detach()
        there = chosen[present].tolist()
        for means in REPORTED:
            picked = [i for i, row in enumerate(there) if spoken.means[row] == means]
            if picked:
                losses[f"iou_{means}"] = masks.iou[picked].mean()
        return losses


def _of(decoded: RawDecoded, chosen: Tensor) -> RawDecoded:
    """Some of the masks."""
    return RawDecoded(
        decoded.logits[chosen], decoded.iou[chosen], decoded.token[chosen], decoded.presence[chosen]
    )
