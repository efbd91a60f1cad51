from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sa2va.core.answers import SegmentedObject
from napari_sa2va.core.masks import PackedMasks, bounding_box
from napari_sa2va.core.records import ObjectRecord

STACKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9))


@given(stack=STACKS)
def test_packing_loses_nothing(stack: np.ndarray) -> None:
    packed = PackedMasks(stack.shape)
    for frame, mask in enumerate(stack):
        packed[frame] = mask
    np.testing.assert_array_equal(packed.unpack(), stack)
    np.testing.assert_array_equal(packed[0], stack[0])


def test_frames_that_were_not_set_are_empty() -> None:
    packed = PackedMasks((4, 3, 3))
    packed[2] = np.ones((3, 3), bool)
    assert list(packed) == [2]
    assert packed.unpack().sum(axis=(1, 2)).tolist() == [0, 0, 9, 0]


@given(stack=STACKS, data=st.data())
def test_the_box_is_tight(stack: np.ndarray, data: st.DataObject) -> None:
    mask = stack[data.draw(st.integers(0, len(stack) - 1))]
    box = bounding_box(mask)
    if box is None:
        assert not mask.any()
    else:
        y0, x0, y1, x1 = box
        assert mask[y0:y1, x0:x1].sum() == mask.sum()
        for edge in (mask[y0], mask[y1 - 1], mask[:, x0], mask[:, x1 - 1]):
            assert edge.any()


def test_the_score_of_an_object_leaves_out_where_it_is_absent() -> None:
    scores = {0: 0.5, 1: 0.0, 2: 1.0}
    found = SegmentedObject(1, "a cell", (0, 5), PackedMasks((3, 2, 2)), scores)
    record = ObjectRecord(1, scores={0: 0.0, 3: 0.5, 4: 1.0})
    assert found.score == 0.75
    assert (record.mean_score, record.first_frame) == (0.75, 3)
    assert ObjectRecord(2).mean_score == 0
