"""Attention in float32 inside a bfloat16 network.

On a CPU bfloat16 speeds up the matrix products, but PyTorch's attention kernel is up to thirty
times slower in it where the sequence is no round number: 257 tokens of the vision tower are not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from napari_sa2va.models.sa2va import Sa2VA

NAME = "sdpa_float32"


def use_float_attention(model: Sa2VA) -> None:
    """Let both towers of the language side attend in float32, in place."""
    AttentionInterface.register(NAME, _attend)
    model.language.vision.set_attn_implementation(NAME)
    model.language.llm.set_attn_implementation(NAME)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any
) -> tuple[Tensor, None]:
    with torch.autocast(query.device.type, enabled=False):
        attended, _ = sdpa_attention_forward(
            module, query.float(), key.float(), value.float(), *rest, **options
        )
    return attended, None
