"""A Sa2VA of random weights, small enough for any test, in the official folder layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from napari_sa2va.models.checkpoint import build_model, save_model

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<img>",
    "</img>",
    "<IMG_CONTEXT>",
    "[SEG]",
    "<p>",
    "</p>",
    "<vp>",
    "</vp>",
)

GROUNDING = {
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


def config(vocabulary: int) -> dict[str, object]:
    """The contents of config.json."""
    return {
        "model_type": "sa2va_chat",
        "template": "qwen_chat",
        "force_image_size": 56,
        "downsample_ratio": 0.5,
        "max_dynamic_patch": 4,
        "llm_config": {
            "architectures": ["Qwen2ForCausalLM"],
            "vocab_size": vocabulary,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 1024,
            "tie_word_embeddings": False,
        },
        "vision_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 56,
            "patch_size": 14,
            "norm_type": "layer_norm",
            "qk_normalization": False,
            "qkv_bias": True,
        },
    }


def write_checkpoint(folder: Path) -> Path:
    """Write config, grounding, tokenizer and weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = config(tokenizer.get_vocab_size())
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "grounding.json").write_text(json.dumps(GROUNDING))
    torch.manual_seed(0)
    model = build_model(settings, GROUNDING)
    with torch.no_grad():
        # Random weights would judge most objects absent, and all empty masks are equal.
        model.grounding.sam_mask_decoder.pred_obj_score_head.layers[-1].bias += 100
        for parameter in model.grounding.memory_encoder.fuser.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    save_model(model, folder, torch.float32)
    return folder


def _byte_tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({byte: n for n, byte in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer
