"""All the cells: one object for each piece."""

from __future__ import annotations

import numpy as np

from napari_sa2va.widgets._instances import pieces
from tests.widgets.fake_backend import FakeSession
from tests.widgets.test_segmenting import click, labels_of


def cells(session, y: int, x: int) -> np.ndarray:
    """Three pieces, of which one touches only at a corner, and a speck."""
    mask = np.zeros(session.frames.shape[1:], bool)
    mask[2:10, 2:10] = mask[20:28, 20:28] = mask[28:36, 28:36] = mask[5:9, 30:40] = True
    mask[44, 60] = True
    return mask


def test_pieces_touch_nothing_and_are_no_specks() -> None:
    mask = np.zeros((40, 50), bool)
    mask[2:6, 3:9] = mask[10:20, 10:12] = True
    mask[6, 9] = True  # touches the first at a corner
    mask[30, 30] = True
    boxes = dict(pieces(mask))
    assert set(boxes) == {(2, 3, 7, 10), (10, 10, 20, 12)}
    assert boxes[2, 3, 7, 10].sum() == 25
    assert pieces(mask & False) == []


def test_all_the_cells_become_objects_one_by_one(dock, stack, run, backend, monkeypatch) -> None:
    monkeypatch.setattr(FakeSession, "_square", cells)
    backend.answer = "Sure, [SEG]."
    widget = dock(stack)
    widget.prompts.instances.setChecked(True)
    widget.prompts.text.setText("all cells")
    run(widget, widget.segment)
    labels = labels_of(widget).data
    expected = cells(backend.sessions[0], 0, 0)
    expected[44, 60] = False
    assert np.array_equal(labels[0] > 0, expected)
    assert sorted(widget.workbench.records) == [1, 2, 3]
    assert {record.phrase for record in widget.workbench.records.values()} == {"all cells"}
    assert all(len(np.unique(labels[0][s])) == 1 for s in (np.s_[2:10, 2:10], np.s_[20:28, 20:28]))
    shares = [facts[0].share for facts in widget.workbench.facts.values()]
    assert shares == [area / expected.size for area in (64, 40, 128)]  # of the frame, not the piece
    # The same once more finds nothing new; following shows the model each piece by its mask.
    widget.prompts.text.setText("all cells")
    run(widget, widget.segment)
    assert sorted(widget.workbench.records) == [1, 2, 3]
    run(widget, lambda: widget.propagate("forward"))
    shown = [call for call in backend.sessions[0].calls if call[0] == "segment"]
    assert len(shown) == 3
    assert all(call[5] for call in shown)
    run(widget, widget.workbench.undo)
    run(widget, widget.workbench.undo)
    assert not labels_of(widget).data.any()


def test_pieces_of_a_region_land_where_they_belong(dock, stack, run, backend, monkeypatch) -> None:
    from tests.widgets.test_regions import draw_region

    monkeypatch.setattr(FakeSession, "_square", lambda session, y, x: cells(session, y, x))
    backend.answer = "Sure, [SEG]."
    widget = dock(np.zeros((2, 200, 200), np.uint8))
    draw_region(widget, 100, 120, 160, 190)
    click(widget, (0, 130, 150))
    widget.prompting.layers.points(widget.picker.image).data = np.empty((0, 3))
    widget.prompts.instances.setChecked(True)
    widget.prompts.text.setText("all cells")
    run(widget, widget.segment)
    found = labels_of(widget).data[0]
    assert found[102:110, 122:130].all()
    assert (found[:100] == 0).all()
    assert (found[:, :120] == 0).all()
