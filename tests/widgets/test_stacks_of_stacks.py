"""Images with further axes: objects belong to the stack in which they were made."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.layers import stack_layers
from napari_sa2va.io import label_store
from napari_sa2va.widgets import _object_labels
from napari_sa2va.widgets._export_layers import layer_as_stack
from napari_sa2va.widgets._label_blocks import free_label
from tests.widgets.test_segmenting import click, labels_of
from tests.widgets.test_undoing import look, paint, same

AXES = ("t", "z", "y", "x")


@pytest.fixture(params=["in memory", "on disk"])
def widget(request, dock, stack, run, monkeypatch):
    """A dock with (T, Z, Y, X), and object 1 at z = 1 in all frames."""
    if request.param == "on disk":
        monkeypatch.setattr(label_store, "IN_MEMORY", 0)
    widget = dock(np.repeat(stack[:, None], 4, axis=1), axis_labels=AXES)
    go(widget, 0, 1)
    click(widget, (0, 1, 28, 44))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    assert widget.picker.time_axis == 0
    assert planes(widget) == {1: [(t, 1) for t in range(12)]}
    return widget


def go(widget, t: int, z: int) -> None:
    widget._viewer.dims.set_current_step(0, t)
    widget._viewer.dims.set_current_step(1, z)


def planes(widget) -> dict[int, list[tuple[int, int]]]:
    """By object, where (t, z) it has pixels."""
    data = np.array(labels_of(widget).data)
    return {
        int(label): [(int(t), int(z)) for t, z in np.argwhere((data == label).any((2, 3)))]
        for label in np.unique(data)
        if label
    }


def listed(widget) -> list[int]:
    return widget.table.objects.object_ids


def test_objects_are_listed_and_changed_in_their_stack_only(widget, run, notes) -> None:
    bench = widget.workbench
    widget.reviewing.open()
    for frame in range(12):
        bench.editing.verify(1, frame, True)
    go(widget, 0, 3)
    assert listed(widget) == []
    assert not widget.runs.clear.isEnabled()
    assert widget.prompts.object_id.value() == 2, "the next click would be for what is elsewhere"
    widget.propagate("forward")
    assert "There is no object to follow" in notes[-1]
    click(widget, (0, 3, 40, 20))
    run(widget, widget.segment)
    assert run(widget, lambda: widget.propagate("forward")) == "done"
    assert listed(widget) == [2]
    assert planes(widget) == {z: [(t, {1: 1, 2: 3}[z]) for t in range(12)] for z in (1, 2)}
    bench.editing.verify(2, 5, True)
    assert bench.objects.records[1].verified_frames == list(range(12))
    run(widget, widget.clear_objects)
    assert listed(widget) == []
    assert list(planes(widget)) == [1]
    go(widget, 0, 1)
    assert listed(widget) == [1]
    run(widget, lambda: widget.delete_object(1))
    assert planes(widget) == {}
    assert bench.objects.records == {}


def test_the_same_words_mean_other_objects_in_another_stack(widget, run) -> None:
    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    first = listed(widget)
    go(widget, 0, 2)
    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    assert set(first).isdisjoint(listed(widget))
    assert len(listed(widget)) == 2


def test_a_step_is_taken_back_where_it_was_done(widget, run, qtbot, tmp_path) -> None:
    bench = widget.workbench
    seen = [look(widget)]
    run(widget, lambda: widget.delete_object(1))
    go(widget, 4, 3)
    paint(widget, qtbot, 5, 4, 3, 20, 20)
    assert listed(widget) == [5]
    run(widget, bench.undo)
    assert listed(widget) == []
    run(widget, bench.undo)  # of what was done at z = 1
    assert listed(widget) == []
    assert planes(widget) == {1: [(t, 1) for t in range(12)]}
    widget.autosave.save()
    widget.autosave.wait()
    saved = widget.autosave._book._file
    assert saved.planes == [t * 4 + 1 for t in range(12)]
    assert saved.objects()[0][1].place == [-1, 1, -2, -2]
    go(widget, 0, 1)
    assert listed(widget) == [1]
    assert same(look(widget), seen[0])
    run(widget, bench.redo)
    assert planes(widget) == {}


def test_what_is_elsewhere_is_not_taken_for_an_object_here(widget, run, qtbot, notes) -> None:
    go(widget, 0, 3)
    layer = labels_of(widget)
    layer.paint((0, 3, 20, 20), 1)
    qtbot.waitUntil(lambda: any("taken back" in note for note in notes))
    assert "Object 1 is an object of another stack (axis z at 1)." in notes[-1]
    assert planes(widget) == {1: [(t, 1) for t in range(12)]}
    widget.prompts.object_id.setValue(1)
    click(widget, (0, 3, 20, 20))
    widget.segment()
    assert "Go there, or begin a new object." in notes[-1]
    assert not widget.workbench.runner.is_running
    paint(widget, qtbot, 0, 3, 1, 28, 44 + 3, size=3)  # erased from here, as scripts may
    record = widget.workbench.objects.records[1]
    assert record.verified_frames == [3]


def test_the_axis_that_is_followed_is_part_of_the_place(widget, run) -> None:
    picker = widget.picker
    picker.axis.setCurrentIndex(picker.axis.findText("axis z"))
    picker.axis.activated.emit(picker.axis.currentIndex())
    go(widget, 2, 1)
    assert listed(widget) == []
    picker.axis.setCurrentIndex(picker.axis.findText("axis t"))
    picker.axis.activated.emit(picker.axis.currentIndex())
    assert listed(widget) == [1]


def test_labels_that_can_hold_no_more_objects_say_so(dock, stack, run, monkeypatch, notes) -> None:
    monkeypatch.setattr(_object_labels, "_DTYPE", np.uint8)
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    records = widget.workbench.objects.records
    records[255] = ObjectRecord(255, scores={0: 1.0})
    widget.new_object()
    assert widget.prompts.object_id.value() == 2, "the lowest that is free"
    records |= {label: ObjectRecord(label, scores={0: 1.0}) for label in range(2, 255)}
    widget.new_object()
    assert "Labels of the type uint8 hold 255 objects" in notes[-1]
    widget.prompts.text.setText("cells")
    assert run(widget, widget.segment) == "failed"
    assert "hold 255 objects" in notes[-1]
    widget.prompts.object_id.setValue(300)
    click(widget, (0, 8, 8))
    widget.segment()
    assert "Object 300 is too many" in notes[-1]


def test_the_id_after_those_taken_else_the_lowest_that_is_free() -> None:
    labels = np.zeros((2, 2), np.uint16)
    assert free_label(labels, {1, 7}) == 8
    assert free_label(labels, {1, 2, 65535}) == 3
    with pytest.raises(InputError, match="65535 objects"):
        free_label(labels, range(1, 65536))


def test_an_export_has_the_objects_of_the_stack_that_is_shown(widget, run) -> None:
    go(widget, 0, 3)
    click(widget, (0, 3, 40, 20))
    run(widget, widget.segment)
    stacks = {}
    for z in (1, 3):
        go(widget, 0, z)
        stacks[z] = layer_as_stack(widget._viewer, labels_of(widget), 0)
    assert {z: list(stack.objects) for z, stack in stacks.items()} == {1: [1], 3: [2]}
    (options,) = (options for _, options, kind in stack_layers(stacks[1]) if kind == "labels")
    record = options["metadata"]["sa2va"]["objects"][1]
    assert record["place"] == [], "it would not be found in an image of its own"
