"""J and F are what DAVIS means by them; the cases were worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from scipy import ndimage
from skimage.morphology import disk

from napari_sa2va.evaluation.overlap import boundary, boundary_f, iou, over_time
from tests.evaluation.examples import discs

Mask = npt.NDArray[np.bool_]

# What TrackEval 1.3.0, which carries DAVIS's own code, tells of the clips below: mean, recall and
# decay of J, then of F. It needs OpenCV, whose wheels disturb Qt: it was asked once.
TRACKEVAL = (
    (0.3129704237, 0.1111111111, -0.2184345721, 0.1822682236, 0.0, -0.0272105437),
    (0.7691349855, 0.6666666667, 0.3607627819, 0.8117783024, 1.0, 0.281584328),
    (0.1769299228, 0.1111111111, 0.2379398692, 0.2289197047, 0.1111111111, 0.1437808665),
    (0.4593568707, 0.3333333333, -0.0848657436, 0.604709233, 0.6666666667, -0.1992680548),
    (0.0590346352, 0.0, -0.072653244, 0.1179568871, 0.0, -0.1244828322),
    (0.6060785362, 0.3333333333, -0.1309258909, 0.693903682, 0.7777777778, -0.0760544793),
)


def _square(y: int, x: int, side: int = 20, size: int = 100) -> Mask:
    mask = np.zeros((size, size), bool)
    mask[y : y + side, x : x + side] = True
    return mask


@st.composite
def masks(draw: st.DrawFn) -> tuple[Mask, Mask]:
    """Two masks of one size, anything from empty to full."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    smooth = ndimage.gaussian_filter(rng.random((2, height, width)), (0, 2, 2))
    limits = draw(st.tuples(*[st.sampled_from([0.0, 0.3, 0.7, 1.0])] * 2))
    first, second = (
        part >= np.quantile(part, limit) if limit else np.zeros_like(part, bool)
        for part, limit in zip(smooth, limits, strict=True)
    )
    return first, second


def test_iou_of_squares_that_overlap_by_half() -> None:
    assert iou(_square(0, 0), _square(0, 10)) == pytest.approx(200 / 600)
    assert iou(_square(0, 0, 0), _square(0, 0, 0)) == 1
    assert iou(_square(0, 0, 0), _square(0, 0)) == 0


def test_a_boundary_is_a_pixel_wide_and_ends_at_the_image() -> None:
    # Outside pixels above (4), left (4) and at that corner (1), inside ones right and below (7).
    assert boundary(_square(10, 10, 4)).sum() == 16
    assert not boundary(np.ones((5, 5), bool)).any()


def test_boundaries_match_within_the_tolerance() -> None:
    # A diagonal of 141 pixels: boundaries may be ceil(1.13) = 2 apart.
    assert boundary_f(_square(40, 40), _square(42, 40)) == 1
    assert boundary_f(_square(40, 40), _square(60, 60)) < 0.1
    assert boundary_f(_square(10, 10), _square(70, 70)) == 0
    moved = boundary_f(_square(40, 40), _square(43, 40))
    # Three pixels down, only the upper and the lower sides are out of reach.
    assert 0.5 < moved < 0.75


def test_boundary_precision_and_recall_are_told_apart() -> None:
    true, more = _square(10, 10), _square(10, 10) | _square(60, 60)
    # All of the truth is found, half of what was found is true: F = 2 (1/2) / (3/2).
    assert boundary_f(more, true) == pytest.approx(2 / 3)
    assert boundary_f(true, more) == pytest.approx(2 / 3)


def test_nothing_on_both_sides_is_right() -> None:
    nothing = _square(0, 0, 0)
    assert boundary_f(nothing, nothing) == 1
    assert boundary_f(nothing, _square(10, 10)) == boundary_f(_square(10, 10), nothing) == 0


@pytest.mark.parametrize(("seed", "expected"), list(enumerate(TRACKEVAL)))
def test_all_is_as_trackeval_tells_it(seed: int, expected: tuple[float, ...]) -> None:
    true, found = discs(seed), discs(seed + 100)
    if seed % 2:
        third = np.arange(len(true))[:, None, None] % 3 == 1
        found = np.where(third, true, found | true)
    j = over_time([iou(*pair) for pair in zip(found, true, strict=True)])
    f = over_time([boundary_f(*pair) for pair in zip(found, true, strict=True)])
    told = (j.mean, j.recall, j.decay, f.mean, f.recall, f.decay)
    assert told == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40)
@given(masks())
def test_iou_agrees_with_pycocotools(pair: tuple[Mask, Mask]) -> None:
    found, true = ([coco_mask.encode(np.asfortranarray(m.astype(np.uint8)))] for m in pair)
    if any(mask.any() for mask in pair):
        assert iou(*pair) == pytest.approx(coco_mask.iou(found, true, [False])[0, 0])
    else:
        assert iou(*pair) == 1


@settings(max_examples=40)
@given(masks())
def test_f_agrees_with_a_dilation_by_a_disk(pair: tuple[Mask, Mask]) -> None:
    found, true = pair
    edges = boundary(found), boundary(true)
    if edges[0].any() and edges[1].any():
        footprint = disk(math.ceil(0.008 * np.linalg.norm(true.shape)))
        near = [ndimage.binary_dilation(edge, footprint) for edge in edges]
        precision = (edges[0] & near[1]).sum() / edges[0].sum()
        recall = (edges[1] & near[0]).sum() / edges[1].sum()
        total = precision + recall
        assert boundary_f(*pair) == pytest.approx(2 * precision * recall / total if total else 0)
    else:
        assert boundary_f(*pair) == (edges[0].any() == edges[1].any())


@settings(max_examples=40)
@given(masks())
def test_measures_are_symmetric_and_1_for_what_is_equal(pair: tuple[Mask, Mask]) -> None:
    found, true = pair
    for measure in (iou, boundary_f):
        assert 0 <= measure(found, true) <= 1
        assert measure(found, true) == pytest.approx(measure(true, found))
        assert measure(true, true) == 1


def test_recall_and_decay_by_hand() -> None:
    told = over_time([1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.0])
    assert told.mean == pytest.approx(3.8 / 8)
    assert told.recall == 3 / 8  # 0.5 is not above 0.5
    # Quarters of eight frames end in the 1st, 3rd, 5th (4.5 up), 6th and 8th.
    assert told.decay == pytest.approx((1.0 + 0.8 + 0.6) / 3 - (0.3 + 0.2 + 0.0) / 3)


def test_one_frame_has_no_decay() -> None:
    told = over_time([0.7])
    assert (told.mean, told.recall, told.decay) == (0.7, 1, 0)
