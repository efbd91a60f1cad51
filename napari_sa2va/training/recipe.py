"""The stages in their order, how long each takes, and what it is fed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training import references
from napari_sa2va.training.clicking import Clicker, ClicksStage, CropsStage
from napari_sa2va.training.joining import JointSource, JointStage
from napari_sa2va.training.language import requests
from napari_sa2va.training.nuclei import NucleiImage
from napari_sa2va.training.remembering import ClipSource, MemoryStage
from napari_sa2va.training.scenes import KINDS
from napari_sa2va.training.seeing import Looker, VisionStage
from napari_sa2va.training.speaking import LanguageStage, MotionStage, NamingStage, Speaker
from napari_sa2va.training.stage import SceneSource, Source, Stage

# On two cores.
MINUTES = {
    "vision": 60.0,
    "crops": 30.0,
    "clicks": 50.0,
    "naming": 8.0,
    "language": 60.0,
    "motion": 30.0,
    "joint": 30.0,
    "memory": 25.0,
}
STAGES = tuple(MINUTES)
LARGE = 512
CROP = 128
# What a click finds least well is drawn more often than it is measured.
HARD = {
    "shapes": 0.14,
    "fluorescence": 0.2,
    "phase": 0.2,
    "histology": 0.12,
    "coins": 0.06,
    "beads": 0.09,
    "bacteria": 0.1,
    "fibres": 0.09,
}
NAMES = (requests(references.by_attribute),) * 3 + (requests(references.everything),)


def build_source(
    name: str, rng: np.random.Generator, tokenizer: Tokenizer, nuclei: Sequence[NucleiImage]
) -> Source[Any]:
    """What a stage of `STAGES` is fed."""
    match name:
        case "vision":
            every = SceneSource(rng, nuclei, real=0.1, crowded=0.15)
            return Looker(every, SceneSource(rng, kind="shapes", crowded=0.0, most=6))
        case "crops":
            return _clicker(rng, nuclei, images=(32, 0), prompts=2, whole=0.0, side=CROP)
        case "clicks":
            return _clicker(rng, nuclei)
        case "naming":
            few = SceneSource(rng, kind="shapes", crowded=0.0, most=5, fewest=2)
            return Speaker(tokenizer, few, clips_every=None, makers=NAMES)
        case "language":
            return Speaker(tokenizer, _talked(rng, nuclei), clips_every=4)
        case "motion":
            return Speaker(tokenizer, _talked(rng, nuclei), clips=6, clips_every=1)
        case "joint":
            looked_at = SceneSource(rng, kind="shapes", crowded=0.25, most=6)
            talked = _talked(rng, nuclei)
            speaker = Speaker(
                tokenizer, talked, looked_at, images=10, extra=6, turns=7, clips_every=3
            )
            return JointSource(speaker, _clicker(rng, nuclei))
        case "memory":
            return ClipSource(rng)
    raise ValueError(f"no stage {name!r}; there are {', '.join(STAGES)}")


def _clicker(rng: np.random.Generator, nuclei: Sequence[NucleiImage], **options: Any) -> Clicker:
    shares = tuple(HARD[kind] for kind in KINDS)
    small = SceneSource(rng, nuclei, real=0.3, crowded=0.15, shares=shares)
    large = SceneSource(rng, nuclei, real=0.4, crowded=0.3, shares=shares, size=LARGE, capacity=150)
    return Clicker(small, large, **options)


def _talked(rng: np.random.Generator, nuclei: Sequence[NucleiImage]) -> SceneSource:
    return SceneSource(rng, nuclei, real=0.12, crowded=0.25)


def build_stage(name: str, model: Sa2VA, tokenizer: Tokenizer) -> Stage[Any]:
    """A stage of `STAGES`."""
    match name:
        case "vision":
            return VisionStage(model)
        case "crops":
            return CropsStage(model)
        case "clicks":
            return ClicksStage(model)
        case "naming":
            return NamingStage(model, tokenizer)
        case "language":
            return LanguageStage(model, tokenizer)
        case "motion":
            return MotionStage(model, tokenizer)
        case "joint":
            return JointStage(model, tokenizer)
        case "memory":
            return MemoryStage(model)
    raise ValueError(f"no stage {name!r}; there are {', '.join(STAGES)}")
