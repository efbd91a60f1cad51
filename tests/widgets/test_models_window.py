"""The window with all models, against a Hub on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from qtpy.QtCore import Qt, QThreadPool, QTimer
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QMessageBox

from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.models import download as download_module
from napari_sa2va.models import hub as hub_module
from napari_sa2va.models.catalog import add_model, fetch_model
from napari_sa2va.models.installed import repository_folder
from napari_sa2va.models.pins import read_record
from napari_sa2va.widgets._model_table import FIT, HEADERS, HERE
from napari_sa2va.widgets._settings import IN_NAPARI, Settings
from tests.hub_mock import REPOSITORY, SHARD, SIZE, Fault, HubMock

WAIT = 60_000  # milliseconds; other processes may keep the machine busy


@pytest.fixture(autouse=True)
def quick(hub: HubMock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits where the Hub names none, long ones where it is held, a report of every piece."""
    monkeypatch.setattr(hub_module, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(download_module, "_EVERY", 0.0)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 60)


@pytest.fixture
def window(dock, qtbot, hub: HubMock):
    """The window as it opens from the dock, with the mock's repository on the list."""
    add_model(REPOSITORY)
    opened = open_window(dock(show=True), qtbot)
    yield opened
    hub.go_on.set()
    for name in list(opened.store.jobs):
        opened.store.cancel(name)
    qtbot.waitUntil(lambda: not opened.store.jobs and not opened.store._reading, timeout=WAIT)


def open_window(widget, qtbot):
    """Open it, and wait until the models and the device's memory were read."""
    widget.backend_line.all.click()
    window = widget.models_window
    qtbot.waitUntil(
        lambda: bool(window.store.entries) and window.store.memory is not None, timeout=WAIT
    )
    return window


def cells(window, name: str) -> dict[str, str]:
    """What the table shows of a model, by column."""
    model = window.table.models
    row = model.row_of(name)
    return {head: model.index(row, column).data() for column, head in enumerate(HEADERS)}


def wait_for_end(window, qtbot, name: str = REPOSITORY) -> str:
    """Wait until a model's job is over and the list is read again; gives its note."""
    qtbot.waitUntil(
        lambda: name not in window.store.jobs and not window.store._reading, timeout=WAIT
    )
    return window.note.text()


def do(window, qtbot, action: Callable[[], object], name: str = REPOSITORY) -> str:
    """Start a job on a model, and wait for its end."""
    window.table.select(name)
    action()
    return wait_for_end(window, qtbot, name)


def wait_for_half(window, hub, qtbot) -> None:
    """Wait until what the held Hub has sent of the second shard is here, and shown."""
    qtbot.waitUntil(lambda: cells(window, REPOSITORY)["Here"] == "downloading 64 %", timeout=WAIT)
    assert SIZE // 2 <= hub.sent(SHARD)[-1] < SIZE


def fetch(name: str = REPOSITORY) -> None:
    for _ in fetch_model(name):
        pass


def test_it_lists_what_is_known_and_what_fits(window, backend, qtbot, artifacts) -> None:
    known = cells(window, "ByteDance/Sa2VA-4B")
    assert known == {
        "Model": "ByteDance/Sa2VA-4B",
        "Parameters": "3.94 B",
        "Download": "?",
        "Memory, bfloat16": "8.3 GB",
        "Memory, float32": "15.8 GB",
        "This device": "not now",
        "Licence": "apache-2.0",
        "Languages": "multilingual",
        "Here": "not here",
    }
    assert cells(window, "nano")["Here"] == "bundled"
    assert cells(window, "nano")["This device"] == "fits"
    assert cells(window, "ByteDance/Sa2VA-8B")["This device"] == "too large"
    assert cells(window, REPOSITORY)["This device"] == "?"
    window.table.select("ByteDance/Sa2VA-4B")
    for said in ("15.8 GB", "12.0 GB of 24.0 GB", "close other programs", "InternVL2.5-4B"):
        assert said in window.facts.text()
    assert "cpu (this computer): 12.0 GB of 24.0 GB" in window.device.text()
    assert threading.get_ident() not in backend.threads
    qtbot.wait(200)
    window.grab().save(str(artifacts / "models.png"))


