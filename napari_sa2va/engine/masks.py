"""Mask logits to masks at the size of the data."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sa2va.core.masks import BoolMask, bounding_box
from napari_sa2va.models.grounding import upscale

# Float pixels that are interpolated at a time: a 20000 x 20000 mask would take 1.6 GB at once.
_STRIP_PIXELS = 2**24


@torch.inference_mode()
def full_size_mask(logits: Tensor, size: int, shape: tuple[int, int]) -> BoolMask:
    """Logits (1, h, w) as a boolean mask of `shape` (H, W).

    They are first brought to SAM 2's input `size`, then to the data's, bilinearly, as the official
    code does.
    """
    square = upscale(logits[None], size)
    if math.prod(shape) > _STRIP_PIXELS:
        return _by_strips(square, shape)
    resized = F.interpolate(square, size=shape, mode="bilinear", align_corners=False)
    return (resized[0, 0] > 0).cpu().numpy()


def _by_strips(square: Tensor, shape: tuple[int, int]) -> BoolMask:
    """Resize logits (1, 1, S, S) where they can be positive, a strip of rows at a time."""
    mask = np.zeros(shape, bool)
    box = bounding_box((square[0, 0] > 0).cpu().numpy())
    if box is None:
        return mask
    size = square.shape[-1]
    y0, y1 = _reach(box[0], box[2], shape[0] / size, shape[0])
    x0, x1 = _reach(box[1], box[3], shape[1] / size, shape[1])
    x = (torch.arange(x0, x1, device=square.device) + 0.5) * 2 / shape[1] - 1
    rows = max(1, _STRIP_PIXELS // (x1 - x0))
    for start in range(y0, y1, rows):
        stop = min(start + rows, y1)
        y = (torch.arange(start, stop, device=square.device) + 0.5) * 2 / shape[0] - 1
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]
        values = F.grid_sample(square, grid, padding_mode="border", align_corners=False)
        mask[start:stop, x0:x1] = (values[0, 0] > 0).cpu().numpy()
    return mask


def _reach(start: int, stop: int, scale: float, length: int) -> tuple[int, int]:
    """The data pixels that interpolation between `start` and `stop` (half-open) can reach."""
    return max(0, math.floor((start - 1) * scale)), min(length, math.ceil((stop + 1) * scale))
