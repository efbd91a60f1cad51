"""Outlines of objects in several pieces."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.export.polygons import Points, one_polygon, polygons


def joined_plainly(outlines: list[Points]) -> Points:
    """By the rule itself: always the piece that is nearest to all that is joined so far."""
    joined, *others = sorted(outlines, key=len, reverse=True)
    while others:
        squares = [((joined[:, None] - other) ** 2).sum(-1) for other in others]
        number = min(range(len(others)), key=lambda n: squares[n].min())
        here, there = np.unravel_index(squares[number].argmin(), squares[number].shape)
        other = np.roll(others.pop(number), -there, axis=0)
        joined = np.concatenate((joined[: here + 1], other, other[:1], joined[here:]))
    return joined


@pytest.mark.parametrize("through", ["edges", "centres"])
@pytest.mark.parametrize("seed", range(8))
def test_each_piece_is_joined_where_it_is_nearest(seed: int, through: str) -> None:
    # Pieces of few pixels are as near to one as to another: which one counts is tested, too.
    mask = np.random.default_rng(seed).random((16, 24)) > 0.8
    outlines = polygons(mask, through)
    assert len(outlines) > 10
    assert np.array_equal(one_polygon(outlines), joined_plainly(outlines))
