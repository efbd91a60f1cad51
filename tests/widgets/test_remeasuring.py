"""Masks are measured in blocks as they would be measured whole."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.review import measure
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._remeasuring import joined, mask_facts


def test_two_parts_measure_together_what_the_whole_does() -> None:
    mask = np.random.default_rng(3).random((20, 30)) > 0.6
    whole = measure(mask)
    left, right = measure(mask[:, :13]), measure(mask[:, 13:], (0, 13))
    for one, other in ((left, right), (right, left)):
        assert vars(joined(one, other)) == pytest.approx(
            vars(whole) | {"share": left.share + right.share}
        )
    assert joined(None, left) is joined(left, None) is left


def test_a_mask_over_the_border_of_blocks() -> None:
    labels = np.zeros((2, 1100, 1060), np.uint16)
    labels[1, 1000:1090, 1010:1030] = 7
    geometry = StackGeometry(labels.shape, 0, 1, 2, (0, 0, 0))
    expected = vars(measure(labels[1] == 7))
    assert vars(mask_facts(labels, geometry, 7, 1)) == pytest.approx(expected)
    assert mask_facts(labels, geometry, 7, 0) is None
