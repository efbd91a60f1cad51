"""A viewer with a stack and the dock, as a user has it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_sa2va
from tests.widgets.fake_backend import FakeBackend

FRAMES, HEIGHT, WIDTH = 12, 48, 64


@pytest.fixture
def stack() -> np.ndarray:
    """Two squares on a 16-bit ramp; one of them moves a pixel a frame."""
    ramp = np.linspace(100, 400, WIDTH, dtype=np.uint16)
    frames = np.broadcast_to(ramp, (FRAMES, HEIGHT, WIDTH)).copy()
    for frame in range(FRAMES):
        frames[frame, 4:12, 4 + frame : 12 + frame] = 4000
        frames[frame, 24:32, 40:48] = 3000
    return frames


@pytest.fixture
def artifacts() -> Path:
    """Where screenshots go, for a person to look at."""
    folder = Path(os.environ.get("SA2VA_ARTIFACTS", "artifacts/screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def dock(make_napari_viewer, backend, qtbot) -> Iterator[Callable[..., Any]]:
    """Opens the dock in a viewer: `dock(data, **image options)`, or without an image."""
    from napari_sa2va.widgets import Sa2VAWidget

    opened = []

    def open_dock(data: Any = None, *, show: bool = False, **options: Any) -> Sa2VAWidget:
        viewer = make_napari_viewer(show=show)
        if data is not None:
            viewer.add_image(data, name="movie", **options)
            viewer.dims.set_current_step(0, 0)
        widget = Sa2VAWidget(viewer, backend)
        viewer.window.add_dock_widget(widget, name="Sa2VA")
        opened.append(widget)
        return widget

    yield open_dock
    for widget in opened:
        runner = widget.workbench.runner
        runner.cancel()
        qtbot.waitUntil(lambda r=runner: not r.is_running, timeout=10_000)
    opened.clear()  # napari checks that nothing keeps its viewer


@pytest.fixture
def run(qtbot) -> Callable[..., str]:
    """Does something that starts a run, and waits for the run's end; gives its outcome."""

    def wait(widget: Any, action: Callable[[], Any], timeout: int = 20_000) -> str:
        with qtbot.waitSignal(widget.workbench.stopped, timeout=timeout) as blocker:
            action()
        return blocker.args[0]

    return wait


@pytest.fixture
def notes(monkeypatch) -> list[str]:
    """The notifications that were shown."""
    from napari.utils.notifications import notification_manager

    shown: list[str] = []
    notification_manager.notification_ready.connect(lambda note: shown.append(note.message))
    yield shown
    notification_manager.notification_ready.disconnect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # napari draws its random label colours out of gamut, and scikit-image says so.
    ignored = pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB:UserWarning")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(ignored)


@pytest.fixture
def plugin(npe2pm, monkeypatch, tmp_path) -> Iterator[Path]:
    """The plugin as napari knows it; its settings go into a folder."""
    from napari import settings
    from npe2 import PluginManifest

    from napari_sa2va.widgets._settings import PLUGIN

    folder = Path(napari_sa2va.__file__).parent
    monkeypatch.setattr(settings, "_CFG_PATH", str(tmp_path / "settings.yaml"))
    settings._clear_plugin_settings_cache()
    with npe2pm.tmp_plugin(manifest=PluginManifest.from_file(folder / "napari.yaml")):
        yield tmp_path / f"{PLUGIN}.yaml"
    settings._clear_plugin_settings_cache()
