"""A session that is reopened goes on with its model, where that is here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.backend.places import CHILD_PROCESS, THIS_PROCESS
from napari_sa2va.io.session_file import SUFFIX, SessionFile
from napari_sa2va.widgets import _sa2va_widget, _sessions
from napari_sa2va.widgets._place import Place, told_place
from napari_sa2va.widgets._settings import IN_NAPARI, ON_SERVER, Settings
from tests.widgets.fake_backend import FakeBackend
from tests.widgets.test_segmenting import click
from tests.widgets.test_session import close, movie  # noqa: F401 - a fixture


class Named(FakeBackend):
    """A backend that tells the model and the place that it was made for."""

    def __init__(self, place: str, model: str) -> None:
        super().__init__()
        self._named = {"place": place, "model": model}

    @property
    def info(self) -> BackendInfo:
        return replace(super().info, **self._named)


@pytest.fixture
def own_dock(make_napari_viewer, movie, monkeypatch, qtbot):  # noqa: F811
    """Opens a dock that chooses its own model, as on a day with these settings."""
    monkeypatch.setattr(Place, "make_backend", lambda place, model, _: Named(place.name, model))
    monkeypatch.setattr(_sa2va_widget.ModelStore, "refresh", lambda _: None)
    viewer, docks = make_napari_viewer(), []

    def brings(model: str):
        raise AssertionError(f"{model} is downloaded")

    monkeypatch.setattr(_sessions, "bring_model", brings)

    def open_dock(settings: Settings):
        monkeypatch.setattr(_sa2va_widget, "read_settings", lambda: settings)
        if docks:
            close(docks[-1])
            viewer.layers.clear()
            docks[-1].close()
        docks.append(_sa2va_widget.Sa2VAWidget(viewer))
        viewer.window.add_dock_widget(docks[-1], name=f"day {len(docks)}")
        return docks[-1]

    yield open_dock
    close(docks[-1])
    docks.clear()


@pytest.fixture
def session(own_dock, movie, tiny_folder, run, monkeypatch):  # noqa: F811
    """A session that was made inside napari with a model in a folder."""
    widget = own_dock(Settings(place=IN_NAPARI))
    widget._viewer.open(movie, plugin="napari")
    widget._viewer.dims.set_current_step(0, 0)
    widget.choose_model(str(tiny_folder))
    with monkeypatch.context() as patch:
        patch.setattr(_sessions, "bring_model", lambda _: iter(()))
        click(widget, (0, 28, 44))
        assert run(widget, widget.segment) == "done"
    widget.autosave.save()
    widget.autosave.wait()
    return movie.with_name(f"movie.tif{SUFFIX}")


def change(session, **choices: str) -> None:
    file = SessionFile(session)
    file.put_sections({"choices": file.section("choices") | choices})
    file.close()


def in_use(widget) -> tuple[str, str]:
    info = widget.workbench.sessions.info
    return info.model, info.place


def test_model_and_place_come_back(own_dock, session, tiny_folder, run, qtbot) -> None:
    again = own_dock(Settings())
    assert in_use(again) == ("nano", CHILD_PROCESS)
    run(again, lambda: again.reopen(session))
    qtbot.waitUntil(lambda: in_use(again) == (str(tiny_folder), THIS_PROCESS))
    assert again.backend_line.model.currentText() == str(tiny_folder)


def test_what_is_not_installed_is_said_and_not_downloaded(
    own_dock, session, run, qtbot, notes
) -> None:
    again = own_dock(Settings())
    change(session, model="somebody/something")
    run(again, lambda: again.reopen(session))
    qtbot.waitUntil(lambda: bool(notes))
    assert notes == [
        "The session was made with somebody/something, which is not installed: nano stays in use."
    ]
    assert in_use(again) == ("nano", CHILD_PROCESS)


def test_no_image_goes_to_a_server_because_a_file_names_it(own_dock, session, run, notes) -> None:
    own = Settings(server="wss://own:8765")
    again = own_dock(own)
    change(session, place="wss://elsewhere:8765", model="nano")
    run(again, lambda: again.reopen(session))
    assert notes == [
        "The session was made with nano, on a server that is not in use here: nano stays in use."
    ]
    assert in_use(again) == ("nano", CHILD_PROCESS)


def test_the_own_server_comes_back(own_dock, session, run, notes) -> None:
    own = Settings(server="wss://own:8765")
    again = own_dock(own)
    change(session, place="wss://own:8765", model="big")
    run(again, lambda: again.reopen(session))
    assert in_use(again) == ("big", "wss://own:8765")
    assert not notes


def test_no_secret_is_written() -> None:
    assert told_place("wss://gpu:8765") == "wss://gpu:8765"
    for secret in ("wss://me:secret@gpu:8765", "wss://gpu:8765?token=secret"):
        assert told_place(Place(Settings(place=ON_SERVER, server=secret)).name) == ON_SERVER
