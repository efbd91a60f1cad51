"""Fair turns on a device: who waits longest is next."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that is handed on in the order of asking.

    Engines take a turn for each frame and each token, so that a click is answered while another
    session's propagation runs. The network's caches are not made for two threads: no engine of the
    device runs without a turn.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[tuple[threading.Event, int]] = deque()
        self._holder: int | None = None

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._queue)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the device."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Let others have the device while this thread, which holds it, waits for something else.

        Does nothing in a thread that does not hold it.
        """
        if self._holder != threading.get_ident():
            yield
            return
        self._leave()
        try:
            yield
        finally:
            self._enter()

    def _enter(self) -> None:
        me = threading.get_ident()
        with self._lock:
            if self._holder is None:
                self._holder = me
                return
            ticket = threading.Event()
            self._queue.append((ticket, me))
        try:
            ticket.wait()
        except BaseException:  # Ctrl-C: the turn must not be handed to who is gone
            with self._lock:
                if not ticket.is_set():
                    self._queue.remove((ticket, me))
                    raise
            self._leave()
            raise

    def _leave(self) -> None:
        with self._lock:
            if self._queue:
                ticket, self._holder = self._queue.popleft()
                ticket.set()
            else:
                self._holder = None
