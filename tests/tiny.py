"""A Sa2VA of random weights, small enough for any test, in the official folder layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
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

# A config.json of transformers' SAM 2, of the same image size.
SAM2_VIDEO: dict[str, Any] = {
    "model_type": "sam2_video",
    "image_size": 128,
    "vision_config": {
        "model_type": "sam2_vision_model",
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 16,
            "embed_dim_per_stage": [16, 32, 64, 128],
            "num_attention_heads_per_stage": [1, 2, 4, 8],
            "blocks_per_stage": [1, 1, 2, 1],
            "window_size_per_stage": [8, 4, 4, 4],
            "global_attention_blocks": [3],
            "window_positional_embedding_background_size": [4, 4],
            "image_size": [128, 128],
        },
        "backbone_channel_list": [128, 64, 32, 16],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": 128,
    },
    "prompt_encoder_config": {"hidden_size": 128, "image_size": 128},
    "mask_decoder_config": {"hidden_size": 128},
    "memory_attention_hidden_size": 128,
    "memory_attention_num_layers": 1,
    "memory_attention_feed_forward_hidden_size": 64,
    "memory_attention_rope_feat_sizes": [8, 8],
    "memory_encoder_hidden_size": 128,
    "mask_downsampler_embed_dim": 128,
    "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 512,
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


def add_second_decoder(checkpoint: Path, folder: Path) -> Path:
    """Write a checkpoint that has another fine-tuned decoder beside its own, as Sa2VA-i."""
    shutil.copytree(checkpoint, folder)
    weights = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(2)
    for name, value in list(weights.items()):
        if ".sam_mask_decoder." in name:
            other = name.replace(".sam_mask_decoder.", ".sam_mask_decoder_modified.")
            noise = torch.randn(value.shape, generator=generator)
            weights[other] = value + 0.1 * value.std(correction=0) * noise
    save_file(weights, folder / "model.safetensors")
    return folder


def write_sam2(folder: Path, size: int = 128) -> Path:
    """Write a plain SAM 2.1 of random weights as transformers does, for images of `size`."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    settings = {**SAM2_VIDEO, "image_size": size}
    settings["memory_attention_rope_feat_sizes"] = [size // 16] * 2
    settings["prompt_encoder_config"] = {**SAM2_VIDEO["prompt_encoder_config"], "image_size": size}
    settings["vision_config"] = {
        **SAM2_VIDEO["vision_config"],
        "backbone_feature_sizes": [[size // stride] * 2 for stride in (4, 8, 16)],
    }
    torch.manual_seed(1)
    model = Sam2VideoModel(Sam2VideoConfig.from_dict(settings))
    with torch.no_grad():
        # Transformers begins much at zero, where no mistake would show.
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
        for name, parameter in model.memory_attention.named_parameters():
            if name.endswith(("q_proj.weight", "k_proj.weight")):
                parameter *= 4  # let it look at something rather than at everything
        model.temporal_positional_encoding_projection_layer.weight *= 4
        model.mask_decoder.pred_obj_score_head.proj_out.bias += 100
        places = model.shared_image_embedding.positional_embedding
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(places)
    model.save_pretrained(folder)
    return folder


def _byte_tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({byte: n for n, byte in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer
