"""SAM 2 as transformers names it (``Sam2VideoModel``), onto the modules of the sam2 package.

The repositories ``facebook/sam2.1-hiera-*`` carry their safetensors under transformers' names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from transformers import Sam2VideoConfig

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.weight_names import Fused, WeightNames

Pairs = list[tuple[str, str]]

# One matrix under two names: of points, and of the image's places.
_PLACES = "shared_image_embedding.positional_embedding"
_PLACES_AGAIN = "prompt_encoder.shared_embedding.positional_embedding"

# What the sam2 package fixes, or what its configurations of SAM 2 and 2.1 leave as it is.
_FIXED = {
    "": (
        *("memory_attention_num_attention_heads", "memory_attention_feed_forward_hidden_act"),
        *("mask_downsampler_stride", "mask_downsampler_hidden_act", "memory_fuser_hidden_act"),
        *("sigmoid_scale_for_mem_enc", "sigmoid_bias_for_mem_enc", "max_cond_frame_num"),
        *("multimask_min_pt_num", "multimask_max_pt_num", "rope_parameters"),
        "max_object_pointers_in_encoder",
    ),
    "vision_config": ("num_feature_levels", "hidden_act", "layer_norm_eps"),
    "vision_config.backbone_config": (
        *("query_stride", "num_query_pool_stages", "hidden_act", "layer_norm_eps"),
        *("patch_stride", "patch_padding"),
    ),
    "prompt_encoder_config": ("hidden_act", "layer_norm_eps", "patch_size"),
    "mask_decoder_config": ("hidden_act", "num_attention_heads", "num_hidden_layers"),
}


def sam2_settings(config: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """What `build_sam2` takes, from the contents of a ``config.json`` that transformers wrote.

    SAM 2 and SAM 2.1 differ in these settings alone.

    Raises
    ------
    CheckpointError
        It describes no SAM 2, or one that the sam2 package cannot be.
    """
    if config.get("model_type") != "sam2_video":
        raise CheckpointError(
            f"{folder} is no SAM 2 as transformers writes it: its config.json has the model_type "
            f"{config.get('model_type')!r} instead of 'sam2_video'.",
            "Prompt models are facebook/sam2.1-hiera-tiny, -small, -base-plus and -large.",
        )
    try:
        read = Sam2VideoConfig.from_dict(dict(config))
    except (StrictDataclassError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"The config.json of {folder} is damaged ({error}).", "Download it again."
        ) from error
    _check_fixed(read, folder)
    vision, decoder = read.vision_config, read.mask_decoder_config
    backbone = vision.backbone_config
    time_of_pointers = read.enable_temporal_pos_encoding_for_object_pointers
    return {
        "embed_dim": backbone.hidden_size,
        "num_heads": backbone.num_attention_heads_per_stage[0],
        "stages": backbone.blocks_per_stage,
        "global_att_blocks": backbone.global_attention_blocks,
        "window_pos_embed_bkg_spatial_size": backbone.window_positional_embedding_background_size,
        "window_spec": backbone.window_size_per_stage,
        "d_model": vision.fpn_hidden_size,
        "backbone_channel_list": vision.backbone_channel_list,
        "fpn_top_down_levels": vision.fpn_top_down_levels,
        "image_size": read.image_size,
        "num_maskmem": read.num_maskmem,
        "memory_attention_layers": read.memory_attention_num_layers,
        "memory_attention_feedforward": read.memory_attention_feed_forward_hidden_size,
        "multimask_output_in_sam": read.multimask_output_in_sam,
        "multimask_output_for_tracking": read.multimask_output_for_tracking,
        "no_obj_embed_spatial": read.enable_occlusion_spatial_embedding,
        "add_tpos_enc_to_obj_ptrs": time_of_pointers,
        "proj_tpos_enc_in_obj_ptrs": time_of_pointers,
        "use_signed_tpos_enc_to_obj_ptrs": time_of_pointers,
        "sam_mask_decoder_extra_args": {
            "dynamic_multimask_via_stability": decoder.dynamic_multimask_via_stability,
            "dynamic_multimask_stability_delta": decoder.dynamic_multimask_stability_delta,
            "dynamic_multimask_stability_thresh": decoder.dynamic_multimask_stability_thresh,
        },
        # As SAM 2's own video predictor does, though neither its class nor a config.json says so.
        "binarize_mask_from_pts_for_mem_enc": True,
        "empty_where_absent": True,
    }


def _check_fixed(read: Any, folder: str) -> None:
    default = Sam2VideoConfig()
    other = [
        f"{'.'.join(filter(None, (place, name)))} = {getattr(_part(read, place), name)}"
        for place, names in _FIXED.items()
        for name in names
        if getattr(_part(read, place), name) != getattr(_part(default, place), name)
    ]
    heads = read.vision_config.backbone_config.num_attention_heads_per_stage
    if any(later != 2 * earlier for earlier, later in pairwise(heads)):
        other.append(f"vision_config.backbone_config.num_attention_heads_per_stage = {heads}")
    if not isinstance(read.image_size, int):
        other.append(f"image_size = {read.image_size}")
    if other:
        raise CheckpointError(
            f"{folder} is a SAM 2 of a kind that is not known: {', '.join(other)}.",
            "Prompt models are facebook/sam2.1-hiera-tiny, -small, -base-plus and -large.",
        )


def _part(config: Any, place: str) -> Any:
    for name in filter(None, place.split(".")):
        config = getattr(config, name)
    return config


def from_transformers(weights: Mapping[str, Tensor], folder: str) -> Iterator[tuple[str, Tensor]]:
    """Weights under the names of the sam2 package; a name that is not known stays as it is.

    Raises
    ------
    CheckpointError
        Points and the image's places are not encoded alike, which the sam2 package cannot do.
    """
    kept = dict(weights)
    again = kept.pop(_PLACES_AGAIN, None)
    if again is not None and not kept.setdefault(_PLACES, again).equal(again):
        raise CheckpointError(
            f"{folder} encodes points and the image's places differently.", "Download it again."
        )
    return NAMES.ours(kept.items())


def _feed_forward(theirs: str, ours: str, depth: int) -> Pairs:
    hidden = [(f"{theirs}layers.{n}.", f"{ours}layers.{n + 1}.") for n in range(depth - 2)]
    ends = (f"{theirs}proj_in.", f"{ours}layers.0."), (f"{theirs}proj_out.", _last(ours, depth))
    return [*ends, *hidden]


def _last(ours: str, depth: int) -> str:
    return f"{ours}layers.{depth - 1}."


def _layer(theirs: str, ours: str, norms: int, attentions: tuple[str, ...]) -> Pairs:
    """Norms and output projections of a transformer's layer."""
    named = [(f"{theirs}layer_norm{n}.", f"{ours}norm{n}.") for n in range(1, norms + 1)]
    return named + [(f"{theirs}{a}.o_proj.", f"{ours}{a}.out_proj.") for a in attentions]


