"""The mask under the cursor: quick, and without a trace."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._previewing import PREVIEW_NAME
from napari_sa2va.widgets._region_picker import AROUND
from tests.widgets.fake_backend import FakeSession
from tests.widgets.test_regions import choose, flooding
from tests.widgets.test_segmenting import click, draw_box, labels_of


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


def test_around_each_prompt_it_is_what_the_click_gives(
    dock, qtbot, backend, run, monkeypatch
) -> None:
    """The first region is too small for the mask: both widen it."""
    widget = dock(np.zeros((2, 400, 400), np.uint8))
    click(widget, (0, 40, 300))
    run(widget, widget.segment)
    widget.new_object()
    choose(widget, AROUND)
    monkeypatch.setattr(FakeSession, "_square", flooding)
    labels, records = state(widget)[:2]
    rest_at(widget, 105, 130)
    qtbot.waitUntil(lambda: shown(widget) is not None)
    layer = shown(widget)
    previewed = [session.frames.shape for session in backend.sessions[1:]]
    assert all(session.closed for session in backend.sessions[1:])
    assert not backend.sessions[0].closed
    lit = np.argwhere(layer.data)
    corners = [layer.data_to_world(lit.min(0)), layer.data_to_world(lit.max(0))]
    assert np.array_equal(state(widget)[0], labels)
    assert state(widget)[1] == records

    click(widget, (0, 105, 130))
    run(widget, widget.segment)
    assert [session.frames.shape for session in backend.sessions[3:]] == previewed
    assert previewed == [(2, 100, 100), (2, 200, 200)]
    given = np.argwhere(labels_of(widget).data == 2)
    assert np.allclose(corners, [given.min(0), given.max(0)])


def test_of_a_huge_frame_the_preview_is_as_large_as_the_mask(dock, qtbot, run) -> None:
    """Every second pixel is sent."""
    widget = dock(np.zeros((1, 4100, 120), np.uint8))
    click(widget, (0, 40, 60))
    run(widget, widget.segment)
    assert widget.picker.sent().geometry.step == 2
    widget.new_object()
    rest_at(widget, 80, 60)
    qtbot.waitUntil(lambda: shown(widget) is not None)
    layer = shown(widget)
    lit = np.argwhere(layer.data)
    half = (0, 0.5, 0.5)
    corners = [layer.data_to_world(lit.min(0) - half), layer.data_to_world(lit.max(0) + half)]
    click(widget, (0, 80, 60))
    run(widget, widget.segment)
    given = np.argwhere(labels_of(widget).data == 2)
    assert np.allclose(corners, [given.min(0) - half, given.max(0) + half])


def test_a_box_counts_in_the_preview_as_it_does_in_the_run(ready, qtbot, backend) -> None:
    draw_box(ready, 0, 3.5, 3.5, 11.5, 11.5)
    ready.add_points()
    rest_at(ready, 8, 10)
    qtbot.waitUntil(lambda: shown(ready) is not None)
    assert backend.sessions[0].calls[-1][3:5] == ([(8.0, 10.0, True)], (4.0, 4.0, 12.0, 12.0))
