"""Say it, click it, box it, follow it, take it back: in the real viewer, as a user does."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_sa2va.widgets._object_labels import find_labels
from napari_sa2va.widgets._object_table import HEADERS

CLICKED = (0, 28, 44)


def labels_of(widget):
    return find_labels(widget._viewer, widget.picker.image)


def click(widget, *points) -> None:
    widget.add_points()
    layer = widget.prompting.layers.points(widget.picker.image)
    for point in points:
        layer.add(point)


def draw_box(widget, frame, y0, x0, y1, x1) -> None:
    widget.add_boxes()
    corners = [[frame, y0, x0], [frame, y0, x1], [frame, y1, x1], [frame, y1, x0]]
    widget.prompting.layers.boxes(widget.picker.image).add_rectangles(np.array(corners, float))


def test_enter_in_the_text_line_segments_this_frame(dock, stack, run, qtbot, backend) -> None:
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, 3)
    qtbot.keyClicks(widget.prompts.text, "the largest cell")
    outcome = run(widget, lambda: qtbot.keyClick(widget.prompts.text, Qt.Key.Key_Return))
    assert outcome == "done"
    session = backend.sessions[0]
    assert session.calls == [("ask", "Please segment the largest cell.", [3], False, False)]
    labels = labels_of(widget)
    assert np.flatnonzero(labels.data.any((1, 2))).tolist() == [3]
    assert set(np.unique(labels.data)) == {0, 1, 2}
    assert widget.prompts.text.text() == ""
    qtbot.keyClick(widget.prompts.text, Qt.Key.Key_Up)
    assert widget.prompts.text.text() == "the largest cell"


def test_a_sentence_is_sent_as_it_stands(dock, stack, run, backend) -> None:
    widget = dock(stack)
    widget.prompts.text.setText("Where is it?")
    run(widget, widget.segment)
    assert backend.sessions[0].calls[0][1] == "Where is it?"


def test_the_same_words_correct_the_same_objects(dock, stack, run) -> None:
    widget = dock(stack)
    for frame in (0, 4):
        widget._viewer.dims.set_current_step(0, frame)
        widget.prompts.text.setText("cells")
        run(widget, widget.segment)
    assert sorted(widget.workbench.records) == [1, 2]
    assert sorted(widget.workbench.records[1].scores) == [0, 4]


def test_an_object_that_is_there_already_keeps_its_mask(dock, stack, run, notes) -> None:
    widget = dock(stack)
    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    before = labels_of(widget).data.copy()
    widget.prompts.text.setText("other words")
    run(widget, widget.segment)
    assert sorted(widget.workbench.records) == [1, 2]
    assert np.array_equal(labels_of(widget).data, before)
    assert "That is object 1" in notes[0]


def test_click_and_box_are_two_objects(dock, stack, run, qtbot, backend) -> None:
    widget = dock(stack)
    qtbot.mouseClick(widget.prompts.points, Qt.MouseButton.LeftButton)
    points = widget.prompting.layers.points(widget.picker.image)
    assert widget._viewer.layers.selection.active is points
    assert points.mode == "add"
    points.add(CLICKED)
    qtbot.mouseClick(widget.prompts.new_object, Qt.MouseButton.LeftButton)
    assert widget.prompts.object_id.value() == 2
    draw_box(widget, 0, 3.5, 3.5, 11.5, 11.5)
    assert widget.prompting.layers.boxes(widget.picker.image).mode == "add_rectangle"
    assert run(widget, widget.segment) == "done"
    calls = backend.sessions[0].calls
    assert calls[0] == ("segment", 1, 0, [(28.0, 44.0, True)], None, False)
    assert calls[1] == ("segment", 2, 0, None, (4.0, 4.0, 12.0, 12.0), False)
    data = labels_of(widget).data
    assert (data[0, 4:12, 4:12] == 2).all()
    assert (data == 2).sum() == 64
    assert data[0, 28, 44] == 1


def test_negative_points_are_red_and_take_away(dock, stack, run, qtbot, backend) -> None:
    widget = dock(stack)
    click(widget, CLICKED)
    points = widget.prompting.layers.points(widget.picker.image)
    widget.prompts.negative.setChecked(True)
    points.add((0, 33, 49))
    assert points.features["positive"].tolist() == [True, False]
    green, red = points.face_color[:, :2]
    assert green[1] > green[0]
    assert red[0] > red[1]
    # The key that is bound in the layer switches back.
    next(slot for key, slot in points.keymap.items() if str(key) == "X")(points)
    assert not widget.prompts.negative.isChecked()
    points.add((0, 30, 44))
    assert points.features["positive"].tolist() == [True, False, True]
    run(widget, widget.segment)
    assert [p for _, _, p in backend.sessions[0].calls[0][3]] == [True, False, True]


def test_selecting_a_prompt_makes_its_object_current(dock, stack) -> None:
    widget = dock(stack)
    click(widget, CLICKED)
    widget.new_object()
    points = widget.prompting.layers.points(widget.picker.image)
    points.add((0, 5, 5))
    assert widget.prompts.object_id.value() == 2
    points.selected_data = {0}
    assert widget.prompts.object_id.value() == 1


def test_only_prompts_that_changed_are_used_again(dock, stack, run, backend) -> None:
    widget = dock(stack)
    click(widget, CLICKED)
    run(widget, widget.segment)
    widget.new_object()
    click(widget, (0, 8, 8))
    run(widget, widget.segment)
    run(widget, widget.segment)
    segmented = [call[1] for call in backend.sessions[0].calls]
    assert segmented == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("direction", "frames"),
    [("forward", range(5, 12)), ("backward", range(6)), ("both", range(12))],
)
def test_propagation_follows_from_this_frame(dock, stack, run, direction, frames) -> None:
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, 5)
    click(widget, (5, 28, 30))
    run(widget, widget.segment)
    assert run(widget, lambda: widget.propagate(direction)) == "done"
    data = labels_of(widget).data
    assert np.flatnonzero(data.any((1, 2))).tolist() == list(frames)
    for frame in frames:
        assert data[frame, 28, 30 + frame - 5] == 1
    assert sorted(widget.workbench.records[1].scores) == list(frames)


def test_propagation_stays_in_the_range(dock, stack, run) -> None:
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, 5)
    click(widget, (5, 28, 30))
    widget.picker.first.setValue(3)
    widget.picker.last.setValue(7)
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("both"))
    assert np.flatnonzero(labels_of(widget).data.any((1, 2))).tolist() == [3, 4, 5, 6, 7]


def test_a_selected_object_can_be_followed_alone(dock, stack, run, backend) -> None:
    widget = dock(stack)
    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    widget.table.select_object(2)
    widget.runs.only_selected.setChecked(True)
    run(widget, lambda: widget.propagate("forward"))
    assert backend.sessions[0].calls[-1] == ("propagate", [2], 0, 12, False)


def test_a_correction_on_a_later_frame_changes_the_frames_after_it(dock, stack, run) -> None:
    widget = dock(stack)
    click(widget, (0, 20, 20))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    before = labels_of(widget).data.copy()
    widget._viewer.dims.set_current_step(0, 6)
    click(widget, (6, 40, 30))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    after = labels_of(widget).data
    assert np.array_equal(after[:6], before[:6])
    assert (after[6:] != before[6:]).any((1, 2)).all()
    assert set(np.unique(after)) == {0, 1}


def test_every_run_is_one_undo_step(dock, stack, run) -> None:
    widget = dock(stack)
    states, titles = [], []

    def remember() -> None:
        titles.append(widget.workbench.undo_stack.title)
        states.append((labels_of(widget).data.copy(), sorted(widget.workbench.records)))

    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    remember()
    widget.new_object()
    click(widget, CLICKED)
    run(widget, widget.segment)
    remember()
    run(widget, lambda: widget.propagate("both"))
    remember()
    run(widget, widget.clear_objects)
    assert not labels_of(widget).data.any()
    assert widget.table.objects.rowCount() == 0
    assert titles == ["Segment", "Segment", "Propagate"]
    for data, ids in states[::-1]:
        assert widget.runs.undo.isEnabled()
        assert run(widget, widget.runs.undo.click) == "done"
        assert np.array_equal(labels_of(widget).data, data)
        assert sorted(widget.workbench.records) == ids
        assert labels_of(widget).features["index"].tolist() == ids
    run(widget, widget.runs.undo.click)
    assert not labels_of(widget).data.any()
    assert not widget.runs.undo.isEnabled()


def test_after_undo_the_session_learns_objects_from_their_masks(dock, stack, run, backend) -> None:
    widget = dock(stack)
    click(widget, CLICKED)
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    run(widget, widget.workbench.undo)
    run(widget, lambda: widget.propagate("forward"))
    session = backend.sessions[0]
    assert session.removed == [1]
    assert session.calls[-2:] == [
        ("segment", 1, 0, None, None, True),
        ("propagate", [1], 0, 12, False),
    ]


def test_a_painted_mask_is_kept_and_followed(dock, stack, run, qtbot) -> None:
    widget = dock(stack)
    click(widget, CLICKED)
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    layer = labels_of(widget)
    layer.selected_label = 1
    layer.data_setitem((np.full(9, 4), np.full(9, 2), np.arange(9)), 1)
    qtbot.waitUntil(lambda: widget.workbench.records[1].verified_frames == [4])
    painted = layer.data[4].copy()
    widget._viewer.dims.set_current_step(0, 4)
    run(widget, lambda: widget.propagate("forward"))
    assert np.array_equal(layer.data[4], painted)
    assert (layer.data[5, 2, 1:10] == 1).all()  # what was painted is followed, too
    assert layer.metadata["sa2va"]["verified_frames"] == [4]


def test_a_label_painted_by_hand_becomes_an_object(dock, stack, run, qtbot) -> None:
    widget = dock(stack)
    click(widget, CLICKED)
    run(widget, widget.segment)
    layer = labels_of(widget)
    layer.selected_label = 5
    layer.brush_size = 6
    layer.paint((0, 8, 30), 5)  # what a stroke of the brush calls
    qtbot.waitUntil(lambda: sorted(widget.workbench.records) == [1, 5])
    run(widget, lambda: widget.propagate("forward"))
    assert (layer.data == 5).any((1, 2)).all()


def test_new_settings_mean_a_new_session_and_objects_stay(dock, stack, run, backend) -> None:
    widget = dock(stack)
    click(widget, CLICKED)
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    assert len(backend.sessions) == 1
    widget._viewer.layers["movie"].contrast_limits = (0, 1000)
    run(widget, lambda: widget.propagate("forward"))
    assert len(backend.sessions) == 2
    assert backend.sessions[0].closed
    assert backend.sessions[1].calls[0] == ("segment", 1, 0, None, None, True)
    assert sorted(widget.workbench.records) == [1]


def test_a_single_image_gets_a_single_plane(dock, stack, run) -> None:
    widget = dock(stack[0])
    widget.prompts.text.setText("cells")
    assert run(widget, widget.segment) == "done"
    assert labels_of(widget).data.shape == stack[0].shape
    assert not widget.runs.forward.isEnabled()
    assert not widget.picker.axis.isEnabled()
    click(widget, (28, 44))
    assert run(widget, widget.segment) == "done"


def test_an_rgb_movie(dock, stack, run, backend) -> None:
    rgb = np.repeat((stack // 16).astype(np.uint8)[..., None], 3, -1)
    widget = dock(rgb, rgb=True)
    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    assert labels_of(widget).data.shape == stack.shape
    assert np.array_equal(backend.sessions[0].frames.frame(2), rgb[2])


def test_verified_masks_are_not_changed_by_propagation(dock, stack, run) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 10))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    widget._viewer.dims.set_current_step(0, 6)
    widget.table.select_object(1)
    assert widget.objects.verify.isEnabled()
    widget.objects.verify.click()
    layer = labels_of(widget)
    assert layer.metadata["sa2va"]["objects"][1]["verified_frames"] == [6]
    before = layer.data.copy()
    widget._viewer.dims.set_current_step(0, 0)
    assert not widget.objects.verify.isChecked()
    click(widget, (0, 40, 40))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    changed = [f for f in range(12) if not np.array_equal(layer.data[f], before[f])]
    assert changed == [0, 1, 2, 3, 4, 5]
    assert widget.runs.message.text() == "Propagate: done, up to verified frame 6"


def test_the_list_of_objects(dock, stack, run, qtbot) -> None:
    widget = dock(stack)
    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    widget._viewer.dims.set_current_step(0, 3)
    widget.new_object()
    click(widget, (3, 40, 40))
    run(widget, widget.segment)
    model = widget.table.objects
    columns = [HEADERS.index(name) for name in ("Object", "Phrase", "Score", "Frames")]
    rows = [[model.index(r, c).data() for c in columns] for r in range(3)]
    assert rows == [
        ["1", "a cell", "0.90", "0"],
        ["2", "a dot", "0.90", "0"],
        ["3", "clicked", "0.90", "3"],
    ]
    layer = labels_of(widget)
    swatch = model.index(1, 0).data(Qt.ItemDataRole.DecorationRole)
    assert np.allclose(swatch.getRgbF()[:3], layer.get_color(2)[:3], atol=0.01)
    widget.table.selectRow(1)
    assert layer.selected_label == 2
    layer.selected_label = 3
    assert widget.table.selected_id == 3
    widget._viewer.dims.set_current_step(0, 8)
    widget.table.doubleClicked.emit(model.index(2, 1))
    assert widget._viewer.dims.current_step[0] == 3
    model.setData(model.index(2, 1), "mitochondrion")
    assert layer.features["phrase"].tolist() == ["a cell", "a dot", "mitochondrion"]
