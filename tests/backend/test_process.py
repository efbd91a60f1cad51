"""The child process: real processes, real kills."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_sa2va.backend import connectors
from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.backend.process import ChildConnector, ChildSettings, Rendezvous, runtime_folder
from napari_sa2va.core.errors import BackendError
from napari_sa2va.core.events import Failed, Mask
from napari_sa2va.core.options import LoadOptions
from tests.backend.serving import assert_same, wait_for

BOX = (15.0, 25.0, 48.0, 60.0)
TRANSPORTS = [
    pytest.param(True, id="unix", marks=pytest.mark.skipif(os.name != "posix", reason="POSIX")),
    pytest.param(False, id="loopback"),
]


def children() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ends just now
            if "napari_sa2va.backend.child" in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.fixture
def settings(runtime: Path) -> Iterator[Callable[..., ChildSettings]]:
    yield lambda **given: ChildSettings(
        **{"device": "cpu", "dtype": "float32", "linger_seconds": 0.5} | given
    )
    wait_for(lambda: not children())


def test_a_client_needs_neither_torch_nor_a_model() -> None:
    code = (
        "import sys\n"
        "from napari_sa2va.backend import client, connectors, places, process\n"
        "places.make_backend('child process'); places.make_backend('ws://localhost:1')\n"
        "heavy = {'torch', 'torchvision', 'transformers', 'sam2', 'fastapi', 'uvicorn', 'qtpy'}\n"
        "print(heavy & {name.partition('.')[0] for name in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("unix", TRANSPORTS)
def test_windows_share_one_child_that_ends_with_the_last(
    settings: Callable[..., ChildSettings], unix: bool
) -> None:
    backends = [RemoteBackend(ChildConnector(settings(unix=unix))) for _ in range(2)]
    for backend in backends:
        assert backend.check().place == "child process"
    assert len(children()) == 1
    backends[0].close()
    backends[1].check()
    assert len(children()) == 1
    backends[1].close()
    wait_for(lambda: not children())
    meeting = Rendezvous(settings(unix=unix))
    assert not meeting.socket.exists()
    assert not meeting.address.exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("unix", TRANSPORTS)
def test_only_its_user_can_reach_it(settings: Callable[..., ChildSettings], unix: bool) -> None:
    with closing(RemoteBackend(ChildConnector(settings(unix=unix)))) as backend:
        backend.check()
        meeting = Rendezvous(settings(unix=unix))
        assert stat.S_IMODE(meeting.folder.stat().st_mode) == 0o700
        for file in meeting.folder.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
        assert meeting.log.read_text() == ""


def test_windows_go_first(settings: Callable[..., ChildSettings]) -> None:
    with closing(RemoteBackend(ChildConnector(settings()))) as backend:
        backend.check()
        child = psutil.Process(int(Rendezvous(settings()).pid.read_text("ascii")))
        if psutil.WINDOWS:
            assert child.nice() == psutil.BELOW_NORMAL_PRIORITY_CLASS
        else:
            assert child.nice() > psutil.Process().nice()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_that_others_can_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(0o755)
    (tmp_path / "link").symlink_to(folder)
    for path in (folder, tmp_path / "link"):
        monkeypatch.setenv("NAPARI_SA2VA_RUNTIME", str(path))
        with pytest.raises(BackendError, match="yours alone"):
            runtime_folder()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("unix", TRANSPORTS)
def test_a_child_that_hangs_makes_room_for_another(
    settings: Callable[..., ChildSettings], unix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(RemoteBackend(ChildConnector(settings(unix=unix)))) as first:
        first.check()
        (child,) = children()
        child.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(connectors, "HELLO_SECONDS", 0.5)
        with closing(RemoteBackend(ChildConnector(settings(unix=unix)))) as second:
            assert second.check().place == "child process"
            (other,) = children()
            assert other.pid != child.pid


@pytest.mark.slow  # two processes with torch are started
def test_a_killed_child_leaves_what_was_done_and_resumes(
    settings: Callable[..., ChildSettings], tiny_folder: Path, stack: np.ndarray
) -> None:
    connector = ChildConnector(settings())
    with closing(RemoteBackend(connector, str(tiny_folder))) as backend:
        session = backend.open(stack)
        list(session.segment(1, 0, box=BOX))
        events = session.propagate()
        seen = [next(events), next(events), next(events)]
        (child,) = children()
        os.kill(child.pid, signal.SIGKILL)
        seen += list(events)
        failed = seen.pop()
        assert isinstance(failed, Failed)
        assert "process" in failed.message
        assert failed.remedy == "resume"
        assert any(isinstance(event, Mask) for event in seen)
        seen += [e for e in session.resume() if getattr(e, "what", "") != "restoring"]
        reference = LocalBackend(str(tiny_folder), LoadOptions("cpu", "float32")).open(stack)
        list(reference.segment(1, 0, box=BOX))
        assert_same(seen, list(reference.propagate()))


def test_a_child_that_cannot_start_says_so(
    settings: Callable[..., ChildSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(BackendError, match="ended while it started") as error:
        RemoteBackend(ChildConnector(settings(linger_seconds=7.0))).check()
    assert ".log" in error.value.hint
