"""Objects that are followed: each stays itself both ways, and is given up where it is lost."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.widgets._sent import THIS_FRAME
from tests.widgets.test_segmenting import click, labels_of


def square(widget, label: int, frame: int) -> list[int]:
    """The box of an object in a frame: y0, x0, y1, x1."""
    rows, columns = np.nonzero(labels_of(widget).data[frame] == label)
    return [int(v) for v in (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)]


def test_no_run_swaps_objects(dock, stack, run) -> None:
    """Three objects from the middle, both ways; ids of the session are made to differ."""
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, 5)
    places = {}
    for y, x in ((8, 20), (20, 20), (32, 20), (40, 40)):
        click(widget, (5, y, x))
        places[widget.prompts.object_id.value()] = (y, x)
        widget.new_object()
    run(widget, widget.segment)
    run(widget, lambda: widget.delete_object(1))
    del places[1]

    def check() -> None:
        for label, (y, x) in places.items():
            for frame in range(12):
                left = x - 4 + frame - 5
                assert square(widget, label, frame) == [y - 4, left, y + 4, left + 8]

    run(widget, lambda: widget.propagate("both"))
    check()
    run(widget, widget.workbench.undo)  # the session forgets them: they are shown to it anew
    for frame, direction in ((5, "forward"), (7, "backward"), (0, "both"), (11, "both")):
        widget._viewer.dims.set_current_step(0, frame)
        run(widget, lambda way=direction: widget.propagate(way))
    check()


def test_a_lost_object_is_given_up_and_said(dock, stack, run, notes, backend) -> None:
    widget = dock(stack)
    for y, x in ((8, 20), (32, 20)):
        click(widget, (5, y, x))
        widget.new_object()
    widget._viewer.dims.set_current_step(0, 5)
    run(widget, widget.segment)
    backend.vanished = {1: range(8, 12)}
    widget.runs.lost_frames.setValue(2)
    assert run(widget, lambda: widget.propagate("both")) == "done"
    first, second = (widget.workbench.records[label] for label in (1, 2))
    assert sorted(first.scores) == list(range(10))
    assert [first.scores[frame] for frame in (7, 8, 9)] == [0.9, 0.0, 0.0]
    assert sorted(second.scores) == list(range(12))
    assert widget.runs.message.text() == "Lost: object 1 from frame 8 on"
    assert "object 1 from frame 8 on" in notes[-1]

    # Where all are lost, the model is not asked for more.
    backend.vanished = {1: range(6, 12), 2: range(6, 12)}
    widget._viewer.dims.set_current_step(0, 5)
    run(widget, lambda: widget.propagate("forward"))
    assert backend.sessions[0].open_iterators == 0
    assert labels_of(widget).data[6:8].any() == np.False_
    # A person may say that objects are never given up.
    widget.runs.lost_frames.setValue(0)
    run(widget, lambda: widget.propagate("forward"))
    assert sorted(widget.workbench.records[1].scores) == list(range(12))


def segment_at(widget, run, frame: int, y: int, x: int) -> None:
    """Click the current object in a frame, and segment it there."""
    widget._viewer.dims.set_current_step(0, frame)
    click(widget, (frame, y, x))
    run(widget, widget.segment)


def changed_frames(widget, label: int, before: np.ndarray) -> list[int]:
    after = labels_of(widget).data
    return np.flatnonzero(((after == label) != (before == label)).any((1, 2))).tolist()


def test_following_ends_at_the_next_verified_frame_of_each_object(
    dock, stack, run, backend, notes
) -> None:
    widget = dock(stack)
    for label, y in ((1, 8), (2, 20), (3, 32)):
        widget.prompts.object_id.setValue(label)
        segment_at(widget, run, 5, y, 20)
    run(widget, lambda: widget.propagate("both"))
    for label, frame in ((1, 8), (1, 10), (2, 2), (2, 11), (1, 5)):
        widget.workbench.editing.verify(label, frame, True)
    before = labels_of(widget).data.copy()

    for label, y in ((1, 12), (2, 24), (3, 36)):  # correct all of them in frame 5
        widget.prompts.object_id.setValue(label)
        segment_at(widget, run, 5, y, 24)
    calls = backend.sessions[0].calls
    calls.clear()
    assert run(widget, lambda: widget.propagate("both")) == "done"
    assert changed_frames(widget, 1, before) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert changed_frames(widget, 2, before) == [3, 4, 5, 6, 7, 8, 9, 10]
    assert changed_frames(widget, 3, before) == list(range(12))
    assert calls == [
        ("propagate", [1, 2, 3], 3, 6, True),
        ("propagate", [1, 3], 0, 3, True),
        ("propagate", [1, 2, 3], 5, 8, False),
        ("propagate", [2, 3], 8, 11, False),
        ("propagate", [3], 11, 12, False),
    ]
    assert widget.runs.message.text() == "Propagate: done, up to verified frames 2, 8 and 11"

    # Without the third object no frame is looked at that nobody needs.
    calls.clear()
    run(widget, lambda: widget.delete_object(3))
    run(widget, lambda: widget.propagate("forward"))
    assert calls == [("propagate", [1, 2], 5, 8, False), ("propagate", [2], 8, 11, False)]
    assert widget.runs.message.text() == "Propagate: done, up to verified frames 8 and 11"
    # From a verified frame it goes on to the next one.
    calls.clear()
    widget._viewer.dims.set_current_step(0, 8)
    run(widget, lambda: widget.propagate("forward"))
    assert calls == [("propagate", [1, 2], 8, 10, False), ("propagate", [2], 10, 11, False)]
    # Where there is nothing between verified frames, that is said.
    widget.workbench.editing.verify(2, 9, True)
    widget.workbench.editing.verify(1, 9, True)
    assert run(widget, lambda: widget.propagate("forward")) == "failed"
    assert "nothing is left to follow" in notes[-1]


def test_a_lost_object_stays_lost_where_others_end_before(dock, stack, run, backend) -> None:
    widget = dock(stack)
    for label, y in ((1, 8), (2, 32)):
        widget.prompts.object_id.setValue(label)
        segment_at(widget, run, 0, y, 20)
    run(widget, lambda: widget.propagate("forward"))
    widget.workbench.editing.verify(2, 6, True)
    backend.vanished = {1: range(5, 9)}
    widget.runs.lost_frames.setValue(3)  # the third is beyond the end of the other one
    before = labels_of(widget).data.copy()
    widget._viewer.dims.set_current_step(0, 0)
    run(widget, lambda: widget.propagate("forward"))
    assert changed_frames(widget, 1, before) == [5, 6, 7]
    assert widget.runs.message.text() == "Lost: object 1 from frame 5 on"


@pytest.mark.parametrize("forgets", ["paint", "undo", "reject"])
def test_what_was_prompted_is_neither_forgotten_nor_overwritten(
    dock, stack, run, qtbot, backend, forgets
) -> None:
    """Clicks at 0 and 8; then the session has to be shown the object anew, from frame 4."""
    widget = dock(stack)
    segment_at(widget, run, 0, 28, 12)
    run(widget, lambda: widget.propagate("forward"))
    segment_at(widget, run, 8, 12, 40)
    layer = labels_of(widget)
    before = layer.data.copy()
    widget._viewer.dims.set_current_step(0, 4)
    if forgets == "paint":
        layer.selected_label = 1
        layer.data_setitem((np.full(9, 4), np.full(9, 2), np.arange(9)), 1)
        qtbot.waitUntil(lambda: widget.workbench.records[1].verified_frames == [4])
    elif forgets == "undo":
        run(widget, lambda: widget.propagate("backward"))
        run(widget, widget.workbench.undo)
    else:
        run(widget, lambda: widget.reject(1, 4))
    calls = backend.sessions[0].calls
    calls.clear()
    run(widget, lambda: widget.propagate("both"))
    shown = {call[2] for call in calls if call[0] == "segment"}
    assert {0, 8} <= shown
    assert np.array_equal(layer.data[[0, 8]], before[[0, 8]])
    for frame in (9, 10, 11):  # as they follow from frame 8, the nearest
        assert np.array_equal(layer.data[frame], np.roll(before[8], frame - 8, axis=1))


def test_a_prompted_mask_that_is_wrong_is_made_anew(dock, stack, run) -> None:
    widget = dock(stack)
    segment_at(widget, run, 0, 28, 12)
    segment_at(widget, run, 3, 12, 40)
    run(widget, lambda: widget.reject(1, 3))
    widget._viewer.dims.set_current_step(0, 0)
    for _ in range(2):  # the second time, there is a mask again
        labels_of(widget).data[3] = 0
        run(widget, lambda: widget.propagate("forward"))
        assert square(widget, 1, 3) == [24, 11, 32, 19]


def test_words_correct_the_frame_that_they_prompted(dock, stack, run, backend) -> None:
    """Following leaves it as it is; the same words, said there again, do not."""
    widget = dock(stack)
    backend.answer = "It is [SEG]."
    widget.prompts.text.setText("cell")
    run(widget, widget.segment)
    labels_of(widget).data[0] = 0
    run(widget, lambda: widget.propagate("forward"))
    assert not labels_of(widget).data[0].any()
    widget.prompts.text.setText("cell")
    run(widget, widget.segment)
    assert square(widget, 1, 0) == [4, 4, 12, 12]


@pytest.mark.parametrize("last", [11, 10])
def test_what_an_answer_follows_is_given_up_where_it_is_lost(
    dock, stack, run, notes, backend, last
) -> None:
    """Over the whole stack, and over a part of it."""
    widget = dock(stack)
    widget.picker.last.setValue(last)
    widget._viewer.dims.set_current_step(0, 4)
    widget.chat.look_at.setCurrentText(THIS_FRAME)
    widget.runs.lost_frames.setValue(2)
    backend.vanished = {1: range(7, 12), 2: range(2)}
    assert run(widget, lambda: widget.ask("what is there?")) == "done"
    first, second = (widget.workbench.records[label] for label in (1, 2))
    assert sorted(first.scores) == list(range(9))
    assert sorted(second.scores) == list(range(last + 1))
    told = "object 1 from frame 7 on, object 2 from frame 1 on"
    assert widget.runs.message.text() == f"Lost: {told}"
    assert told in notes[-1]
    # Never, where the user says so.
    widget.runs.lost_frames.setValue(0)
    run(widget, widget.clear_objects)
    run(widget, lambda: widget.ask("what is there?"))
    assert sorted(widget.workbench.records[1].scores) == list(range(last + 1))
