"""What SAM 2 remembers of one object, and how it is laid out for memory attention.

The layout is that of ``SAM2Base._prepare_memory_conditioned_features`` (SAM 2, arXiv 2408.00714,
section 4), with objects as a batch dimension.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field

import numpy as np
import torch
from sam2.modeling.sam2_base import SAM2Base
from sam2.modeling.sam2_utils import get_1d_sine_pe
from torch import Tensor

from napari_sa2va.core.prompts import FramePrompts


@dataclass
class Conditioning:
    """A frame on which the object was prompted; kept as long as the object.

    Attributes
    ----------
    logits : (1, h, w) float32 tensor
        The chosen mask.
    pointer : (C,) tensor
        The object pointer.
    presence : (1,) tensor
        Object score logit.
    score : float
        Predicted IoU.
    prompts : FramePrompts or None
        What was clicked and drawn; None where only the language prompt speaks.
    language : (1, C) tensor or None
        The projected hidden state of ``[SEG]``.
    features : (M, h, w) tensor or None
        The spatial memory; made when first needed.
    """

    logits: Tensor
    pointer: Tensor
    presence: Tensor
    score: float
    prompts: FramePrompts | None = None
    language: Tensor | None = None
    features: Tensor | None = None


@dataclass(frozen=True)
class Recent:
    """A tracked frame: ``features`` (M, h, w) and ``pointer`` (C,)."""

    features: Tensor
    pointer: Tensor


@dataclass
class TrackedObject:
    """One object's prompts and memory.

    Attributes
    ----------
    conditioning : dict of int to Conditioning
        By frame.
    recent : dict of int to Recent
        The last tracked frames, as many as SAM 2 looks back.
    tracked : dict of int to bytes
        Low-resolution masks of all tracked frames, compressed: where a correction starts from.
    """

    conditioning: dict[int, Conditioning] = field(default_factory=dict)
    recent: dict[int, Recent] = field(default_factory=dict)
    tracked: dict[int, bytes] = field(default_factory=dict)

    def condition(self, frame: int, conditioning: Conditioning) -> None:
        """Add a prompted frame. What was tracked without it is no longer to be trusted."""
        self.conditioning[frame] = conditioning
        self.recent.clear()
        self.tracked.pop(frame, None)

    def remember(self, frame: int, recent: Recent, logits: Tensor, reach: int) -> None:
        """Add a tracked frame, and forget those further than `reach` frames from it."""
        self.recent[frame] = recent
        for other in [f for f in self.recent if abs(f - frame) > reach]:
            del self.recent[other]
        bits = np.packbits((logits > 0).cpu().numpy())
        self.tracked[frame] = zlib.compress(bits.tobytes(), 1)

    def tracked_logits(self, frame: int) -> Tensor | None:
        """The tracked mask of a frame as logits of +-10, (1, h, h); None if there is none."""
        packed = self.tracked.get(frame)
        if packed is None:
            return None
        # The side of the squares is a multiple of 4: they fill their bytes.
        bits = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8))
        side = math.isqrt(len(bits))
        return torch.from_numpy(bits.reshape(1, side, side)).float() * 20 - 10


@dataclass(frozen=True)
class MemoryView:
    """What one object brings to memory attention in one frame.

    Attributes
    ----------
    spatial : list of (position, (M, h, w) tensor)
        Position 0 for conditioning frames, 1 (earliest) to 6 (latest) for the frames before.
    pointers : list of (distance, (C,) tensor)
        Object pointers, and how far back they are; 1 is as far as SAM 2 looks.
    """

    spatial: list[tuple[int, Tensor]]
    pointers: list[tuple[float, Tensor]]

    @property
    def layout(self) -> tuple[tuple[int, ...], int]:
        """Objects of equal layout can share a batch."""
        return tuple(position for position, _ in self.spatial), len(self.pointers)


def view(
    sam2: SAM2Base, tracked: TrackedObject, frame: int, frames: int, reverse: bool
) -> MemoryView:
    """The memory of an object as seen from `frame` of a stack of `frames`."""
    step = 1 if reverse else -1
    conditioning = sorted(tracked.conditioning.items())
    spatial = [(0, c.features) for t, c in conditioning if t != frame]
    for position in range(1, sam2.num_maskmem):
        earlier = tracked.recent.get(frame + step * (sam2.num_maskmem - position))
        if earlier is not None:
            spatial.append((position, earlier.features))
    reach = min(frames, sam2.max_obj_ptrs_in_encoder) - 1
    pointers = [
        ((t - frame) * step / reach, c.pointer) for t, c in conditioning if (t - frame) * step > 0
    ]
    for distance in range(1, reach + 1):
        earlier = tracked.recent.get(frame + step * distance)
        if earlier is not None:
            pointers.append((distance / reach, earlier.pointer))
    return MemoryView([(p, f) for p, f in spatial if f is not None], pointers)


def attend(sam2: SAM2Base, top: Tensor, views: list[MemoryView]) -> Tensor:
    """Condition a frame's top features (1, C, h, w) on the memories of B objects: (B, C, h, w).

    All views have the same layout.
    """
    objects, (height, width) = len(views), top.shape[-2:]
    positions, n_pointers = views[0].layout
    if not positions and not n_pointers:
        return (top + sam2.no_mem_embed[0, 0][:, None, None]).expand(objects, -1, -1, -1)

    memory, memory_pos = [], []
    for row, position in enumerate(positions):
        features = torch.stack([view.spatial[row][1] for view in views]).to(top.dtype)
        encoding = sam2.memory_encoder.position_encoding(features[:1]).to(top.dtype)
        time = sam2.maskmem_tpos_enc[sam2.num_maskmem - position - 1]
        memory.append(_tokens(features))
        memory_pos.append((_tokens(encoding) + time).expand(-1, objects, -1))
    pointer_tokens = 0
    if n_pointers:
        pointers = torch.stack(
            [torch.stack([pointer for _, pointer in view.pointers]) for view in views], 1
        )  # (P, B, C)
        split = pointers.unflatten(2, (-1, sam2.mem_dim)).transpose(1, 2).flatten(0, 1)
        memory.append(split)
        memory_pos.append(_pointer_times(sam2, views, split))
        pointer_tokens = len(split)

    current_pos = sam2.image_encoder.neck.position_encoding(top).to(top.dtype)
    out = sam2.memory_attention(
        curr=_tokens(top).expand(-1, objects, -1),
        curr_pos=_tokens(current_pos).expand(-1, objects, -1),
        memory=torch.cat(memory),
        memory_pos=torch.cat(memory_pos),
        num_obj_ptr_tokens=pointer_tokens,
    )
    return out.permute(1, 2, 0).unflatten(2, (height, width))


def _pointer_times(sam2: SAM2Base, views: list[MemoryView], split: Tensor) -> Tensor:
    """How far back pointers are, encoded for their tokens (N, B, M); SAM 2 does it from 2.1 on."""
    if not sam2.add_tpos_enc_to_obj_ptrs:
        return torch.zeros_like(split)
    back = torch.tensor(
        [[distance for distance, _ in view.pointers] for view in views], device=split.device
    ).T
    width = sam2.hidden_dim if sam2.proj_tpos_enc_in_obj_ptrs else sam2.mem_dim
    encoded: Tensor = sam2.obj_ptr_tpos_proj(get_1d_sine_pe(back, dim=width))
    return encoded.repeat_interleave(len(split) // len(encoded), 0)


def encode(
    sam2: SAM2Base,
    top: Tensor,
    high_res_logits: Tensor,
    presence: Tensor,
    prompted: bool,
) -> Tensor:
    """The spatial memories (B, M, h, w) of B masks given as logits (B, 1, S, S).

    `prompted` tells whether they come from prompts: SAM 2's predictor then binarizes them. They are
    kept in bfloat16, as ``SAM2VideoPredictor`` does: half the bytes, and its results.
    """
    objects = len(high_res_logits)
    features, _ = sam2._encode_new_memory(
        current_vision_feats=[_tokens(top).expand(-1, objects, -1)],
        feat_sizes=[tuple(top.shape[-2:])],
        pred_masks_high_res=high_res_logits,
        object_score_logits=presence,
        is_mask_from_pts=prompted,
    )
    return features.bfloat16()


def _tokens(features: Tensor) -> Tensor:
    """(B, C, h, w) as (h*w, B, C)."""
    return features.flatten(2).permute(2, 0, 1)
