"""Masks into labels, and back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.events import Mask
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._labels_writer import LabelsWriter, restore
from napari_sa2va.widgets._undo import UndoStack, UndoStep

SHAPE = (5, 6, 7)
GEOMETRY = StackGeometry(SHAPE, 0, 1, 2, (0, 0, 0))


def writer_for(labels: np.ndarray, geometry: StackGeometry = GEOMETRY) -> tuple:
    step = UndoStep("test", labels, {})
    return LabelsWriter(labels, geometry, step), step


def box(y0: int, x0: int, y1: int, x1: int, shape: tuple[int, int] = SHAPE[1:]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_an_object_replaces_its_own_pixels_and_no_others() -> None:
    labels = np.zeros(SHAPE, np.uint16)
    writer, _ = writer_for(labels)
    writer.write(Mask(2, 1, box(0, 0, 3, 3), 0.9))
    writer.write(Mask(2, 2, box(2, 2, 5, 5), 0.9))
    assert labels[2, 2, 2] == 1  # the earlier object keeps what both claim
    assert labels[2, 3, 3] == 2
    writer.write(Mask(2, 1, box(0, 0, 2, 2), 0.9))
    assert (labels[2] == 1).sum() == 4
    assert labels[[0, 1, 3, 4]].sum() == 0


def test_an_object_under_others_is_reported() -> None:
    labels = np.zeros(SHAPE, np.uint16)
    labels[0] = 1
    writer, _ = writer_for(labels)
    writer.write(Mask(0, 2, box(1, 1, 3, 3), 0.9))
    writer.write(Mask(1, 3, box(1, 1, 3, 3), 0.9))
    assert writer.hidden == [2]


@pytest.mark.parametrize("frames", [1, 200])
def test_a_run_is_undone_to_the_pixel(frames: int) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, (frames, 16, 16)).astype(np.uint16)
    before = labels.copy()
    geometry = StackGeometry(labels.shape, 0, 1, 2, (0, 0, 0))
    writer, step = writer_for(labels, geometry)
    for frame in range(frames):
        for object_id in (1, 3, 1):
            writer.write(Mask(frame, object_id, rng.random((16, 16)) > 0.5, 0.9))
    assert not np.array_equal(labels, before)
    assert restore(step) == list(range(frames))
    assert np.array_equal(labels, before)


def test_undo_leaves_what_was_painted_since() -> None:
    labels = np.zeros(SHAPE, np.uint16)
    writer, step = writer_for(labels)
    writer.write(Mask(0, 1, box(0, 0, 3, 3), 0.9))
    labels[0, 0, 0] = 9
    restore(step)
    assert labels[0, 0, 0] == 9
    assert labels.sum() == 9


def test_erasing_is_undone_object_by_object() -> None:
    labels = np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.uint16)
    before = labels.copy()
    writer, step = writer_for(labels)
    writer.erase([1, 3], 2)
    assert set(np.unique(labels[2])) == {0, 2}
    assert np.array_equal(labels[3], before[3])
    restore(step)
    assert np.array_equal(labels, before)


def test_planes_of_transposed_and_deeper_stacks() -> None:
    labels = np.zeros((3, 4, 5, 6), np.uint16)
    geometry = StackGeometry(labels.shape, 1, 3, 2, (2, 0, 0, 0))  # x before y, second channel
    assert geometry.stack_shape == (4, 6, 5)
    writer, step = writer_for(labels, geometry)
    writer.write(Mask(1, 4, box(5, 0, 6, 2, (6, 5)), 0.9))
    assert np.argwhere(labels).tolist() == [[2, 1, 0, 5], [2, 1, 1, 5]]
    restore(step)
    assert not labels.any()


def test_nearly_the_same_mask_is_the_same_object() -> None:
    labels = np.zeros(SHAPE, np.uint16)
    writer, _ = writer_for(labels)
    writer.write(Mask(0, 7, box(0, 0, 5, 4), 0.9))
    assert writer.twin(Mask(0, 1, box(0, 0, 5, 5), 0.9)) == 7
    assert writer.twin(Mask(0, 1, box(3, 3, 6, 6), 0.9)) is None
    assert writer.twin(Mask(0, 1, box(0, 0, 2, 2), 0.9)) is None  # a part is another object
    assert writer.twin(Mask(1, 1, box(0, 0, 5, 4), 0.9)) is None


def test_the_undo_stack_drops_the_oldest_runs() -> None:
    stack = UndoStack(max_bytes=500)
    labels = np.zeros((4, 20, 20), np.uint16)
    geometry = StackGeometry(labels.shape, 0, 1, 2, (0, 0, 0))
    for name in "abc":
        step = UndoStep(name, labels, {1: ObjectRecord(1)})
        LabelsWriter(labels, geometry, step).write(Mask(0, ord(name), box(0, 0, 4, 8, (20, 20)), 1))
        labels[:] = 0
        stack.push(step)
    assert [stack.undo().title for _ in range(len(stack))] == ["c"]
    assert stack.undo() is None
    assert (stack.title, stack.redo_title) == ("", "c")
    assert stack.redo().title == "c"
    assert stack.redo() is None
    assert (stack.title, stack.redo_title) == ("c", "")
