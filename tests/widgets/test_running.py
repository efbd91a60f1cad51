"""Threads, cancelling, failures, closing; and input that cannot be used."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.utils import progress
from qtpy.QtCore import Qt, QThreadPool

from napari_sa2va.core.events import Failed
from tests.widgets.test_segmenting import click, draw_box, labels_of


def test_requests_run_off_the_qt_thread(dock, stack, run, backend) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    assert backend.threads
    assert threading.get_ident() not in backend.threads


def test_cancel_keeps_finished_frames(dock, stack, run, qtbot, backend) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 20))
    run(widget, widget.segment)
    backend.delay = 0.05

    def cancel_at_four(update) -> None:
        if getattr(update, "frame", None) == 4:
            qtbot.mouseClick(widget.runs.cancel, Qt.MouseButton.LeftButton)

    widget.workbench.runner.updated.connect(cancel_at_four)
    assert run(widget, lambda: widget.propagate("forward")) == "cancelled"
    done = np.flatnonzero(labels_of(widget).data.any((1, 2))).tolist()
    assert done == list(range(len(done)))
    assert 5 <= len(done) < 12
    assert sorted(widget.workbench.records[1].scores) == done
    assert backend.sessions[0].open_iterators == 0
    # What was done can be taken back as one step, and the session still works.
    widget.workbench.runner.updated.disconnect(cancel_at_four)
    run(widget, widget.workbench.undo)
    assert np.flatnonzero(labels_of(widget).data.any((1, 2))).tolist() == [0]
    assert run(widget, lambda: widget.propagate("forward")) == "done"


def test_napari_shows_progress_that_can_be_cancelled(dock, stack, run, qtbot, backend) -> None:
    backend.delay = 0.05
    widget = dock(stack)
    with qtbot.waitSignal(widget.workbench.stopped, timeout=20_000) as blocker:
        widget.ask("hello")
        qtbot.waitUntil(lambda: len(progress._all_instances) == 1)
        bar = next(iter(progress._all_instances))
        qtbot.waitUntil(lambda: widget.runs.bar.isVisibleTo(widget))
        bar.cancel()
    assert blocker.args == ["cancelled"]
    assert not progress._all_instances


def test_a_short_run_shows_no_progress(dock, stack, run) -> None:
    """For each bar napari draws its whole window three times."""
    widget, bars = dock(stack), []
    progress._all_instances.events.changed.connect(bars.append)
    try:
        click(widget, (0, 28, 20))
        assert run(widget, widget.segment) == "done"
    finally:
        progress._all_instances.events.changed.disconnect(bars.append)
    assert not bars


def test_the_light_tells_the_truth(dock, stack, run, qtbot, backend) -> None:
    backend.delay = 0.06
    widget = dock(stack)
    light = widget.backend_line.light
    assert light.state == "idle"
    with qtbot.waitSignal(widget.workbench.stopped, timeout=20_000):
        widget.ask("hello")
        qtbot.waitUntil(lambda: light.state == "loading", timeout=5000)
        qtbot.waitUntil(lambda: light.state == "busy", timeout=5000)
    assert light.state == "ready"
    assert widget.backend_line.status.text() == "ready · cpu · float32"
    backend.delay = 0
    backend.fail_to_load = True
    widget._viewer.layers["movie"].gamma = 0.5
    assert run(widget, lambda: widget.ask("hello")) == "interrupted"
    assert light.state == "failed"


def test_a_model_that_cannot_be_loaded_is_told_about(dock, stack, run, backend) -> None:
    backend.fail_to_load = True
    widget = dock(stack)
    click(widget, (0, 28, 44))
    assert run(widget, widget.segment) == "interrupted"
    assert widget.fault.message.text() == "The checkpoint is damaged. Download it again."
    assert labels_of(widget) is None
    assert widget.table.objects.rowCount() == 0
    backend.fail_to_load = False
    assert run(widget, widget.segment) == "done"


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (Failed("The GPU is gone.", "Restart it."), "The GPU is gone. Restart it."),
        (RuntimeError("boom"), "RuntimeError: boom The log has the traceback."),
        (MemoryError(), "There is not enough memory. Send fewer or smaller images."),
    ],
)
def test_a_failure_becomes_a_notification_and_harms_no_layer(
    dock, stack, run, backend, notes, failure, told
) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    before = labels_of(widget).data.copy()
    backend.fail_with = failure
    assert run(widget, lambda: widget.propagate("both")) == "failed"
    assert notes == [told]
    assert np.array_equal(labels_of(widget).data, before)
    assert not widget.workbench.runner.is_running
    backend.fail_with = None
    assert run(widget, lambda: widget.propagate("both")) == "done"


def test_one_run_at_a_time(dock, stack, qtbot, backend, notes) -> None:
    backend.delay = 0.03
    widget = dock(stack)
    with qtbot.waitSignal(widget.workbench.stopped, timeout=20_000):
        widget.ask("hello")
        assert not widget.runs.segment.isEnabled()
        assert widget.runs.cancel.isEnabled()
        widget.ask("me too")
    assert notes == ["Something is running already. Wait for it, or cancel it."]


def test_closing_the_dock_ends_the_run_and_frees_the_model(dock, stack, qtbot, backend) -> None:
    backend.delay = 0.03
    widget = dock(stack)
    with qtbot.waitSignal(widget.workbench.answer_grew, timeout=20_000):
        widget.ask("hello")
    widget._viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: backend.closed, timeout=5000)
    assert backend.sessions[0].closed
    assert backend.sessions[0].open_iterators == 0
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=5000)
    qtbot.waitUntil(lambda: not progress._all_instances, timeout=5000)
    widget._viewer.add_image(stack)  # a closed dock no longer listens


def test_closing_an_idle_dock_frees_the_model(dock, stack, run, qtbot, backend) -> None:
    widget = dock(stack)
    run(widget, lambda: widget.ask("hello"))
    widget._viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: backend.closed, timeout=5000)
    assert backend.sessions[0].closed


def test_closing_the_viewer_ends_the_run(make_napari_viewer, stack, qtbot, backend) -> None:
    from napari_sa2va.widgets import Sa2VAWidget

    backend.delay = 0.03
    viewer = make_napari_viewer()
    viewer.add_image(stack)
    widget = Sa2VAWidget(viewer, backend)
    viewer.window.add_dock_widget(widget)
    with qtbot.waitSignal(widget.workbench.answer_grew, timeout=20_000):
        widget.ask("hello")
    del widget
    viewer.close()
    del viewer
    qtbot.waitUntil(lambda: backend.closed, timeout=10_000)
    assert backend.sessions[0].open_iterators == 0
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=5000)


def segment_nothing(widget) -> None:
    widget.segment()


def click_outside(widget) -> None:
    click(widget, (0, 28, 400))
    widget.segment()


def click_negative_only(widget) -> None:
    widget.prompts.negative.setChecked(True)
    click(widget, (0, 28, 40))
    widget.segment()


def box_outside(widget) -> None:
    draw_box(widget, 0, -20, -20, -5, -5)
    widget.segment()


def box_empty(widget) -> None:
    draw_box(widget, 0, 5, 5, 5, 9)
    widget.segment()


def click_elsewhere(widget) -> None:
    click(widget, (6, 28, 40), (9, 28, 40))
    widget.segment()


def click_out_of_range(widget) -> None:
    widget.picker.last.setValue(3)
    widget._viewer.dims.set_current_step(0, 6)
    click(widget, (6, 28, 40))
    widget.segment()


def propagate_nothing(widget) -> None:
    widget.propagate("both")


def ask_nothing(widget) -> None:
    widget.chat.send.click()


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (segment_nothing, "no description, and no prompt on frame 0. Describe an object, click"),
        (click_outside, "The point (y=28, x=400) lies outside the frame"),
        (click_negative_only, "All points are negative. Add a positive point"),
        (box_outside, "lies outside the frame of 48 x 64 pixels. Move it onto the image."),
        (box_empty, "is empty."),
        (click_elsewhere, "no prompt on frame 0; there are some on 6, 9."),
        (click_out_of_range, "Frame 6 is not in the range 0 to 3. Go to a frame in the range"),
        (propagate_nothing, "There is no object to follow. Segment or select one first."),
        (ask_nothing, "The question is empty. Write one"),
    ],
)
def test_input_that_cannot_be_used(dock, stack, notes, backend, action, told) -> None:
    widget = dock(stack)
    action(widget)
    assert len(notes) == 1
    assert told in notes[0]
    assert not widget.workbench.runner.is_running
    assert not backend.sessions
    assert labels_of(widget) is None


def test_without_an_image(dock, notes) -> None:
    widget = dock()
    for action in (widget.segment, widget.add_points, widget.add_boxes, lambda: widget.ask("hm")):
        action()
    assert notes == ["There is no image to send. Open one, or make an image layer visible."] * 4


def test_a_propagation_that_brings_nothing_says_so(dock, stack, run, notes) -> None:
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, 6)
    click(widget, (6, 28, 40))
    run(widget, widget.segment)
    widget._viewer.dims.set_current_step(0, 2)
    widget.picker.last.setValue(4)
    assert run(widget, lambda: widget.propagate("forward")) == "failed"
    assert "Nothing came back" in notes[0]
