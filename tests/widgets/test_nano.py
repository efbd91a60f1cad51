"""The dock with the bundled model on the sample stacks: say it, click it, box it, ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt, QUrl

import napari_sa2va
from napari_sa2va import sample_data
from napari_sa2va.core.options import LoadOptions
from tests.widgets.test_korean import compose, phrases_in, shown_in
from tests.widgets.test_segmenting import click, draw_box, labels_of

WEIGHTS = Path(napari_sa2va.__file__).parent / "models" / "nano" / "model.safetensors"

pytestmark = pytest.mark.skipif(not WEIGHTS.exists(), reason="the bundled model is not built yet")


@pytest.fixture(scope="module")
def shapes() -> sample_data.Sample:
    return sample_data.draw_moving_shapes()


@pytest.fixture(scope="module")
def nano():
    """One model for all tests: it is loaded once, as a person does."""
    from napari_sa2va.backend.local import LocalBackend

    backend = LocalBackend("nano", LoadOptions("cpu"))
    close, backend.close = backend.close, lambda: None
    yield backend
    close()


@pytest.fixture
def backend(nano):
    return nano


@pytest.fixture
def widget(dock, shapes):
    return dock(shapes.frames, rgb=True, axis_labels=("t", "y", "x"))


def overlap(widget, object_id: int, truth: np.ndarray) -> float:
    found = labels_of(widget).data == object_id
    return float((found & truth).sum() / (found | truth).sum())


def true_id(shapes: sample_data.Sample, phrase: str) -> int:
    return next(i for i, known in shapes.phrases.items() if known == phrase)


def centre(labels: np.ndarray, object_id: int) -> tuple[float, float]:
    rows, columns = np.nonzero(labels == object_id)
    return float(rows.mean()), float(columns.mean())


def test_say_it(widget, shapes, run, qtbot) -> None:
    qtbot.keyClicks(widget.prompts.text, "the blue square")
    outcome = run(widget, lambda: qtbot.keyClick(widget.prompts.text, Qt.Key.Key_Return), 120_000)
    assert outcome == "done"
    assert widget.backend_line.light.state == "ready"
    assert widget.backend_line.status.text().startswith("ready · cpu")
    truth = shapes.labels == true_id(shapes, "the blue square")
    assert run(widget, lambda: widget.propagate("both"), 120_000) == "done"
    assert overlap(widget, 1, truth) > 0.5


def test_say_it_in_korean(widget, shapes, run, qtbot, artifacts) -> None:
    compose(widget.prompts.text, "파란 사각형")
    press = lambda line: qtbot.keyClick(line, Qt.Key.Key_Return)  # noqa: E731
    assert run(widget, lambda: press(widget.prompts.text), 120_000) == "done"
    assert "파란 사각형" in phrases_in(widget)
    found, blue = labels_of(widget).data[0] == 1, true_id(shapes, "the blue square")
    truth = shapes.labels[0] == blue
    assert (found & truth).sum() / (found | truth).sum() > 0.5
    compose(widget.chat.input, "빨간 원은 어디에 있나요?")
    assert run(widget, lambda: press(widget.chat.input), 120_000) == "done"
    assert "빨간 원은 어디에 있나요?" in shown_in(widget)
    assert widget.chat.messages[1].text
    widget.grab().save(str(artifacts / "korean-nano.png"))


def test_click_it_and_follow_it_both_ways(widget, shapes, run) -> None:
    widget._viewer.dims.set_current_step(0, 8)
    blue = true_id(shapes, "the blue square")
    click(widget, (8, *centre(shapes.labels[8], blue)))
    run(widget, widget.segment, 120_000)
    assert run(widget, lambda: widget.propagate("both"), 120_000) == "done"
    assert overlap(widget, 1, shapes.labels == blue) > 0.5
    assert (labels_of(widget).data == 1).any((1, 2)).all()


def test_box_it(widget, shapes, run) -> None:
    red = true_id(shapes, "the red circle")
    rows, columns = np.nonzero(shapes.labels[0] == red)
    draw_box(widget, 0, rows.min(), columns.min(), rows.max(), columns.max())
    assert run(widget, widget.segment, 120_000) == "done"
    found = labels_of(widget).data[0] == 1
    truth = shapes.labels[0] == red
    assert (found & truth).sum() / (found | truth).sum() > 0.6


def test_cancel_correct_and_undo(widget, shapes, run, qtbot) -> None:
    blue = true_id(shapes, "the blue square")
    click(widget, (0, *centre(shapes.labels[0], blue)))
    run(widget, widget.segment, 120_000)

    def cancel_at_five(update) -> None:
        if getattr(update, "frame", None) == 5:
            widget.runs.cancel.click()

    widget.workbench.runner.updated.connect(cancel_at_five)
    assert run(widget, lambda: widget.propagate("forward"), 120_000) == "cancelled"
    widget.workbench.runner.updated.disconnect(cancel_at_five)
    done = np.flatnonzero(labels_of(widget).data.any((1, 2)))
    assert 6 <= len(done) < sample_data.FRAMES

    at = int(done[-1])
    widget._viewer.dims.set_current_step(0, at)
    before = labels_of(widget).data.copy()
    click(widget, (at, *centre(shapes.labels[at], blue)))
    assert run(widget, widget.segment, 120_000) == "done"
    assert run(widget, lambda: widget.propagate("forward"), 120_000) == "done"
    after = labels_of(widget).data
    assert np.array_equal(after[:at], before[:at])
    assert after.any((1, 2)).all()
    run(widget, widget.runs.undo.click)
    run(widget, widget.runs.undo.click)
    assert np.array_equal(labels_of(widget).data, before)


def test_ask_and_click_what_is_pointed_at(widget, shapes, run, qtbot) -> None:
    widget._viewer.dims.set_current_step(0, 8)
    qtbot.keyClicks(widget.chat.input, "Can you segment the red circle?")
    press = lambda: qtbot.keyClick(widget.chat.input, Qt.Key.Key_Return)  # noqa: E731
    assert run(widget, press, 120_000) == "done"
    assert 'href="object:1"' in widget.chat.transcript.toHtml()
    widget.chat.transcript.anchorClicked.emit(QUrl("object:1"))
    assert labels_of(widget).selected_label == 1
    assert widget._viewer.dims.current_step[0] == widget.workbench.records[1].first_frame
    truth = shapes.labels == true_id(shapes, "the red circle")
    assert overlap(widget, 1, truth) > 0.5


def test_the_demo_runs_to_its_end(make_napari_viewer, qtbot, artifacts, nano) -> None:
    from napari_sa2va.widgets._demo import build_demo

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1500, 950)
    widget = build_demo(viewer, "moving_shapes", nano)
    qtbot.waitUntil(
        lambda: (
            widget.workbench.undo_stack.title == "Propagate"
            and not widget.workbench.runner.is_running
        ),
        timeout=180_000,
    )
    assert sorted(widget.workbench.records) == [1, 2]
    assert (labels_of(widget).data == 2).any((1, 2)).all()
    widget.chat.input.setText(
        "Please describe the image. Respond with interleaved segmentation masks."
    )
    with qtbot.waitSignal(widget.workbench.stopped, timeout=120_000):
        widget.chat.send.click()
    qtbot.wait(200)
    viewer.window.screenshot(str(artifacts / "demo.png"), flash=False)
