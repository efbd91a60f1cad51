"""cIoU, gIoU and what refers to nothing, worked out by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from napari_sa2va.evaluation.referring import (
    Overlap,
    cumulative_iou,
    generalized_iou,
    no_target_accuracy,
    overlap,
    precision_at,
    target_accuracy,
)

# A large object that is found well, a small one that is missed, one that is not there and is not
# found, and one that is not there and is found nevertheless.
CASES = (
    Overlap(900, 1000, True, True),
    Overlap(0, 10, True, False),
    Overlap(0, 0, False, False),
    Overlap(0, 90, False, True),
)


def test_by_hand() -> None:
    assert cumulative_iou(CASES) == pytest.approx(900 / 1100)
    assert generalized_iou(CASES) == pytest.approx((0.9 + 0 + 1 + 0) / 4)
    assert no_target_accuracy(CASES) == 1 / 2
    assert target_accuracy(CASES) == 1 / 2
    assert precision_at(CASES, 0.9) == 1 / 2
    assert precision_at(CASES, 0.95) == 0


def test_what_cannot_be_told_is_none() -> None:
    assert cumulative_iou(CASES[2:3]) is None
    assert generalized_iou([]) is None
    assert no_target_accuracy(CASES[:2]) is None
    assert target_accuracy(CASES[2:]) is None


def test_pixels_of_a_video_are_counted_together() -> None:
    true = np.zeros((2, 4, 4), bool)
    true[0, :2] = True
    found = np.zeros((2, 4, 4), bool)
    found[0, 1:3] = True
    found[1, 0, 0] = True
    counted = overlap(zip(found, true, strict=True))
    assert counted == Overlap(4, 12 + 1, True, True)
    assert counted.iou == 4 / 13


@settings(max_examples=20)  # scikit-learn takes its time
@given(st.integers(0, 2**16), st.integers(1, 5))
def test_ciou_is_the_jaccard_index_of_all_pixels(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    found, true = rng.random((2, count, 6, 7)) < rng.random((2, count, 1, 1))
    overlaps = [overlap([pair]) for pair in zip(found, true, strict=True)]
    both = cumulative_iou(overlaps)
    if both is None:
        assert not found.any()
        assert not true.any()
    else:
        assert both == pytest.approx(jaccard_score(true.ravel(), found.ravel()))
        counted = [case.iou for case in overlaps if case.union]
        assert min(counted) - 1e-9 <= both <= max(counted) + 1e-9
    each = [
        jaccard_score(t.ravel(), f.ravel(), zero_division=1)
        for f, t in zip(found, true, strict=True)
    ]
    assert generalized_iou(overlaps) == pytest.approx(np.mean(each))
