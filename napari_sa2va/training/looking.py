"""Where the LLM looks when it writes [SEG]."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import Qwen2ForCausalLM
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

LAYER = 3  # early enough that later layers can use what is found there
HEADS = 2  # that are taught; the others look where they like


def attention_logits(
    llm: Qwen2ForCausalLM, entering: Tensor, positions: Tensor, rows: Tensor, columns: Tensor
) -> Tensor:
    """What the taught heads of layer `LAYER` compare, from some tokens to all of their row.

    Parameters
    ----------
    entering : (B, T, D) tensor
        States that enter the layer.
    positions : (B, T) tensor
        Of the tokens.
    rows, columns : (N,) tensors
        Which tokens look.

    Returns
    -------
    (N, HEADS, T) tensor
        Before the softmax.
    """
    layer = llm.model.layers[LAYER]
    attention, normed = layer.self_attn, layer.input_layernorm(entering)
    query, key = (
        project(normed).unflatten(-1, (-1, attention.head_dim))[:, :, :HEADS].transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj)
    )
    cos, sin = llm.model.rotary_emb(normed, positions)
    query, key = apply_rotary_pos_emb(query, key, cos, sin)
    looking = query[rows, :, columns]
    return torch.einsum("nhd,nhtd->nht", looking, key[rows]) / math.sqrt(attention.head_dim)
