"""Average precision of instances, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sa2va.evaluation.instances import average_precision, pieces
from napari_sa2va.evaluation.results import encode_mask
from tests.evaluation.examples import write_json


def _square(y: int, x: int, side: int = 40) -> np.ndarray:
    mask = np.zeros((200, 200), bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    squares = _square(10, 10), _square(100, 100)
    annotations = [
        {
            "id": number,
            "image_id": 5,
            "category_id": 1,
            "segmentation": encode_mask(square),
            "area": int(square.sum()),
            "bbox": [0, 0, 1, 1],
            "iscrowd": 0,
        }
        for number, square in enumerate(squares, 1)
    ]
    content = {
        "images": [{"id": 5, "height": 200, "width": 200, "file_name": "a.png"}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "square"}],
    }
    return write_json(tmp_path / "instances.json", content)


def test_all_found_is_1(truth: Path) -> None:
    both = _square(10, 10) | _square(100, 100)
    found = list(pieces(both, 0.5, 5, 1))
    assert len(found) == 2
    told = average_precision(truth, found, [5])
    assert told == {"AP": 1, "AP50": 1, "AP75": 1, "AP medium": 1}


def test_a_mistake_before_one_of_two(truth: Path) -> None:
    found = [*pieces(_square(10, 140), 0.9, 5, 1), *pieces(_square(10, 10), 0.8, 5, 1)]
    # At the one hit, recall and precision are 1/2: so it is at 51 of 101 levels of recall.
    assert average_precision(truth, found, [5])["AP50"] == pytest.approx(51 / 101 / 2)


def test_an_iou_of_two_thirds_counts_at_four_of_ten_thresholds(truth: Path) -> None:
    # 8 of 40 columns aside: 32 / 48 = 0.667, above 0.50, 0.55, 0.60 and 0.65.
    found = [*pieces(_square(10, 18), 0.9, 5, 1), *pieces(_square(100, 108), 0.8, 5, 1)]
    told = average_precision(truth, found, [5])
    assert told["AP"] == pytest.approx(0.4)
    assert (told["AP50"], told["AP75"]) == (1, 0)


def test_nothing_found_is_0(truth: Path) -> None:
    assert average_precision(truth, [], [5])["AP"] == 0


def test_pieces_that_touch_at_a_corner_are_one() -> None:
    mask = _square(0, 0, 10) | _square(10, 10, 10) | _square(50, 50, 10)
    assert len(list(pieces(mask, 1.0, 1, 1))) == 2
