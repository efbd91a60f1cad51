"""Every fault that a backend has to outlive: real processes, real kills, and nothing left behind.

The engine is a fake where the fault has nothing to do with it. A child that is killed is in
`test_process`, a server's faults within one process are in `test_server`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import napari_sa2va
from napari_sa2va.backend import link as link_module
from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.connectors import ServerConnector
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.backend.process import ChildConnector, ChildSettings
from napari_sa2va.backend.protocol import Refused, Resume
from napari_sa2va.core.events import Event, Failed, Finished, Mask
from napari_sa2va.core.options import LoadOptions
from tests.backend.fake_engine import FakeEngine
from tests.backend.process_client import line
from tests.backend.serving import (
    REPOSITORY,
    TOKEN,
    Line,
    Raw,
    ServerProcess,
    SlowStack,
    assert_same,
    make_stack,
    server_process,
    wait_for,
)

BOX = (5.0, 5.0, 30.0, 30.0)
SECONDS = 2.0
QUICK = {
    "silence_seconds": SECONDS,
    "keep_seconds": SECONDS,
    "frame_seconds": SECONDS,
    "unread_events": 4,
    "ahead": 0,
}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread, process or socket of this process outlives a fault."""
    monkeypatch.setattr(link_module, "BEAT_SECONDS", SECONDS / 10)
    this = psutil.Process()
    before = set(this.children(recursive=True))
    yield
    wait_for(lambda: not [t for t in threading.enumerate() if t.name.startswith("backend ")])
    wait_for(lambda: not set(this.children(recursive=True)) - before)
    # Listening ones are tests' own; pytest closes them later.
    wait_for(lambda: not [c for c in this.net_connections() if c.status == "ESTABLISHED"])


@pytest.fixture(scope="module")
def shared_server() -> Iterator[ServerProcess]:
    with server_process(**QUICK) as server:
        with closing(client(server)) as backend:
            list(backend.open(make_stack()).segment(1, 0, box=BOX))
        yield server


@pytest.fixture
def server(shared_server: ServerProcess) -> Iterator[ServerProcess]:
    """A server that has freed everything after the fault."""
    wait_for(lambda: is_empty(shared_server))
    files = shared_server.metric("process_open_fds")
    yield shared_server
    wait_for(lambda: is_empty(shared_server))
    wait_for(lambda: shared_server.metric("process_open_fds") <= files)


@pytest.fixture
def stack() -> np.ndarray:
    return make_stack()