def test_nothing_is_removed_of_a_published_model_that_is_not_here(window) -> None:
    for name in ("ByteDance/Sa2VA-4B", "facebook/sam2.1-hiera-tiny"):
        window.table.select(name)
        assert not window.remove.isEnabled(), name


def test_on_a_gpu_the_precision_is_the_gpus(dock, backend, qtbot) -> None:
    backend.room = DeviceMemory("cuda", "a GPU", "bfloat16", 15_000_000_000, 16_000_000_000)
    window = open_window(dock(show=True), qtbot)
    fits = {name: cells(window, f"ByteDance/Sa2VA-{name}")["This device"] for name in ("4B", "8B")}
    assert fits == {"4B": "fits", "8B": "too large"}
    index = window.table.models.index(window.table.models.row_of("ByteDance/Sa2VA-4B"), FIT)
    assert "8.3 GB of 15.0 GB free" in index.data(Qt.ItemDataRole.ToolTipRole)


def test_a_download_from_progress_to_removal(window, hub, qtbot, artifacts) -> None:
    hub.holds = f"/store/{REPOSITORY}/{SHARD}"
    window.table.select(REPOSITORY)
    assert cells(window, REPOSITORY)["Here"] == "not here"
    window.download.click()
    qtbot.waitUntil(lambda: "left" in window.progress.text(), timeout=WAIT)
    # Half of the second shard is sent; the Hub is held, and everything else still goes on.
    wait_for_half(window, hub, qtbot)
    assert SHARD in window.progress.text()
    assert "of 550.0 kB" in window.progress.text()
    assert 0 < window.bar.value() < window.bar.maximum() == 550
    assert window.cancel.isEnabled()
    assert not window.use.isEnabled()
    qtbot.wait(200)
    window.grab().save(str(artifacts / "models-downloading.png"))
    hub.go_on.set()
    assert wait_for_end(window, qtbot) == "It is complete."
    assert cells(window, REPOSITORY) == {
        "Model": REPOSITORY,
        "Parameters": "0.5 M",
        "Download": "550.0 kB",
        "Memory, bfloat16": "2.2 MB",
        "Memory, float32": "2.2 MB",
        "This device": "fits",
        "Licence": "apache-2.0",
        "Languages": "multilingual",
        "Here": "installed",
    }
    assert "4 files" in do(window, qtbot, window.verify.click)
    window.remove.click()
    (question,) = window.findChildren(QMessageBox)
    assert "550.0 kB" in question.informativeText()
    question.no.click()
    assert repository_folder(REPOSITORY).is_dir()
    qtbot.waitUntil(lambda: not window.findChildren(QMessageBox))
    qtbot.keyClick(window.table, Qt.Key.Key_Delete)
    (question,) = window.findChildren(QMessageBox)
    question.yes.click()
    wait_for_end(window, qtbot)
    assert not repository_folder(REPOSITORY).exists()
    assert window.table.models.row_of(REPOSITORY) is None


def test_a_cancelled_download_goes_on_where_it_stopped(window, hub, qtbot) -> None:
    hub.holds = f"/store/{REPOSITORY}/{SHARD}"
    window.table.select(REPOSITORY)
    window.download.click()
    wait_for_half(window, hub, qtbot)
    window.cancel.click()
    assert cells(window, REPOSITORY)["Here"] == "cancelling"
    assert not window.cancel.isEnabled()
    hub.go_on.set()
    assert wait_for_end(window, qtbot) == "Cancelled. What has arrived is kept."
    assert cells(window, REPOSITORY)["Here"].endswith(" % here")
    (half,) = repository_folder(REPOSITORY).glob("blobs/*.incomplete")
    arrived = half.stat().st_size
    assert SIZE // 2 <= arrived < SIZE
    assert window.download.text() == "Resume &download"
    hub.holds = ""
    hub.requests.clear()
    window.download.click()
    assert wait_for_end(window, qtbot) == "It is complete."
    assert hub.asked() == {SHARD: 1}
    assert hub.sent(SHARD) == [SIZE - arrived]


