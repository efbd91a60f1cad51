"""The mask under the cursor: quick, and without a trace."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._previewing import PREVIEW_NAME
from tests.widgets.test_segmenting import click, labels_of


@pytest.fixture
def ready(dock, stack, run):
    """A dock whose model is loaded, with one object; points are about to be added."""
    widget = dock(stack, scale=(1, 2, 2), translate=(0, 5, 7))
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    widget.new_object()
    widget.add_points()
    return widget


def shown(widget):
    return next((i for i in widget._viewer.layers if i.name == PREVIEW_NAME), None)


def rest_at(widget, y: float, x: float, frame: int = 0) -> None:
    image = widget.picker.image
    widget.previewing.move(tuple(image.data_to_world((frame, y, x))))


def state(widget):
    records: dict[int, ObjectRecord] = widget.workbench.records
    return (
        labels_of(widget).data.copy(),
        {label: vars(record).copy() for label, record in records.items()},
        len(widget.workbench.undo_stack),
    )


def test_a_preview_comes_and_leaves_no_trace(ready, qtbot, backend, run) -> None:
    before, session = state(ready), backend.sessions[0]
    rest_at(ready, 8, 10)
    qtbot.waitUntil(lambda: shown(ready) is not None)
    layer = shown(ready)
    lit = np.argwhere(layer.data)
    corners = [layer.data_to_world(lit.min(0)), layer.data_to_world(lit.max(0))]
    expected = [ready.picker.image.data_to_world(p) for p in ((0, 4, 6), (0, 11, 13))]
    assert np.allclose(corners, expected)
    assert ready._viewer.layers.selection.active is ready.prompting.layers.points(
        ready.picker.image
    )
    assert sorted(session.masks) == [1]
    after = state(ready)
    assert np.array_equal(after[0], before[0])
    assert after[1:] == before[1:]
    # A click takes its place.
    click(ready, (0, 8, 10))
    assert shown(ready) is None
    run(ready, ready.segment)
    rest_at(ready, 20, 20)
    qtbot.waitUntil(lambda: shown(ready) is not None)
    ready.prompting.layers.points(ready.picker.image).mode = "pan_zoom"
    assert shown(ready) is None


def test_there_is_none_where_it_would_be_in_the_way(
    ready, qtbot, backend, run, monkeypatch
) -> None:
    session = backend.sessions[0]
    calls = len(session.calls)
    ready.prompts.preview.setChecked(False)
    rest_at(ready, 8, 10)
    qtbot.wait(300)
    ready.prompts.preview.setChecked(True)
    rest_at(ready, -30, 10)  # beside the image
    qtbot.wait(300)
    assert len(session.calls) == calls
    ready.picker.image.gamma = 0.5  # what is sent is another thing: nothing is loaded for it
    rest_at(ready, 8, 10)
    qtbot.wait(300)
    assert len(backend.sessions) == 1
    assert len(session.calls) == calls
    ready.picker.image.gamma = 1.0

    # Too slow a backend is not asked again and again.
    monkeypatch.setattr("napari_sa2va.widgets._previewing._IN_TIME", 0.0)
    for x in range(5):
        rest_at(ready, 8, 10 + x)
        qtbot.waitUntil(lambda: not ready.previewing._resting.isActive())
        qtbot.waitUntil(lambda: not ready.previewing._busy)
    assert len(session.calls) == calls + 3


def test_a_run_does_not_meet_a_preview(ready, qtbot, backend, run) -> None:
    backend.delay = 0.3
    rest_at(ready, 8, 10)
    qtbot.waitUntil(lambda: ready.previewing._busy)
    backend.delay = 0.002
    assert run(ready, lambda: ready.propagate("forward")) == "done"
    qtbot.waitUntil(lambda: not ready.previewing._busy)
    assert shown(ready) is None
    assert sorted(ready.workbench.records[1].scores) == list(range(12))
