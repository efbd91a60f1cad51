"""The stages in their order, how long each takes, and what it is fed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.clicking import Clicker, ClicksStage
from napari_sa2va.training.joining import JointStage
from napari_sa2va.training.nuclei import NucleiImage
from napari_sa2va.training.remembering import MemoryStage
from napari_sa2va.training.seeing import VisionStage
from napari_sa2va.training.speaking import LanguageStage, Speaker
from napari_sa2va.training.stage import SceneSource, Stage

# What the bundled checkpoint took, from a warm start, on two cores that other work shared.
MINUTES = {"vision": 26.0, "clicks": 24.0, "language": 32.0, "joint": 26.0, "memory": 14.0}
STAGES = tuple(MINUTES)


def build_stage(
    name: str,
    model: Sa2VA,
    rng: np.random.Generator,
    tokenizer: Tokenizer,
    nuclei: Sequence[NucleiImage],
) -> Stage:
    """A stage of `STAGES` on the data that suits it."""
    # To point at one of several teaches more than to point at the only one.
    talked = SceneSource(rng, nuclei, real=0.06, crowded=0.06, fewest=2)
    looked_at = SceneSource(rng, kind="shapes", crowded=0.0, most=6)
    clicked = SceneSource(rng, nuclei, real=0.3, crowded=0.25)
    match name:
        case "vision":
            return VisionStage(model, SceneSource(rng, nuclei, real=0.08))
        case "clicks":
            return ClicksStage(model, Clicker(rng, clicked))
        case "language":
            return LanguageStage(model, Speaker(rng, tokenizer, talked, looked_at))
        case "joint":
            speaker = Speaker(rng, tokenizer, talked, looked_at, extra=10)
            return JointStage(model, speaker, Clicker(rng, clicked))
        case "memory":
            return MemoryStage(model, rng)
    raise ValueError(f"no stage {name!r}; there are {', '.join(STAGES)}")
