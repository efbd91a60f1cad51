"""The export window: what it says is what is written, off the Qt thread, and nothing is lost."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSpinBox, QWidget

from napari_sa2va import export
from napari_sa2va.export.registry import FORMATS
from napari_sa2va.widgets._export_layers import layer_as_stack
from napari_sa2va.widgets._export_window import OverwriteQuestion
from napari_sa2va.widgets._stack_picker import SINGLE
from tests.widgets.test_looks import is_cut, shown
from tests.widgets.test_segmenting import click, labels_of


@pytest.fixture
def exporting(dock, stack, run, qtbot):
    """A dock with two objects in frames 3 to 11, and its export window."""
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, 3)
    widget.prompts.text.setText("bright things")
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    open_window(widget, qtbot)
    return widget


def open_window(widget, qtbot):
    qtbot.mouseClick(widget.objects.export, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(widget.exporting.window.isVisible)
    return widget.exporting.window


def listed(window) -> list[str]:
    return [window.layers.item(row).text() for row in range(window.layers.count())]


def choose(window, format_name: str, target) -> None:
    window.format.setCurrentIndex(window.format.findData(format_name))
    window.target.setText(str(target))


def question_of(window) -> OverwriteQuestion:
    return window.findChild(OverwriteQuestion)


def test_what_the_form_says_is_written(exporting, run, qtbot, stack, artifacts, tmp_path) -> None:
    window, records = exporting.exporting.window, exporting.workbench.records
    check_looks(exporting, qtbot, artifacts)
    records[1].category = "cell"
    exporting.workbench.editing.verify(1, 4, True)
    window.shown.emit()
    assert [window.layers.item(0).text()] == ["Sa2VA labels on movie"]
    assert window.classes.placeholderText() == "all: cell, object"
    assert [window.format.itemData(i) for i in range(window.format.count())] == list(FORMATS)
    choose(window, "coco", tmp_path / "out")
    window.first.setValue(4)
    window.last.setValue(9)
    window.classes.setText("cell")
    window.depth.setCurrentIndex(window.depth.findData("kept"))
    assert run(exporting, window.export.click) == "done"
    assert window.message.text() == f"Written: {tmp_path / 'out'}"
    (back,) = export.read(tmp_path / "out")
    assert back.shape == (6, 48, 64)
    assert list(back.masks(2)) == [1]
    np.testing.assert_array_equal(back.masks(2)[1], labels_of(exporting).data[6] == 1)
    np.testing.assert_array_equal(back.images.values(0), stack[4])
    assert back.record(1).phrases == ["a cell", "bright things"]
    assert back.record(1).verified_frames == [0]
    assert back.model == {"id": "fake", "dtype": "float32"}
    assert back.record(1).model == "fake"

    window.verified.setChecked(True)
    choose(window, "npy", tmp_path / "labels.npy")
    assert not window.images.isEnabled()
    assert run(exporting, window.export.click) == "done"
    assert np.load(tmp_path / "labels.npy").shape == (1, 48, 64)

    # As the model sees them.
    exporting._viewer.layers["movie"].colormap = "red"
    window.classes.clear()
    window.verified.setChecked(False)
    window.depth.setCurrentIndex(window.depth.findData("rendered"))
    choose(window, "yolo", tmp_path / "yolo")
    assert window.images.model().item(1).text() == "Referenced"
    assert not window.images.model().item(1).isEnabled(), "YOLO finds images by their place"
    window.split.setCurrentIndex(window.split.findData("frame"))
    assert run(exporting, window.export.click) == "done"
    files = sorted((tmp_path / "yolo" / "images").rglob("*.png"))
    assert {file.parent.name for file in files} == {"train", "val", "test"}
    seen = np.array(Image.open(files[-1]))
    assert seen[..., 0].max() > 200
    assert seen[..., 1:].max() == 0


def test_nothing_is_lost(exporting, run, qtbot, monkeypatch, tmp_path) -> None:
    for number, check in enumerate((check_existing_target, check_errors)):
        folder = tmp_path / str(number)
        folder.mkdir()
        check(exporting, run, qtbot, folder)
    (tmp_path / "cancelled").mkdir()
    check_cancel(exporting, run, monkeypatch, tmp_path / "cancelled")


def check_existing_target(exporting, run, qtbot, tmp_path) -> None:
    """It is asked about."""
    window, mine = exporting.exporting.window, tmp_path / "labels.tif"
    mine.write_bytes(b"mine")
    choose(window, "tiff", mine)
    window.export.click()
    question = question_of(window)
    assert question.text() == "labels.tif exists. Overwrite it?"
    assert question.defaultButton() is question.no
    question.no.click()
    qtbot.waitUntil(lambda: question_of(window) is None)
    assert mine.read_bytes() == b"mine"
    window.export.click()
    assert run(exporting, question_of(window).yes.click) == "done"
    assert export.read(mine)[0].shape == (12, 48, 64)


WRONG = (
    (lambda w, folder: w.target.setText(""), "not said where to write"),
    (lambda w, folder: w.target.setText(str(folder / "a" / "b")), "There is no folder"),
    (lambda w, folder: w.target.setText(str(folder)), "is no export of napari-sa2va"),
    (lambda w, folder: w.classes.setText("none"), "no object of the classes none"),
    (lambda w, folder: w.verified.setChecked(True), "No frame is left to export"),
    (lambda w, folder: w.layers.item(0).setCheckState(Qt.CheckState.Unchecked), "No Labels"),
)


def check_errors(exporting, run, qtbot, tmp_path) -> None:
    """They are one sentence, and nothing is written."""
    window = exporting.exporting.window
    (tmp_path / "mine.txt").write_text("mine")
    for change, said in WRONG:
        choose(window, "coco", tmp_path / "out")
        window.classes.clear()
        change(window, tmp_path)
        window.export.click()
        qtbot.waitUntil(lambda said=said: said in window.message.text())
        qtbot.waitUntil(window.export.isEnabled)
        assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def check_cancel(exporting, run, monkeypatch, tmp_path) -> None:
    """It runs off the Qt thread, and leaves nothing."""
    window, layer = exporting.exporting.window, labels_of(exporting)
    started, cancelled, threads = threading.Event(), threading.Event(), set()

    def frame(self, index: int) -> np.ndarray:
        threads.add(threading.get_ident())
        started.set()
        assert cancelled.wait(20)
        return np.zeros((*self.shape[1:], 3), np.uint8)

    monkeypatch.setattr("napari_sa2va.widgets._export_layers._LayerImages.frame", frame)
    choose(window, "davis", tmp_path / "out")
    window.classes.clear()
    window.verified.setChecked(False)
    window.layers.item(0).setCheckState(Qt.CheckState.Checked)

    def start_and_cancel() -> None:
        window.export.click()
        assert not layer.editable, "what is written must not change"
        assert started.wait(20)
        window.cancel.click()
        cancelled.set()

    assert run(exporting, start_and_cancel) == "cancelled"
    assert threads
    assert threading.get_ident() not in threads
    assert layer.editable
    assert window.message.text() == "Cancelled; nothing was written."
    assert exporting.runs.message.text() == "Export: cancelled; nothing was written"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["an image", "an image of a stack"])
def test_a_single_image_is_exported(what, dock, stack, run, qtbot, tmp_path) -> None:
    """As the dock sees it: also where images of a stack are no frames, but one each."""
    widget = dock(stack[3] if what == "an image" else stack)
    if what != "an image":
        axis = widget.picker.axis
        axis.setCurrentIndex(axis.findText(SINGLE))
        axis.activated.emit(axis.currentIndex())
        for frame in (0, 3):
            widget._viewer.dims.set_current_step(0, frame)
            click(widget, (frame, 28, 44))
            run(widget, widget.segment)
    widget.prompts.text.setText("bright things")
    run(widget, widget.segment)
    window = open_window(widget, qtbot)
    assert listed(window) == ["Sa2VA labels on movie"]
    assert (window.total.text(), window.last.value()) == ("of 1", 0)
    choose(window, "coco", tmp_path / "out")
    window.depth.setCurrentIndex(window.depth.findData("kept"))
    assert run(widget, window.export.click) == "done"
    (back,) = export.read(tmp_path / "out")
    assert back.shape == (1, 48, 64)
    pixels = labels_of(widget).data if what == "an image" else labels_of(widget).data[3]
    np.testing.assert_array_equal(back.planes(0)[0], pixels)
    np.testing.assert_array_equal(back.images.values(0), stack[3])
    assert back.object_ids == sorted(widget.workbench.records)
    for object_id, record in widget.workbench.records.items():
        assert back.record(object_id).phrases == record.phrases
        assert list(back.record(object_id).scores) == [0]


def test_layers_of_other_axes_stand_beside_a_stack(exporting, run, qtbot, tmp_path) -> None:
    """Each is exported with the frames that it has."""
    window, viewer = exporting.exporting.window, exporting._viewer
    flat = np.zeros((20, 30), np.uint8)
    flat[3:5, 6:9] = 7
    viewer.add_labels(flat, name="flat")
    viewer.add_labels(np.stack([flat] * 4), name="short")
    window.shown.emit()
    assert listed(window) == [
        "short, without an image",
        "flat, without an image",
        "Sa2VA labels on movie",
    ]
    for row in range(3):
        window.layers.item(row).setCheckState(Qt.CheckState.Checked)
    assert window.total.text() == "of 12"
    choose(window, "ome-tiff", tmp_path / "out")
    assert run(exporting, window.export.click) == "done"
    back = {stack.name: stack for stack in export.read(tmp_path / "out")}
    assert {name: it.shape for name, it in back.items()} == {
        "flat": (1, 20, 30),
        "short": (4, 20, 30),
        "movie": (12, 48, 64),
    }
    np.testing.assert_array_equal(back["flat"].planes(0)[0], flat)


def test_labels_are_exported_without_any_image(dock, run, qtbot, tmp_path) -> None:
    widget = dock()
    data = np.zeros((4, 20, 30), np.uint8)
    data[1, 3:5, 6:9] = 7
    widget._viewer.add_labels(data[1], name="flat")
    widget._viewer.add_labels(data, name="theirs")
    window = open_window(widget, qtbot)
    choose(window, "npy", tmp_path / "labels.npy")
    assert run(widget, window.export.click) == "done"
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), data)


def test_foreign_labels_of_four_axes_are_taken_where_the_sliders_stand() -> None:
    viewer = ViewerModel()
    data = np.zeros((2, 5, 9, 7), np.uint8)
    data[1, 3, 2:4, 1:6] = 9
    labels = viewer.add_labels(data, name="theirs", scale=(1, 2, 0.5, 0.5))
    viewer.dims.set_point(0, 1)
    stack = layer_as_stack(viewer, labels, 1)
    assert (stack.name, stack.shape, stack.images) == ("theirs", (5, 9, 7), None)
    assert stack.mapping.scale == (2, 0.5, 0.5)
    np.testing.assert_array_equal(stack.planes(3)[0], data[1, 3])
    image = viewer.add_image(np.zeros((2, 5, 9, 7, 3), np.uint8), rgb=True)
    image.data[1, 3, 4, 5] = 1, 2, 3
    viewer.dims.order = (0, 1, 3, 2)  # turned on the screen
    stack = layer_as_stack(viewer, labels, 1)
    assert stack.shape == (5, 7, 9)
    assert stack.images is not None
    assert stack.images.values(3)[5, 4].tolist() == [1, 2, 3]
    assert stack.images.frame(3)[5, 4].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(stack.planes(3)[0], data[1, 3].T)


def test_images_are_exported_on_the_background_that_they_were_sent_on(dock, stack, run) -> None:
    widget = dock(stack, opacity=0.5)
    viewer = widget._viewer
    viewer.theme = "light"
    widget.prompts.text.setText("bright things")
    sent = widget.picker.sent().frames
    run(widget, widget.segment)
    assert sent.frame(0).min() > 100, "white shines through"
    viewer.theme = "dark"
    exported = layer_as_stack(viewer, labels_of(widget), 0).images
    np.testing.assert_array_equal(exported.frame(0), sent.frame(0))
    assert widget.picker.sent().frames.frame(0).min() == 0


def check_looks(exporting, qtbot, artifacts) -> None:
    """No text is cut in either theme, and everything says what it does."""
    window = exporting.exporting.window
    for theme in ("dark", "light"):
        exporting._viewer.theme = theme
        qtbot.wait(100)
        window.grab().save(str(artifacts / f"export-{theme}.png"))
        assert not [shown(child) for child in window.findChildren(QWidget) if is_cut(child)]
    kinds = (QAbstractButton, QComboBox, QLineEdit, QSpinBox)
    silent = [
        child
        for kind in kinds
        for child in window.findChildren(kind)
        if not child.toolTip() and not isinstance(child.parent(), (QComboBox, QSpinBox))
    ]
    assert not silent
