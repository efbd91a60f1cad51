"""What the way to a model costs: propagating with nano in this process, in the child, through TLS.

    python -m benchmarks.serving_wire --frames 100 --sides 512 1024

All places run in turn within one run, `--repeat` times; ratios are of the medians. Bytes are what
the server counts on its side of TLS. Needs the test extra (trustme makes the certificate).
"""

from __future__ import annotations

import argparse
import ssl
import tempfile
import time
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import trustme

from benchmarks.serving_load import serving
from napari_sa2va.backend.base import Backend
from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.connectors import ServerConnector
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.backend.process import ChildConnector, ChildSettings
from napari_sa2va.core.events import Failed, Mask
from napari_sa2va.core.options import LoadOptions

LOCAL, CHILD, TLS = "this process", "child process", "loopback TLS"


def make_stack(frames: int, side: int) -> np.ndarray:
    """A disc that moves over noise: (T, H, W) uint8."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    stack = rng.integers(0, 40, (frames, side, side)).astype(np.uint8)
    for t, frame in enumerate(stack):
        cx = side / 2 + side / 4 * np.sin(t / 25)
        frame[(y - side / 2) ** 2 + (x - cx) ** 2 < (side / 12) ** 2] = 200
    return stack


def propagate(backend: Backend, stack: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """Seconds from the first to the last mask of a propagation, and the masks."""
    session = backend.open(stack)
    side = stack.shape[1]
    list(session.segment(1, 0, points=[(side / 2, side / 2, True)]))
    started, masks = time.perf_counter(), []
    for event in session.propagate():
        if isinstance(event, Failed):
            raise SystemExit(f"{event.message} {event.hint}")
        if isinstance(event, Mask):
            masks.append(event.mask)
    took = time.perf_counter() - started
    session.close()
    return took, masks


class Server:
    """A server behind TLS, with what it counts."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        issued.private_key_pem.write_to_path(str(folder / "key.pem"))
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        options = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
        self.url, _ = opened.enter_context(serving(*options))
        self._trust = ssl.create_default_context(cafile=folder / "ca.pem")
        self.certificate = folder / "ca.pem"

    def bytes(self) -> dict[str, float]:
        """Bytes received and sent so far."""
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._trust)
        )
        url = self.url.replace("wss", "https") + "/metrics"
        with direct.open(url) as answer:
            lines = [line.split() for line in answer.read().decode().splitlines()]
        names = ("received", "sent")
        return {
            name: float(line[1])
            for name in names
            for line in lines
            if line[0] == f"napari_sa2va_{name}_bytes_total"
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        server = Server(folder, opened)
        settings = ChildSettings("cpu", linger_seconds=1.0)

        def make(place: str) -> Backend:
            # New ones each time, but for the first: they have not sent any frame yet.
            if place == CHILD:
                return RemoteBackend(ChildConnector(settings))
            return RemoteBackend(ServerConnector(server.url, certificate=server.certificate))

        local = opened.enter_context(closing(LocalBackend(options=LoadOptions("cpu"))))
        # Keeps the child alive between two measurements.
        keeper = opened.enter_context(closing(make(CHILD)))
        backends: dict[str, Any] = {LOCAL: local, CHILD: keeper, TLS: make(TLS)}
        for place, backend in backends.items():
            propagate(backend, make_stack(3, 64))
            print(f"{place}: loaded", flush=True)
        backends[TLS].close()
        for side in arguments.sides:
            compare(make, local, server, make_stack(arguments.frames, side), arguments.repeat)


def compare(make: Any, local: Backend, server: Server, stack: np.ndarray, repeat: int) -> None:
    frames, side = stack.shape[:2]
    seconds: dict[str, list[float]] = {LOCAL: [], CHILD: [], TLS: []}
    expected: list[np.ndarray] = []
    before = server.bytes()
    for _ in range(repeat):
        # The server and the child know frames by content: other pixels are other frames.
        stack = stack ^ np.uint8(1)
        stack[:, 0, 0] += 2
        for place, times in seconds.items():
            if place == LOCAL:
                took, expected = propagate(local, stack)
            else:
                with closing(make(place)) as backend:
                    took, masks = propagate(backend, stack)
                if not all(map(np.array_equal, masks, expected)):
                    raise SystemExit(f"The masks of {place} are others.")
            times.append(took)
            print(f"  {side} x {side}, {place}: {took:.2f} s", flush=True)
    after = server.bytes()
    medians = {place: median(times) for place, times in seconds.items()}
    up, down = ((after[name] - before[name]) / (repeat * frames) for name in ("received", "sent"))
    print(f"{frames} frames of {side} x {side}: {medians[LOCAL]:.2f} s in this process")
    for place in (CHILD, TLS):
        print(f"  {place}: {medians[place]:.2f} s, {medians[place] / medians[LOCAL]:.3f} x")
    print(f"  up {up:.0f} bytes a frame (raw {side * side}), down {down:.0f} bytes a mask")


if __name__ == "__main__":
    main()
