"""Tracks, tables and measured facts beside the answers."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_sa2va.widgets._chat_panel import MEASURE_AND_SEND, NO_MEASURES
from napari_sa2va.widgets._export_window import OverwriteQuestion
from tests.widgets.test_segmenting import click, labels_of


def test_ways_of_objects(dock, stack, run, notes, tmp_path, backend) -> None:
    """The square at (8, 8) moves a pixel a frame: 11 pixels, 11 frames, 64 pixels of area."""
    widget = dock(stack, scale=(2, 0.5, 0.5), units=("second", "micrometer", "micrometer"))
    widget.show_tracks()
    assert "no objects to measure" in notes[-1]
    click(widget, (0, 8, 8))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    widget._viewer.dims.set_current_step(0, 6)
    run(widget, lambda: widget.split_object(1))
    widget.set_parent(1, 2)
    assert "Object 2 is not there before object 1" in notes[-1]
    came = next(a.menu() for a in widget.table.menu(2).actions() if "division" in a.text())
    came.actions()[1].trigger()
    assert widget.workbench.records[2].parent == 1

    run(widget, widget.show_tracks)
    tracks = widget._viewer.layers["Sa2VA tracks"]
    truth = [(1 if t < 6 else 2, t, 7.5, 7.5 + t) for t in range(12)]
    assert np.allclose(tracks.data, truth)
    assert tracks.graph == {2: [1]}
    assert tracks.features["area"].tolist() == [16.0] * 12
    expected = [0.0 if t in (0, 6) else 0.25 for t in range(12)]
    assert tracks.features["speed"].tolist() == pytest.approx(expected)
    assert tuple(tracks.scale) == (2, 0.5, 0.5)
    assert [str(unit) for unit in tracks.units] == ["second", "micrometer", "micrometer"]
    run(widget, widget.show_tracks)  # in place of the first
    assert [layer.name for layer in widget._viewer.layers].count("Sa2VA tracks") == 1

    labels_of(widget).data[9] = 0
    widget.workbench.records[2].scores[9] = 0.0
    table = tmp_path / "cells.csv"
    run(widget, lambda: widget.save_table(table))
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["frame"]) for row in rows] == list(range(12))
    assert [row["present"] for row in rows] == ["0" if t == 9 else "1" for t in range(12)]
    assert rows[3]["speed"] == "0.25"
    assert (rows[3]["speed_unit"], rows[3]["position_unit"]) == ("micrometer/second", "micrometer")
    assert rows[10]["speed"] == "0.25"  # over the frame that it is missing in
    assert float(rows[3]["x"]) == pytest.approx(0.5 * 10.5)
    assert (rows[9]["area"], rows[9]["parent"], rows[2]["parent"]) == ("", "1", "")

    # How far did it move, and for how long?
    widget.table.select_object(1)
    backend.answer = "Far."
    run(widget, lambda: widget.ask("How far did it move, and for how long?"))
    said = widget.chat.messages[-1]
    assert said.role == "measured"
    assert "Object 1" in said.text
    assert "in 6 frames, 0 to 5, for 10 second; moved 2.5 micrometer in all" in said.text
    assert "Measured" in widget.chat.transcript.toPlainText()
    asked = backend.sessions[-1].calls[-1][1]
    assert asked == "How far did it move, and for how long?"
    widget.chat.measures.setCurrentText(MEASURE_AND_SEND)
    run(widget, lambda: widget.ask("How far?"))
    asked = backend.sessions[-1].calls[-1][1]
    assert asked == f"What was measured of the objects:\n{said.text}\nHow far?"
    widget.chat.measures.setCurrentText(NO_MEASURES)
    run(widget, lambda: widget.ask("How far?"))
    assert widget.chat.messages[-1].role == "model"


def test_a_table_takes_the_place_of_none_unasked(
    dock, stack, run, qtbot, monkeypatch, tmp_path
) -> None:
    widget = dock(stack)
    click(widget, (0, 8, 8))
    run(widget, widget.segment)
    (save,) = (a for a in widget.objects.measure.menu().actions() if a.text() == "Save table…")

    def choose(typed: str) -> None:
        chosen = str(tmp_path / typed), ""
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args, **options: chosen)
        save.trigger()

    assert run(widget, lambda: choose("plate1.well2")) == "done"
    assert (tmp_path / "plate1.well2.csv").is_file()
    assert not (tmp_path / "plate1.csv").exists()
    for typed in ("cells", "cells.csv"):
        mine = tmp_path / "cells.csv"
        mine.write_text("mine")
        choose(typed)
        question = widget.findChild(OverwriteQuestion)
        assert question.text() == "cells.csv exists. Overwrite it?"
        question.no.click()
        qtbot.waitUntil(lambda: widget.findChild(OverwriteQuestion) is None)
        assert mine.read_text() == "mine"
        choose(typed)
        assert run(widget, widget.findChild(OverwriteQuestion).yes.click) == "done"
        qtbot.waitUntil(lambda: widget.findChild(OverwriteQuestion) is None)
        assert mine.read_text("utf-8-sig").startswith("stack,part,frame")
