from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sa2va.core.errors import CheckpointError, InputError
from napari_sa2va.models.families import build_language
from napari_sa2va.models.language import LanguageSide, Visual
from napari_sa2va.models.qwen_pixels import patchify, smart_size

VISION = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2}
TEXT = {
    "model_type": "qwen3_vl_text",
    "vocab_size": 16,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


@pytest.fixture(scope="module")
def language() -> LanguageSide:
    vision = {**VISION, "out_hidden_size": 32, "deepstack_visual_indexes": [0]}
    return build_language({"text_config": TEXT, "vision_config": vision})


def test_positions_follow_the_rows_and_columns_of_images(language: LanguageSide) -> None:
    # Two words, an image of 1 x 3 tokens, a word, an image of 2 x 2, a word.
    marks = torch.tensor([0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0]).bool()
    visual = Visual("", torch.zeros(7, 32), grids=((1, 3), (2, 2)))
    time, height, width = language.positions(marks, visual)[:, 0].tolist()
    assert time == [0, 1, 2, 2, 2, 5, 6, 6, 6, 6, 8]
    assert height == [0, 1, 2, 2, 2, 5, 6, 6, 7, 7, 8]
    assert width == [0, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8]


def test_text_alone_counts_on(language: LanguageSide) -> None:
    nothing = Visual("", torch.zeros(0, 32))
    positions = language.positions(torch.zeros(4, dtype=torch.bool), nothing)
    assert positions[:, 0].tolist() == [[0, 1, 2, 3]] * 3


def test_regions_are_refused(language: LanguageSide) -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="takes no regions"):
        language.look([frame], [np.ones((8, 8), bool)], video=False)


@given(height=st.integers(1, 3000), width=st.integers(1, 3000), multiple=st.sampled_from([28, 32]))
def test_sizes_are_whole_tokens_within_limits(height: int, width: int, multiple: int) -> None:
    if max(height, width) > 200 * min(height, width):
        with pytest.raises(InputError, match="too long"):
            smart_size(height, width, multiple, 401408, 1605632)
        return
    sides = smart_size(height, width, multiple, 401408, 1605632)
    assert all(side > 0 and side % multiple == 0 for side in sides)
    assert 401408 <= sides[0] * sides[1] <= 1605632


def test_patches_of_a_visual_token_follow_each_other() -> None:
    pixels = torch.arange(16.0).reshape(1, 4, 4).expand(3, -1, -1)
    patches, rows, columns = patchify(pixels, patch=1, merge=2, repeats=2)
    assert (rows, columns) == (4, 4)
    assert patches[:, 0].tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]
    assert patches.shape == (16, 3 * 2)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"text_config": {"model_type": "qwen9_vl_text"}}, "qwen9_vl_text"),
        ({"model_type": "llava"}, "no language model that is known"),
    ],
)
def test_other_language_models_are_refused(config: dict[str, object], says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        build_language(config)
