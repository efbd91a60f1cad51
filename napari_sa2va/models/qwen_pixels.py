"""From a frame to the patches that Qwen's vision towers read.

The official code resizes twice: qwen_vl_utils to multiples of 28 with Pillow, whatever the model,
then the processor to whole visual tokens, within Sa2VA's own limits.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import RGBFrame
from napari_sa2va.models.grounding import normalise

_FIRST_MULTIPLE, _FIRST_MIN_PIXELS, _FIRST_MAX_PIXELS = 28, 4 * 28**2, 16384 * 28**2
_MIN_PIXELS, _MAX_PIXELS = 512 * 28**2, 2048 * 28**2
_MAX_ASPECT = 200


def smart_size(
    height: int, width: int, multiple: int, min_pixels: int, max_pixels: int
) -> tuple[int, int]:
    """Multiples of `multiple` near a height and width, with an area within limits.

    Raises
    ------
    InputError
        One side is more than 200 times the other.
    """
    if max(height, width) > _MAX_ASPECT * min(height, width):
        raise InputError(
            f"A frame of {height} x {width} pixels is too long for this model.",
            f"Crop it: one side may be {_MAX_ASPECT} times the other.",
        )
    near = [max(multiple, round(side / multiple) * multiple) for side in (height, width)]
    if near[0] * near[1] > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        near = [
            max(multiple, math.floor(side / shrink / multiple) * multiple)
            for side in (height, width)
        ]
    elif near[0] * near[1] < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        near = [math.ceil(side * grow / multiple) * multiple for side in (height, width)]
    return near[0], near[1]


def frame_pixels(frame: RGBFrame, token_size: int, mean: Tensor, std: Tensor) -> Tensor:
    """Normalised pixels (3, H, W) of a frame; H and W are multiples of `token_size`."""
    height, width = smart_size(
        frame.shape[0], frame.shape[1], _FIRST_MULTIPLE, _FIRST_MIN_PIXELS, _FIRST_MAX_PIXELS
    )
    first = np.array(Image.fromarray(frame).resize((width, height)))
    size = smart_size(height, width, token_size, _MIN_PIXELS, _MAX_PIXELS)
    channels_first = torch.from_numpy(first).permute(2, 0, 1).contiguous()
    pixels = resize(channels_first, list(size), InterpolationMode.BICUBIC, antialias=True)
    return normalise(pixels.float(), mean * 255, std * 255)


def patchify(pixels: Tensor, patch: int, merge: int, repeats: int) -> tuple[Tensor, int, int]:
    """Patches (rows * columns, 3 * repeats * patch * patch) of pixels (3, H, W), and the grid.

    Those of one visual token, `merge` by `merge`, follow each other. A patch of a single image is
    repeated in time, in which the towers' patches extend, too.
    """
    rows, columns = pixels.shape[1] // patch, pixels.shape[2] // patch
    cells = pixels.reshape(3, rows // merge, merge, patch, columns // merge, merge, patch)
    patches = cells.permute(1, 4, 2, 5, 0, 3, 6).unsqueeze(5)
    patches = patches.expand(*(-1,) * 5, repeats, -1, -1)
    return patches.reshape(rows * columns, -1), rows, columns
