"""The timeline shows what is there, and leads from one doubtful mask to the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from getpass import getuser

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_sa2va.core.events import Mask
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts
from napari_sa2va.widgets import _timeline
from napari_sa2va.widgets._object_table import ObjectTableModel
from napari_sa2va.widgets._review_panel import ReviewPanel
from napari_sa2va.widgets._timeline import (
    ABSENT,
    DOUBTFUL,
    GAP,
    HIGH,
    NAMES,
    PROMPTED,
    ROW,
    VERIFIED,
    Row,
    picture,
)
from tests.widgets.fake_backend import FakeSession
from tests.widgets.test_segmenting import click, draw_box, labels_of

MIDDLE = ROW // 2


def pixels(row: Row, width: int) -> np.ndarray:
    image = picture(row, width)
    bits = image.constBits()
    if hasattr(bits, "setsize"):
        bits.setsize(image.sizeInBytes())
    return np.frombuffer(bits, np.uint8).reshape(image.height(), width, 4).copy()


def row(scores: dict[int, float], frames: int = 10, **known) -> Row:
    return Row(ObjectRecord(1, scores=scores, **known), {}, frames)


def test_a_cell_shows_score_absence_and_marks() -> None:
    prompts = [{"kind": "text", "frame": 2}, {"kind": "question", "frames": [0]}]
    scores = {1: 1.0, 2: 0.7, 3: 0.4, 4: 0.0, 6: 1.0}
    shown = pixels(row(scores, prompts=prompts, verified_frames=[6]), 10)
    assert (shown[:, [0, 5, 7]] == 0).all()
    assert tuple(shown[MIDDLE, 1]) == (*HIGH, 255)
    assert tuple(shown[MIDDLE, 4]) == (*ABSENT, 255)
    low, middle, high = (int(shown[MIDDLE, frame, 0]) for frame in (3, 2, 1))
    assert low < middle < high
    assert tuple(shown[0, 2]) == (*PROMPTED, 255)
    assert tuple(shown[0, 3]) == tuple(shown[0, 4]) == (*DOUBTFUL, 255)
    assert tuple(shown[0, 1]) == (*HIGH, 255)
    assert tuple(shown[ROW - 1, 6]) == (*VERIFIED, 255)
    assert shown.shape[0] == ROW


def test_of_many_frames_the_worst_is_shown() -> None:
    scores = dict.fromkeys(range(2000), 1.0) | {1234: 0.3, 50: 0.0}
    shown = pixels(row(scores, frames=2000), 100)
    assert int(shown[MIDDLE, 61, 0]) == 0
    assert tuple(shown[MIDDLE, 2]) == (*HIGH, 255)  # absent in one frame of twenty
    assert np.flatnonzero((shown[0] == (*DOUBTFUL, 255)).all(-1)).tolist() == [2, 61]


def test_more_pixels_than_frames() -> None:
    shown = pixels(row({0: 1.0, 2: 1.0}, frames=3), 99)
    assert np.flatnonzero(shown[MIDDLE, :, 3]).tolist() == [*range(33), *range(67, 99)]


@pytest.fixture
def panel(qtbot) -> ReviewPanel:
    panel = ReviewPanel()
    qtbot.addWidget(panel)
    panel.resize(NAMES + 400, 160)
    records = {
        1: ObjectRecord(1, "cell", scores={0: 0.9, 1: 0.9, 2: 0.9}),
        2: ObjectRecord(2, "dot", scores={0: 0.9, 1: 0.4, 2: 0.0}),
    }
    facts = {1: {1: MaskFacts(100, 5, 5, 0.1), 2: MaskFacts(300, 5, 5, 0.3)}}
    panel.show_records(records, facts, 3, lambda _: (1.0, 0.0, 0.0))
    panel.records = records
    panel.facts = facts
    panel.show()
    return panel


def test_it_leads_from_doubt_to_doubt(panel, qtbot) -> None:
    visited = []
    panel.chosen.connect(lambda *place: (visited.append(place), panel.show_place(*place)))
    panel.show_place(None, 0)
    assert panel.summary.text() == "3 doubtful"
    assert not panel.before.isEnabled()
    for _ in range(3):
        qtbot.mouseClick(panel.next, Qt.MouseButton.LeftButton)
    assert visited == [(2, 1), (1, 2), (2, 2)]
    assert not panel.next.isEnabled()
    qtbot.keyClick(panel.timeline, Qt.Key.Key_B, Qt.KeyboardModifier.ShiftModifier)
    assert visited[-1] == (1, 2)


def test_a_mask_is_right_or_wrong(panel, qtbot) -> None:
    judged = []
    panel.chosen.connect(panel.show_place)
    panel.accepted.connect(lambda *place: judged.append(("right", *place)))
    panel.rejected.connect(lambda *place: judged.append(("wrong", *place)))
    panel.show_place(2, 1)
    qtbot.mouseClick(panel.accept, Qt.MouseButton.LeftButton)
    qtbot.keyClick(panel.timeline, Qt.Key.Key_X, Qt.KeyboardModifier.ShiftModifier)
    assert judged == [("right", 2, 1), ("wrong", 1, 2)]
    assert not panel.accept.isEnabled(), "there is no mask of 2 in frame 2"


def test_what_changes_is_seen(panel) -> None:
    panel.records[2].scores[1] = 0.9
    panel.touch([(2, 1)])
    assert panel.summary.text() == "2 doubtful"
    panel.records[1].verified_frames.append(2)
    panel.show_records(panel.records, panel.facts, 3, lambda _: (1.0, 0.0, 0.0))
    assert panel.summary.text() == "1 doubtful"
    panel.show_records({}, {}, 3, lambda _: (1.0, 0.0, 0.0))
    assert panel.summary.text() == ""


def test_a_click_in_the_timeline_goes_there(panel, qtbot) -> None:
    places = []
    panel.chosen.connect(lambda *place: places.append(place))
    timeline = panel.timeline
    width = timeline.width() - NAMES
    at = QPoint(NAMES + width // 2, ROW + GAP + MIDDLE)
    qtbot.mouseClick(timeline, Qt.MouseButton.LeftButton, pos=at)
    panel.show_place(2, 1)
    qtbot.keyClick(timeline, Qt.Key.Key_Up)
    qtbot.keyClick(timeline, Qt.Key.Key_Right)
    assert places == [(2, 1), (1, 1), (2, 2)]
    assert "dot), frame 1: score 0.40, look here: score 0.40" in panel._rows[2][1].told(1)


def test_reviewing_in_the_viewer(dock, stack, run, qtbot, backend, artifacts) -> None:
    widget = dock(stack, show=True)
    widget._viewer.window.resize(1400, 900)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    qtbot.mouseClick(widget.objects.review, Qt.MouseButton.LeftButton)
    panel = widget.reviewing.panel
    qtbot.waitUntil(panel.isVisible)
    run(widget, lambda: widget.propagate("forward"))
    assert panel.summary.text() == "0 doubtful"
    widget._viewer.dims.set_current_step(0, 4)
    before = labels_of(widget).data.copy()
    run(widget, panel.reject.click)
    assert not labels_of(widget).data[4].any()
    assert widget.workbench.records[1].scores[4] == 0
    assert panel.summary.text() == "1 doubtful"
    run(widget, widget.workbench.undo)
    assert np.array_equal(labels_of(widget).data, before)
    assert panel.summary.text() == "0 doubtful"
    widget._viewer.dims.set_current_step(0, 6)
    panel.accept.click()
    assert widget.workbench.records[1].verified_frames == [6]
    widget.workbench.records[1].scores[9] = 0.3
    panel.touch([(1, 9)])
    panel.next.click()
    assert widget.picker.frame == 9
    qtbot.wait(100)
    widget._viewer.window.screenshot(str(artifacts / "review.png"), flash=False)


def test_an_object_that_turns_into_another_is_doubtful_in_the_viewer(
    dock, stack, run, monkeypatch
) -> None:
    """From frame 6 on a rod lies across the one that was followed: same place, area and score."""

    def turned(session: FakeSession, frame: int, object_id: int, mask: np.ndarray) -> Mask:
        if frame >= 6:
            y, x = (int(np.ceil(at.mean())) for at in mask.nonzero())
            mask = np.zeros_like(mask)
            mask[y - 2 : y + 2, x - 8 : x + 8] = True
        session.masks[object_id][frame] = mask
        return Mask(frame, object_id, mask, 0.9)

    monkeypatch.setattr(FakeSession, "_mask", turned)
    widget = dock(stack)
    draw_box(widget, 0, 11.5, 19.5, 27.5, 23.5)
    run(widget, widget.segment)
    panel = widget.reviewing.open()
    run(widget, lambda: widget.propagate("forward"))
    assert panel.summary.text() == "1 doubtful"
    panel.next.click()
    assert widget.picker.frame == 6
    assert "look here: overlap " in panel._rows[1][1].told(6)
    assert ", usually " in panel._rows[1][1].told(6)
    panel.accept.click()
    assert panel.summary.text() == "0 doubtful"


def test_a_closed_timeline_opens_again_and_ends_with_the_dock(dock, stack, run) -> None:
    widget = dock(stack)
    panel = widget.reviewing.open()
    widget._viewer.window.remove_dock_widget(panel)
    assert panel.parent() is None
    assert widget.reviewing.open() is panel
    assert panel.parent() is not None
    widget._viewer.window.remove_dock_widget(widget)
    assert widget.reviewing.panel is None
    assert panel.parent() is None


def test_a_verification_tells_who_and_when(dock, stack, run) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    widget.workbench.editing.verify(1, 0, True)
    (told,) = widget.workbench.records[1].verifications
    assert told["frame"] == 0
    assert told["by"] == getuser()
    assert abs(datetime.now(UTC) - datetime.fromisoformat(told["at"])) < timedelta(minutes=5)
    widget.workbench.editing.verify(1, 0, True)
    assert len(widget.workbench.records[1].verifications) == 1
    widget.workbench.editing.verify(1, 0, False)
    assert widget.workbench.records[1].verifications == []


def test_a_refresh_costs_what_is_seen_not_what_there_is(dock, stack, run, qtbot, monkeypatch):
    widget = dock(stack, show=True)
    widget.prompts.text.setText("all cells")
    run(widget, widget.segment)
    widget.reviewing.open()
    read, drawn = [], []
    data, draw = ObjectTableModel.data, _timeline.picture
    monkeypatch.setattr(ObjectTableModel, "data", lambda *it: read.append(1) or data(*it))
    monkeypatch.setattr(_timeline, "picture", lambda *it: drawn.append(1) or draw(*it))
    costs = []
    for count in (50, 200):
        for label in range(1, count + 1):
            record = widget.workbench.objects.records.setdefault(label, ObjectRecord(label))
            record.scores = dict.fromkeys(range(12), 0.9)
        widget.workbench.objects_changed.emit()
        qtbot.wait(300)
        assert widget.table.objects.rowCount() == count
        read.clear()
        drawn.clear()
        widget.workbench.objects_changed.emit()
        widget.reviewing.touch({(1, 0)})
        qtbot.wait(300)
        costs.append((len(read), len(drawn)))
    assert all(costs[0])
    assert costs[0] == costs[1]
