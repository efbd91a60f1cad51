"""Regions lie in the frame, around what they are for, and prompts arrive where they were meant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.prompts import BoxPrompt, FramePrompts, PointPrompt
from napari_sa2va.core.regions import around, is_cut, seen_from, widened

sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
shares = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=4)


def prompts_in(shape: tuple[int, int], at: list[tuple[float, float]]) -> FramePrompts:
    spots = [(y * (shape[0] - 1), x * (shape[1] - 1)) for y, x in at]
    (y0, x0), (y1, x1) = np.min(spots, 0), np.max(spots, 0)
    box = BoxPrompt(y0, x0, y1, x1) if y1 - y0 >= 1 and x1 - x0 >= 1 else None
    return FramePrompts(tuple(PointPrompt(y, x) for y, x in spots), box)


@given(sizes, shares)
def test_a_region_holds_its_prompts_and_widens_to_the_whole_frame(shape, at):
    prompts = prompts_in(shape, at)
    region = around(prompts, shape)
    for _ in range(20):
        y0, x0, y1, x1 = region
        assert 0 <= y0 < y1 <= shape[0]
        assert 0 <= x0 < x1 <= shape[1]
        inside = seen_from(prompts, region)
        for point, moved in zip(prompts.points, inside.points, strict=True):
            assert (moved.y + y0, moved.x + x0) == pytest.approx((point.y, point.x))
        if not is_cut(np.ones((y1 - y0, x1 - x0), bool), region, shape):
            break
        wider = widened(region, shape)
        assert wider != region
        region = wider
    assert region == (0, 0, *shape)


def test_a_box_is_seen_at_a_scale_that_suits_it():
    box = FramePrompts(box=BoxPrompt(1000, 1000, 1040, 1030))
    assert around(box, (2048, 2048)) == (960, 955, 1080, 1075)
    assert around(box, (1060, 2048)) == (940, 955, 1060, 1075)
    click = FramePrompts((PointPrompt(1000, 1000),))
    assert around(click, (2048, 2048)) == (872, 872, 1128, 1128)
    assert around(click, (300, 300)) == (225, 225, 300, 300)


def test_a_mask_is_cut_only_where_the_frame_goes_on():
    mask = np.zeros((10, 10), bool)
    mask[0, 3] = True
    assert not is_cut(mask, (0, 5, 10, 15), (40, 40))
    assert is_cut(mask, (1, 5, 11, 15), (40, 40))
    assert not is_cut(mask & False, (1, 5, 11, 15), (40, 40))


def test_prompts_outside_a_region_are_refused_by_name():
    region = (10, 20, 30, 40)
    with pytest.raises(InputError, match=r"point \(y=5, x=30\).*region \(y0=10, x0=20"):
        seen_from(FramePrompts((PointPrompt(5, 30),)), region)
    with pytest.raises(InputError, match=r"box .* outside the region"):
        seen_from(FramePrompts(box=BoxPrompt(0, 0, 10, 40)), region)
    cut = seen_from(FramePrompts(box=BoxPrompt(0, 25, 50, 35)), region).box
    assert cut == BoxPrompt(0, 5, 20, 15)
