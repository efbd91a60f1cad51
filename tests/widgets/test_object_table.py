"""The list of objects: classes, what is hidden, what is locked, several descriptions at once."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import QLineEdit, QStyleOptionViewItem

from napari_sa2va.core.labelled import layer_stack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._object_table import HEADERS, ClassDelegate, ObjectTableModel
from tests.widgets.test_segmenting import click, labels_of

COLUMN = {name: number for number, name in enumerate(HEADERS)}


def index(widget, object_id: int, column: str) -> QModelIndex:
    model = widget.table.objects
    return model.index(model.row_of(object_id), COLUMN[column])


def shown(model: ObjectTableModel, row: int, column: str) -> str:
    return model.index(row, COLUMN[column]).data()


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "proposed"),
        ({"verified_frames": [2]}, "edited"),
        ({"verified_frames": [2, 3]}, "verified"),
        ({"prompts": [{"kind": "mask", "frame": 3}]}, "edited"),
        ({"prompts": [{"kind": "point", "frame": 2}, {"kind": "point", "frame": 2}]}, "proposed"),
        ({"prompts": [{"kind": "point", "frame": 2}, {"kind": "box", "frame": 3}]}, "edited"),
        ({"scores": {}, "verified_frames": [1]}, "edited"),
    ],
)
def test_the_state_of_an_object(changes, state) -> None:
    record = ObjectRecord(1, scores={1: 0.0, 2: 0.9, 3: 0.7})
    for name, value in changes.items():
        setattr(record, name, value)
    assert record.state == state


def test_a_row_tells_all(qapp) -> None:
    prompts = [{"kind": "text"}, {"kind": "point"}, {"kind": "point"}]
    record = ObjectRecord(4, "cell", prompts, {2: 0.9, 3: 0.5, 4: 0.0, 5: 0.7}, category="nucleus")
    model = ObjectTableModel()
    model.show_records({4: record}, lambda _: (1.0, 0.0, 0.0))
    told = {name: shown(model, 0, name) for name in HEADERS}
    assert told == {
        "Object": "4",
        "Phrase": "cell",
        "Class": "nucleus",
        "Show": "",
        "Lock": "",
        "State": "proposed",
        "Score": "0.70",
        "Worst": "0.50",
        "Frames": "2–3, 5",
        "Prompts": "text, 2 point",
    }


def test_objects_from_the_list_are_changed(dock, stack, run, qtbot, notes) -> None:
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, 5)  # objects begin in mid-stack
    widget.prompts.text.setText("the first cell; the second; ")
    run(widget, widget.segment)
    records, model, layer = widget.workbench.records, widget.table.objects, labels_of(widget)
    assert [call[1] for call in widget_calls(widget)] == [
        "Please segment the first cell.",
        "Please segment the second.",
    ]
    assert records[1].prompts == [{"kind": "text", "frame": 5, "text": "the first cell"}]
    click(widget, (5, 40, 20))
    widget.new_object()
    click(widget, (5, 28, 56))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("both"))
    records = widget.workbench.records
    ids = sorted(records)
    assert len(ids) >= 3
    assert {record.first_frame for record in records.values()} <= {0, 5}

    # A class, with those that are used already offered.
    assert model.setData(index(widget, 1, "Class"), " mitotic ")
    assert widget.workbench.records[1].category == "mitotic"
    delegate = ClassDelegate(widget.table)
    option = QStyleOptionViewItem()
    editor = delegate.createEditor(widget.table, option, index(widget, 2, "Class"))
    assert isinstance(editor, QLineEdit)
    offered = editor.completer().model()
    assert [offered.index(row, 0).data() for row in range(offered.rowCount())] == ["mitotic"]
    features = layer.features.set_index("index")
    assert features["class"][1] == "mitotic"
    assert layer_stack(layer).record(1).category == "mitotic"
    assert widget.runs.undo.toolTip() == "Undo: Class of object 1 (Shift+Z)"
    run(widget, widget.runs.undo.click)
    assert widget.workbench.records[1].category == ""
    run(widget, widget.runs.redo.click)
    assert widget.workbench.records[1].category == "mitotic"

    # Hidden: not drawn, its colour known all the same.
    red = widget.workbench.objects.color(1)
    off, on = Qt.CheckState.Unchecked.value, Qt.CheckState.Checked.value
    assert index(widget, 1, "Show").data(Qt.ItemDataRole.CheckStateRole) == on
    model.setData(index(widget, 1, "Show"), off, Qt.ItemDataRole.CheckStateRole)
    assert layer.get_color(1)[3] == 0
    assert layer.get_color(2)[3] == 1
    assert widget.workbench.objects.color(1) == red
    model.setData(index(widget, 1, "Show"), on, Qt.ItemDataRole.CheckStateRole)
    assert tuple(layer.get_color(1)[:3]) == pytest.approx(red)

    # Locked: nothing changes it.
    model.setData(index(widget, 1, "Lock"), on, Qt.ItemDataRole.CheckStateRole)
    before = layer.data == 1
    widget.delete_object(1)
    assert notes[-1] == "Object 1 is locked. Unlock it in the list first."
    widget.merge_objects(2, 1)
    widget.split_object(1)
    layer.data_setitem(tuple(np.argwhere(before)[:3].T), 0)
    qtbot.wait(50)
    assert "is locked: what was painted is taken back" in notes[-1]
    assert np.array_equal(layer.data == 1, before)
    run(widget, lambda: widget.propagate("forward"))
    run(widget, widget.clear_objects)
    assert np.array_equal(layer.data == 1, before)
    assert sorted(widget.workbench.records) == [1]
    assert set(np.unique(layer.data)) == {0, 1}
    run(widget, widget.workbench.undo)
    assert sorted(widget.workbench.records) == ids


def widget_calls(widget) -> list[tuple]:
    return [call for call in widget.workbench.sessions._session.calls if call[0] == "ask"]
