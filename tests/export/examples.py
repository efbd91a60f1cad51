"""Labelled stacks for the tests of exports."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st

from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.core.labelled import LabelledStack, LabelMasks
from napari_sa2va.core.records import ObjectRecord

IDS = st.integers(1, 2**32 - 1) | st.integers(1, 300) | st.integers(65_530, 65_550)
PHRASES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(str.strip)
NAMES = st.sampled_from(["cells", "세포 1", "Zelle_00001", "a/b: c"])


@st.composite
def labelled_stacks(draw: st.DrawFn, overlaps: bool = False) -> LabelledStack:
    """Small stacks with holes, empty frames, large ids and phrases in any writing."""
    length, height, width = draw(st.tuples(st.integers(1, 4), *[st.integers(1, 14)] * 2))
    ids = draw(st.lists(IDS, max_size=4, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    filling = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9]))
    masks = {
        object_id: (rng.random((length, height, width)) < filling)
        & (rng.random((length, 1, 1)) < 0.7)
        for object_id in ids
    }
    if not overlaps:
        taken = np.zeros((length, height, width), bool)
        for mask in masks.values():
            mask &= ~taken
            taken |= mask
    records = {
        object_id: ObjectRecord(
            object_id,
            draw(PHRASES),
            category=draw(st.sampled_from(["", "cell", "세포핵"])),
            expressions=draw(st.lists(PHRASES.filter(bool), max_size=2, unique=True)),
            scores={0: 0.5},
            verified_frames=[0],
        )
        for object_id in ids
    }
    images = rng.integers(0, 255, (length, height, width, 3)).astype(np.uint8)
    return LabelledStack(
        LabelMasks((length, height, width), lambda f: ((i, m[f]) for i, m in masks.items())),
        records,
        name=draw(NAMES),
        images=ArrayFrames(images),
    )


def blobs(length: int = 5, size: int = 96, ids: Iterable[int] = (1, 2, 7)) -> np.ndarray:
    """Discs that move, each with a hole; (T, H, W) uint32. None is in the second frame."""
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((length, size, size), np.uint32)
    for frame in range(length):
        for number, object_id in enumerate(ids):
            centre = 20 + 25 * number, 30 + 5 * frame + 8 * number
            distance = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
            labels[frame][(distance < 12**2) & (distance >= 4**2)] = object_id
    if length > 1:
        labels[1] = 0
    return labels


def images_of(labels: np.ndarray) -> np.ndarray:
    """16-bit images of labels, (T, H, W)."""
    noise = np.random.default_rng(0).integers(0, 2000, labels.shape)
    return ((labels > 0) * 20_000 + noise).astype(np.uint16)
