"""Servers, children and broken lines for tests."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from websockets.sync.client import connect

from napari_sa2va.backend.guard import LOOPBACK_HOSTS
from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.protocol import (
    VERSION,
    Hello,
    Message,
    Open,
    Opened,
    Welcome,
    decode_from_server,
    encode,
)
from napari_sa2va.backend.serve import Service, listen
from napari_sa2va.backend.sessions import Sessions
from napari_sa2va.core.events import Event, Failed, Finished, Mask
from napari_sa2va.core.options import LoadOptions

REPOSITORY = Path(__file__).parents[2]
TOKEN = "a-token-for-tests"
PATIENCE = 60.0


def make_stack(frames: int = 12) -> np.ndarray:
    """Two bright discs that move apart over noise: (T, H, W) uint8."""
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 60, (frames, 90, 110)).astype(np.uint8)
    y, x = np.mgrid[:90, :110]
    for t, frame in enumerate(stack):
        frame[(y - 30 - t) ** 2 + (x - 40 - 2 * t) ** 2 < 200] = 220
        frame[(y - 60) ** 2 + (x - 60 + 2 * t) ** 2 < 150] = 160
    return stack


class SlowStack:
    """A FrameSource that takes its time, counts, and fails when told to."""

    def __init__(self, stack: np.ndarray, seconds: float = 0.0) -> None:
        self._stack = stack
        self.shape: tuple[int, int, int] = stack.shape  # type: ignore[assignment]
        self.seconds = seconds
        self.read: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def frame(self, index: int) -> np.ndarray:
        self.read.append(index)
        self.gate.wait(PATIENCE)
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return np.repeat(self._stack[index][..., None], 3, axis=-1)


class Served:
    """A running server."""

    def __init__(self, sessions: Sessions, port: int) -> None:
        self.sessions = sessions
        self.port = port
        self.url = f"ws://127.0.0.1:{port}"


@contextmanager
def running_server(
    model: Path | str,
    limits: Limits | None = None,
    data_roots: tuple[Path, ...] = (),
    options: LoadOptions = LoadOptions("cpu", "float32"),  # noqa: B008 - it is frozen
    **more: Any,
) -> Iterator[Served]:
    """A server in this process, on loopback, with a token."""
    sessions = Sessions([str(model)], options, data_roots, limits)
    service = Service(sessions, **{"token": TOKEN, "hosts": LOOPBACK_HOSTS, **more})
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=service.run, args=(listening,))
    thread.start()
    try:
        wait_for(lambda: service.is_ready)
        yield Served(sessions, listening.getsockname()[1])
    finally:
        service.stop()
        thread.join(PATIENCE)
        listening.close()
    assert not thread.is_alive()


class ServerProcess:
    """A server in a process of its own: see `tests.backend.process_server`."""

    def __init__(self, model: str = "fake", full: Path | None = None, **limits: Any) -> None:
        self._settings = {"model": model, "limits": limits, "full": full and str(full), "port": 0}
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (as long as this lives)
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.backend.process_server", json.dumps(self._settings)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        self.port = self._settings["port"] = int(self._process.stdout.readline())
        self.url = f"ws://127.0.0.1:{self.port}"
        self.watched = psutil.Process(self._process.pid)

    def metric(self, name: str) -> float:
        """A number of ``/metrics``."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        (value,) = [line.split()[-1] for line in lines if line.startswith(f"{name} ")]
        return float(value)

    def said(self) -> str:
        """What it wrote to stderr."""
        self._log.seek(0)
        return self._log.read()

    def kill(self) -> None:
        """The end without a farewell."""
        self._process.kill()
        self._clean_up()

    def start_again(self) -> None:
        """Another process at the same port."""
        self._start()

    def stop(self) -> None:
        """A tidy end, which `kill` may have come before."""
        self._process.terminate()
        self._clean_up()

    def forget(self) -> None:
        """Nobody asks any more what it said."""
        self._log.close()

    def _clean_up(self) -> None:
        self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def server_process(model: str = "fake", full: Path | None = None, **limits: Any) -> Iterator[Any]:
    """A server in a process of its own, which leaves nothing behind."""
    server = ServerProcess(model, full, **limits)
    try:
        yield server
    finally:
        server.stop()
    assert not server.watched.is_running()
    assert "Traceback" not in server.said(), server.said()
    server.forget()


class Line:
    """A line to a server that can be cut, or fall silent."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = listen("127.0.0.1", 0)
        self.port = self._listening.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self._sockets: list[socket.socket] = []
        self.is_up = True
        self._flowing = threading.Event()
        self._flowing.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and take no more until `mend`."""
        self.is_up = False
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets.clear()

    def mend(self) -> None:
        self.is_up = True
        self._flowing.set()

    def fall_silent(self) -> None:
        """Half-open: nothing is carried any more, and nobody is told."""
        self._flowing.clear()

    def close(self) -> None:
        self.cut()
        self._listening.close()
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if not self.is_up:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._to))
            self._sockets += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait(PATIENCE)
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Raw:
    """A client that says what it likes."""

    def __init__(self, url: str, *, greet: bool = True, **headers: str) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"} | headers
        self.socket = connect(
            f"{url}/session", additional_headers=headers, proxy=None, compression=None
        ).__enter__()
        if greet:
            self.say(Hello(VERSION))
            assert isinstance(self.hear(), Welcome)

    def say(self, message: Message | bytes | str) -> None:
        self.socket.send(message if isinstance(message, bytes | str) else encode(message))

    def hear(self) -> Any:
        return decode_from_server(self.socket.recv(timeout=PATIENCE))

    def hear_until(self, kind: type) -> Any:
        while not isinstance(message := self.hear(), kind):
            pass
        return message

    def open(self, stack: np.ndarray) -> Opened:
        self.say(Open("fake", shape=stack.shape))
        opened: Opened = self.hear_until(Opened)
        return opened

    def close(self) -> None:
        self.socket.close()


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def assert_same(ours: list[Event], theirs: list[Event]) -> None:
    """Events are equal, masks to the bit."""
    kinds = [[type(event).__name__ for event in events] for events in (ours, theirs)]
    assert kinds[0] == kinds[1], [event for event in ours if isinstance(event, Failed)]
    for one, other in zip(ours, theirs, strict=True):
        if isinstance(one, Mask) and isinstance(other, Mask):
            assert (one.frame, one.object_id, one.score) == (
                other.frame,
                other.object_id,
                other.score,
            )
            np.testing.assert_array_equal(one.mask, other.mask)
        elif isinstance(one, Finished) and isinstance(other, Finished):
            _assert_same_answer(one, other)
        else:
            assert one == other


def _assert_same_answer(one: Finished, other: Finished) -> None:
    assert (one.answer is None) == (other.answer is None)
    if one.answer is None or other.answer is None:
        return
    assert one.answer.text == other.answer.text
    assert len(one.answer.objects) == len(other.answer.objects)
    for ours, theirs in zip(one.answer.objects, other.answer.objects, strict=True):
        assert (ours.object_id, ours.phrase, ours.span) == (
            theirs.object_id,
            theirs.phrase,
            theirs.span,
        )
        assert ours.frame_scores == theirs.frame_scores
        np.testing.assert_array_equal(ours.masks, theirs.masks)
