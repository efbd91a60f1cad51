"""Tracking time, ours beside the sam2 package's video predictor, same weights and clicks.

    python -m benchmarks.tracking nano --objects 1 5 20 --frames 30
    python -m benchmarks.tracking tiny --objects 1 5 --frames 10 --dtypes float32 bfloat16

``nano`` is the bundled model; ``tiny`` has the size of SAM 2's Hiera-tiny at 1024 pixels, with
random weights. Both sides start from decoded frames; the image encoder's time is part of both.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as napari_sa2va.load does

import numpy as np
import torch
from sam2.modeling.sam2_base import SAM2Base

from benchmarks.sam2_predictor import frame_pixels, predictor_masks
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.core.prompts import frame_prompts
from napari_sa2va.engine.cache import EmbeddingCache
from napari_sa2va.engine.masks import full_size_mask
from napari_sa2va.engine.runtime import autocast
from napari_sa2va.engine.tracker import Tracker
from napari_sa2va.models.catalog import find_model
from napari_sa2va.models.checkpoint import load_model
from napari_sa2va.models.grounding import build_sam2, encode_image, grounding_pixels

HIERA_TINY = {
    "embed_dim": 96,
    "num_heads": 1,
    "stages": [1, 2, 7, 2],
    "global_att_blocks": [5, 7, 9],
    "window_pos_embed_bkg_spatial_size": [7, 7],
    "window_spec": [8, 4, 14, 7],
    "backbone_channel_list": [768, 384, 192, 96],
}


def network(name: str) -> SAM2Base:
    if name == "nano":
        return load_model(find_model("nano")).grounding
    torch.manual_seed(0)
    return build_sam2(HIERA_TINY).eval().requires_grad_(False)


def moving_discs(frames: int, objects: int) -> tuple[ArrayFrames, dict[int, tuple[int, int]]]:
    """A stack of 512 x 512 frames, and a click on each disc in its first frame."""
    rng = np.random.default_rng(0)
    starts = rng.uniform(60, 450, (objects, 2))
    speed = rng.uniform(-3, 3, (objects, 2))
    y, x = np.mgrid[:512, :512]
    stack = rng.integers(0, 40, (frames, 512, 512)).astype(np.uint8)
    for t, frame in enumerate(stack):
        for n, (cy, cx) in enumerate(starts + t * speed):
            frame[(y - cy) ** 2 + (x - cx) ** 2 < 400] = 120 + 6 * n
    clicks = {n: (int(cy), int(cx)) for n, (cy, cx) in enumerate(starts, 1)}
    return ArrayFrames(stack), clicks


def ours(
    sam2: SAM2Base, frames: ArrayFrames, clicks: dict[int, tuple[int, int]], dtype: torch.dtype
) -> Iterator[tuple[int, dict[int, Any]]]:
    def compute() -> Any:
        return autocast(torch.device("cpu"), dtype)

    @torch.inference_mode()
    def features(frame: int) -> Any:
        with compute():
            return encode_image(sam2, grounding_pixels(frames.frame(frame), sam2.image_size))

    cache = EmbeddingCache(features)
    tracker = Tracker(sam2, cache.__getitem__, frames.shape, compute)
    for object_id, (y, x) in clicks.items():
        tracker.condition_on_prompts(
            object_id, 0, frame_prompts(frames.shape[1:], points=[(y, x, True)])
        )
    for t in range(frames.shape[0]):
        found = tracker.track(t, list(clicks))
        yield (
            t,
            {
                n: full_size_mask(mask.logits, sam2.image_size, frames.shape[1:])
                for n, mask in found.items()
            },
        )


def theirs(
    sam2: SAM2Base, frames: ArrayFrames, clicks: dict[int, tuple[int, int]], dtype: torch.dtype
) -> Iterator[tuple[int, dict[int, Any]]]:
    images = frame_pixels(frames, sam2.image_size)
    with torch.inference_mode(), autocast(torch.device("cpu"), dtype):
        yield from predictor_masks(sam2, images, frames.shape[1:], clicks)


def timed(masks: Iterator[tuple[int, dict[int, Any]]]) -> tuple[float, dict[int, dict[int, Any]]]:
    start = time.perf_counter()
    result = dict(masks)
    return time.perf_counter() - start, result


def agreement(a: dict[int, dict[int, Any]], b: dict[int, dict[int, Any]]) -> float:
    """Mean IoU of equal frames and objects; two empty masks agree."""
    pairs = [(a[t][n], b[t][n]) for t in b for n in b[t]]
    ious = [(p & q).sum() / (p | q).sum() if (p | q).any() else 1.0 for p, q in pairs]
    return float(np.mean(ious))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=["nano", "tiny"])
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    arguments = parser.parse_args()
    sam2 = network(arguments.network)
    print(f"{arguments.network}, {arguments.frames} frames, {torch.get_num_threads()} threads")
    print("objects  dtype     ours [s]  sam2 [s]  sam2/ours  IoU")
    for name in arguments.dtypes:
        dtype = getattr(torch, name)
        warm_up = moving_discs(2, 1)
        for run in (ours, theirs):
            timed(run(sam2, *warm_up, dtype))
        for objects in arguments.objects:
            frames, clicks = moving_discs(arguments.frames, objects)
            our_time, our_masks = timed(ours(sam2, frames, clicks, dtype))
            their_time, their_masks = timed(theirs(sam2, frames, clicks, dtype))
            print(
                f"{objects:7d}  {name:8s} {our_time:9.2f} {their_time:9.2f} "
                f"{their_time / our_time:10.2f}  {agreement(our_masks, their_masks):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