def test_the_event_loop_goes_on_while_the_hub_is_slow(window, hub, qtbot) -> None:
    """The Hub answers nothing before the test says so: a blocked Qt thread would never say it."""
    hub.holds = f"/api/models/{REPOSITORY}"
    ticks: list[bool] = []
    timer = QTimer(window, interval=5)
    timer.timeout.connect(lambda: ticks.append(hub.go_on.is_set()))
    timer.start()
    window.table.select(REPOSITORY)
    window.download.click()
    qtbot.waitUntil(lambda: any("/api/" in r.path for r in hub.requests), timeout=WAIT)
    ticks.clear()
    qtbot.waitUntil(lambda: len(ticks) >= 20, timeout=WAIT)
    assert not any(ticks)
    assert REPOSITORY in window.store.jobs
    window.close()
    widget = window.parent()
    widget.prompts.text.setText("a cell")
    timer.stop()
    hub.go_on.set()
    wait_for_end(window, qtbot)
    assert cells(window, REPOSITORY)["Here"] == "installed"


def test_a_download_goes_on_when_the_window_is_closed(window, hub, qtbot, notes) -> None:
    hub.holds = f"/store/{REPOSITORY}/{SHARD}"
    window.table.select(REPOSITORY)
    window.download.click()
    wait_for_half(window, hub, qtbot)
    window.close()
    hub.go_on.set()
    wait_for_end(window, qtbot)
    assert notes == [f"{REPOSITORY}: It is complete."]
    open_window(window.parent(), qtbot)
    assert cells(window, REPOSITORY)["Here"] == "installed"
    assert window.table.selected == REPOSITORY


def test_a_download_ends_when_the_dock_closes_and_keeps_what_came(window, hub, qtbot) -> None:
    hub.holds = f"/store/{REPOSITORY}/{SHARD}"
    window.table.select(REPOSITORY)
    window.download.click()
    wait_for_half(window, hub, qtbot)
    widget, store = window.parent(), window.store
    widget._viewer.window.remove_dock_widget(widget)
    assert not window.isVisible()
    hub.go_on.set()
    qtbot.waitUntil(lambda: not store.jobs and not store._reading, timeout=WAIT)
    (half,) = repository_folder(REPOSITORY).glob("blobs/*.incomplete")
    assert SIZE // 2 <= half.stat().st_size < SIZE


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "log in with `hf auth login`"),
        (403, "Accept its conditions"),
        (404, "Check how it is spelt"),
        (429, "Try again later"),
        (503, "Try again later"),
    ],
)
def test_a_refusal_is_one_sentence_with_the_way_out(window, hub, qtbot, status, said) -> None:
    hub.faults = [Fault("/api/models", status=status, times=9)]
    note = do(window, qtbot, window.download.click)
    assert note.startswith(f"{REPOSITORY} could not be downloaded: ")
    assert str(status) in note
    assert said in note
    hub.faults.clear()
    assert do(window, qtbot, window.download.click) == "It is complete."


def test_a_cut_connection_is_taken_up_again(window, hub, qtbot) -> None:
    hub.faults = [Fault(f"/store/{REPOSITORY}/{SHARD}", cut_after=100_000)]
    assert do(window, qtbot, window.download.click) == "It is complete."
    assert sum(hub.sent(SHARD)) >= SIZE
    assert len(hub.sent(SHARD)) == 2


