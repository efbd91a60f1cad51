"""The parameters of published checkpoints without a key list: built in their sizes, and counted."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_sa2va.models.families import build_language
from napari_sa2va.models.known import PUBLISHED

GROUNDING_WIDTH = 256

_VIT_300M = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 448,
    "patch_size": 14,
    "norm_type": "layer_norm",
    "qk_normalization": False,
    "qkv_bias": True,
}
_VIT_6B = _VIT_300M | {
    "hidden_size": 3200,
    "intermediate_size": 12800,
    "num_hidden_layers": 45,
    "num_attention_heads": 25,
    "norm_type": "rms_norm",
    "qk_normalization": True,
    "qkv_bias": False,
}


def _llm(
    hidden: int, inner: int, layers: int, heads: tuple[int, int], words: int
) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "vocab_size": words,
        "tie_word_embeddings": False,
    }


def _internvl3(*sizes: Any) -> dict[str, Any]:
    llm = {**_llm(*sizes, 151679), "architectures": ["Qwen2ForCausalLM"]}
    return {"template": "qwen_chat", "llm_config": llm, "vision_config": _VIT_300M}


CONFIGS = {
    "Sa2VA-26B": {
        "template": "internlm2_chat",
        "llm_config": {
            **_llm(6144, 16384, 48, (48, 8), 92558),
            "architectures": ["InternLM2ForCausalLM"],
            "bias": False,
        },
        "vision_config": _VIT_6B,
    },
    "Sa2VA-InternVL3-2B": _internvl3(1536, 8960, 28, (12, 2)),
    "Sa2VA-InternVL3-8B": _internvl3(3584, 18944, 28, (28, 4)),
    "Sa2VA-InternVL3-14B": _internvl3(5120, 13824, 48, (40, 8)),
    "Sa2VA-Qwen2_5-VL-7B": {
        "text_config": {
            **_llm(3584, 18944, 28, (28, 4), 151670),
            "model_type": "qwen2_5_vl_text",
        },
        "vision_config": {
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
        },
    },
    "Sa2VA-Qwen3-VL-2B": {
        "text_config": {
            **_llm(2048, 6144, 28, (16, 8), 151674),
            "model_type": "qwen3_vl_text",
            "head_dim": 128,
        },
        "vision_config": {
            "depth": 24,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_heads": 16,
            "out_hidden_size": 2048,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5, 11, 17],
        },
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_catalog_counts_what_is_built(name: str) -> None:
    with torch.device("meta"):
        language = build_language(CONFIGS[name])
    hidden = language.hidden_size
    projector = hidden * hidden + hidden + hidden * GROUNDING_WIDTH + GROUNDING_WIDTH
    built = sum(value.numel() for value in language.state_dict().values())
    (known,) = (known for known in PUBLISHED if known.name == f"ByteDance/{name}")
    assert known.parameters is not None
    assert known.parameters.language == built + projector


def test_sa2va_i_has_the_language_side_of_what_it_improves() -> None:
    language = {known.name.partition("/")[2]: known.parameters.language for known in PUBLISHED}
    for size in ("1B", "4B", "8B", "26B"):
        assert language[f"Sa2VA-i-{size}"] == language[f"Sa2VA-{size}"]
