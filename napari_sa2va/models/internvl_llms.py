"""The LLMs of the InternVL language side, their configurations and the names of their weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.language import settings
from napari_sa2va.models.weight_names import Fused, WeightNames

_VISION = "language.vision.encoder.layer.#."
_LLM = "language.llm.model.layers.#."

_COMMON = (
    ("vision_model.embeddings.class_embedding", "language.vision.embeddings.cls_token"),
    (
        "vision_model.embeddings.position_embedding",
        "language.vision.embeddings.position_embeddings",
    ),
    (
        "vision_model.embeddings.patch_embedding.",
        "language.vision.embeddings.patch_embeddings.projection.",
    ),
    ("vision_model.encoder.layers.#.ls", _VISION + "lambda_"),
    ("vision_model.encoder.layers.#.attn.proj.", _VISION + "attention.projection_layer."),
    ("vision_model.encoder.layers.#.attn.", _VISION + "attention."),
    ("vision_model.encoder.layers.#.norm1.", _VISION + "layernorm_before."),
    ("vision_model.encoder.layers.#.norm2.", _VISION + "layernorm_after."),
    ("vision_model.encoder.layers.#.", _VISION),
    ("mlp1.", "language.projector."),
)
_QWEN2 = (("language_model.", "language.llm."),)
# InternLM2 is Llama under other names, with queries, keys and values in one matrix.
_INTERNLM2 = (
    ("language_model.model.tok_embeddings.", "language.llm.model.embed_tokens."),
    ("language_model.model.layers.#.attention.wqkv.", _LLM + "self_attn.wqkv."),
    ("language_model.model.layers.#.attention.wo.", _LLM + "self_attn.o_proj."),
    ("language_model.model.layers.#.feed_forward.w1.", _LLM + "mlp.gate_proj."),
    ("language_model.model.layers.#.feed_forward.w2.", _LLM + "mlp.down_proj."),
    ("language_model.model.layers.#.feed_forward.w3.", _LLM + "mlp.up_proj."),
    ("language_model.model.layers.#.attention_norm.", _LLM + "input_layernorm."),
    ("language_model.model.layers.#.ffn_norm.", _LLM + "post_attention_layernorm."),
    ("language_model.model.norm.", "language.llm.model.norm."),
    ("language_model.output.", "language.llm.lm_head."),
)


def _attention(layer: str, whole: str, sizes: tuple[int, int, int], groups: int = 1) -> Fused:
    parts = tuple(f"{layer}{part}_proj." for part in "qkv")
    return Fused(layer + whole, parts, sizes, groups)


_VISION_QKV = _attention(_VISION + "attention.", "qkv.", (1, 1, 1))


def build_llm(official: Mapping[str, Any], tied: bool) -> tuple[PreTrainedModel, WeightNames]:
    """The LLM of an ``llm_config`` with random weights, and the official names of its side.

    Raises
    ------
    CheckpointError
        The configuration names an LLM that is not known.
    """
    (architecture,) = official.get("architectures") or ["Qwen2ForCausalLM"]
    if architecture == "Qwen2ForCausalLM":
        chosen = {**settings(official), "tie_word_embeddings": tied}
        llm = Qwen2ForCausalLM(Qwen2Config(**chosen, attn_implementation="sdpa"))
        return llm, WeightNames((*_COMMON, *_QWEN2), [_VISION_QKV])
    if architecture == "InternLM2ForCausalLM":
        heads, groups = official["num_attention_heads"], official["num_key_value_heads"]
        # Each group has the queries that share a key and a value, then these.
        wqkv = _attention(_LLM + "self_attn.", "wqkv.", (heads // groups, 1, 1), groups)
        llm = LlamaForCausalLM(_as_llama(official, tied))
        return llm, WeightNames((*_COMMON, *_INTERNLM2), [_VISION_QKV, wqkv])
    raise CheckpointError(
        f"config.json names the LLM {architecture}.",
        "Known: Qwen2ForCausalLM, InternLM2ForCausalLM.",
    )


def _as_llama(official: Mapping[str, Any], tied: bool) -> LlamaConfig:
    """InternLM2's configuration in Llama's names; its rotary scaling ("dynamic") is Llama's."""
    chosen = settings(official)
    chosen["attention_bias"] = chosen.pop("bias", True)
    chosen["tie_word_embeddings"] = tied
    return LlamaConfig(**chosen, attn_implementation="sdpa")