_BLOCK = "vision_encoder.backbone.blocks.#.", "image_encoder.trunk.blocks.#."
_DECODER = "mask_decoder.", "sam_mask_decoder."
_TWO_WAY = "mask_decoder.transformer.layers.#.", "sam_mask_decoder.transformer.layers.#."
_MEMORY = "memory_attention.layers.#.", "memory_attention.layers.#."
_FUSER = "memory_encoder.memory_fuser.layers.#.", "memory_encoder.fuser.layers.#."
_MASKS = "prompt_encoder.mask_embed.", "sam_prompt_encoder.mask_downscaling."
_DOWN = "memory_encoder.mask_downsampler.", "memory_encoder.mask_downsampler.encoder."
_DOWN_LAYERS = 4  # 16 times smaller, by 2 in each
_FACES = "cross_attn_token_to_image", "cross_attn_image_to_token"


def _each(place: tuple[str, str], *names: tuple[str, str]) -> Pairs:
    return [(place[0] + theirs, place[1] + ours) for theirs, ours in names]


NAMES = WeightNames(
    [
        ("no_memory_embedding", "no_mem_embed"),
        ("no_memory_positional_encoding", "no_mem_pos_enc"),
        ("memory_temporal_positional_encoding", "maskmem_tpos_enc"),
        ("no_object_pointer", "no_obj_ptr"),
        ("occlusion_spatial_embedding_parameter", "no_obj_embed_spatial"),
        ("temporal_positional_encoding_projection_layer.", "obj_ptr_tpos_proj."),
        (_PLACES, "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
        *_feed_forward("object_pointer_proj.", "obj_ptr_proj.", 3),
        *_feed_forward(f"{_BLOCK[0]}mlp.", f"{_BLOCK[1]}mlp.", 2),
        *_layer(*_BLOCK, 2, ()),
        (
            "vision_encoder.backbone.patch_embed.projection.",
            "image_encoder.trunk.patch_embed.proj.",
        ),
        ("vision_encoder.backbone.", "image_encoder.trunk."),
        ("vision_encoder.neck.convs.#.", "image_encoder.neck.convs.#.conv."),
        *_each(_MASKS, ("conv1.", "0."), ("layer_norm1.", "1."), ("conv2.", "3.")),
        *_each(_MASKS, ("layer_norm2.", "4."), ("conv3.", "6.")),
        *_feed_forward(f"{_TWO_WAY[0]}mlp.", f"{_TWO_WAY[1]}mlp.", 2),
        *_layer(*_TWO_WAY, 4, ("self_attn", *_FACES)),
        *_each(
            _DECODER,
            (
                "transformer.final_attn_token_to_image.o_proj.",
                "transformer.final_attn_token_to_image.out_proj.",
            ),
            ("transformer.layer_norm_final_attn.", "transformer.norm_final_attn."),
            ("upscale_conv1.", "output_upscaling.0."),
            ("upscale_layer_norm.", "output_upscaling.1."),
            ("upscale_conv2.", "output_upscaling.3."),
            *_feed_forward("iou_prediction_head.", "iou_prediction_head.", 3),
            *_feed_forward("pred_obj_score_head.", "pred_obj_score_head.", 3),
            *_feed_forward("output_hypernetworks_mlps.#.", "output_hypernetworks_mlps.#.", 3),
        ),
        *_layer(*_MEMORY, 3, ("self_attn", "cross_attn_image")),
        ("memory_attention.layer_norm.", "memory_attention.norm."),
        *_each(
            _FUSER, ("scale", "gamma"), ("depthwise_conv.", "dwconv."), ("layer_norm.", "norm.")
        ),
        *_each(_FUSER, ("pointwise_conv1.", "pwconv1."), ("pointwise_conv2.", "pwconv2.")),
        ("memory_encoder.feature_projection.", "memory_encoder.pix_feat_proj."),
        ("memory_encoder.projection.", "memory_encoder.out_proj."),
        *_each(_DOWN, *((f"layers.{n}.conv.", f"{3 * n}.") for n in range(_DOWN_LAYERS))),
        *_each(_DOWN, *((f"layers.{n}.layer_norm.", f"{3 * n + 1}.") for n in range(_DOWN_LAYERS))),
        *_each(_DOWN, ("final_conv.", f"{3 * _DOWN_LAYERS}.")),
        ("prompt_encoder.", "sam_prompt_encoder."),
        _DECODER,
    ],
    [
        Fused(
            "sam_prompt_encoder.point_embed.",
            tuple(f"sam_prompt_encoder.point_embeddings.{n}." for n in range(4)),
            sizes=(1, 1, 1, 1),
        )
    ],
)
