"""What the dock looks like; screenshots go to the artifacts for a person to look at."""

from __future__ import annotations

import pytest
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
    viewer.window.resize(1400, 900)
    window = widget.window()
    for width in (350, 450):
        window.resizeDocks([widget.parent()], [width], widget_orientation())
        qtbot.wait(200)
        cut = [shown(child) for child in widget.findChildren(QWidget) if is_cut(child)]
        assert not cut
        widget.grab().save(str(artifacts / f"dock-{theme}-{width}.png"))
    viewer.window.screenshot(str(artifacts / f"viewer-{theme}.png"), flash=False)


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
        widget.picker.layers,
        widget.picker.axis,
        widget.prompts.text,
        widget.prompts.points,
        widget.runs.segment,
        widget.table,
        widget.chat.input,
        widget.chat.send,
    ]
    seen, current = [], widget.backend_line.model
    for _ in range(400):
        current = current.nextInFocusChain()
        if current in order and current not in seen:
            seen.append(current)
    assert seen == order
