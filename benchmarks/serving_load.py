"""Many clients at once on one server: is each answered, correctly, and how soon?

    python -m benchmarks.serving_load --seconds 300

Starts `napari-sa2va serve` with nano on the CPU. First each client runs its round alone, which
tells what its masks and its answer are (engines are deterministic), and one more client runs
rounds alone for a fifth of the time. Then all run their rounds (open a session, click, propagate,
ask, click, close) at the same time, each on a stack of its own and in a process of its own, until
the time is over. What differs from the round alone is a lost or a foreign mask.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import psutil

from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.connectors import ServerConnector
from napari_sa2va.core.events import Event, Failed, Mask, Token

FRAMES, SIDE = 12, 256
QUESTION = "Please segment the bright disc."
_WINDOW_SECONDS = 10  # over which the server's memory is taken


def make_stack(seed: int) -> np.ndarray:
    """A bright disc that moves over noise, elsewhere for each seed: (T, H, W) uint8."""
    rng = np.random.default_rng(seed)
    stack = rng.integers(0, 50, (FRAMES, SIDE, SIDE)).astype(np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE]
    start, speed = centre(seed), rng.uniform(-4, 4, 2)
    for t, frame in enumerate(stack):
        cy, cx = start + t * speed
        frame[(y - cy) ** 2 + (x - cx) ** 2 < 500] = 200
    return stack


def centre(seed: int) -> np.ndarray:
    """Where the disc of a seed is in the first frame, (y, x)."""
    return np.random.default_rng(seed + 1000).uniform(80, SIDE - 80, 2)


class Client:
    """Runs rounds, and compares what comes with what came before.

    Parameters
    ----------
    url : str
        Of the server.
    seed : int
        Of its stack.
    """

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._stack = make_stack(seed)
        self._point = (*map(float, centre(seed)), True)
        self.clicks: list[float] = []
        self.errors: list[str] = []

    def round(self) -> str:
        """One session; a digest of all that came."""
        digest = hashlib.sha256()
        # A new backend each time: it sends all its frames again.
        with closing(RemoteBackend(ServerConnector(self._url), "nano")) as backend:
            session = backend.open(self._stack)
            self._click(session, 0, digest)
            self._take(session.propagate(), digest)
            self._take(session.ask(QUESTION, [0, 5], track=False), digest)
            self._click(session, FRAMES // 2, digest)
        return digest.hexdigest()

    def rounds(self, seconds: float) -> list[str]:
        """Digests of as many rounds as there is time for."""
        end, digests = time.monotonic() + seconds, []
        while not digests or time.monotonic() < end:
            digests.append(self.round())
        return digests

    def _click(self, session: Any, frame: int, digest: Any) -> None:
        started = time.perf_counter()
        self._take(session.segment(1, frame, points=[self._point]), digest)
        self.clicks.append(time.perf_counter() - started)

    def _take(self, events: Iterator[Event], digest: Any) -> None:
        for event in events:
            if isinstance(event, Failed):
                self.errors.append(f"{event.message} {event.hint}")
            elif isinstance(event, Mask):
                digest.update(b"%d %d " % (event.frame, event.object_id))
                digest.update(np.packbits(event.mask).tobytes())
            elif isinstance(event, Token):
                digest.update(event.text.encode())


def run_client(url: str, seed: int) -> None:
    """A process of its own: one round, then as many as there is time for, when it is told."""
    client = Client(url, seed)
    _say({"alone": client.round(), "errors": client.errors})
    seconds = float(sys.stdin.readline())
    client.clicks.clear()
    digests = client.rounds(seconds)
    _say({"digests": digests, "clicks": client.clicks, "errors": client.errors})


def _say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, psutil.Process]]:
    """`napari-sa2va serve` with nano on the CPU: its URL and its process."""
    main = "import sys; from napari_sa2va.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", main, "serve", "--device", "cpu", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = server.stderr.readline()
        address = re.search(r"(wss?)://.*:(\d+)$", said)
        if address is None:
            raise SystemExit(f"The server does not start: {said}{server.stderr.read()}")
        # What else it says would block it some day, and is worth seeing.
        threading.Thread(target=_pass_on, args=(server.stderr,), daemon=True).start()
        try:
            yield f"{address[1]}://localhost:{address[2]}", psutil.Process(server.pid)
        finally:
            server.terminate()


def _pass_on(lines: Any) -> None:
    for line in lines:
        sys.stderr.write(f"server: {line}")


class MemoryWatch(threading.Thread):
    """Samples a process's memory twice a second, in MB."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._over = threading.Event()
        self.samples: list[tuple[float, float]] = []

    def run(self) -> None:
        while not self._over.wait(0.5):
            self.samples.append((time.monotonic(), self._process.memory_info().rss / 2**20))

    def stop(self) -> None:
        self._over.set()
        self.join()

    def around(self, moment: float) -> float:
        """The median of the seconds before a moment."""
        window = [mb for at, mb in self.samples if moment - _WINDOW_SECONDS < at <= moment]
        return float(np.median(window))


def percentiles(seconds: list[float]) -> str:
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {len(seconds)} clicks"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--client", nargs=2, metavar=("URL", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        run_client(arguments.client[0], int(arguments.client[1]))
        return
    with serving("--max-sessions", str(2 * arguments.clients)) as (url, server):
        load(url, server, arguments.clients, arguments.seconds)


def load(url: str, server: psutil.Process, count: int, seconds: float) -> None:
    clients, alone = [], []
    for seed in range(count):
        command = [sys.executable, "-m", "benchmarks.serving_load", "--client", url, str(seed)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        clients.append(process)
        alone.append(_read(process))  # one after the other: each is alone
    if len({one["alone"] for one in alone}) != count:
        raise SystemExit("Two clients have the same masks: a foreign one would not be seen.")
    idle = Client(url, count)
    idle.rounds(seconds / 5)
    print(f"one client: click {percentiles(idle.clicks)}", flush=True)

    watch = MemoryWatch(server)
    watch.start()
    started = time.monotonic()
    for process in clients:
        assert process.stdin is not None
        process.stdin.write(f"{seconds}\n")
        process.stdin.flush()
    time.sleep(seconds)
    end = time.monotonic()
    results = [_read(process) for process in clients]
    watch.stop()
    for process in clients:
        process.wait()

    rounds = sum(len(one["digests"]) for one in results)
    wrong = sum(
        digest != known["alone"]
        for known, one in zip(alone, results, strict=True)
        for digest in one["digests"]
    )
    errors = [error for one in (*alone, *results) for error in one["errors"]]
    # Warm: a fifth of the time, but no less than two rounds of all.
    warm, last = watch.around(started + max(2 * _WINDOW_SECONDS, seconds / 5)), watch.around(end)
    print(f"{count} clients, {end - started:.0f} s: {rounds} rounds, each a session with")
    print(f"  2 clicks, a propagation of {FRAMES} frames and a question")
    print(f"click {percentiles([c for one in results for c in one['clicks']])}")
    print(f"errors: {len(errors)} {sorted(set(errors))[:3]}")
    print(f"rounds with lost or foreign masks: {wrong}")
    print(f"server's memory: {warm:.0f} MB warm, {last:.0f} MB at the end, ratio {last / warm:.3f}")


def _read(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("A client ended early; its error is above.")
    return json.loads(line)


if __name__ == "__main__":
    main()
