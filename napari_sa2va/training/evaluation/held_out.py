"""Drawn scenes that no training run has met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_sa2va.training.scene import Scene
from napari_sa2va.training.scenes import KIND_SHARES, KINDS, draw_scene

SEED = 20_000  # training counts its seeds from 0
SIZES = (256, 512)


@dataclass(frozen=True)
class HeldOut:
    """A scene, its number, and the chance for what is asked about it."""

    number: int
    scene: Scene
    rng: np.random.Generator

    @property
    def details(self) -> tuple[str, str]:
        """What results are broken down by: the kind and the size."""
        return self.scene.kind, f"{self.scene.image.shape[0]} pixels"


def kinds_of(count: int) -> list[str]:
    """So many kinds by `KIND_SHARES` (largest remainders)."""
    exact = np.array(KIND_SHARES) / sum(KIND_SHARES) * count
    whole = np.floor(exact).astype(int)
    for late in np.argsort(whole - exact, kind="stable")[: count - whole.sum()]:
        whole[late] += 1
    return [kind for kind, some in zip(KINDS, whole, strict=True) for _ in range(some)]


def held_out_scenes(
    seed: int, part: int, count: int, most: int = 8, fewest: int = 1
) -> Iterator[HeldOut]:
    """Scenes with at least `fewest` objects, half of them at each size.

    Each scene has a seed of its own, so that it does not depend on what was asked before.
    """
    for number, kind in enumerate(kinds_of(count)):
        rng = np.random.default_rng([seed, part, number])
        while True:
            scene = draw_scene(rng, most, kind, SIZES[number % len(SIZES)])
            if len(scene.objects) >= fewest:
                yield HeldOut(number, scene, rng)
                break
