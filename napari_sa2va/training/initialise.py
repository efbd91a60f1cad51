"""Starting values that let so small a network learn in minutes."""

from __future__ import annotations

import torch
from sam2.modeling.memory_encoder import CXBlock
from sam2.modeling.sam.transformer import Attention
from torch import nn

from napari_sa2va.models.sa2va import Sa2VA

MATCHING_GAIN = 1.2
FUSER_SCALE = 1e-2  # SAM 2's own 1e-6 never wakes up in a short training


@torch.no_grad()
def initialise(model: Sa2VA) -> None:
    """Set what decides between learning in minutes and not at all, in place.

    In SAM's mask decoder tokens and image exchange through cross-attention whose queries and keys
    carry the same position codes. With equal projections on both sides a click attends to its own
    place from the first step; without them training stays at "all of the foreground".
    """
    transformer = model.grounding.sam_mask_decoder.transformer
    for layer in transformer.layers:
        _match(layer.cross_attn_token_to_image)
        _match(layer.cross_attn_image_to_token)
    _match(transformer.final_attn_token_to_image)
    for module in model.grounding.memory_encoder.modules():
        if isinstance(module, CXBlock):
            module.gamma.fill_(FUSER_SCALE)


def _match(attention: Attention) -> None:
    nn.init.orthogonal_(attention.q_proj.weight, gain=MATCHING_GAIN)
    attention.k_proj.weight.copy_(attention.q_proj.weight)
    attention.q_proj.bias.zero_()
    attention.k_proj.bias.zero_()
