"""Phrases of objects: where they come from, how they are edited, and what a person says of them."""

from __future__ import annotations

from getpass import getuser

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._expression_table import Pair
from napari_sa2va.widgets._expressions_panel import ExpressionsPanel
from napari_sa2va.widgets._sent import THIS_FRAME
from tests.widgets.test_looks import is_cut, shown
from tests.widgets.test_segmenting import labels_of


@pytest.fixture
def panel(qtbot) -> ExpressionsPanel:
    """A panel whose wishes are done at once, as the workbench does them."""
    panel = ExpressionsPanel()
    qtbot.addWidget(panel)
    records = {
        1: ObjectRecord(1, "a cell", expressions=["das linke"]),
        2: ObjectRecord(2, "a dot"),
        5: ObjectRecord(5),
    }
    panel.records = records

    def show() -> None:
        panel.show_records(records, lambda _: (1.0, 0.0, 0.0))

    def judge(label: int, phrase: str, fits: bool) -> None:
        records[label].judge(phrase, fits, "Ada", "2026-01-02T03:04:05+00:00")
        show()

    def change(label: int, phrases: list[str]) -> None:
        records[label].set_phrases(phrases)
        show()

    panel.judged.connect(judge)
    panel.phrases_changed.connect(change)
    show()
    panel.show()
    return panel


def test_the_pass_goes_from_phrase_to_phrase_by_key(panel, qtbot) -> None:
    seen = []
    panel.chosen.connect(seen.append)
    assert panel.phrase.text() == "Object 1: a cell"
    assert panel.summary.text() == "0 of 3 judged"
    shift = Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(panel.table, Qt.Key.Key_F, shift)
    assert panel.phrase.text() == "Object 1: das linke"
    qtbot.keyClick(panel.table, Qt.Key.Key_G, shift)  # later
    assert panel.phrase.text() == "Object 2: a dot"
    qtbot.keyClick(panel.table, Qt.Key.Key_D, shift)
    assert panel.phrase.text() == "Object 1: das linke", "from the top again"
    qtbot.mouseClick(panel.fits, Qt.MouseButton.LeftButton)
    assert panel.summary.text() == "3 of 3 judged"
    assert not panel.next.isEnabled()
    assert seen == [1, 2, 1]
    first, second = panel.records[1], panel.records[2]
    assert first.verified_expressions == ["a cell", "das linke"]
    assert second.referring() == []
    assert second.judgement("a dot")["by"] == "Ada"
    model = panel.table.expressions
    told = [model.index(row, 2).data() for row in range(4)]
    assert told == ["fits (Ada, 2026-01-02)"] * 2 + ["does not fit (Ada, 2026-01-02)", ""]


def test_a_judgement_can_be_changed(panel, qtbot) -> None:
    panel.fits.click()
    panel.table.select(Pair(1, "a cell"))
    panel.unfit.click()
    assert panel.records[1].referring() == ["das linke"]
    assert panel.summary.text() == "1 of 3 judged"


def test_an_object_has_several_phrases_that_can_be_edited(panel, qtbot) -> None:
    panel.table.select(Pair(1, "das linke"))
    qtbot.keyClicks(panel.new, "The Big one")  # letters of the panel's keys among them
    qtbot.keyClick(panel.new, Qt.Key.Key_Return)
    assert panel.records[1].phrases == ["a cell", "das linke", "The Big one"]
    assert panel.new.text() == ""
    assert panel.table.selected == Pair(1, "das linke")
    panel.first.click()
    assert panel.records[1].phrase == "das linke"
    model = panel.table.expressions
    assert model.setData(model.index(1, 1), " another cell ")
    assert panel.records[1].phrases == ["das linke", "another cell", "The Big one"]
    panel.table.select(Pair(1, "another cell"))
    qtbot.keyClick(panel.table, Qt.Key.Key_Delete)
    assert panel.records[1].phrases == ["das linke", "The Big one"]
    assert panel.table.selected == Pair(1, "The Big one")


def test_an_object_without_a_phrase_gets_one(panel) -> None:
    panel.table.select(Pair(5, ""))
    assert panel.phrase.text() == "Object 5: no expression yet"
    assert not panel.fits.isEnabled()
    model = panel.table.expressions
    assert model.setData(model.index(3, 1), "a smear")
    assert panel.records[5].phrase == "a smear"
    panel.remove.click()
    assert panel.records[5].phrases == []


def test_in_the_viewer(dock, stack, run, backend, qtbot, artifacts) -> None:
    """Words of prompts and chat become expressions; they are judged beside their masks."""
    widget = dock(stack, show=True)
    viewer = widget._viewer
    viewer.window.resize(1400, 900)
    viewer.dims.set_current_step(0, 3)
    widget.prompts.text.setText("bright things")
    run(widget, widget.segment)
    records = widget.workbench.records
    assert records[1].phrases == ["a cell", "bright things"]
    backend.answer = "I see <p>the upper square</p> [SEG]."
    widget.chat.look_at.setCurrentText(THIS_FRAME)
    widget.picker.last.setValue(3)
    widget.picker.first.setValue(3)
    run(widget, lambda: widget.ask("Where is the upper one?"))
    assert records[1].phrases == ["a cell", "bright things", "the upper square"]
    assert records[2].phrases == ["a dot", "bright things"]
    viewer.dims.set_current_step(0, 8)
    qtbot.mouseClick(widget.objects.expressions, Qt.MouseButton.LeftButton)
    panel = widget.expressing.panel
    qtbot.waitUntil(panel.isVisible)
    assert viewer.dims.current_step[0] == 3, "where the object is seen"
    layer = labels_of(widget)
    assert layer.show_selected_label
    assert layer.selected_label == 1
    colors = [widget.workbench.objects.color(label) for label in (1, 2)]
    assert (0.0, 0.0, 0.0) not in colors
    assert layer.show_selected_label
    for button in (panel.fits, panel.unfit, panel.fits):
        button.click()
    assert layer.selected_label == 2
    stored = layer.metadata["sa2va"]["objects"][1]
    assert stored["verified_expressions"] == ["a cell", "the upper square"]
    assert [it["fits"] for it in stored["verifications"]] == [True, False, True]
    assert {it["by"] for it in stored["verifications"]} == {getuser()}
    for theme in ("dark", "light"):
        viewer.theme = theme
        qtbot.wait(100)
        assert not [shown(child) for child in panel.findChildren(QWidget) if is_cut(child)]
        viewer.window.screenshot(str(artifacts / f"expressions-{theme}.png"), flash=False)
    panel.alone.setChecked(False)
    assert not layer.show_selected_label
    panel.alone.setChecked(True)
    viewer.window.remove_dock_widget(panel)
    assert not layer.show_selected_label
    assert widget.expressing.open() is panel
    viewer.window.remove_dock_widget(widget)
    assert widget.expressing.panel is None
    assert not layer.show_selected_label
