"""The size of nano, as the two JSON files of its checkpoint say it."""

from __future__ import annotations

from typing import Any

from napari_sa2va.training.tokenizer import SPECIAL, TURN_END, VOCABULARY

CONFIG: dict[str, Any] = {
    "architectures": ["Sa2VAChatModel"],
    "model_type": "sa2va_chat",
    "template": "qwen_chat",
    "downsample_ratio": 0.5,
    "dynamic_image_size": True,
    "force_image_size": 256,
    "hidden_size": 160,
    "min_dynamic_patch": 1,
    "max_dynamic_patch": 1,
    "use_thumbnail": True,
    "pad2square": False,
    "ps_version": "v2",
    "select_layer": -1,
    "tie_word_embeddings": True,
    "llm_config": {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "attention_dropout": 0.0,
        "bos_token_id": VOCABULARY - len(SPECIAL),
        "eos_token_id": VOCABULARY - len(SPECIAL) + SPECIAL.index(TURN_END),
        "hidden_act": "silu",
        "hidden_size": 160,
        "initializer_range": 0.04,
        "intermediate_size": 448,
        "max_position_embeddings": 4096,
        "num_attention_heads": 5,
        "num_hidden_layers": 6,
        "num_key_value_heads": 5,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": True,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": VOCABULARY,
    },
    "vision_config": {
        "architectures": ["InternVisionModel"],
        "model_type": "intern_vit_6b",
        "attention_dropout": 0.0,
        "drop_path_rate": 0.0,
        "dropout": 0.0,
        "hidden_act": "gelu",
        "hidden_size": 128,
        "image_size": 256,
        # InternViT starts at 0.1; that leaves four layers nearly linear.
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": 512,
        "layer_norm_eps": 1e-6,
        "norm_type": "layer_norm",
        "num_attention_heads": 4,
        "num_channels": 3,
        "num_hidden_layers": 4,
        "patch_size": 16,
        "qk_normalization": False,
        "qkv_bias": True,
    },
}
GROUNDING: dict[str, Any] = {
    "embed_dim": 24,
    "num_heads": 1,
    "stages": [1, 1, 3, 1],
    # Two global blocks: with one, masks break at the borders of the windows.
    "global_att_blocks": [3, 4],
    "window_pos_embed_bkg_spatial_size": [8, 8],
    "window_spec": [8, 4, 8, 8],
    "backbone_channel_list": [192, 96, 48, 24],
    "d_model": 128,
    "fpn_top_down_levels": [2, 3],
    "fpn_interp_model": "nearest",
    "scalp": 1,
    "image_size": 512,
    # What an object costs in a tracked frame: with four memories, attention of full width, two
    # fuser layers and SAM 2's mask downsampler five objects take half as long again.
    "num_maskmem": 3,
    "memory_attention_layers": 1,
    "memory_attention_feedforward": 256,
    "memory_attention_downsample": 2,
    "memory_fuser_layers": 1,
    "mask_downsampler_stride": 4,
    "multimask_output_in_sam": False,
    "multimask_output_for_tracking": False,
    "empty_where_absent": True,  # it learns to judge that
}
