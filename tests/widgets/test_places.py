"""The line that says where the model is and how, the dialog that changes it, and the settings."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from napari._qt.qt_resources import get_stylesheet
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_sa2va.backend import link
from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.widgets import _place
from napari_sa2va.widgets._backend_line import BackendLine
from napari_sa2va.widgets._connect_dialog import ConnectDialog, try_out
from napari_sa2va.widgets._fault_bar import FaultBar
from napari_sa2va.widgets._place import Place, keep_token, place_text, travels_open
from napari_sa2va.widgets._settings import (
    IN_NAPARI,
    ON_SERVER,
    OWN_PROCESS,
    PLUGIN,
    Settings,
    read_settings,
    remember,
)
from napari_sa2va.widgets._updates import Interrupted
from tests.backend.serving import TOKEN, Served, running_server
from tests.widgets.test_looks import is_cut, shown

GPU = BackendInfo(
    "nano", "ready", "cuda", "bfloat16", "wss://gpu.lab.org:8765", 2, 1, 3 * 10**9, 24 * 10**9
)
CHILD = BackendInfo(
    "nano", "ready", "cpu", "float32", "child process", 1, 0, 12 * 10**9, 32 * 10**9
)
LOST = replace(CHILD, state="lost", trouble="The model's process was ended by signal 9.")
STATES = {
    "idle": (BackendInfo("nano", "idle", place="child process"), False),
    "connecting": (BackendInfo("nano", "connecting", place=GPU.place), False),
    "loading": (BackendInfo("nano", "loading", place="child process"), True),
    "ready": (CHILD, False),
    "busy": (GPU, True),
    "lost": (LOST, False),
    "failed": (BackendInfo("nano", "failed", trouble="The checkpoint is damaged."), False),
}
FAULTS = [
    Interrupted(
        "The model's process was ended by signal 9. What is finished is kept.",
        "Resume to go on.",
        "resume",
    ),
    Interrupted(
        "Nobody answers at ws://localhost:8765.",
        "Is the server running, and the port right?",
        "restart",
    ),
    Interrupted("The GPU has no memory left.", "Choose a smaller model.", "use less memory"),
]


@pytest.fixture
def line(qtbot) -> BackendLine:
    line = BackendLine()
    qtbot.addWidget(line)
    return line


@pytest.fixture
def dialog(qtbot) -> ConnectDialog:
    dialog = ConnectDialog()
    qtbot.addWidget(dialog)
    return dialog


@pytest.fixture(autouse=True)
def no_tokens(monkeypatch) -> None:
    monkeypatch.setattr(_place, "_tokens", {})


@pytest.fixture(scope="module")
def server(tiny_folder: Path) -> Iterator[Served]:
    with running_server(tiny_folder) as served:
        yield served


def on_server(url: str, token: str = "", **more: str) -> Place:
    return Place(Settings(place=ON_SERVER, server=url, **more), token)


def test_the_line_says_where_how_and_what_room_there_is(line) -> None:
    line.show_info(GPU, busy=True)
    assert line.light.state == "busy"
    assert line.status.text() == "busy · cuda · bfloat16"
    assert line.place.text() == "gpu.lab.org…"
    assert "wss://gpu.lab.org:8765" in line.place.toolTip()
    assert line.room.text() == "3.0 GB used, 21.0 GB free · 1 waiting · 2 sessions"
    line.show_info(CHILD, busy=False)
    assert line.place.text() == "This computer…"
    assert line.room.text() == "12.0 GB used, 20.0 GB free"
    line.show_info(LOST, busy=False)
    assert line.light.state == line.status.text() == "lost"
    assert "signal 9" in line.light.toolTip()
    assert not line.room.isVisibleTo(line)
    line.show_info(BackendInfo("nano", "idle"), busy=False)
    assert line.place.text() == "Inside napari…"
    assert "signal 9" not in line.light.toolTip()


def test_loading_counts_the_seconds(line, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr("napari_sa2va.widgets._backend_line.time.monotonic", lambda: now[0])
    loading, _ = STATES["loading"]
    line.show_info(loading, busy=True)
    now[0] += 12
    line.show_info(loading, busy=True)
    assert line.status.text() == "loading · 12 s"
    line.show_info(CHILD, busy=True)
    line.show_info(loading, busy=True)
    assert line.status.text() == "loading"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_state_cuts_a_text(qtbot, artifacts, theme) -> None:
    sheet = QWidget()
    qtbot.addWidget(sheet)
    sheet.setStyleSheet(get_stylesheet(theme))
    layout = QVBoxLayout(sheet)
    for state, (info, busy) in STATES.items():
        line = BackendLine(sheet)
        line.show_info(info, busy)
        assert line.light.state == state
        layout.addWidget(line)
    for why in FAULTS:
        bar = FaultBar(sheet)
        bar.show_why(why)
        layout.addWidget(bar)
    sheet.resize(350, layout.heightForWidth(350))
    dialog = ConnectDialog(sheet)
    dialog.show_place(on_server("ws://gpu.lab.org:8765"), "nano")
    sheet.show()
    dialog.show()
    qtbot.wait(100)
    for name, window in (("line", sheet), ("connect", dialog)):
        cut = [shown(child) for child in window.findChildren(QWidget) if is_cut(child)]
        cut += [label.text() for label in labels_in(window) if lacks_lines(label)]
        assert not cut
        window.grab().save(str(artifacts / f"{name}-{theme}.png"))
    dialog.close()


def lacks_lines(label: QLabel) -> bool:
    """Whether wrapped text does not fit the height."""
    return (
        label.isVisible()
        and label.wordWrap()
        and label.heightForWidth(label.width()) > label.height()
    )


def test_the_dialog_gives_back_what_it_is_shown(dialog, qtbot) -> None:
    dialog.show_place(Place(Settings()), "nano")
    assert dialog.places[OWN_PROCESS].isChecked()
    assert not dialog.server.isEnabled()
    place = on_server("wss://gpu:1", "a secret", token_file="t.txt", certificate="ca.pem")
    dialog.show_place(place, "nano")
    assert dialog.place.settings == place.settings
    # The token is typed where nobody reads it, and is not shown again.
    assert dialog.token.echoMode() == dialog.token.EchoMode.Password
    assert dialog.token.text() == ""
    qtbot.keyClicks(dialog.token, "another secret")
    with qtbot.waitSignal(dialog.chosen) as blocker:
        qtbot.mouseClick(dialog.use, Qt.MouseButton.LeftButton)
    (chosen,) = blocker.args
    assert chosen.token == "another secret"
    for text in (repr(chosen), repr(chosen.settings), *map(QLabel.text, labels_in(dialog))):
        assert "secret" not in text
    dialog.server.clear()
    assert not dialog.use.isEnabled()


def labels_in(window: QWidget) -> list[QLabel]:
    return window.findChildren(QLabel)


def test_it_warns_where_others_can_read_along(dialog) -> None:
    for url, warned in (("ws://gpu:1", True), ("wss://gpu:1", False), ("ws://localhost:1", False)):
        dialog.show_place(on_server(url), "nano")
        assert dialog.open.isVisibleTo(dialog) is warned
        assert travels_open(url) is warned


def test_the_button_tests(dialog, qtbot, server: Served) -> None:
    dialog.show_place(on_server(server.url), "nano")
    qtbot.mouseClick(dialog.test, Qt.MouseButton.LeftButton)
    assert dialog.result.text() == "Connecting…"
    assert not dialog.test.isEnabled()
    qtbot.waitUntil(dialog.test.isEnabled, timeout=20_000)
    assert "does not accept the token" in dialog.result.text()
    qtbot.keyClicks(dialog.token, TOKEN)
    assert dialog.result.text() == ""  # it was not this that was tested
    qtbot.mouseClick(dialog.test, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.result.text().startswith("✓ 127.0.0.1 answers"), timeout=20_000)
    dialog.places[IN_NAPARI].setChecked(True)
    assert not dialog.test.isEnabled()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_each_refusal_is_a_sentence(server: Served, tmp_path, monkeypatch) -> None:
    port = free_port()
    assert try_out(on_server(f"ws://127.0.0.1:{port}"), "nano") == (
        f"✗ Nobody answers at ws://127.0.0.1:{port}. Is the server running, and the port right?"
    )
    told = try_out(on_server(server.url, "a wrong token, and long"), "nano")
    assert told.startswith(f"✗ {server.url} does not accept the token.")
    assert "wrong" not in told
    told = try_out(on_server(server.url.replace("ws:", "wss:"), TOKEN), "nano")
    assert "does not speak this protocol" in told
    told = try_out(on_server("nonsense://x"), "nano")
    assert told.startswith("✗ nonsense://x is no address of a server.")
    told = try_out(on_server("wss://x", certificate=str(tmp_path / "no.pem")), "nano")
    assert "no.pem cannot be read" in told
    told = try_out(on_server(server.url, token_file=str(tmp_path / "no.txt")), "nano")
    assert "no.txt cannot be read" in told
    file = tmp_path / "token.txt"
    file.write_text(f"{TOKEN}\n")
    assert try_out(on_server(server.url, token_file=str(file)), "nano").startswith("✓")
    monkeypatch.setattr(link, "VERSION", 99)
    told = try_out(on_server(server.url, TOKEN), "nano")
    assert "version 1 of the protocol, the client 99" in told
    assert "same version of napari-sa2va" in told


def test_a_place_makes_its_backend() -> None:
    here = Place(Settings(idle_minutes=2, embedding_gigabytes=0.5)).make_backend("nano")
    assert isinstance(here, RemoteBackend)
    assert here.info.place == "child process"
    assert (here._connector._settings.idle_seconds, here._connector._settings.embedding_bytes) == (
        120,
        500_000_000,
    )
    assert Place(Settings(place=IN_NAPARI)).make_backend("nano").info.place == "this process"
    far = on_server("gpu:8765").make_backend("nano")
    assert far.info.place == "ws://gpu:8765"
    assert place_text(far.info.place) == "gpu"
    assert not on_server("gpu:8765").is_here


def test_a_token_is_known_until_napari_is_closed(dialog) -> None:
    keep_token("ws://gpu:1", "a secret")
    dialog.show_place(on_server("ws://gpu:1"), "nano")
    assert dialog.place.token == "a secret"
    dialog.server.setText("ws://other:1")
    assert dialog.place.token == ""  # it is no other server's business


def test_the_manifest_and_the_code_have_the_same_defaults(plugin: Path) -> None:
    from napari.settings import get_plugin_settings

    assert Settings(**get_plugin_settings(PLUGIN).backend.model_dump()) == Settings()


def test_settings_are_kept_and_no_secret_with_them(plugin: Path) -> None:
    from napari import settings

    place = on_server("wss://gpu:8765", "a secret", token_file="token.txt")
    remember(place.settings)
    settings._clear_plugin_settings_cache()
    assert read_settings() == place.settings
    assert "wss://gpu:8765" in plugin.read_text()
    assert "secret" not in plugin.read_text()


def test_without_napari_knowing_the_plugin_there_are_the_defaults(npe2pm) -> None:
    from napari import settings

    settings._clear_plugin_settings_cache()
    remember(Settings(place=IN_NAPARI))
    assert read_settings() == Settings()
    settings._clear_plugin_settings_cache()


# napari's own shortcuts, of which it makes a list in the dialog.
@pytest.mark.filterwarnings("ignore:Could not resolve type hint:UserWarning")
def test_preferences_show_them(plugin: Path, qtbot, artifacts) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    preferences = PreferencesDialog()
    qtbot.addWidget(preferences)
    preferences.show()
    pages = [preferences._list.item(i).text() for i in range(preferences._list.count())]
    preferences._list.setCurrentRow(pages.index("Sa2VA"))
    preferences.resize(900, 640)
    qtbot.wait(100)
    titles = [label.text() for label in labels_in(preferences._stack.currentWidget())]
    for title in ("Place", "Address of the server", "Free an unused model after minutes"):
        assert title in titles
    preferences.grab().save(str(artifacts / "preferences.png"))
    preferences.close()
