"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

_PREFIX = "napari_sa2va_"
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one server; a registry of its own, so that two may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # Memory, files and time of the process, where the system tells them.
        ProcessCollector(registry=self.registry)

        def named(name: str) -> str:
            return _PREFIX + name

        self._requests = Counter(
            named("requests"), "Requests by kind and end", ["kind", "end"], registry=self.registry
        )
        self._request_seconds = Histogram(
            named("request_seconds"),
            "From the start of a request to its end",
            ["kind"],
            buckets=(*_SECONDS, 60, 300, 1800),
            registry=self.registry,
        )
        self._step_seconds = Histogram(
            named("step_seconds"),
            "From one event to the next, waiting for the device and for frames included",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.bytes_in = Counter(
            named("received_bytes"), "Bytes of messages from clients", registry=self.registry
        )
        self.bytes_out = Counter(
            named("sent_bytes"), "Bytes of messages to clients", registry=self.registry
        )
        self.frames = Counter(
            named("frames"), "Frames from clients by codec", ["codec"], registry=self.registry
        )
        self.refusals = Counter(
            named("refusals"), "Connections ended by the server", ["code"], registry=self.registry
        )

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A number that is asked for when it is read."""
        Gauge(_PREFIX + name, text, registry=self.registry).set_function(value)

    @contextmanager
    def request(self, kind: str) -> Iterator[Callable[[str], None]]:
        """Times a request; takes how it ended."""
        started, end = time.perf_counter(), ["failed"]
        try:
            yield lambda outcome: end.__setitem__(0, outcome)
        finally:
            self._request_seconds.labels(kind).observe(time.perf_counter() - started)
            self._requests.labels(kind, end[0]).inc()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Times a step."""
        with self._step_seconds.time():
            yield

    def text(self) -> bytes:
        """All, in Prometheus' text format."""
        return generate_latest(self.registry)
