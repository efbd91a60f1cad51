"""Strokes as napari tells them, taken back and made again by ours; and records with them."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.regions import BLOCK
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._labels_writer import repeat, restore
from napari_sa2va.widgets._record_changes import rebased
from napari_sa2va.widgets._stroke_changes import changes_of
from napari_sa2va.widgets._undo import UndoStack, UndoStep

SHAPE = (3, 4, 30, 40)  # t, z, y, x


@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (3, 2)])
@pytest.mark.parametrize("time", [0, 1])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_any_stroke_is_taken_back_and_made_again(rows, columns, time, dimensions) -> None:
    rng = np.random.default_rng(dimensions)
    labels = (rng.random(SHAPE) > 0.7).astype(np.uint16) * rng.integers(1, 4, SHAPE, np.uint16)
    layer = ViewerModel().add_labels(labels)
    layer.n_edit_dimensions = dimensions
    geometry = StackGeometry(SHAPE, time, rows, columns, (0, 0, 0, 0))
    strokes = []
    layer.events.paint.connect(lambda event: strokes.append(list(event.value)))
    before = labels.copy()
    layer.brush_size = 9
    with layer.block_history():  # as a drag of the mouse
        for x in range(5, 30, 4):
            layer.paint((1, 2, 12, x), 5)
    layer.fill((1, 2, 12, 12), 2)
    layer.paint((1, 2, 20, 20), 0)
    everywhere = np.unravel_index(rng.choice(labels.size, 200, replace=False), SHAPE)
    layer.data_setitem(everywhere, rng.integers(0, 9, 200).tolist())
    after = labels.copy()
    steps = [UndoStep("test", labels, changes=changes_of(s, labels, geometry)) for s in strokes]
    assert len(steps) == 4
    for step in reversed(steps):
        restore(step)
    assert np.array_equal(labels, before)
    for step in steps:
        repeat(step)
    assert np.array_equal(labels, after)
    changed = {tuple(at) for at in np.argwhere((before != after).any((2, 3))).tolist()}
    told = {
        (c.frame, c.geometry.fixed[1]) if time == 0 else (c.geometry.fixed[0], c.frame)
        for step in steps
        for c in step.changes
    }
    assert told >= changed
    assert told <= {tuple(at) for at in np.argwhere(np.ones(SHAPE[:2])).tolist()}


def test_a_large_fill_is_kept_in_little() -> None:
    labels = np.zeros((1, 2 * BLOCK, 2 * BLOCK), np.uint16)
    layer = ViewerModel().add_labels(labels)
    strokes = []
    layer.events.paint.connect(lambda event: strokes.append(list(event.value)))
    layer.fill((0, 5, 5), 3)
    geometry = StackGeometry(labels.shape, 0, 1, 2, (0, 0, 0))
    step = UndoStep("test", labels, changes=changes_of(strokes[0], labels, geometry))
    assert step.nbytes < 10_000
    restore(step)
    assert not labels.any()


def test_the_stack_of_a_persons_steps_is_bounded() -> None:
    stack, labels = UndoStack(max_bytes=100_000), np.zeros((2, 2), np.uint16)
    record = ObjectRecord(1, scores=dict.fromkeys(range(100), 1.0))
    for frame in range(100):
        step = UndoStep(str(frame), labels)
        verified = ObjectRecord(1, scores=dict(record.scores), verified_frames=[frame])
        step.compare({1: record, 2: ObjectRecord(2)}, {1: verified, 2: ObjectRecord(2)})
        assert step.before.keys() == {1}
        stack.push(step)
    assert 0 < len(stack) < 10
    while stack.undo() is not None:
        pass
    assert stack._held == 0


def record(**known) -> ObjectRecord:
    return ObjectRecord(1, **known)


def test_a_change_is_taken_back_from_a_record_that_went_on() -> None:
    click, other = {"kind": "point", "frame": 3}, {"kind": "point", "frame": 8}
    before = record(phrase="cell", scores={0: 0.9, 3: 0.4}, verified_frames=[0])
    after = record(
        phrase="cell", scores={0: 0.9, 3: 0.8, 4: 0.7}, prompts=[click], verified_frames=[]
    )
    now = record(
        phrase="mitotic", scores={0: 0.9, 3: 1.0, 4: 0.7, 8: 0.5}, prompts=[click, other],
        verified_frames=[3], locked=True,
    )  # fmt: skip
    assert rebased(now, after, before) == record(
        phrase="mitotic", scores={0: 0.9, 3: 1.0, 8: 0.5}, prompts=[other],
        verified_frames=[0, 3], locked=True,
    )  # fmt: skip
    assert rebased(after, after, before) == before
    assert rebased(None, after, before) is None, "who deleted it meant to"
    assert rebased(None, None, before) == before
    assert rebased(after, after, None) is None
    assert rebased(now, after, None).scores == {3: 1.0, 8: 0.5}
    assert rebased(record(phrase="named since"), record(), None) is None
