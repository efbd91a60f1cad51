"""The sam2 package's own video predictor, with the weights of a network that we hold already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from sam2.modeling.sam2_base import SAM2Base
from sam2.sam2_video_predictor import SAM2VideoPredictor
from torch import Tensor

_STATE_DICTS = (
    "point_inputs_per_obj",
    "mask_inputs_per_obj",
    "cached_features",
    "constants",
    "obj_id_to_idx",
    "obj_idx_to_id",
    "output_dict_per_obj",
    "temp_output_dict_per_obj",
    "frames_tracked_per_obj",
)


def predictor_masks(
    sam2: SAM2Base,
    images: Tensor,
    shape: tuple[int, int],
    clicks: Mapping[int, tuple[float, float]],
    frame: int = 0,
    reverse: bool = False,
) -> Iterator[tuple[int, dict[int, Any]]]:
    """Click objects in one frame and propagate.

    Parameters
    ----------
    sam2 : SAM2Base
        Whose weights are used.
    images : (T, 3, S, S) tensor
        Normalised frames.
    shape : tuple of int
        (H, W) of the data.
    clicks : mapping of int to (y, x)
        One positive click per object, in data pixels.

    Yields
    ------
    frame : int
    masks : dict of int to (H, W) bool array
    """
    predictor, state = video_predictor(sam2, images, shape)
    height, width = shape
    size = sam2.image_size
    for object_id, (y, x) in clicks.items():
        # sam2 scales (x, y) by S / (W, H); ours scales the centres of pixels.
        point = [[x + 0.5 - 0.5 * width / size, y + 0.5 - 0.5 * height / size]]
        predictor.add_new_points_or_box(
            state, frame, object_id, points=torch.tensor(point), labels=torch.tensor([1])
        )
    yield from _followed(predictor, state, frame, reverse)


def predictor_follows_masks(
    sam2: SAM2Base,
    images: Tensor,
    shape: tuple[int, int],
    masks: Mapping[int, Mapping[int, Tensor]],
) -> Iterator[tuple[int, dict[int, Any]]]:
    """The same, with masks (H, W) by frame and object instead of clicks."""
    predictor, state = video_predictor(sam2, images, shape)
    for frame, given in masks.items():
        for object_id, mask in given.items():
            predictor.add_new_mask(state, frame, object_id, mask)
    yield from _followed(predictor, state, min(masks), False)


def _followed(
    predictor: Any, state: dict[str, Any], frame: int, reverse: bool
) -> Iterator[tuple[int, dict[int, Any]]]:
    for t, ids, logits in predictor.propagate_in_video(
        state, start_frame_idx=frame, reverse=reverse
    ):
        yield t, {object_id: (logits[n, 0] > 0).cpu().numpy() for n, object_id in enumerate(ids)}


def video_predictor(
    sam2: SAM2Base, images: Tensor, shape: tuple[int, int]
) -> tuple[Any, dict[str, Any]]:
    """The predictor with the weights of `sam2`, and its state for a video."""
    predictor = object.__new__(SAM2VideoPredictor)
    predictor.__dict__ |= sam2.__dict__ | {
        "fill_hole_area": 0,
        "non_overlap_masks": False,
        "clear_non_cond_mem_around_input": False,
        "add_all_frames_to_correct_as_cond": False,
    }
    height, width = shape
    device = images.device
    state: dict[str, Any] = {key: {} for key in _STATE_DICTS} | {
        "images": images,
        "num_frames": len(images),
        "offload_video_to_cpu": False,
        "offload_state_to_cpu": False,
        "video_height": height,
        "video_width": width,
        "device": device,
        "storage_device": device,
        "obj_ids": [],
    }
    return predictor, state


def frame_pixels(frames: Any, size: int, plain: bool = False) -> Tensor:
    """All frames of a FrameSource, normalised: (T, 3, size, size)."""
    from napari_sa2va.models.grounding import grounding_pixels

    return torch.cat(
        [grounding_pixels(frames.frame(t), size, plain) for t in range(frames.shape[0])]
    )
