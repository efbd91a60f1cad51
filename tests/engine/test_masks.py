from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_sa2va.engine import masks


@pytest.mark.parametrize("shape", [(50, 70), (301, 97), (64, 64), (1, 9)])
def test_strips_give_what_one_interpolation_gives(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    logits = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(1))
    logits[:, :5] = -8
    expected = masks.full_size_mask(logits, 64, shape)
    monkeypatch.setattr(masks, "_STRIP_PIXELS", 40)
    assert (masks.full_size_mask(logits, 64, shape) != expected).mean() < 0.001
    assert expected.any()


def test_empty_masks_stay_empty_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "_STRIP_PIXELS", 40)
    assert not masks.full_size_mask(torch.full((1, 16, 16), -3.0), 64, (90, 80)).any()


def test_both_steps_of_the_official_code_are_taken() -> None:
    logits = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(2))
    square = F.interpolate(logits[None], size=(64, 64), mode="bilinear")
    expected = F.interpolate(square, size=(40, 33), mode="bilinear")[0, 0] > 0
    np.testing.assert_array_equal(masks.full_size_mask(logits, 64, (40, 33)), expected.numpy())
