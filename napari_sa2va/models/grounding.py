"""SAM 2, from the sam2 package, prompted by points, masks and the language side.

Sa2VA (arXiv 2501.04001, section 3.2) appends the projected hidden state of ``[SEG]`` to the
sparse prompt embeddings of SAM 2's mask decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam2_base import NO_OBJ_SCORE, SAM2Base
from torch import Tensor

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.core.frames import RGBFrame

IMAGE_MEAN = torch.tensor((0.485, 0.456, 0.406))
IMAGE_STD = torch.tensor((0.229, 0.224, 0.225))
# The official code rounds them on SAM 2's side, and its checkpoints were trained so.
_MEAN, _STD = IMAGE_MEAN.bfloat16().float(), IMAGE_STD.bfloat16().float()

_TRUNK_KEYS = (
    "embed_dim",
    "num_heads",
    "stages",
    "global_att_blocks",
    "window_pos_embed_bkg_spatial_size",
    "window_spec",
)
_NECK_KEYS = ("d_model", "backbone_channel_list", "fpn_top_down_levels", "fpn_interp_model")
_MODEL_KEYS = (
    *("image_size", "num_maskmem"),
    *("multimask_output_in_sam", "multimask_output_for_tracking"),
    *("no_obj_embed_spatial", "add_tpos_enc_to_obj_ptrs", "proj_tpos_enc_in_obj_ptrs"),
    *("use_signed_tpos_enc_to_obj_ptrs", "binarize_mask_from_pts_for_mem_enc"),
    "sam_mask_decoder_extra_args",
)
_OTHER_KEYS = (
    *("scalp", "memory_attention_layers", "memory_attention_feedforward"),
    *("memory_attention_downsample", "memory_fuser_layers", "mask_downsampler_stride"),
    *("empty_where_absent", "note"),
)


class FrameFeatures(NamedTuple):
    """What SAM 2's image encoder makes of one frame; shared by all its objects.

    Attributes
    ----------
    stride4, stride8 : (1, C/8, H/4, W/4) and (1, C/4, H/8, W/8) tensors
        High-resolution features, already projected for the mask decoder.
    top : (1, C, H/16, W/16) tensor
        What memory attention and the mask decoder work on.
    language : pair of tensors, optional
        `stride4` and `stride8` for the decoder that takes the language prompt, where that is
        another one.
    """

    stride4: Tensor
    stride8: Tensor
    top: Tensor
    language: tuple[Tensor, Tensor] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all."""
        own = (self.stride4, self.stride8, self.top)
        return sum(feature.nbytes for feature in (*own, *(self.language or ())))


class Decoded(NamedTuple):
    """The mask decoder's choice for B objects.

    Attributes
    ----------
    logits : (B, 1, H/4, W/4) float32 tensor
        Mask logits; -1024 everywhere where no mask is shown.
    ious : (B, M) tensor
        Predicted IoU of each candidate.
    pointers : (B, C) tensor
        Object pointers for the memory.
    presence : (B, 1) tensor
        Object score logits; positive where the object is judged present.
    shown : (B, 1) bool tensor
        Whether there is a mask: not where the object is judged absent, if that empties masks.
    """

    logits: Tensor
    ious: Tensor
    pointers: Tensor
    presence: Tensor
    shown: Tensor

    @property
    def scores(self) -> Tensor:
        """(B,) predicted IoU of the chosen candidate, 0 where no mask is shown."""
        return self.ious.float().amax(1).clamp(0, 1) * self.shown[:, 0]


