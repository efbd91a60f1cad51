"""Objects that are followed: each stays itself both ways, and is given up where it is lost."""

from __future__ import annotations

import numpy as np

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
