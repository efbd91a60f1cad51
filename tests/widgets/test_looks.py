"""What the dock looks like; screenshots go to the artifacts for a person to look at."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from qtpy.QtGui import QImage
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QTextBrowser,
    QWidget,
)

from tests.widgets.test_segmenting import click, draw_box

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def busy_dock(dock, stack, run, backend):
    """A dock in which all kinds of things were done."""
    widget = dock(stack, show=True, axis_labels=("t", "y", "x"))
    widget.prompts.text.setText("all cells")
    run(widget, widget.segment)
    widget.new_object()
    click(widget, (0, 28, 44))
    widget.prompts.negative.setChecked(True)
    click(widget, (0, 40, 20))
    widget.prompts.negative.setChecked(False)
    widget.new_object()
    draw_box(widget, 0, 35, 45, 45, 60)
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("both"))
    backend.answer = "There is <p>a moving cell</p> [SEG] that passes <p>a bright dot</p> [SEG]."
    run(widget, lambda: widget.ask("What is going on here?"))
    widget.table.select_object(2)
    return widget


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_text_is_cut(busy_dock, qtbot, artifacts, theme) -> None:
    widget = busy_dock
    viewer = widget._viewer
    viewer.theme = theme
    window = widget.window()
    for width, size in ((350, (1280, 800)), (450, (1400, 900))):
        viewer.window.resize(*size)
        window.resizeDocks([widget.parent()], [width], widget_orientation())
        qtbot.wait(200)
        widget.grab().save(str(artifacts / f"dock-{theme}-{width}.png"))
        cut = [shown(child) for child in widget.findChildren(QWidget) if is_cut(child)]
        assert not cut
        assert (window.width(), window.height()) == size  # nothing forces it to be larger
    viewer.window.screenshot(str(artifacts / f"viewer-{theme}.png"), flash=False)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_panels_below_the_canvas_fit_a_small_screen(busy_dock, qtbot, artifacts, theme) -> None:
    widget = busy_dock
    window = widget.window()
    widget._viewer.theme = theme
    window.resize(1280, 800)
    for name, panels in (("review", widget.reviewing), ("expressions", widget.expressing)):
        panel = panels.open()
        qtbot.wait(200)
        assert (window.width(), window.height()) == (1280, 800), name
        assert not [shown(child) for child in panel.findChildren(QWidget) if is_cut(child)]
        picture = artifacts / f"small-{name}-{theme}.png"
        widget._viewer.window.screenshot(str(picture), flash=False)
        panel.parent().close()


_SCALED = """
    import sys
    import napari
    import numpy as np
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QWidget
    from napari_sa2va.widgets import Sa2VAWidget
    from tests.widgets.fake_backend import FakeBackend
    from tests.widgets.test_looks import is_cut, shown

    viewer = napari.Viewer()
    viewer.window.resize(1400, 900)
    viewer.add_image(np.zeros((12, 48, 64), np.uint8), name="movie")
    dock = Sa2VAWidget(viewer, FakeBackend())
    viewer.window.add_dock_widget(dock)
    dock.prompts.text.setText("all cells")
    dock.segment()

    def look():
        print([shown(child) for child in dock.findChildren(QWidget) if is_cut(child)])
        dock.grab().save(sys.argv[1])
        viewer.close()

    dock.workbench.stopped.connect(lambda _: QTimer.singleShot(300, look))
    napari.run()
"""


@pytest.mark.slow  # the scale is that of a whole process
def test_no_text_is_cut_on_a_screen_of_twice_the_pixels(artifacts) -> None:
    picture = artifacts / "dock-2x.png"
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(_SCALED), str(picture)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=os.environ | {"QT_SCALE_FACTOR": "2", "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    assert found.stdout.strip().splitlines()[-1] == "[]"
    assert QImage(str(picture)).width() >= 2 * 340


def test_a_button_that_is_off_says_why(dock, stack, run) -> None:
    widget = dock(stack)
    off = [
        child
        for panel in (widget.runs, widget.objects)
        for child in panel.findChildren(QAbstractButton)
        if not child.isEnabled() and child.isVisibleTo(widget) and shown(child)
    ]
    assert {shown(child) for child in off} >= {"Undo", "Redo", "Cancel", "Clear objects"}
    assert not [shown(child) for child in off if "Off now: " not in child.toolTip()]
    assert "there are no objects yet" in widget.runs.both.toolTip()
    widget.prompts.text.setText("all cells")
    run(widget, widget.segment)
    assert "Off now" not in widget.runs.both.toolTip()


def test_the_keys_are_listed(dock) -> None:
    from napari_sa2va.widgets._keys import KEYS, KeysButton

    (button,) = dock().findChildren(KeysButton)
    listed = [action.text() for action in button.menu().actions()]
    assert listed == [f"{key}: {what}" for key, what in KEYS]


def widget_orientation():
    from qtpy.QtCore import Qt

    return Qt.Orientation.Horizontal


def is_cut(child: QWidget) -> bool:
    kinds = (QAbstractButton, QLabel, QAbstractSpinBox)
    if not isinstance(child, kinds) or not child.isVisible() or not shown(child):
        return False
    if isinstance(child, QAbstractSpinBox):
        text = child.fontMetrics().horizontalAdvance(child.text())
        return child.lineEdit().width() < text
    return child.width() < child.minimumSizeHint().width()


def shown(child: QWidget) -> str:
    return child.text() if hasattr(child, "text") else child.objectName()


def test_everything_says_what_it_does(dock, stack) -> None:
    widget = dock(stack)
    kinds = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QTextBrowser)
    silent = [
        child
        for kind in kinds
        for child in widget.findChildren(kind)
        if not child.toolTip()
        and not isinstance(child.parent(), (QComboBox, QAbstractSpinBox))
        and not child.objectName().startswith("qt_")
        and not type(child).__name__.startswith("QTableCorner")
    ]
    assert not [(type(c), shown(c)) for c in silent]


def test_tab_goes_from_top_to_bottom(dock, stack) -> None:
    widget = dock(stack, show=True)
    order = [
        widget.session_line.reopen,
        widget.picker.layers,
        widget.picker.axis,
        widget.prompts.text,
        widget.prompts.points,
        widget.runs.segment,
        widget.runs.if_lost,
        widget.runs.undo,
        widget.table,
        widget.objects.measure,
        widget.chat.input,
        widget.chat.send,
    ]
    seen, current = [], widget.backend_line.model
    for _ in range(400):
        current = current.nextInFocusChain()
        if current in order and current not in seen:
            seen.append(current)
    assert seen == order
