"""The names and shapes of the published checkpoints' weights, without a missing or spare one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sam2.modeling.sam2_base import SAM2Base

from napari_sa2va.models.families import build_language
from napari_sa2va.models.grounding import build_sam2
from napari_sa2va.models.sa2va import Sa2VA

WITH_KEYS = ("Sa2VA-1B", "Sa2VA-4B", "Sa2VA-8B", "Sa2VA-Qwen2_5-VL-3B", "Sa2VA-Qwen3-VL-4B")

# The key lists assume vocabulary sizes.
VOCABULARY_ROWS = ("embed_tokens.weight", "tok_embeddings.weight", "head.weight", "output.weight")


def config_of(published: dict[str, Any]) -> dict[str, Any]:
    """A config.json of the sizes in a key list."""
    llm, vision = published["llm_or_text_config"], published["vision_config"]
    if "VL" in published["model"]:
        release = "qwen3_vl_text" if "Qwen3" in published["model"] else "qwen2_5_vl_text"
        return {"text_config": {**llm, "model_type": release}, "vision_config": vision}
    template = "internlm2_chat" if llm["model_type"] == "internlm2" else "qwen_chat"
    return {"template": template, "llm_config": llm, "vision_config": vision}


@pytest.fixture(scope="module")
def sam2() -> SAM2Base:
    """SAM 2 in the size that all published checkpoints have; it cannot be built without values."""
    return build_sam2({})


@pytest.mark.parametrize("name", WITH_KEYS)
def test_the_published_weights_fit(shared: Path, sam2: SAM2Base, name: str) -> None:
    with gzip.open(shared / "golden" / "keys" / f"{name}.json.gz", "rt") as file:
        published = json.load(file)
    with torch.device("meta"):
        model = Sa2VA(build_language(config_of(published)), sam2)
        official = {key: torch.empty(shape) for key, shape in published["keys"].items()}
    names = model.language.weight_names
    assert shapes(names.ours(official.items())) == shapes(model.state_dict().items())
    assert shapes(names.official(model.state_dict().items())) == shapes(official.items())


def shapes(weights: Any) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(value.shape[1:] if name.endswith(VOCABULARY_ROWS) else value.shape)
        for name, value in weights
    }
