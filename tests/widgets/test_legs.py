"""Each object is followed as far as nobody confirmed what comes next."""

from __future__ import annotations

import pytest

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._legs import Leg, Stretch, stretches, told_ends


def objects(**verified: list[int]) -> dict[int, ObjectRecord]:
    return {
        number: ObjectRecord(number, verified_frames=frames)
        for number, frames in enumerate(verified.values(), 1)
    }


@pytest.mark.parametrize(
    ("leg", "frames"),
    [(Leg(3, 9), [3, 4, 5, 6, 7, 8]), (Leg(3, 9, True), [8, 7, 6, 5, 4, 3])],
)
def test_a_leg_and_its_parts_go_the_same_way(leg, frames) -> None:
    assert [leg.frame(number) for number in range(len(leg))] == frames
    for done in range(len(leg)):
        part = leg.part(done, 6)
        assert [part.frame(number) for number in range(len(part))] == frames[done:]
    assert leg.part(1, 3).frame(0) == frames[1]
    assert leg.part(1, 3).frame(1) == frames[2]


@pytest.mark.parametrize(
    ("leg", "expected"),
    [
        (Leg(5, 12), [(Leg(5, 8), (1, 2, 3)), (Leg(8, 11), (2, 3)), (Leg(11, 12), (3,))]),
        (Leg(0, 6, True), [(Leg(3, 6, True), (1, 2, 3)), (Leg(0, 3, True), (1, 3))]),
        (Leg(5, 7), [(Leg(5, 7), (1, 2, 3))]),  # what is verified beyond the range is not reached
        (Leg(7, 12), [(Leg(7, 11), (2, 3)), (Leg(11, 12), (3,))]),  # the first has no frame left
        (Leg(5, 6), [(Leg(5, 6), (1, 2, 3))]),
    ],
)
def test_objects_end_one_after_the_other(leg, expected) -> None:
    records = objects(a=[5, 8, 10], b=[2, 11], c=[])
    assert stretches(leg, [1, 2, 3], records) == [Stretch(*it) for it in expected]


def test_nothing_is_left_between_verified_frames() -> None:
    assert stretches(Leg(5, 12), [1], objects(a=[4, 6])) == []
    assert stretches(Leg(0, 6, True), [1], objects(a=[4, 6])) == []
    assert stretches(Leg(5, 12), [7], {}) == [Stretch(Leg(5, 12), (7,))]  # it is new


def test_where_they_end_is_told() -> None:
    legs = [Leg(0, 6, True), Leg(5, 40)]
    assert told_ends(legs, [1], objects(a=[])) == ""
    assert told_ends(legs, [1], objects(a=[5, 8])) == "up to verified frame 8"
    records = objects(a=[2, 8], b=[2, 30], c=[3, 20])
    assert told_ends(legs, [1, 2], records) == "up to verified frames 2, 8 and 30"
    assert told_ends(legs, [1, 2, 3], records) == "up to verified frames 2 … 30"