def build_sam2(grounding: Mapping[str, Any], second_decoder: bool = False) -> SAM2Base:
    """SAM 2 with random weights.

    Parameters
    ----------
    grounding : mapping
        Settings that differ from ``sam2_hiera_l.yaml``, by the argument names of the sam2 package
        (the contents of a checkpoint's ``grounding.json``); empty for the official checkpoints.
        ``empty_where_absent`` empties the mask of an object that is judged absent, as SAM 2 does;
        Sa2VA's own training leaves that judgement out, and the official code does not heed it.
    second_decoder : bool
        Add ``sam_mask_decoder_modified``, which takes the language prompt instead of SAM 2's own
        decoder: Sa2VA-i's checkpoints carry both.

    Raises
    ------
    CheckpointError
        A setting is not known.
    """
    unknown = set(grounding) - {*_TRUNK_KEYS, *_NECK_KEYS, *_MODEL_KEYS, *_OTHER_KEYS}
    if unknown:
        raise CheckpointError(f"grounding.json has unknown settings: {', '.join(sorted(unknown))}.")
    with resources.as_file(resources.files("sam2") / "configs/sam2/sam2_hiera_l.yaml") as path:
        config = OmegaConf.load(path).model
    encoder, attention = config.image_encoder, config.memory_attention
    for target, keys in (
        (encoder.trunk, _TRUNK_KEYS),
        (encoder.neck, _NECK_KEYS),
        (config, _MODEL_KEYS),
    ):
        target.update({key: grounding[key] for key in keys if key in grounding})
    encoder.scalp = grounding.get("scalp", encoder.scalp)
    _set_width(config, encoder.neck.d_model)
    _set_memory_cost(config, grounding)
    side = config.image_size // 16
    attention.layer.self_attention.feat_sizes = [side, side]
    attention.layer.cross_attention.feat_sizes = [side, side]
    model: SAM2Base = instantiate(config, _recursive_=True)
    model.empty_where_absent = bool(grounding.get("empty_where_absent", False))
    model.plain = False
    if second_decoder:
        model.sam_mask_decoder_modified = deepcopy(model.sam_mask_decoder)
    return model


def has_second_decoder(sam2: SAM2Base) -> bool:
    """Whether SAM 2's own decoder is there beside the one that takes the language prompt."""
    return hasattr(sam2, "sam_mask_decoder_modified")


def drop_first_decoder(sam2: SAM2Base) -> None:
    """Let the decoder that takes the language prompt be the only one, in place."""
    sam2.sam_mask_decoder = sam2.sam_mask_decoder_modified
    del sam2.sam_mask_decoder_modified


def _set_width(config: DictConfig, width: int) -> None:
    config.image_encoder.neck.position_encoding.num_pos_feats = width
    layer = config.memory_attention.layer
    config.memory_attention.d_model = layer.d_model = width
    layer.self_attention.embedding_dim = layer.cross_attention.embedding_dim = width
    config.memory_encoder.in_dim = width
    config.memory_encoder.mask_downsampler.embed_dim = width
    config.memory_encoder.fuser.layer.dim = width


def _set_memory_cost(config: DictConfig, grounding: Mapping[str, Any]) -> None:
    """What an object costs in a tracked frame."""
    attention, encoder = config.memory_attention, config.memory_encoder
    attention.num_layers = grounding.get("memory_attention_layers", attention.num_layers)
    attention.layer.dim_feedforward = grounding.get(
        "memory_attention_feedforward", attention.layer.dim_feedforward
    )
    narrower = grounding.get("memory_attention_downsample", 1)
    for own in (attention.layer.self_attention, attention.layer.cross_attention):
        own.downsample_rate = narrower
    encoder.fuser.num_layers = grounding.get("memory_fuser_layers", encoder.fuser.num_layers)
    stride = grounding.get("mask_downsampler_stride", encoder.mask_downsampler.stride)
    if stride != encoder.mask_downsampler.stride:
        # Patches side by side, as MaskDownSampler has it by itself.
        encoder.mask_downsampler.update(stride=stride, kernel_size=stride, padding=0)


def grounding_pixels(frame: RGBFrame, size: int, plain: bool = False) -> Tensor:
    """A uint8 RGB frame (H, W, 3) as SAM 2's input (1, 3, size, size): squeezed, normalised.

    `plain`: for SAM 2's own weights, as its video predictor does it; else as Sa2VA does.
    """
    resized = np.asarray(Image.fromarray(frame).resize((size, size)))
    pixels = torch.from_numpy(resized.copy()).permute(2, 0, 1) / 255.0
    mean, std = (IMAGE_MEAN, IMAGE_STD) if plain else (_MEAN, _STD)
    return normalise(pixels, mean, std)[None]


