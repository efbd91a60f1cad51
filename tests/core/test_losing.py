"""When an object that is followed counts as lost."""

from __future__ import annotations

import pytest

from napari_sa2va.core.losing import LossRule, LossWatch


@pytest.mark.parametrize(
    ("frames", "scores", "lost_at"),
    [
        (3, [0.9, 0.0, 0.0, 0.0], 1),
        (3, [0.9, 0.1, 0.0, 0.1, 0.9], 1),
        (3, [0.0, 0.0, 0.9, 0.0, 0.0], None),  # back in time
        (3, [0.2, 0.2, 0.2, 0.2], None),  # not below
        (0, [0.0] * 50, None),
        (1, [0.9, 0.0], 1),
    ],
)
def test_lost_after_some_frames_in_a_row(frames, scores, lost_at) -> None:
    watch = LossWatch(LossRule(frames, 0.2))
    told = [watch.saw(7, frame, score) for frame, score in enumerate(scores) if 7 not in watch.lost]
    assert watch.lost == ({} if lost_at is None else {7: lost_at})
    assert sum(told) == len(watch.lost)


def test_a_bound_of_nothing_still_knows_absence() -> None:
    watch = LossWatch(LossRule(2, 0.0))
    assert not watch.saw(1, 0, 0.0)
    assert watch.saw(1, 1, 0.0)
