"""Starting values that let so small a network learn in minutes."""

from __future__ import annotations

import math
from itertools import islice, product

import numpy as np
import torch
from sam2.modeling.memory_encoder import CXBlock
from sam2.modeling.sam.transformer import Attention
from torch import Tensor, nn
from transformers.models.qwen2.modeling_qwen2 import Qwen2Attention

from napari_sa2va.models.sa2va import Sa2VA

MATCHING_GAIN = 1.2
LOOKING_GAIN = 1.4  # more, as rotary positions take from likeness
FUSER_SCALE = 1e-2  # SAM 2's own 1e-6 never wakes up in a short training
POSITION_SCALE = 0.5
LONGEST_WAVE = 100.0
PATCH_SCALE = 0.25
# Lightness and two colour differences.
OPPONENTS = np.array(((1, 1, 1), (1, -1, 0), (0.5, 0.5, -1)))


@torch.no_grad()
def initialise(model: Sa2VA) -> None:
    """Set what decides between learning in minutes and not at all, in place.

    In SAM's mask decoder tokens and image exchange through cross-attention whose queries and keys
    carry the same position codes. With equal projections on both sides a click attends to its own
    place from the first step; without them training stays at "all of the foreground". In the LLM
    a word then attends to the visual tokens that are like it.
    """
    transformer = model.grounding.sam_mask_decoder.transformer
    for layer in transformer.layers:
        _match(layer.cross_attn_token_to_image, MATCHING_GAIN)
        _match(layer.cross_attn_image_to_token, MATCHING_GAIN)
    _match(transformer.final_attn_token_to_image, MATCHING_GAIN)
    for module in model.grounding.memory_encoder.modules():
        if isinstance(module, CXBlock):
            module.gamma.fill_(FUSER_SCALE)
    for layer in model.language.llm.model.layers:
        _match(layer.self_attn, LOOKING_GAIN)
    embeddings = model.language.vision.embeddings
    embeddings.position_embeddings[0, 1:] = _waves(*embeddings.position_embeddings[0, 1:].shape)
    projection = embeddings.patch_embeddings.projection
    projection.weight.copy_(_cosines(*projection.weight.shape[::2]))
    projection.bias.zero_()


def _match(attention: Attention | Qwen2Attention, gain: float) -> None:
    nn.init.orthogonal_(attention.q_proj.weight, gain=gain)
    attention.k_proj.weight.copy_(attention.q_proj.weight)
    attention.q_proj.bias.zero_()
    attention.k_proj.bias.zero_()


def _waves(count: int, width: int) -> Tensor:
    """Sines and cosines of the rows and columns of a square grid: (count, width)."""
    side = math.isqrt(count)
    place = torch.arange(side) * (16 / side)
    y, x = torch.meshgrid(place, place, indexing="ij")
    frequency = LONGEST_WAVE ** -(torch.arange(width // 4) / (width // 4))
    phases = [axis.flatten()[:, None] * frequency for axis in (y, x)]
    waves = torch.cat([wave(phase) for phase in phases for wave in (torch.sin, torch.cos)], 1)
    return POSITION_SCALE * waves


def _cosines(width: int, side: int) -> Tensor:
    """Patch filters (width, 3, side, side): the coarsest of the discrete cosine transform.

    What a patch shows at low frequencies then reaches the first layer whole. The coarsest third
    of the patterns is taken in colour, finer ones in lightness alone.
    """
    steps = np.arange(side)
    basis = np.cos(np.pi * (steps + 0.5) * steps[:, None] / side) * np.sqrt(2 / side)
    basis[0] /= np.sqrt(2)
    colors = OPPONENTS / np.linalg.norm(OPPONENTS, axis=1, keepdims=True)
    patterns = sorted(product(steps, steps), key=lambda pattern: (sum(pattern), pattern))
    filters = (
        np.multiply.outer(color, np.outer(basis[row], basis[column]))
        for number, (row, column) in enumerate(patterns)
        for color in (colors if number < width / 5 else colors[:1])
    )
    chosen = np.stack(list(islice(filters, width)))
    return torch.tensor(PATCH_SCALE * chosen, dtype=torch.float32)
