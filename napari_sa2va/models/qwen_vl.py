"""The Qwen-VL language sides: Qwen2.5-VL (arXiv 2502.13923) and Qwen3-VL (arXiv 2511.21631).

Every frame is an image of its own, as Sa2VA uses them, at a resolution near its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.qwen2_5_vl import configuration_qwen2_5_vl as qwen2_5_configs
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen2_5
from transformers.models.qwen3_vl import configuration_qwen3_vl as qwen3_configs
from transformers.models.qwen3_vl import modeling_qwen3_vl as qwen3

from napari_sa2va.core.errors import CheckpointError, InputError
from napari_sa2va.core.frames import RGBFrame
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.models.language import ChatTemplate, LanguageSide, Visual, settings
from napari_sa2va.models.qwen_pixels import frame_pixels, patchify
from napari_sa2va.models.weight_names import WeightNames

VISION_START, VISION_END, IMAGE_PAD = "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"

_NAMES = (
    ("model.model.visual.", "language.vision."),
    ("model.model.language_model.", "language.text."),
    ("model.lm_head.", "language.lm_head."),
)
_NORM_NAME = ("model.model.language_model.norm.", "language.norm.")


def _template(start: str) -> ChatTemplate:
    return ChatTemplate(
        start=start,
        before_user="<|im_start|>user\n",
        before_answer="<|im_end|>\n<|im_start|>assistant\n",
        after_answer="<|im_end|>\n",
        stop_words=("<|im_end|>", "<|endoftext|>"),
    )


@dataclass(frozen=True)
class Release:
    """What differs between the releases of Qwen-VL."""

    vision_config: type
    vision: type
    text_config: type
    text: type
    template: ChatTemplate
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    seg_before_norm: bool  # the hidden state of [SEG] is taken before the LLM's last norm


RELEASES = {
    "qwen2_5_vl_text": Release(
        vision_config=qwen2_5_configs.Qwen2_5_VLVisionConfig,
        vision=qwen2_5.Qwen2_5_VisionTransformerPretrainedModel,
        text_config=qwen2_5_configs.Qwen2_5_VLTextConfig,
        text=qwen2_5.Qwen2_5_VLTextModel,
        template=_template("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"),
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
        seg_before_norm=False,
    ),
    "qwen3_vl_text": Release(
        vision_config=qwen3_configs.Qwen3VLVisionConfig,
        vision=qwen3.Qwen3VLVisionModel,
        text_config=qwen3_configs.Qwen3VLTextConfig,
        text=qwen3.Qwen3VLTextModel,
        template=_template(""),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        seg_before_norm=True,
    ),
}


class QwenVL(LanguageSide):
    """Qwen's vision tower and LLM.

    Parameters
    ----------
    config : mapping
        The contents of the checkpoint's ``config.json``.

    Raises
    ------
    CheckpointError
        The configuration names a release that is not known.
    """

    placeholder = IMAGE_PAD

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        official = config["text_config"]
        name = official.get("model_type")
        if name not in RELEASES:
            raise CheckpointError(
                f"config.json names the LLM {name!r}.", f"Known: {', '.join(RELEASES)}."
            )
        release = self._release = RELEASES[name]
        self.template = release.template
        # transformers ties them where the configuration says nothing.
        self.tied = official.get("tie_word_embeddings", config.get("tie_word_embeddings", True))
        vision = release.vision_config(
            **settings(config["vision_config"]), attn_implementation="sdpa"
        )
        text = release.text_config(**settings(official), attn_implementation="sdpa")
        self.vision = release.vision(vision)
        self.text = release.text(text)
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.norm: nn.Module = nn.Identity()
        self.weight_names = WeightNames(_NAMES)
        if release.seg_before_norm:
            self.norm, self.text.norm = self.text.norm, self.norm
            self.weight_names = WeightNames((_NORM_NAME, *_NAMES))

    @property
    def decoder(self) -> nn.Module:
        return self.text

    @property
    def head(self) -> nn.Module:
        return self.lm_head

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., vocabulary) of hidden states (..., hidden)."""
        return super().logits(self.norm(hidden))

    def look(
        self,
        frames: Sequence[RGBFrame],
        regions: Sequence[BoolMask],
        video: bool,
        at_once: Callable[[int], int] = int,
    ) -> Visual:
        """Visual tokens of each frame; the models were not taught what a region is."""
        if regions:
            raise InputError(
                "This model takes no regions.",
                "Say where it is in words, or use a model of the InternVL family.",
            )
        step = at_once(len(frames))
        parts = [self._embed(frames[i : i + step]) for i in range(0, len(frames), step)]
        embeddings, grids, deepstack = zip(*parts, strict=True)
        tokens = tuple(grid for part in grids for grid in part)
        text = "".join(
            VISION_START + IMAGE_PAD * (rows * columns) + VISION_END for rows, columns in tokens
        )
        layers = tuple(map(torch.cat, zip(*deepstack, strict=True)))
        return Visual(text, torch.cat(embeddings), tokens, layers)

    def _embed(
        self, frames: Sequence[RGBFrame]
    ) -> tuple[Tensor, list[tuple[int, int]], list[Tensor]]:
        """Visual tokens (n, hidden), rows and columns of each frame's, and what deepstack adds."""
        patches, grids = self.patches(frames)
        weights = self.lm_head.weight
        out = self.vision(
            patches.to(weights.device, weights.dtype),
            grid_thw=torch.tensor(
                [(1, rows, columns) for rows, columns in grids], device=weights.device
            ),
        )
        merge = self.vision.config.spatial_merge_size
        tokens = [(rows // merge, columns // merge) for rows, columns in grids]
        return out.pooler_output, tokens, list(getattr(out, "deepstack_features", ()))

    def patches(self, frames: Sequence[RGBFrame]) -> tuple[Tensor, list[tuple[int, int]]]:
        """Patches (n, values) of all frames one after the other, and rows and columns of each."""
        vision, release = self.vision.config, self._release
        patch, merge = vision.patch_size, vision.spatial_merge_size
        mean, std = torch.tensor(release.mean), torch.tensor(release.std)
        parts, grids = [], []
        for frame in frames:
            pixels = frame_pixels(frame, patch * merge, mean, std)
            part, rows, columns = patchify(pixels, patch, merge, vision.temporal_patch_size)
            parts.append(part)
            grids.append((rows, columns))
        return torch.cat(parts), grids

    def positions(self, is_visual: Tensor, visual: Visual) -> Tensor:
        """Positions (3, 1, n) in time, height and width, by multimodal rotary embedding.

        Text counts on in all three; an image counts its rows and columns, and what follows it
        goes on after the longer of them.
        """
        positions = torch.arange(len(is_visual), device=is_visual.device).repeat(3, 1)
        places = is_visual.nonzero()[:, 0].tolist()
        taken = 0
        for rows, columns in visual.grids if places else ():
            start, count = places[taken], rows * columns
            grid = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).T
            positions[1:, start : start + count] = positions[0, start] + grid.to(positions.device)
            positions[0, start : start + count] = positions[0, start].clone()
            positions[:, start + count :] += max(rows, columns) - count
            taken += count
        return positions[:, None]
