"""What the Labels and prompt layers carry, and what the dock offers to send."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_sa2va.widgets._geometry import current_position
from tests.widgets.test_segmenting import click, labels_of

PLACE = {
    "scale": (2.0, 0.5, 0.25),
    "translate": (10.0, 3.0, -4.0),
    "rotate": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "units": ("s", "um", "um"),
    "axis_labels": ("t", "y", "x"),
}


def test_layers_lie_where_the_image_lies(dock, stack, run) -> None:
    widget = dock(stack, **PLACE)
    image = widget._viewer.layers["movie"]
    widget.add_boxes()
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    layers = widget.prompting.layers
    for layer in (labels_of(widget), layers.points(image), layers.boxes(image)):
        assert np.array_equal(layer.scale, image.scale)
        assert np.array_equal(layer.translate, image.translate)
        assert np.allclose(layer.rotate, image.rotate)
        assert layer.units == image.units
        assert layer.axis_labels == image.axis_labels
    assert labels_of(widget).data[0, 28, 44] == 1


def test_frames_are_found_through_scale_and_translation(dock, stack, run) -> None:
    widget = dock(stack, **PLACE)
    widget._viewer.dims.set_current_step(0, 7)
    assert current_position(widget._viewer, widget.picker.image)[0] == 7
    click(widget, (7, 28, 44))
    run(widget, widget.segment)
    widget._viewer.dims.set_current_step(0, 0)
    widget.go_to_object(1)
    assert widget._viewer.dims.current_step[0] == 7


def test_the_labels_layer_is_the_record(dock, stack, run) -> None:
    widget = dock(stack)
    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    layer = labels_of(widget)
    assert layer.name == "Sa2VA labels"
    assert layer.features["index"].tolist() == [1, 2]
    assert layer.features["phrase"].tolist() == ["a cell", "a dot"]
    assert layer.features["score"].tolist() == [0.9, 0.9]
    known = layer.metadata["sa2va"]
    assert known["model"] == "fake"
    assert known["verified_frames"] == []
    assert known["objects"][1]["phrase"] == "a cell"
    assert known["objects"][1]["scores"] == dict.fromkeys(range(12), 0.9)
    assert known["objects"][1]["prompts"] == [{"kind": "text", "frame": 0, "text": "cells"}]
    assert known["objects"][1]["model"] == "fake"


def test_the_dock_takes_up_labels_that_are_there(dock, stack, run, backend) -> None:
    from napari_sa2va.widgets import Sa2VAWidget

    widget = dock(stack)
    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    viewer = widget._viewer
    viewer.window.remove_dock_widget(widget)
    again = Sa2VAWidget(viewer, backend)
    viewer.window.add_dock_widget(again, name="Sa2VA")
    assert again.table.objects.rowCount() == 2
    assert run(again, lambda: again.propagate("forward")) == "done"
    assert labels_of(again) is labels_of(widget)
    assert (labels_of(again).data == 1).any((1, 2)).all()


def test_a_closed_dock_has_no_say_in_what_is_painted(
    dock, stack, run, qtbot, backend, notes
) -> None:
    from napari_sa2va.widgets import Sa2VAWidget

    widget = dock(stack)
    widget.prompts.text.setText("cells")
    run(widget, widget.segment)
    layer, viewer = labels_of(widget), widget._viewer
    widget.workbench.editing.change(1, "locked", True)
    viewer.window.remove_dock_widget(widget)
    layer.paint((0, 8, 8), 0)
    qtbot.wait(50)
    assert layer.data[0, 8, 8] == 0

    again = Sa2VAWidget(viewer, backend)
    viewer.window.add_dock_widget(again, name="Sa2VA")
    again.workbench.editing.change(1, "locked", False)
    with qtbot.waitSignal(again.workbench.frames_painted):
        layer.paint((0, 40, 8), 1)
    assert layer.data[0, 40, 8] == 1
    assert widget.workbench.records[1].verified_frames == []
    assert notes == []


def test_the_labels_lie_above_images_and_below_prompts(dock, stack, run) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    points = widget._viewer.layers.selection.active
    run(widget, widget.segment)
    assert [layer.name for layer in widget._viewer.layers] == [
        "movie",
        "Sa2VA labels",
        "Sa2VA points",
    ]
    assert widget._viewer.layers.selection.active is points


def test_two_movies_keep_their_own_objects(dock, stack, run) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    widget._viewer.add_image(stack, name="other")
    widget.picker.layers.setCurrentIndex(widget.picker.layers.findText("other"))
    assert widget.picker.image.name == "other"
    assert widget.table.objects.rowCount() == 0
    widget._viewer.dims.set_current_step(0, 0)
    click(widget, (0, 8, 8))
    run(widget, widget.segment)
    assert labels_of(widget).data[0, 28, 44] == 0
    widget.picker.layers.setCurrentIndex(widget.picker.layers.findText("movie"))
    assert labels_of(widget).data[0, 28, 44] == 1
    assert widget.table.objects.rowCount() == 1


def test_a_labels_layer_that_was_deleted_is_not_written(dock, stack, run) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    widget._viewer.layers.remove(labels_of(widget))
    assert widget.table.objects.rowCount() == 0
    assert not widget.runs.undo.isEnabled()
    run(widget, widget.segment)
    assert labels_of(widget).data[0, 28, 44] == 1


def test_a_labels_layer_that_is_opened_is_taken_up(dock, stack, run) -> None:
    """With its objects, where the dock had none of that image yet: as data sets come."""
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    opened = Labels.create(*labels_of(widget).as_layer_data_tuple())
    widget._viewer.layers.remove(labels_of(widget))
    assert widget.workbench.records == {}
    widget._viewer.add_layer(opened)
    assert list(widget.workbench.records) == [1]
    assert widget.table.objects.rowCount() == 1
    run(widget, lambda: widget.delete_object(1))
    assert not opened.data.any()


def test_the_time_axis_follows_the_slider_until_there_are_objects(dock, stack, run) -> None:
    widget = dock(np.stack([stack, stack], axis=1), axis_labels=("t", "z", "y", "x"))
    assert widget.picker.time_axis == 0
    widget._viewer.dims.last_used = 1
    assert widget.picker.time_axis == 1
    assert widget.picker.last.maximum() == 1
    widget._viewer.dims.last_used = 0
    widget._viewer.dims.set_current_step(1, 1)
    click(widget, (0, 1, 28, 44))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    data = labels_of(widget).data
    assert data.shape == (12, 2, 48, 64)
    assert not data[:, 0].any()
    assert data[:, 1].any((1, 2)).all()
    widget._viewer.dims.last_used = 1
    assert widget.picker.time_axis == 0


def test_the_picker_offers_the_image_layers_that_there_are(dock, stack) -> None:
    widget = dock(stack)
    viewer = widget._viewer
    viewer.add_image(stack, name="second")
    viewer.add_points(ndim=3)
    texts = [widget.picker.layers.itemText(i) for i in range(widget.picker.layers.count())]
    assert texts == ["Visible layers", "movie", "second"]
    viewer.layers["second"].name = "renamed"
    assert widget.picker.layers.itemText(2) == "renamed"
    widget.picker.layers.setCurrentIndex(2)
    viewer.layers.remove("renamed")
    assert widget.picker.layers.currentText() == "Visible layers"
    assert widget.picker.image is viewer.layers["movie"]


@pytest.mark.parametrize(("first", "last"), [(9, 4), (3, 20)])
def test_the_range_stays_a_range(dock, stack, first, last) -> None:
    widget = dock(stack)
    widget.picker.first.setValue(first)
    widget.picker.last.setValue(last)
    sent = widget.picker.sent()
    assert 0 <= sent.start < sent.stop <= 12
    assert sent.stop == min(last, 11) + 1


def test_frames_not_shown_are_not_redrawn(dock, stack, run, backend, monkeypatch) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    layer = labels_of(widget)
    drawn: list[None] = []
    refresh = layer.refresh

    def count(*args, **kwargs) -> None:
        drawn.append(None)
        refresh(*args, **kwargs)

    monkeypatch.setattr(layer, "refresh", count)
    backend.delay = 0.03  # so slow that each frame could be drawn
    run(widget, lambda: widget.propagate("forward"))
    assert not drawn  # what was clicked stays
    widget._viewer.dims.set_current_step(0, 2)
    drawn.clear()
    run(widget, lambda: widget.propagate("forward"))
    assert 1 <= len(drawn) <= 2
    assert layer.data[8].any()
