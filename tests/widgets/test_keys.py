"""The dock's keys, pressed on the canvas of the real viewer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from napari import layers
from napari._app_model import get_app_model
from napari.components import ViewerModel
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtGui import QKeySequence

from napari_sa2va.widgets import _expressions_panel, _review_panel, _run_panel
from napari_sa2va.widgets._keys import KEYS
from tests.widgets.test_segmenting import click, labels_of

PANELS = (_run_panel, _review_panel, _expressions_panel)
BOUND = [key for panel in PANELS for key in panel.PANEL_KEYS]


@pytest.fixture
def press(qtbot):
    """Press a key, named as the dock names it, where the canvas has the focus."""

    def press_it(widget, key: str) -> None:
        pressed = QKeySequence(key)[0]
        canvas = widget._viewer.window._qt_viewer.canvas.native
        qtbot.keyClick(canvas, pressed.key(), pressed.keyboardModifiers())

    return press_it


def ours(key: str):
    return coerce_keybinding(key.replace("+", "-"))


def test_every_key_is_listed_once() -> None:
    listed = Counter(key for key, _ in KEYS)
    assert set(BOUND) <= set(listed)
    assert set(listed.values()) == {1}
    assert len(set(BOUND)) == len(BOUND)


def test_no_key_is_napari_s_or_a_layer_s(dock, stack) -> None:
    dock(stack)  # with a viewer, napari knows its menus
    taken = {coerce_keybinding(key) for keys in default_shortcuts.values() for key in keys}
    kinds = (layers.Labels, layers.Points, layers.Shapes, layers.Image, layers.Tracks, ViewerModel)
    taken |= {coerce_keybinding(key) for kind in kinds for key in kind.class_keymap}
    taken |= {coerce_keybinding(str(rule.keybinding)) for rule in get_app_model().keybindings}
    known = {ours(key) for key in ("Shift+V", "Ctrl+Z", "Ctrl+O")}
    assert known <= taken, "this looks where napari keeps its keys"
    assert not [key for key in BOUND if ours(key) in taken]


def test_runs_start_and_end_by_key(dock, stack, run, qtbot, press, backend) -> None:
    widget = dock(stack)
    viewer = widget._viewer

    def frames() -> list[int]:
        """Where the object is."""
        return np.flatnonzero((labels_of(widget).data == 1).any((1, 2))).tolist()

    click(widget, (5, 28, 44))
    viewer.dims.set_current_step(0, 5)
    assert run(widget, lambda: press(widget, "Shift+S")) == "done"
    assert frames() == [5]
    assert run(widget, lambda: press(widget, "Shift+E")) == "done"
    assert frames() == list(range(5, 12))
    run(widget, widget.workbench.undo)
    assert run(widget, lambda: press(widget, "Shift+Q")) == "done"
    assert frames() == list(range(6))
    run(widget, widget.workbench.undo)
    assert run(widget, lambda: press(widget, "Shift+W")) == "done"
    assert frames() == list(range(12))

    backend.delay = 0.1

    def start_and_cancel() -> None:
        press(widget, "Shift+W")
        qtbot.waitUntil(lambda: widget.workbench.runner.is_running)
        press(widget, "Shift+C")

    assert run(widget, start_and_cancel) == "cancelled"


def test_undo_and_redo_by_key_whatever_layer_is_active(dock, stack, run, press) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    widget.add_boxes()
    run(widget, widget.segment)
    viewer, image = widget._viewer, widget.picker.image
    points = widget.prompting.layers.points(image)
    boxes = widget.prompting.layers.boxes(image)
    for layer in (image, labels_of(widget), points, boxes):
        viewer.layers.selection.active = layer
        mode = layer.mode
        run(widget, lambda: press(widget, "Shift+Z"))
        assert not labels_of(widget).data.any()
        run(widget, lambda: press(widget, "Shift+R"))
        assert labels_of(widget).data.any()
        assert layer.mode == mode


def test_expressions_are_judged_by_key(dock, stack, run, press) -> None:
    widget = dock(stack)
    widget.prompts.text.setText("a bright dot")
    run(widget, widget.segment)
    panel = widget.expressing.open()
    pair = panel.table.selected
    press(widget, "Shift+D")
    record = widget.workbench.records[pair.object_id]
    assert record.judgement(pair.expression)["fits"] is False
    panel.table.select(pair)
    press(widget, "Shift+F")
    assert record.judgement(pair.expression)["fits"] is True


def test_letters_in_a_line_are_letters(dock, stack, qtbot, backend) -> None:
    widget = dock(stack)
    qtbot.keyClicks(widget.prompts.text, "SQWECZR")
    assert widget.prompts.text.text() == "SQWECZR"
    assert not backend.sessions


def test_a_dock_that_is_closed_lets_go_of_its_keys(dock, stack) -> None:
    widget = dock(stack)
    viewer = widget._viewer
    assert ours("Shift+S") in viewer.keymap
    viewer.window.remove_dock_widget(widget)
    assert not [key for key in BOUND if ours(key) in viewer.keymap]
