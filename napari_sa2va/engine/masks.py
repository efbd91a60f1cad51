"""Mask logits to masks at the size of the data."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sa2va.core.masks import BoolMask
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
    height, width = shape
    if height * width <= _STRIP_PIXELS:
        resized = F.interpolate(square, size=shape, mode="bilinear", align_corners=False)
        return (resized[0, 0] > 0).cpu().numpy()
    x = (torch.arange(width, device=square.device) + 0.5) * 2 / width - 1
    y = (torch.arange(height, device=square.device) + 0.5) * 2 / height - 1
    rows = max(1, _STRIP_PIXELS // width)
    strips = []
    for strip in y.split(rows):
        grid = torch.stack(torch.meshgrid(x, strip, indexing="xy"), -1)[None]
        values = F.grid_sample(square, grid, padding_mode="border", align_corners=False)
        strips.append((values[0, 0] > 0).cpu())
    return torch.cat(strips).numpy()
