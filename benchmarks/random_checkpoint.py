"""Random weights in the sizes of published checkpoints, in the official layout."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_sa2va.models.catalog import find_model
from napari_sa2va.models.checkpoint import build_model
from napari_sa2va.models.empty import Empty

SHARD_BYTES = 10**9

_SA2VA_1B: dict[str, Any] = {
    "template": "qwen_chat",
    "llm_config": {
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151679,
        "tie_word_embeddings": False,
        "max_position_embeddings": 32768,
    },
    "vision_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 448,
        "patch_size": 14,
        "norm_type": "layer_norm",
        "qk_normalization": False,
        "qkv_bias": True,
    },
}


def _resized(llm: dict[str, int], vision: dict[str, int]) -> dict[str, Any]:
    config = copy.deepcopy(_SA2VA_1B)
    config["llm_config"] |= llm
    config["vision_config"] |= vision
    return config


CONFIGS = {
    "tiny": _resized(
        {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 2048}
        | {"num_attention_heads": 4},
        {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
        | {"num_attention_heads": 2},
    ),
    "1B": _SA2VA_1B,
    "4B": _resized(
        {"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36}
        | {"num_attention_heads": 16},
        {},
    ),
}
# How SAM 2 differs from that of all published checkpoints.
_TINY_GROUNDING = {
    "embed_dim": 16,
    "num_heads": 1,
    "stages": [1, 1, 2, 1],
    "global_att_blocks": [3],
    "window_pos_embed_bkg_spatial_size": [4, 4],
    "window_spec": [8, 4, 4, 4],
    "backbone_channel_list": [128, 64, 32, 16],
    "d_model": 64,
    "memory_attention_layers": 1,
    "memory_attention_feedforward": 64,
    "image_size": 128,
}


def write_checkpoint(folder: Path, size: str) -> None:
    """Official names and shapes, random values in bfloat16; nano's tokenizer, which is smaller."""
    grounding = _TINY_GROUNDING if size == "tiny" else {}
    (folder / "config.json").write_text(json.dumps(CONFIGS[size]))
    (folder / "grounding.json").write_text(json.dumps(grounding))
    shutil.copy(find_model("nano") / "tokenizer.json", folder)
    with Empty():
        model = build_model(CONFIGS[size], grounding)
    with torch.device("meta"):
        names = model.language.weight_names
        official = list(
            names.official((n, torch.empty_like(v)) for n, v in model.state_dict().items())
        )
    index = {}
    for number, shard in enumerate(_shards(official)):
        path = folder / f"model-{number:05d}.safetensors"
        save_file({name: _random(value) for name, value in shard}, path)
        index |= {name: path.name for name, _ in shard}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def _random(value: Tensor) -> Tensor:
    return (0.02 * torch.randn(value.shape)).bfloat16()


def _shards(weights: Iterable[tuple[str, Tensor]]) -> Iterator[list[tuple[str, Tensor]]]:
    shard: list[tuple[str, Tensor]] = []
    for name, value in weights:
        shard.append((name, value))
        if sum(2 * v.numel() for _, v in shard) > SHARD_BYTES:
            yield shard
            shard = []
    yield shard