def normalise(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(..., 3, H, W) in 0..1 with a mean (3,) taken off, over a standard deviation (3,)."""
    return (pixels - mean[:, None, None]) / std[:, None, None]


def encode_image(sam2: SAM2Base, pixels: Tensor) -> FrameFeatures:
    """Features of normalised pixels (B, 3, S, S)."""
    stride4, stride8, top = sam2.image_encoder(pixels)["backbone_fpn"]
    own = _projected(sam2.sam_mask_decoder, stride4, stride8)
    if not has_second_decoder(sam2):
        return FrameFeatures(*own, top)
    return FrameFeatures(*own, top, _projected(sam2.sam_mask_decoder_modified, stride4, stride8))


def compile_image_encoder(sam2: SAM2Base) -> None:
    """Compile it with ``torch.compile`` when it is first used, in place."""
    sam2.image_encoder.compile(dynamic=False)


def _projected(decoder: MaskDecoder, stride4: Tensor, stride8: Tensor) -> tuple[Tensor, Tensor]:
    """High-resolution features as a decoder wants them."""
    return decoder.conv_s0(stride4), decoder.conv_s1(stride8)


def decode(
    sam2: SAM2Base,
    conditioned: Tensor,
    features: FrameFeatures,
    *,
    points: tuple[Tensor, Tensor] | None = None,
    mask_logits: Tensor | None = None,
    language: Tensor | None = None,
    multimask: bool = False,
) -> Decoded:
    """Masks of B objects in one frame.

    Follows ``SAM2Base._forward_sam_heads``, with the language prompt that Sa2VA adds, and without
    the upscaling to full size that only the memory encoder needs.

    Parameters
    ----------
    conditioned : (B, C, h, w) tensor
        The frame's top features, after memory attention.
    features : FrameFeatures
        Of the frame.
    points : (B, P, 2) and (B, P) tensors, optional
        Coordinates (x, y) in pixels of SAM 2's input, and labels: 1 positive, 0 negative, 2 and 3
        the corners of a box, -1 padding.
    mask_logits : (B, 1, 4h, 4w) tensor, optional
        A mask to start from.
    language : (B, N, C) tensor, optional
        Projected hidden states of ``[SEG]``.
    multimask : bool
        Let the decoder choose among three candidates.
    """
    objects, device = conditioned.shape[0], conditioned.device
    if points is None:
        points = (
            torch.zeros(objects, 1, 2, device=device),
            -torch.ones(objects, 1, dtype=torch.int32, device=device),
        )
    sparse, dense = sam2.sam_prompt_encoder(points=points, boxes=None, masks=mask_logits)
    decoder, high_res = sam2.sam_mask_decoder, (features.stride4, features.stride8)
    if language is not None:
        sparse = torch.cat([sparse, language.to(sparse.dtype)], 1)
        if features.language is not None:
            decoder, high_res = sam2.sam_mask_decoder_modified, features.language
    logits, ious, tokens, presence = decoder(
        image_embeddings=conditioned,
        image_pe=sam2.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
        repeat_image=False,
        high_res_features=[feature.expand(objects, -1, -1, -1) for feature in high_res],
    )
    present = presence > 0
    best, rows = ious.argmax(1), torch.arange(objects, device=device)
    token = tokens[rows, best] if tokens.shape[1] > 1 else tokens[:, 0]
    pointers = torch.where(present, sam2.obj_ptr_proj(token), sam2.no_obj_ptr)
    chosen = logits[rows, best][:, None].float()
    shown = present if sam2.empty_where_absent else torch.ones_like(present)
    masks = torch.where(shown[..., None, None], chosen, NO_OBJ_SCORE)
    return Decoded(masks, ious, pointers, presence, shown)


def mask_as_output(sam2: SAM2Base, features: FrameFeatures, masks: Tensor) -> Decoded:
    """Given masks (B, 1, S, S), 0 or 1, taken as they are (``SAM2Base._use_mask_as_output``)."""
    objects = len(masks)
    _, _, ious, logits, _, pointers, presence = sam2._use_mask_as_output(
        features.top.expand(objects, -1, -1, -1),
        [f.expand(objects, -1, -1, -1) for f in (features.stride4, features.stride8)],
        masks,
    )
    return Decoded(logits.float(), ious, pointers, presence, presence > 0)


def upscale(logits: Tensor, size: int) -> Tensor:
    """Low-resolution logits (B, 1, h, w) at SAM 2's input size (B, 1, size, size)."""
    return F.interpolate(logits.float(), size=(size, size), mode="bilinear", align_corners=False)
