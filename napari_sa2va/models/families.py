"""Which language side a checkpoint has: the one place that chooses by its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.internvl import InternVL
from napari_sa2va.models.language import LanguageSide


def build_language(config: Mapping[str, Any]) -> LanguageSide:
    """A language side with random weights, from the contents of ``config.json``.

    Raises
    ------
    CheckpointError
        The configuration describes none that is known.
    """
    if "llm_config" in config:
        return InternVL(config)
    raise CheckpointError(
        "config.json describes a language model that is not known.",
        "Known: InternVL with Qwen2 or InternLM2.",
    )
