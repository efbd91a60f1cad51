"""What is measured is what it is called; the cases were worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from napari_sa2va.training.evaluation.calibration import calibrate, rank_correlation
from napari_sa2va.training.evaluation.cases import Case, Example, Mask
from napari_sa2va.training.evaluation.examples import choose, load_examples, save_examples
from napari_sa2va.training.evaluation.held_out import kinds_of
from napari_sa2va.training.evaluation.questions import is_within_one
from napari_sa2va.training.evaluation.real import coin_labels
from napari_sa2va.training.evaluation.statistics import figure, figures
from napari_sa2va.training.evaluation.tracking import track_cases
from napari_sa2va.training.scenes import KINDS


def _square(y: int, x: int, side: int = 20, size: int = 100) -> Mask:
    mask = np.zeros((size, size), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_tracking_leaves_out_the_prompt_and_absent_frames() -> None:
    nothing = _square(0, 0, 0)
    truth = np.stack([_square(10, 10), _square(10, 20), nothing, _square(10, 40)])
    found = np.stack([nothing, _square(10, 20), _square(10, 30), nothing])
    values = {case.task: case.value for case in track_cases("box", 0, found, truth, ())}
    assert values["box, J"] == values["box, F"] == values["box, J&F"] == 0.5
    assert values["box, presence right"] == pytest.approx(1 / 3)


def test_calibration_of_ten_masks_by_hand() -> None:
    # Nine predictions of 0.95 of which eight are right by 0.05, one of 0.15 that is 0.45 short.
    found = calibrate([0.95] * 9 + [0.15], [1.0] * 8 + [0.5] + [0.6])
    assert found.error == pytest.approx((9 * abs(0.95 - 8.5 / 9) + 0.45) / 10)
    assert [part.masks for part in found.bins] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 9]
    assert calibrate([1.2, 0.0], [1.0, 0.0]).error == 0


def test_rank_correlation_shares_the_ranks_of_equal_values() -> None:
    assert rank_correlation([1, 2, 3, 9], [2, 4, 5, 6]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / 22.5**0.5)
    assert rank_correlation([1, 1], [0, 1]) is None


def test_intervals_resample_images_not_values() -> None:
    values = [0.0] * 50 + [1.0] * 50
    apart = figure(values, range(100))
    together = figure(values, [0] * 50 + [1] * 50)
    assert apart.mean == together.mean == 0.5
    assert 0.35 < apart.low < 0.45 < 0.55 < apart.high < 0.65
    assert (together.low, together.high) == (0, 1)


def test_a_task_is_listed_before_its_details() -> None:
    cases = [
        Case("g", "t", value, i, (name,)) for i, (value, name) in enumerate(((1, "b"), (0, "a")))
    ]
    listed = figures(cases)["g"]
    assert {name: found.mean for name, found in listed.items()} == {"t": 0.5, "t, a": 0, "t, b": 1}
    assert list(listed) == ["t", "t, a", "t, b"]


def test_examples_are_the_worst_the_median_and_the_best(tmp_path) -> None:
    def example(shade: int) -> Example:
        image = np.full((8, 8, 3), shade, np.uint8)
        return Example(image, _square(0, 0, 4, 8), _square(1, 1, 4, 8), ((2.0, 3.0, 1),))

    values = (0.9, 0.1, 0.5, 0.9, 0.1)
    cases = [Case("g", "t", v, i, example=example(i), text="찾아 줘") for i, v in enumerate(values)]
    save_examples(tmp_path / "examples.npz", choose(cases))
    shown = load_examples(tmp_path / "examples.npz")["g", "t"]
    assert [(one.rank, one.value) for one in shown] == [
        ("worst", 0.1),
        ("median", 0.5),
        ("best", 0.9),
    ]
    assert [one.example.image[0, 0, 0] for one in shown] == [1, 2, 0]
    assert shown[0].text == "찾아 줘"
    assert shown[0].example.marks == ((2.0, 3.0, 1),)
    assert np.array_equal(shown[0].example.truth, _square(0, 0, 4, 8))


def test_a_task_of_one_case_shows_it_once() -> None:
    empty = np.zeros((8, 8), bool)
    example = Example(np.zeros((8, 8, 3), np.uint8), empty, empty)
    (only,) = choose([Case("g", "t", 0.4, 0, example=example)])["g", "t"]
    assert (only.rank, only.value) == ("only", 0.4)


@pytest.mark.parametrize(
    ("said", "right"),
    [("20", True), ("There are 19.", True), ("18", False), ("More than twenty.", False)],
)
def test_more_than_twenty_is_no_number_next_to_twenty(said, right) -> None:
    assert is_within_one(said, 20) == right


def test_kinds_come_in_the_shares_of_training() -> None:
    assert len(kinds_of(37)) == 37
    assert set(kinds_of(100)) == set(KINDS)


def test_there_are_24_coins() -> None:
    labels = coin_labels(data.coins())
    areas = np.bincount(labels.ravel())[1:]
    assert len(areas) == 24
    assert areas.min() > 1000
