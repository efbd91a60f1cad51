"""Time to a mask, through the public API, beside the sam2 package's image predictor.

    python -m benchmarks.clicks nano --repeats 20

A click on an image that was not seen yet, and one on an image that is embedded; medians. Both
sides have the same weights and the same 512 x 512 images; ours includes the session and masks at
full size.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as napari_sa2va.load does

import numpy as np
import torch
from sam2.sam2_image_predictor import SAM2ImagePredictor

import napari_sa2va
from napari_sa2va.models.catalog import find_model
from napari_sa2va.models.checkpoint import load_model

SIDE = 512


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours(name: str, images: np.ndarray) -> list[tuple[float, float]]:
    """Seconds of the first and the second click, per image."""
    taken = []
    with napari_sa2va.load(name, device="cpu") as engine:
        for image in images:
            with engine.open(image) as session:
                new, again = (
                    partial(session.segment, object_id=n, frame=0, points=[(100 * n, 200, True)])
                    for n in (1, 2)
                )
                taken.append((seconds(new), seconds(again)))
    return taken


@torch.inference_mode()
def theirs(name: str, images: np.ndarray) -> list[tuple[float, float]]:
    sam2 = load_model(find_model(name)).grounding
    predictor = SAM2ImagePredictor(sam2)
    # It assumes 1024 pixels.
    predictor._bb_feat_sizes = [(sam2.image_size // s,) * 2 for s in (4, 8, 16)]
    taken = []
    for image in images:
        embed = partial(predictor.set_image, image)
        new, again = (
            partial(predictor.predict, np.array([[200, y]]), np.array([1]), multimask_output=False)
            for y in (100, 200)
        )
        taken.append((seconds(embed) + seconds(new), seconds(again)))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a name that load() knows, or a folder")
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (arguments.repeats + 2, SIDE, SIDE, 3)).astype(np.uint8)
    medians = [
        np.median(run(arguments.model, images)[2:], axis=0)  # the first two warm up
        for run in (ours, theirs)
    ]
    print(f"{arguments.model}, {SIDE} x {SIDE}, {torch.get_num_threads()} threads")
    print("click on         ours [ms]  sam2 [ms]  sam2/ours")
    for what, mine, other in zip(("a new image", "an embedded one"), *medians, strict=True):
        print(f"{what:15s} {1e3 * mine:10.0f} {1e3 * other:10.0f} {other / mine:10.2f}")


if __name__ == "__main__":
    main()
