"""The InternVL language side: InternViT, pixel shuffle, projector and LLM.

Prompt format and preprocessing follow InternVL (arXiv 2412.05271, section 2) as Sa2VA uses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from transformers import InternVLVisionConfig, InternVLVisionModel

from napari_sa2va.core.errors import CheckpointError, InputError
from napari_sa2va.core.frames import RGBFrame
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.models.grounding import IMAGE_MEAN, IMAGE_STD, normalise
from napari_sa2va.models.internvl_llms import build_llm
from napari_sa2va.models.language import ChatTemplate, LanguageSide, Visual

TEMPLATES = {
    "qwen_chat": ChatTemplate(
        before_user="<|im_start|>user\n",
        before_answer="<|im_end|>\n<|im_start|>assistant\n",
        after_answer="<|im_end|>\n",
        stop_words=("<|im_end|>", "<|endoftext|>"),
    ),
    "internlm2_chat": ChatTemplate(
        start="<s>",
        before_user="<|im_start|>user\n",
        before_answer="<|im_end|>\n<|im_start|>assistant\n",
        after_answer="<|im_end|>\n",
        stop_words=("<|im_end|>", "</s>"),
    ),
}

IMAGE_START, IMAGE_END, IMAGE_CONTEXT = "<img>", "</img>", "<IMG_CONTEXT>"
REGION_START, REGION_END = "<vp>", "</vp>"


class InternVL(LanguageSide):
    """InternViT and an LLM.

    Parameters
    ----------
    config : mapping
        The contents of the checkpoint's ``config.json``.

    Raises
    ------
    CheckpointError
        The configuration names an LLM, a template or a vision layout that is not known.
    """

    placeholder = IMAGE_CONTEXT

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        _check(config)
        vision = vision_config(config["vision_config"])
        self.tile_size: int = config.get("force_image_size") or vision.image_size[0]
        self.min_tiles: int = config.get("min_dynamic_patch", 1)
        self.max_tiles: int = config.get("max_dynamic_patch", 12)
        self.use_thumbnail: bool = config.get("use_thumbnail", True)
        self.downsample: float = config.get("downsample_ratio", 0.5)
        self.template = TEMPLATES[_template(config)]
        self.grid = int(self.tile_size // vision.patch_size[0] * self.downsample)

        official = config["llm_config"]
        self.tied = official.get("tie_word_embeddings", config.get("tie_word_embeddings", False))
        self.llm, self.weight_names = build_llm(official, self.tied)
        hidden = self.llm.config.hidden_size
        width = int(vision.hidden_size / self.downsample**2)
        self.vision = InternVLVisionModel(vision)
        self.projector = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
        )

    @property
    def decoder(self) -> nn.Module:
        return self.llm.model

    @property
    def head(self) -> nn.Module:
        return self.llm.lm_head

    @property
    def tokens_per_tile(self) -> int:
        return self.grid**2

    def look(
        self,
        frames: Sequence[RGBFrame],
        regions: Sequence[BoolMask],
        video: bool,
        at_once: Callable[[int], int] = int,
    ) -> Visual:
        """Tiles of one image, or one tile per frame of a video; then the regions' own tokens."""
        cells = self.region_cells(regions) if regions else None
        pixels = self.video_pixels(frames) if video else self.image_pixels(frames[0])
        text = self.image_text(1, len(pixels)) if video else self.image_text(len(pixels), 1)
        weights = next(self.projector.parameters())
        parts = pixels.to(weights.device, weights.dtype).split(at_once(len(pixels)))
        tiles = torch.cat([self.embed_images(part) for part in parts])
        embeddings = tiles.flatten(0, 1)
        if cells is not None:
            text += self.region_text(cells)
            embeddings = torch.cat([embeddings, *(tiles[-1][inside] for inside in cells)])
        return Visual(text, embeddings)

    def image_pixels(self, frame: RGBFrame) -> Tensor:
        """Tiles of one image, and a thumbnail last where there are several: (n, 3, S, S)."""
        image = Image.fromarray(frame)
        columns, rows = tile_layout(
            image.width, image.height, self.min_tiles, self.max_tiles, self.tile_size
        )
        size = self.tile_size
        scaled = image.resize((columns * size, rows * size))
        tiles = [
            scaled.crop((x * size, y * size, (x + 1) * size, (y + 1) * size))
            for y in range(rows)
            for x in range(columns)
        ]
        if self.use_thumbnail and len(tiles) > 1:
            tiles.append(image.resize((size, size)))
        return torch.stack([_tile_pixels(tile, size) for tile in tiles])

    def video_pixels(self, frames: Sequence[RGBFrame]) -> Tensor:
        """One tile a frame: (n, 3, S, S)."""
        return torch.stack([_tile_pixels(Image.fromarray(f), self.tile_size) for f in frames])

    def embed_images(self, pixels: Tensor) -> Tensor:
        """Visual tokens (n, tokens, hidden) of tiles (n, 3, S, S)."""
        # The class token is dropped, as InternVL does.
        patches = self.vision(pixel_values=pixels).last_hidden_state[:, 1:]
        side = math.isqrt(patches.shape[1])
        grid = patches.reshape(len(patches), side, side, -1)
        return self.projector(pixel_shuffle(grid, self.downsample).flatten(1, 2))

    def image_text(self, tiles: int, images: int) -> str:
        """The placeholders of `images` images of `tiles` tiles each."""
        one = IMAGE_START + IMAGE_CONTEXT * (tiles * self.tokens_per_tile) + IMAGE_END
        return "\n".join([one] * images)

    def region_cells(self, regions: Sequence[BoolMask]) -> Tensor:
        """Which visual tokens of the last tile lie in each region: (n, tokens) bool."""
        return torch.stack([self._cells(region) for region in regions])

    def _cells(self, region: BoolMask) -> Tensor:
        if not region.any():
            raise InputError("A region is empty.", "Paint what the question is about.")
        mask = torch.from_numpy(region.astype(np.float32))[None, None]
        cells = F.interpolate(mask, size=(self.grid, self.grid), mode="nearest")[0, 0].bool()
        if not cells.any():  # smaller than a cell: the cells that it touches
            cells = F.adaptive_max_pool2d(mask, self.grid)[0, 0].bool()
        return cells.flatten()

    def region_text(self, cells: Tensor) -> str:
        """How the regions are announced, with a placeholder for each of their tokens."""
        regions = ", ".join(
            f"region{number}{REGION_START}{IMAGE_CONTEXT * int(inside.sum())}{REGION_END}"
            for number, inside in enumerate(cells, 1)
        )
        return f"\nThere are {len(cells)} part regions in the picture: {regions}.\n"


