"""Doubtful is what a person would want to see, and what a person verified is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts, doubt, measure, next_doubt, overlap


def facts(area: float, y: float = 50, x: float = 50, share: float = 0.01) -> MaskFacts:
    return MaskFacts(int(area), y, x, share)


def test_a_mask_is_measured_where_it_lies():
    mask = np.zeros((10, 20), bool)
    mask[2:4, 6:10] = True
    assert measure(mask, origin=(100, 200)) == MaskFacts(8, 102.5, 207.5, 0.04, 4 / 12, 0, 16 / 12)
    assert measure(mask & False) is None
    part = measure(mask[2:4, 6:10], origin=(102, 206), sent=mask.size)
    assert part == measure(mask, origin=(100, 200))
    assert measure(mask, step=3) == measure(np.kron(mask, np.ones((3, 3), bool)))


def disc(y: float, x: float, radius: float = 12) -> np.ndarray:
    rows, columns = np.ogrid[:96, :96]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def rod(degrees: float) -> np.ndarray:
    rows, columns = (axis - 48 for axis in np.ogrid[:96, :96])
    along = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    down, across = rows * along[0] + columns * along[1], columns * along[0] - rows * along[1]
    return (abs(down) < 24) & (abs(across) < 4)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (disc(48, 48), disc(48, 48)),
        (disc(48, 48), disc(48, 52)),
        (disc(48, 48), disc(56, 56)),
        (disc(48, 48), disc(48, 71)),
        (disc(48, 48, 3), disc(20, 20, 3)),
        (rod(45), rod(-45)),
        (rod(45), rod(40)),
        (rod(0), rod(90)),
        (disc(48, 48, 8), disc(48, 50, 12)),
    ],
)
def test_overlap_is_near_that_of_the_masks(one, other):
    true = (one & other).sum() / (one | other).sum()
    estimated = overlap(measure(one), measure(other))
    assert estimated == pytest.approx(true, abs=0.08)
    assert estimated == pytest.approx(overlap(measure(other), measure(one)))


def test_overlap_of_what_was_not_measured_is_unknown():
    assert overlap(facts(300), measure(disc(48, 48))) is None


def moving(*places: float, radius: float = 12) -> dict[int, MaskFacts]:
    return {frame: measure(disc(48, x, radius)) for frame, x in enumerate(places)}


def doubts(known: dict[int, MaskFacts]) -> dict[int, str]:
    record = ObjectRecord(1, scores=dict.fromkeys(known, 0.9))
    return {frame: why for frame in known if (why := doubt(record, known, frame))}


def test_less_overlap_than_usual_is_doubtful():
    # Two pixels a frame, and once twenty: less than the diameter.
    assert doubts(moving(12, 14, 16, 18, 20, 40, 42, 44, 46)) == {5: "overlap 4%, usually 81%"}
    # Two rods that cross: the same place, area and box.
    crossing = {frame: measure(rod(45 if frame < 6 else -45)) for frame in range(10)}
    assert list(doubts(crossing)) == [6]
    assert doubts(crossing)[6].startswith("overlap ")


def test_a_small_fast_object_is_not_doubtful():
    # Five or six pixels a frame, hardly less than its diameter.
    assert doubts(moving(10, 15, 21, 26, 32, 37, 43, 48, 53, 59, radius=3)) == {}


def test_what_is_usual_takes_some_frames():
    assert doubts(moving(12, 14, 16, 34)) == {}
    assert list(doubts(moving(12, 14, 16, 18, 36))) == [4]


@pytest.mark.parametrize(
    ("score", "now", "why"),
    [
        (0.9, facts(310), ""),
        (0.5, facts(310), "score 0.50"),
        (0.9, facts(650), "area x 2.2"),
        (0.9, facts(140), "area x 0.5"),
        (0.9, facts(300, y=75), "jumped 25 pixels"),
        (0.9, facts(310, share=0.7), "covers 70% of what was sent"),
        (0.5, facts(900, y=90), "score 0.50, area x 3.0, jumped 40 pixels"),
        (0.0, None, "lost here"),
        (0.9, None, ""),
    ],
)
def test_what_is_doubtful(score, now, why):
    record = ObjectRecord(1, scores={3: 0.9, 4: score, 6: 0.0})
    known = {3: facts(300)} | ({4: now} if now else {})
    assert doubt(record, known, 4) == why
    assert [doubt(record, known, frame) for frame in (3, 5, 6, 7)] == ["", "", "", ""]
    record.verified_frames = [4]
    assert doubt(record, known, 4) == ""


def test_the_next_doubt_goes_through_objects_of_a_frame_and_then_on():
    frames = {1: [3, 8], 2: [3], 5: [1]}
    doubtful = {label: np.isin(np.arange(9), marked) for label, marked in frames.items()}
    seen = []
    place = (None, 0)
    while (following := next_doubt(doubtful, *place, 1)) is not None:
        seen.append(following)
        place = following
    assert seen == [(5, 1), (1, 3), (2, 3), (1, 8)]
    assert next_doubt(doubtful, 1, 8, -1) == (2, 3)
    assert next_doubt(doubtful, None, 3, -1) == (2, 3)
    assert next_doubt(doubtful, 5, 1, -1) is None
    assert next_doubt({}, 1, 0, 1) is None


marks = st.dictionaries(st.integers(1, 4), arrays(bool, 6), max_size=4)


@given(doubtful=marks, object_id=st.none() | st.integers(1, 4), frame=st.integers(0, 5))
def test_the_next_doubt_is_the_nearest_place(doubtful, object_id, frame) -> None:
    numbered = ((label, np.flatnonzero(found)) for label, found in doubtful.items())
    places = sorted((int(at), label) for label, found in numbered for at in found)
    after = [it for it in places if it > (frame, object_id or 0)]
    before = [it for it in places if it < (frame, object_id or 9)]
    assert next_doubt(doubtful, object_id, frame, 1) == (after[0][::-1] if after else None)
    assert next_doubt(doubtful, object_id, frame, -1) == (before[-1][::-1] if before else None)
