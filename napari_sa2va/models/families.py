"""Which language side a checkpoint has: the one place that chooses by its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.internvl import InternVL
from napari_sa2va.models.language import LanguageSide
from napari_sa2va.models.qwen_vl import QwenVL


def build_language(config: Mapping[str, Any]) -> LanguageSide:
    """A language side with random weights, from the contents of ``config.json``.

    Raises
    ------
    CheckpointError
        The configuration describes none that is known.
    """
    if "llm_config" in config:
        return InternVL(config)
    if "text_config" in config:
        return QwenVL(config)
    if config.get("model_type") == "sam2_video":
        raise CheckpointError(
            "This is a SAM 2 alone: it understands no text.",
            "Choose a Sa2VA as model, and this one as prompt model beside it.",
        )
    raise CheckpointError(
        "config.json describes no language model that is known.",
        "Known: InternVL with Qwen2 or InternLM2, Qwen2.5-VL, Qwen3-VL.",
    )
