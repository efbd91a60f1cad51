from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sa2va.core.errors import InputError
from napari_sa2va.models.checkpoint import load_model
from napari_sa2va.models.internvl import InternVL, pixel_shuffle, tile_layout
from napari_sa2va.models.tokens import Tokens
from tests.tiny import SPECIAL


@pytest.fixture(scope="module")
def language(tiny_folder: Path) -> InternVL:
    return load_model(tiny_folder).language


@pytest.fixture(scope="module")
def tokens(tiny_folder: Path) -> Tokens:
    return Tokens(tiny_folder)


@given(
    text=st.lists(st.one_of(st.text(), st.sampled_from(SPECIAL)), max_size=6).map("".join),
)
def test_user_text_never_becomes_a_special_token(tokens: Tokens, text: str) -> None:
    ids = tokens.encode_text(text)
    assert not {tokens.id(name) for name in SPECIAL} & set(ids)
    assert tokens.decode(ids) == text


def test_markup_becomes_special_tokens(tokens: Tokens) -> None:
    assert tokens.encode_markup("<img></img>") == [tokens.id("<img>"), tokens.id("</img>")]


@pytest.mark.parametrize(
    ("size", "layout"),
    [((448, 448), (1, 1)), ((640, 480), (4, 3)), ((900, 150), (6, 1)), ((10, 900), (1, 12))],
)
def test_tiles_follow_the_aspect(size: tuple[int, int], layout: tuple[int, int]) -> None:
    assert tile_layout(*size, 1, 12, 448) == layout


@given(width=st.integers(1, 5000), height=st.integers(1, 5000), most=st.integers(1, 12))
def test_there_are_never_too_many_tiles(width: int, height: int, most: int) -> None:
    columns, rows = tile_layout(width, height, 1, most, 448)
    assert 1 <= columns * rows <= most


def test_placeholders_match_the_visual_tokens(language: InternVL) -> None:
    pixels = language.image_pixels(np.zeros((30, 70, 3), np.uint8))
    embeddings = language.embed_images(pixels)
    text = language.image_text(len(pixels), 1)
    assert text.count("<IMG_CONTEXT>") == embeddings.shape[0] * embeddings.shape[1]


def test_pixel_shuffle_gathers_two_by_two() -> None:
    grid = torch.arange(16.0).reshape(1, 4, 4, 1)
    assert pixel_shuffle(grid, 0.5)[0, 0, 0].tolist() == [0, 1, 4, 5]


def test_small_regions_keep_a_token_and_empty_ones_are_refused(language: InternVL) -> None:
    region = np.zeros((500, 500), bool)
    region[250, 251] = True
    assert language.region_cells([region]).sum() == 1
    with pytest.raises(InputError, match="region is empty"):
        language.region_cells([np.zeros((5, 5), bool)])