def test_a_full_disk_is_told_before_the_first_byte(window, hub, qtbot, monkeypatch) -> None:
    real = download_module.shutil.disk_usage
    monkeypatch.setattr(
        download_module.shutil, "disk_usage", lambda path: real(path)._replace(free=1000)
    )
    note = do(window, qtbot, window.download.click)
    assert "0.0 GB free" in note
    assert "Make room" in note
    assert not hub.asked()


def test_offline_it_says_so_and_lists_what_is_here(dock, hub, qtbot, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    window = open_window(dock(show=True), qtbot)
    assert "HF_HUB_OFFLINE is set" in window.device.text()
    name = "ByteDance/Sa2VA-1B"
    assert "Unset HF_HUB_OFFLINE" in do(window, qtbot, window.download.click, name)
    assert not hub.requests


def test_the_hub_is_asked_only_when_told_to(window, hub, qtbot) -> None:
    window.table.select(REPOSITORY)
    assert not hub.requests
    do(window, qtbot, window.ask.click)
    shown = cells(window, REPOSITORY)
    assert (shown["Download"], shown["Licence"], shown["Here"]) == (
        "550.0 kB",
        "apache-2.0",
        "not here",
    )
    assert REPOSITORY not in read_record().pins
    assert not hub.asked()


def test_damage_is_found_and_repaired(window, hub, qtbot) -> None:
    fetch()
    folder = repository_folder(REPOSITORY) / "snapshots" / hub.commit
    contents = bytearray((folder / SHARD).read_bytes())
    contents[-1] ^= 1
    (folder / SHARD).resolve().write_bytes(contents)
    window.store.refresh_list()
    wait_for_end(window, qtbot)
    assert f"{SHARD}: its checksum differs" in do(window, qtbot, window.verify.click)
    assert window.download.text() == "&Repair"
    hub.requests.clear()
    assert do(window, qtbot, window.download.click) == "It is complete."
    assert hub.asked() == {SHARD: 1}
    assert "All 4 files" in do(window, qtbot, window.verify.click)


def test_an_id_and_a_folder_are_added(window, qtbot, tmp_path: Path, tiny_folder) -> None:
    qtbot.keyClicks(window.name, "someone/else")
    qtbot.keyClick(window.name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.table.selected == "someone/else", timeout=WAIT)
    assert not window.name.text()
    window.name.setText(str(tiny_folder))
    window.add.click()
    qtbot.waitUntil(lambda: window.table.selected == str(tiny_folder.resolve()), timeout=WAIT)
    wait_for_end(window, qtbot, str(tiny_folder))
    assert cells(window, str(tiny_folder.resolve()))["Here"] == "folder"
    assert not window.download.isEnabled()
    assert not window.page.isEnabled()
    window.remove.click()
    (question,) = window.findChildren(QMessageBox)
    assert "files stay" in question.informativeText()
    question.yes.click()
    wait_for_end(window, qtbot, str(tiny_folder.resolve()))
    assert (tiny_folder / "config.json").exists()
    assert window.table.models.row_of(str(tiny_folder.resolve())) is None

    window.name.setText(str(tmp_path))
    window.add.click()
    qtbot.waitUntil(window.refused.isVisible, timeout=WAIT)
    assert "holds no checkpoint" in window.refused.text()
    assert window.name.text() == str(tmp_path)


def test_the_page_opens_on_the_mirror(window, hub, qtbot, monkeypatch) -> None:
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    window.table.select(REPOSITORY)
    window.page.click()
    assert opened == [f"{hub.url}/{REPOSITORY}"]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As few threads for napari's workers as there can be."""
    pool = QThreadPool.globalInstance()
    before = pool.maxThreadCount()
    pool.setMaxThreadCount(1)
    yield
    pool.setMaxThreadCount(before)


@pytest.mark.usefixtures("one_thread")
def test_downloads_leave_a_thread_for_the_model(window, hub, run, stack) -> None:
    hub.holds = "/api/models/"
    names = [REPOSITORY, "ByteDance/Sa2VA-1B", "ByteDance/Sa2VA-4B"]
    for name in names:
        hub.repositories[name] = hub.repositories[REPOSITORY]
        window.store.download(name)
    widget = window.parent()
    widget._viewer.add_image(stack, name="movie")
    widget.prompts.text.setText("all cells")
    assert run(widget, widget.segment) == "done"
    assert list(window.store.jobs) == names


def test_the_keyboard_is_enough(window, qtbot) -> None:
    assert window.table.hasFocus()
    assert window.table.selected == "nano"  # the first: the fake backend's model is on no list
    qtbot.keyClick(window.table, Qt.Key.Key_Down)
    assert window.title.text() == "ByteDance/Sa2VA-1B"
    named = (window.table, window.name, window.bar)
    assert all(widget.accessibleName() for widget in named)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isVisible()


def test_use_is_for_what_is_here_and_while_nothing_runs(dock, qtbot, make_napari_viewer) -> None:
    window = open_window(dock(show=True), qtbot)
    window.table.select("nano")
    assert not window.use.isEnabled()  # what opened this dock chose its model
    window.set_usable(True)
    assert window.use.isEnabled()
    window.table.select("ByteDance/Sa2VA-1B")
    assert not window.use.isEnabled()


@pytest.fixture
def inside_napari(monkeypatch) -> None:
    """The place where the mock of the Hub is."""
    settings = Settings(place=IN_NAPARI)
    monkeypatch.setattr("napari_sa2va.widgets._sa2va_widget.read_settings", lambda: settings)


@pytest.mark.slow
@pytest.mark.usefixtures("inside_napari")
def test_a_downloaded_checkpoint_is_used(
    make_napari_viewer, hub, qtbot, run, stack, tiny_folder, artifacts
) -> None:
    from napari_sa2va.widgets import Sa2VAWidget

    hub.repositories["someone/whole"] = {
        path.name: path.read_bytes() for path in tiny_folder.iterdir()
    }
    add_model("someone/whole")
    viewer = make_napari_viewer(show=True)
    viewer.add_image(stack, name="movie")
    widget = Sa2VAWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Sa2VA")
    window = open_window(widget, qtbot)
    assert cells(window, "nano")["Here"] == "bundled, in use"
    assert do(window, qtbot, window.download.click, "someone/whole") == "It is complete."
    window.table.setFocus()
    qtbot.keyClick(window.table, Qt.Key.Key_Return)
    assert widget.workbench.sessions.info.model == "someone/whole"
    assert widget.backend_line.model.currentText() == "someone/whole"
    assert cells(window, "someone/whole")["Here"] == "installed, in use"
    assert not window.remove.isEnabled()
    viewer.window.screenshot(str(artifacts / "models-in-use.png"), flash=False)
    window.close()
    widget.prompts.text.setText("all cells")
    assert run(widget, widget.segment, 120_000) == "done"
    assert widget.workbench.sessions.info.state == "ready"
    assert window.table.models.index(0, HERE).data() == "bundled"


@pytest.mark.slow
@pytest.mark.usefixtures("inside_napari")
def test_a_model_that_is_not_here_is_downloaded_at_its_first_use(
    make_napari_viewer, hub, qtbot, run, stack, tiny_folder
) -> None:
    from napari_sa2va.widgets import Sa2VAWidget

    hub.repositories["someone/whole"] = {
        path.name: path.read_bytes() for path in tiny_folder.iterdir()
    }
    viewer = make_napari_viewer()
    viewer.add_image(stack, name="movie")
    widget = Sa2VAWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Sa2VA")
    said: list[str] = []
    widget.workbench.runner.updated.connect(lambda update: said.append(getattr(update, "what", "")))
    widget.choose_model("someone/whole")
    widget.prompts.text.setText("all cells")
    assert run(widget, widget.segment, 120_000) == "done"
    assert said.index("downloading the model: megabyte") < said.index("loading the model")
    widget.workbench.runner.updated.disconnect()
