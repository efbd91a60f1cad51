"""Objects are deleted, merged and split; undone and done again, to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer, Tracks
from qtpy.QtCore import Qt

from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export import labelled_stacks, write
from napari_sa2va.export.layers import read_layers
from napari_sa2va.export.staging import provenance_path
from napari_sa2va.widgets._joining import join_lineage, merged, split_at
from tests.export.examples import blobs, images_of
from tests.widgets.test_segmenting import click, labels_of


@pytest.fixture
def two(dock, stack, run):
    """A dock with two objects, in all frames."""
    widget = dock(stack)
    click(widget, (0, 28, 44))
    widget.new_object()
    click(widget, (0, 8, 8))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    assert sorted(widget.workbench.records) == [1, 2]
    return widget


def state(widget):
    records = {label: vars(record).copy() for label, record in widget.workbench.records.items()}
    return labels_of(widget).data.copy(), records


def assert_same(one, other) -> None:
    assert np.array_equal(one[0], other[0])
    assert one[1] == other[1]


def undo_and_redo(widget, run, before) -> None:
    after = state(widget)
    run(widget, widget.runs.undo.click)
    assert_same(state(widget), before)
    assert widget.runs.redo.isEnabled()
    run(widget, widget.runs.redo.click)
    assert_same(state(widget), after)
    assert not widget.runs.redo.isEnabled()


def test_delete(two, run, qtbot, backend) -> None:
    before = state(two)
    two.table.select_object(1)
    run(two, lambda: qtbot.keyClick(two.table, Qt.Key.Key_Delete))
    assert sorted(two.workbench.records) == [2]
    assert set(np.unique(labels_of(two).data)) == {0, 2}
    undo_and_redo(two, run, before)
    run(two, lambda: two.propagate("forward"))
    assert 1 in backend.sessions[0].removed


def test_merge(two, run) -> None:
    before = state(two)
    menu = two.table.menu(2)
    (into,) = (a.menu() for a in menu.actions() if a.menu() and a.text() == "Merge with")
    assert [action.text() for action in into.actions()] == ["1 clicked"]
    run(two, into.actions()[0].trigger)
    assert sorted(two.workbench.records) == [2]
    assert np.array_equal(labels_of(two).data == 2, before[0] > 0)
    assert len(two.workbench.records[2].prompts) == 2
    undo_and_redo(two, run, before)


def test_objects_of_a_foreign_data_set(dock, backend, run, tmp_path) -> None:
    """Another program wrote it: it says nothing of scores."""
    discs = blobs(ids=(1, 2, 3))
    discs[1] = discs[0]
    images = labelled_stacks(discs, images_of(discs))[0].images
    path = write(LabelledStack(discs, images=images), tmp_path / "out", "ctc")
    provenance_path(path).unlink()
    widget = dock()
    for layer in read_layers(str(path)):
        widget._viewer.add_layer(Layer.create(*layer))
    widget._viewer.dims.set_current_step(0, 2)
    assert sorted(widget.workbench.records) == [1, 2, 3]
    layer = labels_of(widget)
    run(widget, lambda: widget.delete_object(1))
    assert np.array_equal(layer.data, np.where(discs == 1, 0, discs))
    run(widget, lambda: widget.merge_objects(2, 3))
    assert np.array_equal(layer.data == 2, discs > 1)
    run(widget, lambda: widget.split_object(2))
    assert {int(i) for i in np.unique(layer.data[2:])} == {0, 3}
    widget.autosave.save()
    widget.autosave.wait()
    saved = widget.autosave._book._file
    assert saved.planes == [0, 1, 2, 3, 4]
    plane = np.zeros(layer.data.shape[1:], layer.data.dtype)
    saved.read_plane(4, plane)
    assert np.array_equal(plane, layer.data[4])
    run(widget, widget.show_tracks)
    (tracks,) = (it for it in widget._viewer.layers if isinstance(it, Tracks))
    assert tracks.features["score"].tolist() == [1.0] * len(tracks.data)


def test_split(two, run) -> None:
    before = state(two)
    two._viewer.dims.set_current_step(0, 5)
    (split,) = (a for a in two.table.menu(1).actions() if "from this frame on" in a.text())
    run(two, split.trigger)
    labels = labels_of(two).data
    assert np.array_equal(labels[:5], before[0][:5])
    assert np.array_equal(labels[5:] == 3, before[0][5:] == 1)
    assert sorted(two.workbench.records[1].scores) == list(range(5))
    assert sorted(two.workbench.records[3].scores) == list(range(5, 12))
    undo_and_redo(two, run, before)


def test_lineage_is_merged_and_split_too(two, run) -> None:
    """6 came from 1 in the last frame, 7 in frame 5; 1 came from an object that was deleted."""
    records = two.workbench.objects.records
    records[1].parent = 9
    records[6] = ObjectRecord(6, scores={11: 0.9}, parent=1)
    records[7] = ObjectRecord(7, scores={5: 0.9}, parent=1)
    before = state(two)

    def parents() -> dict[int, int]:
        return {label: record.parent for label, record in two.workbench.records.items()}

    two._viewer.dims.set_current_step(0, 5)
    run(two, lambda: two.split_object(1))
    assert parents() == {1: 9, 2: 0, 6: 8, 7: 1, 8: 0}
    undo_and_redo(two, run, before)
    run(two, two.workbench.undo)
    run(two, lambda: two.merge_objects(2, 1))
    assert parents() == {2: 9, 6: 2, 7: 2}
    undo_and_redo(two, run, before)


@pytest.mark.parametrize(
    ("kept", "gone", "expected"),
    [
        (6, 5, {1: 0, 6: 1, 7: 6}),  # a daughter with what it came from
        (5, 6, {1: 0, 5: 1, 7: 5}),
        (7, 5, {1: 0, 6: 7, 7: 1}),
        (5, 7, {1: 0, 5: 1, 6: 5}),
    ],
)
def test_no_object_comes_from_itself(kept: int, gone: int, expected: dict[int, int]) -> None:
    parents = {1: 0, 5: 1, 6: 5, 7: 6}
    records = {label: ObjectRecord(label, parent=parent) for label, parent in parents.items()}
    join_lineage(records, kept, records.pop(gone))
    assert {label: record.parent for label, record in records.items()} == expected


def test_there_is_nothing_to_split_at_the_first_frame(two, notes) -> None:
    two._viewer.dims.set_current_step(0, 0)
    two.split_object(1)
    assert "not on both sides of frame 0" in notes[-1]
    assert not two.workbench.runner.is_running


def test_a_new_run_ends_what_could_be_redone(two, run) -> None:
    run(two, lambda: two.delete_object(1))
    run(two, two.workbench.undo)
    run(two, lambda: two.delete_object(2))
    assert not two.runs.redo.isEnabled()
    assert two.workbench.undo_stack.redo_title == ""


def test_several_steps_back_and_forth(two, run) -> None:
    states = [state(two)]
    for action in (lambda: two.delete_object(1), lambda: two.delete_object(2)):
        run(two, action)
        states.append(state(two))
    for expected in states[1::-1]:
        run(two, two.workbench.undo)
        assert_same(state(two), expected)
    for expected in states[1:]:
        run(two, two.workbench.redo)
        assert_same(state(two), expected)


def test_redo_leaves_what_was_painted_since(two, run) -> None:
    run(two, lambda: two.delete_object(1))
    run(two, two.workbench.undo)
    labels = labels_of(two).data
    labels[3, 30, 47] = 2
    run(two, two.workbench.redo)
    assert labels[3, 30, 47] == 2
    assert not (labels == 1).any()


def test_a_merged_mask_is_verified_where_both_were() -> None:
    one = ObjectRecord(1, scores={0: 0.5, 1: 0.9, 2: 0.0}, verified_frames=[0, 1])
    other = ObjectRecord(2, "cell", scores={1: 0.7, 2: 0.8, 3: 0.4}, verified_frames=[2, 3])
    both = merged(one, other)
    assert both.scores == {0: 0.5, 1: 0.9, 2: 0.8, 3: 0.4}
    assert both.verified_frames == [0, 2, 3]
    assert both.phrase == "cell"


def test_prompts_go_with_their_frames() -> None:
    prompts = [{"kind": "text", "frame": 0, "text": "cell"}, {"kind": "point", "frame": 4}]
    record = ObjectRecord(1, "cell", prompts, {0: 0.9, 4: 0.8}, verified_frames=[4])
    before, after = split_at(record, 4, 7)
    assert (before.object_id, after.object_id) == (1, 7)
    assert before.prompts == prompts[:1]
    assert after.prompts == prompts[1:]
    assert after.verified_frames == [4]
    assert before.scores == {0: 0.9}
