"""SEG and TRA through py-ctcmetrics, on ground truth that our own export wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sa2va import export
from napari_sa2va.core.labelled import LabelArray, LabelledStack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.evaluation.cells import ctc_scores
from tests.export.examples import blobs

SHAPE = (4, 96, 96)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """Two cells; the first divides into 3 and 4."""
    labels = blobs(length=5, ids=(1, 2))[[0, 2, 3, 4]]
    for frame in (2, 3):
        right = np.arange(96) > np.nonzero(labels[frame] == 1)[1].mean()
        labels[frame][(labels[frame] == 1) & right] = 3
        labels[frame][labels[frame] == 1] = 4
    return labels


@pytest.fixture(scope="module")
def truth(labels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = {i: ObjectRecord(i, parent=1) for i in (3, 4)}
    path = tmp_path_factory.mktemp("ctc") / "out"
    export.write(LabelledStack(LabelArray(labels), records, "cells"), path, "ctc")
    return path / "01_GT"


def _masks(labels: np.ndarray, frame: int) -> dict[int, np.ndarray]:
    return {i: labels[frame] == i for i in (1, 2, 3, 4)}


def test_the_truth_itself_is_1(truth: Path, labels: np.ndarray) -> None:
    told = ctc_scores(truth, SHAPE, lambda frame: _masks(labels, frame))
    assert told == {"SEG": 1, "TRA": 1, "DET": 1}


def test_a_parent_that_is_followed_too_far_is_cut(truth: Path, labels: np.ndarray) -> None:
    def masks(frame: int) -> dict[int, np.ndarray]:
        found = _masks(labels, frame)
        # The model does not see that it divided; the place is given to its children.
        return found | {1: labels[1] == 1} if frame == 3 else found

    assert ctc_scores(truth, SHAPE, masks)["TRA"] == 1


def test_a_cell_that_is_lost_costs_its_share(truth: Path, labels: np.ndarray) -> None:
    def masks(frame: int) -> dict[int, np.ndarray]:
        found = _masks(labels, frame)
        return {i: mask for i, mask in found.items() if (i, frame) != (2, 3)}

    told = ctc_scores(truth, SHAPE, masks)
    assert told["SEG"] == pytest.approx(9 / 10)  # 2 + 2 + 3 + 3 cells
    assert 0 < told["TRA"] < 1


def test_nothing_found_is_0(truth: Path) -> None:
    assert ctc_scores(truth, SHAPE, lambda _: {}) == {"TRA": 0, "DET": 0, "SEG": 0}
