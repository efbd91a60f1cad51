"""Every step, a run's and a person's, is taken back by itself: nobody else's work goes with it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_sa2va.core.review import measure
from napari_sa2va.io import label_store
from napari_sa2va.io.label_store import LabelStore
from napari_sa2va.widgets._undo import copied
from napari_sa2va.widgets._updates import MaskWritten
from tests.widgets.test_segmenting import click, draw_box, labels_of

MOVING, STILL = (0, 8, 8), (0, 28, 44)


@pytest.fixture(params=["in memory", "on disk"])
def two(request, dock, stack, run, monkeypatch):
    """A dock with two objects, in all frames."""
    if request.param == "on disk":
        monkeypatch.setattr(label_store, "IN_MEMORY", 0)
    widget = dock(stack)
    click(widget, STILL)
    widget.new_object()
    click(widget, MOVING)
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    assert isinstance(labels_of(widget).data, LabelStore) == (request.param == "on disk")
    return widget


def paint(widget, qtbot, label: int, *at: int, size: int = 4) -> None:
    """A stroke of the brush, taken up."""
    layer = labels_of(widget)
    layer.brush_size = size
    with qtbot.waitSignal(widget.workbench.frames_painted, timeout=5000):
        layer.paint(at, label)


def look(widget):
    """Labels, records and what the masks measure."""
    facts = {label: dict(masks) for label, masks in widget.workbench.facts.items() if masks}
    return np.array(labels_of(widget).data), copied(widget.workbench.records), facts


def same(one, other) -> bool:
    return np.array_equal(one[0], other[0]) and one[1:] == other[1:]


def test_what_a_person_did_is_taken_back_step_by_step(two, run, qtbot) -> None:
    bench = two.workbench
    two._viewer.dims.set_current_step(0, 3)
    click(two, (3, 40, 20))
    two.prompts.object_id.setValue(2)
    points = two.prompting.layers.points(two.picker.image)
    points.features = points.features.assign(object=[1, 2, 2])
    run(two, two.segment)
    seen = [look(two)]

    def did(action) -> None:
        action()
        # What was painted is measured in a thread.
        qtbot.waitUntil(lambda: not bench._painting.measuring.is_busy, timeout=5000)
        seen.append(look(two))

    for frame in range(5):
        did(lambda frame=frame: bench.editing.verify(1, frame, True))
    did(lambda: bench.editing.verify(1, 2, False))
    did(lambda: paint(two, qtbot, 7, 6, 40, 40))
    did(lambda: paint(two, qtbot, 1, 6, 20, 40))
    did(lambda: paint(two, qtbot, 0, 6, 28, 50, size=6))
    did(lambda: bench.editing.set_phrases(1, ["a dot", "the still one"]))
    did(lambda: bench.editing.judge(1, "a dot", True))
    did(lambda: bench.editing.change(1, "category", "dot"))
    did(lambda: bench.editing.change(2, "locked", True))
    assert sorted(bench.records) == [1, 2, 7]
    for before, after in pairwise(seen):
        assert not same(before, after), "a step that changes nothing tests nothing"
    for expected in seen[-2::-1]:
        assert run(two, two.runs.undo.click) == "done"
        assert same(look(two), expected)
    assert bench.undo_stack.title == "Segment"
    for expected in seen[1:]:
        assert run(two, two.runs.redo.click) == "done"
        assert same(look(two), expected)
    assert not two.runs.redo.isEnabled()


def test_undoing_a_run_leaves_what_a_person_did_meanwhile(two, run, backend, qtbot) -> None:
    bench = two.workbench
    before = labels_of(two).data[:].copy()

    def meanwhile(update: object) -> None:
        if isinstance(update, MaskWritten) and update.frame == 6:
            bench.runner.updated.disconnect(meanwhile)
            bench.editing.change(2, "phrase", "renamed")
            bench.editing.verify(1, 2, True)
            bench.editing.verify(2, 4, True)  # a mask that the run has written
            bench.editing.judge(2, "renamed", True)

    two.table.select_object(2)
    two.runs.only_selected.setChecked(True)
    click(two, (0, 40, 20))
    run(two, two.segment)
    changed = labels_of(two).data[:].copy()
    bench.runner.updated.connect(meanwhile)
    backend.delay = 0.01
    run(two, lambda: two.propagate("forward"))
    assert bench.records[2].verified_frames == [4]
    assert bench.undo_stack.title == "Propagate"
    run(two, bench.undo)
    assert np.array_equal(labels_of(two).data[:], changed)
    assert not np.array_equal(changed, before)
    records = bench.records
    assert records[2].phrase == "renamed"
    assert records[2].verified_expressions == ["renamed"]
    assert records[1].verified_frames == [2]
    assert records[2].verified_frames == [], "the mask that was verified is no longer there"
    run(two, bench.redo)
    assert bench.records[2].verified_frames == [4]
    run(two, bench.undo)
    while bench.undo_stack.title != "Segment":
        run(two, bench.undo)
    assert bench.records[2].phrase == ""
    assert bench.records[1].verified_frames == []


def test_a_mask_that_is_verified_during_a_run_is_not_overwritten(two, run, backend) -> None:
    bench = two.workbench
    click(two, (0, 40, 20))
    two.table.select_object(2)
    run(two, two.segment)
    before = np.array(labels_of(two).data[10])

    def meanwhile(update: object) -> None:
        if isinstance(update, MaskWritten) and update.frame == 2:
            bench.runner.updated.disconnect(meanwhile)
            bench.editing.verify(2, 10, True)

    bench.runner.updated.connect(meanwhile)
    backend.delay = 0.02
    run(two, lambda: two.propagate("forward"))
    after = np.array(labels_of(two).data[9:11])
    assert np.array_equal(after[1] == 2, before == 2)
    assert after[0, 40, 29] == 2, "the run has changed nothing"


def test_a_stroke_leaves_what_is_known_of_other_frames(two, qtbot) -> None:
    bench = two.workbench
    before = {label: dict(masks) for label, masks in bench.facts.items()}
    assert sorted(before[1]) == list(range(12))
    with qtbot.waitSignal(bench.masks_changed, timeout=5000) as painted:
        paint(two, qtbot, 1, 4, 44, 44, size=1)
    assert painted.args == [{(1, 4)}]
    facts = bench.facts
    assert facts[2] == before[2]
    assert {f: it for f, it in facts[1].items() if f != 4} == {
        f: it for f, it in before[1].items() if f != 4
    }
    measured = measure(labels_of(two).data[4] == 1)
    assert measured.area == before[1][4].area + 1
    assert vars(facts[1][4]) == pytest.approx(vars(measured))


def test_the_facts_of_objects_go_with_their_masks(two, run) -> None:
    bench, before = two.workbench, look(two)[2]
    run(two, lambda: two.delete_object(1))
    assert look(two)[2] == {2: before[2]}
    run(two, bench.undo)
    assert look(two)[2] == before
    run(two, lambda: two.reject(1, 3))
    assert look(two)[2][1] == {f: it for f, it in before[1].items() if f != 3}
    run(two, lambda: two.merge_objects(2, 1))
    merged = look(two)[2]
    assert list(merged) == [2]
    assert merged[2][3] == before[2][3]
    labels = np.array(labels_of(two).data[5] == 2)
    ys, _ = np.nonzero(labels)
    assert (merged[2][5].area, merged[2][5].y) == (len(ys), pytest.approx(ys.mean()))
    run(two, bench.undo)
    run(two, bench.undo)
    assert look(two)[2] == before
    two._viewer.dims.set_current_step(0, 5)
    run(two, lambda: two.split_object(2))
    split = look(two)[2]
    assert split[1] == before[1]
    assert (sorted(split[2]), sorted(split[3])) == (list(range(5)), list(range(5, 12)))
    run(two, bench.undo)
    assert look(two)[2] == before


def test_naparis_own_undo_gives_back_what_was_verified(two, qtbot) -> None:
    bench, layer = two.workbench, labels_of(two)
    bench.editing.verify(1, 4, True)
    seen = [look(two)]
    paint(two, qtbot, 1, 4, 40, 40)
    qtbot.waitUntil(lambda: 4 in bench.facts[1], timeout=5000)
    seen.append(look(two))
    assert len(seen[1][1][1].prompts) == 2
    layer.undo()
    assert same(look(two), seen[0])
    assert bench.undo_stack.redo_title == "Painting in object 1"
    layer.redo()
    assert same(look(two), seen[1])
    layer.undo()
    paint(two, qtbot, 1, 5, 40, 40)
    assert bench.records[1].verified_frames == [4, 5]
    layer.undo()
    assert same(look(two), seen[0])


def test_naparis_undo_behind_a_run_leaves_nothing_verified(two, run, qtbot) -> None:
    bench, layer = two.workbench, labels_of(two)
    bench.editing.verify(1, 4, True)
    paint(two, qtbot, 1, 4, 40, 40)
    two._viewer.dims.set_current_step(0, 4)  # from an earlier frame it would end here
    run(two, lambda: two.propagate("forward"))
    before = look(two)
    layer.undo()
    assert layer.data[4, 40, 40] == 0
    assert bench.records[1].verified_frames == []
    qtbot.waitUntil(lambda: bench.facts[1].get(4) is not None, timeout=5000)
    run(two, bench.undo)
    assert same(look(two), before)
    assert layer.data[4, 40, 40] == 1


def test_a_click_on_a_verified_mask_makes_it_another_one(dock, stack, run) -> None:
    widget = dock(stack)
    click(widget, STILL)
    run(widget, widget.segment)
    widget.workbench.editing.verify(1, 0, True)
    told = widget.workbench.records[1].verifications
    click(widget, (0, 30, 20))
    run(widget, widget.segment)
    record = widget.workbench.records[1]
    assert labels_of(widget).data[0, 30, 20] == 1
    assert (record.verified_frames, record.verifications) == ([], [])
    assert record.state != "verified"
    run(widget, widget.workbench.undo)
    record = widget.workbench.records[1]
    assert (record.verified_frames, record.verifications) == ([0], told)


def test_prompts_go_with_their_object_and_come_back(two, run, qtbot, notes) -> None:
    draw_box(two, 0, 3.5, 3.5, 11.5, 11.5)  # for object 2
    layers, image = two.prompting.layers, two.picker.image
    run(two, two.segment)
    drawn = layers.prompts_by_frame(image, two.picker.geometry)
    assert sorted(drawn[0]) == [1, 2]
    two.table.select_object(2)
    two.prompts.object_id.setValue(1)
    run(two, lambda: qtbot.keyClick(two.table, Qt.Key.Key_Delete))
    left = layers.prompts_by_frame(image, two.picker.geometry)
    assert left == {0: {1: drawn[0][1]}}
    run(two, two.segment)
    assert sorted(two.workbench.records) == [1], "a deleted object came back"
    run(two, two.workbench.undo)
    run(two, two.workbench.undo)
    assert layers.prompts_by_frame(image, two.picker.geometry) == drawn
    assert two.prompts.object_id.value() == 1, "what the next prompt is for has changed"
    run(two, two.workbench.redo)
    assert layers.prompts_by_frame(image, two.picker.geometry) == left
    run(two, two.clear_objects)
    assert layers.prompts_by_frame(image, two.picker.geometry) == {}


def test_undoing_a_segmentation_leaves_its_prompts(dock, stack, run) -> None:
    widget = dock(stack)
    click(widget, STILL)
    run(widget, widget.segment)
    run(widget, widget.workbench.undo)
    assert widget.workbench.records == {}
    assert len(widget.prompting.layers.points(widget.picker.image).data) == 1
