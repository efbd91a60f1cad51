"""What some heads of the LLM compare, so that they can be taught where to look."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import Qwen2ForCausalLM
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

LAYER = 3  # early enough that later layers can use what is found there
POINTERS = slice(0, 2)  # heads of that layer that look at what is meant
COUNTERS = slice(2, 4)  # and at how many there are; the others look where they like
MATCHING_LAYER = 1  # before that, tokens of a clip find
MATCHERS = slice(0, 2)  # with these heads what they show in the frames before


def attention_logits(
    llm: Qwen2ForCausalLM,
    layer: int,
    heads: slice,
    entering: Tensor,
    positions: Tensor,
    rows: Tensor,
    columns: Tensor,
) -> Tensor:
    """What heads of a layer compare, from some tokens to all of their row.

    Parameters
    ----------
    layer, heads : int, slice
        Whose attention.
    entering : (B, T, D) tensor
        States that enter this layer.
    positions : (B, T) tensor
        Of the tokens.
    rows, columns : (N,) tensors
        Which tokens look.

    Returns
    -------
    (N, H, T) tensor
        Before the softmax, and before what comes later is hidden.
    """
    block = llm.model.layers[layer]
    attention, normed = block.self_attn, block.input_layernorm(entering)
    query, key = (
        project(normed).unflatten(-1, (-1, attention.head_dim))[:, :, heads].transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj)
    )
    cos, sin = llm.model.rotary_emb(normed, positions)
    query, key = apply_rotary_pos_emb(query, key, cos, sin)
    looking = query[rows, :, columns]
    return torch.einsum("nhd,nhtd->nht", looking, key[rows]) / math.sqrt(attention.head_dim)
