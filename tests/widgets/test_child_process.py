"""The dock as a user has it: the bundled model in a process of its own, which is killed."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from qtpy.QtCore import Qt

from napari_sa2va import sample_data
from napari_sa2va.backend import process
from napari_sa2va.widgets import _sa2va_widget
from napari_sa2va.widgets._settings import Settings
from tests.backend.serving import wait_for
from tests.backend.test_process import children
from tests.widgets.test_nano import WEIGHTS, centre, true_id
from tests.widgets.test_segmenting import click, labels_of

WAIT = 300_000  # milliseconds; other processes may keep the machine busy
FRAMES = 6

pytestmark = [
    pytest.mark.slow,  # a process that imports torch is started twice, and follows 18 frames
    pytest.mark.skipif(not WEIGHTS.exists(), reason="the bundled model is not built yet"),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows"),
]


@pytest.fixture
def own_process(monkeypatch) -> Iterator[None]:
    """The default place, in a folder of this test; its process ends soon after its last client."""
    folder = Path(tempfile.mkdtemp(prefix="sa2va"))  # a socket's path must be short
    monkeypatch.setenv("NAPARI_SA2VA_RUNTIME", str(folder))
    monkeypatch.setattr(_sa2va_widget, "read_settings", lambda: Settings(device="cpu"))
    quick = partial(process.ChildSettings, linger_seconds=3.0)
    monkeypatch.setattr(process, "ChildSettings", quick)
    yield
    wait_for(lambda: not children())
    shutil.rmtree(folder)


def the_child() -> psutil.Process:
    (child,) = children()
    return child


def test_kill_it_resume_it_and_nothing_is_lost(
    own_process, make_napari_viewer, qtbot, run, artifacts
) -> None:
    torch_was_here = "torch" in sys.modules
    shapes = sample_data.draw_moving_shapes()
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    viewer.add_image(shapes.frames[:FRAMES], rgb=True, name="movie", axis_labels=("t", "y", "x"))
    viewer.dims.set_current_step(0, 0)
    widget = _sa2va_widget.Sa2VAWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Sa2VA")
    assert widget.backend_line.place.text() == "This computer…"
    assert widget.backend_line.light.state == "idle"
    assert not children()  # it is started at the first use

    blue = true_id(shapes, "the blue square")
    click(widget, (0, *centre(shapes.labels[0], blue)))
    assert run(widget, widget.segment, WAIT) == "done"
    assert the_child().pid != os.getpid()
    assert widget.backend_line.light.state == "ready"
    assert widget.backend_line.status.text().startswith("ready · cpu")
    assert "free" in widget.backend_line.room.text()
    assert run(widget, lambda: widget.propagate("forward"), WAIT) == "done"
    undisturbed = labels_of(widget).data.copy()
    assert undisturbed.any((1, 2)).all()
    run(widget, widget.workbench.undo)
    run(widget, widget.workbench.undo)
    assert not labels_of(widget).data.any()

    assert run(widget, widget.segment, WAIT) == "done"
    killed = threading.Event()

    def kill_at_two(update) -> None:
        if getattr(update, "frame", None) == 2 and not killed.is_set():
            killed.set()
            os.kill(the_child().pid, signal.SIGKILL)

    widget.workbench.runner.updated.connect(kill_at_two)
    assert run(widget, lambda: widget.propagate("forward"), WAIT) == "interrupted"
    widget.workbench.runner.updated.disconnect(kill_at_two)
    assert killed.is_set()
    assert "ended by signal 9. What is finished is kept." in widget.fault.message.text()
    assert widget.backend_line.light.state == "lost"
    cut = labels_of(widget).data.copy()
    done = np.flatnonzero(cut.any((1, 2)))
    assert 3 <= len(done) < FRAMES
    assert np.array_equal(cut[done], undisturbed[done])
    for theme in ("dark", "light"):
        viewer.theme = theme
        qtbot.wait(200)
        viewer.window.screenshot(str(artifacts / f"killed-{theme}.png"), flash=False)

    press = lambda: qtbot.mouseClick(widget.fault.act, Qt.MouseButton.LeftButton)  # noqa: E731
    assert run(widget, press, WAIT) == "done"
    assert np.array_equal(labels_of(widget).data, undisturbed)
    assert widget.backend_line.light.state == "ready"
    assert not widget.fault.isVisible()
    assert ("torch" in sys.modules) == torch_was_here
    viewer.window.remove_dock_widget(widget)
    wait_for(lambda: not children())  # nobody is left whom it could serve