def _check(config: Mapping[str, Any]) -> None:
    template = _template(config)
    if template not in TEMPLATES:
        raise CheckpointError(
            f"config.json names the template {template!r}.", f"Known: {', '.join(TEMPLATES)}."
        )
    if config.get("select_layer", -1) != -1 or config.get("ps_version", "v2") != "v2":
        raise CheckpointError("config.json asks for select_layer or ps_version not known here.")


def _template(config: Mapping[str, Any]) -> str:
    return str(config.get("template")).replace("-", "_")  # it is published in both spellings


def vision_config(official: Mapping[str, Any]) -> InternVLVisionConfig:
    """InternVL's own vision configuration in the names of transformers.

    What is left out has the values of InternViT-6B, the defaults of the official code.
    """
    return InternVLVisionConfig(
        hidden_size=official.get("hidden_size", 3200),
        num_hidden_layers=official.get("num_hidden_layers", 48),
        num_attention_heads=official.get("num_attention_heads", 25),
        attention_bias=official.get("qkv_bias", False),
        use_qk_norm=official.get("qk_normalization", True),
        intermediate_size=official.get("intermediate_size", 12800),
        hidden_act=official.get("hidden_act", "gelu"),
        norm_type=official.get("norm_type", "rms_norm"),
        layer_norm_eps=official.get("layer_norm_eps", 1e-6),
        image_size=official.get("image_size", 224),
        patch_size=official.get("patch_size", 14),
        layer_scale_init_value=official.get("initializer_factor", 0.1),
        attn_implementation="sdpa",
    )


def pixel_shuffle(grid: Tensor, ratio: float) -> Tensor:
    """Fold neighbouring patches (n, h, w, c) into channels: (n, h*r, w*r, c/r^2)."""
    n, height, width, channels = grid.shape
    grid = grid.reshape(n, height, int(width * ratio), int(channels / ratio))
    grid = grid.permute(0, 2, 1, 3)
    grid = grid.reshape(n, int(width * ratio), int(height * ratio), int(channels / ratio**2))
    return grid.permute(0, 2, 1, 3)


def tile_layout(
    width: int, height: int, min_tiles: int, max_tiles: int, tile_size: int
) -> tuple[int, int]:
    """Columns and rows whose aspect is nearest to the image's (InternVL 1.5's dynamic tiling).

    Among equally near layouts the larger one wins if the image has more than half its pixels.
    """
    layouts = sorted(
        {
            (columns, rows)
            for columns in range(1, max_tiles + 1)
            for rows in range(1, max_tiles + 1)
            if min_tiles <= columns * rows <= max_tiles
        },
        key=lambda layout: layout[0] * layout[1],
    )
    aspect, best, nearest = width / height, (1, 1), math.inf
    for columns, rows in layouts:
        distance = abs(aspect - columns / rows)
        if distance < nearest:
            best, nearest = (columns, rows), distance
        elif distance == nearest and width * height > 0.5 * tile_size**2 * columns * rows:
            best = (columns, rows)
    return best


def _tile_pixels(tile: Image.Image, size: int) -> Tensor:
    resized = np.asarray(tile.resize((size, size), Image.Resampling.BICUBIC))
    pixels = torch.from_numpy(resized.copy()).permute(2, 0, 1).contiguous()
    return normalise(pixels.float() / 255, IMAGE_MEAN, IMAGE_STD)