@pytest.fixture
def expected(stack: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The propagation of an undisturbed session."""
    monkeypatch.setattr(napari_sa2va, "load", lambda *_, **__: FakeEngine())
    session = LocalBackend("fake").open(stack)
    list(session.segment(1, 0, box=BOX))
    return list(session.propagate())


def is_empty(server: ServerProcess) -> bool:
    names = ("sessions", "connections", "session_threads", "embedding_bytes")
    return all(server.metric(f"napari_sa2va_{name}") == 0 for name in names)


def client(server: ServerProcess | Line, model: str = "fake") -> RemoteBackend:
    return RemoteBackend(ServerConnector(server.url, TOKEN), model)


def started(backend: RemoteBackend, stack: Any) -> tuple[Any, Iterator[Event], list[Event]]:
    """A session, its propagation, and the first of its events."""
    session = backend.open(stack)
    list(session.segment(1, 0, box=BOX))
    events = session.propagate()
    return session, events, [next(events), next(events), next(events)]


def resumed(session: Any) -> list[Event]:
    return [event for event in session.resume() if getattr(event, "what", "") != "restoring"]


@pytest.mark.slow  # two processes with torch are started
def test_a_killed_server_leaves_what_was_done_and_another_goes_on(
    stack: np.ndarray, expected: list[Event]
) -> None:
    with server_process(**QUICK) as server, closing(client(server)) as backend:
        session, events, seen = started(backend, stack)
        server.kill()
        seen += list(events)
        failed = seen.pop()
        assert isinstance(failed, Failed)
        assert "What is finished is kept." in failed.message
        assert failed.remedy == "resume"
        assert backend.info.state == "lost"
        (again,) = resumed(session)  # nobody is there yet
        assert isinstance(again, Failed)
        assert again.remedy == "resume"
        server.start_again()
        assert_same(seen + resumed(session), expected)
        assert backend.info.state == "ready"


def test_a_client_that_stops_reading_is_freed_and_comes_back(
    server: ServerProcess, expected: list[Event]
) -> None:
    command = [sys.executable, "-m", "tests.backend.process_client", server.url, "12"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        seen = []
        for _ in range(3):
            seen.append(other.stdout.readline().rstrip())
            other.stdin.write("\n")
            other.stdin.flush()
        other.send_signal(signal.SIGSTOP)
        wait_for(lambda: server.metric("napari_sa2va_connections") == 0)
        wait_for(lambda: is_empty(server))
        other.send_signal(signal.SIGCONT)
        other.stdin.write("\n" * 100)
        other.stdin.close()
        seen += other.stdout.read().splitlines()
        assert other.wait(60) == 0
    lost = [said for said in seen if said.startswith("Failed")]
    assert len(lost) == 1
    assert "resume" in lost[0]
    told = [said for said in seen if said not in lost and "restoring" not in said]
    assert told == [line(event) for event in expected]


def test_a_half_open_line_is_left_and_the_work_goes_on(
    server: ServerProcess, stack: np.ndarray, expected: list[Event]
) -> None:
    line_there = Line(server.port)
    with closing(client(line_there)) as backend:
        session, events, seen = started(backend, stack)
        line_there.fall_silent()
        wait_for(lambda: server.metric("napari_sa2va_connections") == 0)
        wait_for(lambda: backend.info.state in ("connecting", "lost"))
        line_there.cut()
        line_there.mend()
        seen += list(events)
        if isinstance(seen[-1], Failed):  # the server kept the session no longer
            assert seen.pop().remedy == "resume"  # type: ignore[union-attr]
            seen += resumed(session)
        assert_same(seen, expected)
    line_there.close()


def test_a_frame_that_does_not_arrive_is_named_and_asked_for_again(
    server: ServerProcess, stack: np.ndarray, expected: list[Event]
) -> None:
    frames = SlowStack(stack)
    with closing(client(server)) as backend:
        session, events, seen = started(backend, frames)
        frames.gate.clear()
        seen += list(events)
        failed = seen.pop()
        assert isinstance(failed, Failed)
        assert "did not arrive within 2 seconds" in failed.message
        assert failed.remedy == "resume"
        frames.gate.set()
        assert_same(seen + resumed(session), expected)


def test_of_two_clients_with_one_session_the_older_is_told(
    server: ServerProcess, stack: np.ndarray, expected: list[Event]
) -> None:
    with closing(client(server)) as backend:
        session, events, seen = started(backend, stack)
        with closing(Raw(server.url)) as thief:
            opened = session._opened
            thief.say(Resume(opened.session, "guessed", 0))
            assert thief.hear_until(Refused).code == "gone"
        with closing(Raw(server.url)) as other:
            other.say(Resume(opened.session, opened.secret, 0))
            seen += list(events)
            failed = seen.pop()
            assert isinstance(failed, Failed)
            assert "taken over by another connection" in failed.message
        assert_same(seen + resumed(session), expected)


@pytest.mark.slow  # another process loads a model: seconds
def test_a_device_without_memory_is_an_error_that_can_be_gone_on_from(
    tiny_folder: Path, tmp_path: Path, stack: np.ndarray
) -> None:
    full = tmp_path / "full"
    with (
        server_process(str(tiny_folder), full, unread_events=4) as server,
        closing(client(server, str(tiny_folder))) as backend,
    ):
        with closing(backend.open(stack)) as one:
            list(one.segment(1, 0, box=BOX))
            frame_bytes = server.metric("napari_sa2va_embedding_bytes")
        session, events, seen = started(backend, stack)
        full.touch()
        seen += list(events)
        failed = seen.pop()
        assert isinstance(failed, Failed)
        assert "has no memory left: CUDA out of memory" in failed.message
        assert failed.remedy == "use less memory"
        # Of all it had, no more than the frame that was tried again.
        assert server.metric("napari_sa2va_embedding_bytes") <= frame_bytes
        full.unlink()
        seen += resumed(session)
        local = LocalBackend(str(tiny_folder), LoadOptions("cpu", "float32"))
        reference = local.open(stack)
        list(reference.segment(1, 0, box=BOX))
        assert_same(seen, list(reference.propagate()))
        local.close()


@pytest.mark.slow  # two processes load a model, one after the other: seconds
def test_a_model_that_vanished_is_named_and_found_again(
    runtime: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    model, away = tmp_path / "model", tmp_path / "away"
    shutil.copytree(tiny_folder, model)
    connector = ChildConnector(ChildSettings("cpu", "float32", linger_seconds=0.5))
    stack = make_stack(40)  # more than a client may leave unread
    with closing(RemoteBackend(connector, str(model))) as backend:
        session = backend.open(stack)
        model.rename(away)
        assert isinstance(list(session.segment(1, 0, box=BOX))[-1], Finished)  # it is loaded
        events = session.propagate()
        seen = [next(events), next(events), next(events)]
        for child in psutil.Process().children(recursive=True):
            if "napari_sa2va.backend.child" in " ".join(child.cmdline()):
                child.kill()
        seen += list(events)
        assert isinstance(seen.pop(), Failed)
        (failed,) = resumed(session)
        assert isinstance(failed, Failed)
        assert str(model) in failed.message
        assert failed.hint
        assert failed.remedy == "resume"
        away.rename(model)
        seen += resumed(session)
        assert isinstance(seen[-1], Finished)
        frames = [event.frame for event in seen if isinstance(event, Mask)]
        assert frames == list(range(len(stack)))
