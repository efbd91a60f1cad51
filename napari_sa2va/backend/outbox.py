"""Events on their way to a client, kept until it has read them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.protocol import ENDS, Body, Event, ProtocolError, encode


class Outbox:
    """The events of a session, numbered from 1.

    Where the client reads slowly, or not at all, `put` waits: memory stays bounded, and what was
    computed is not lost when the connection is.

    Attributes
    ----------
    wake : callable
        Called when there is something to send.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._items: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._last = 0
        self._condition = threading.Condition()
        self._closed = False
        self.wake: Callable[[], None] = _nobody

    def put(self, request: int, body: Body, stopped: Callable[[], bool]) -> bool:
        """Add an event; waits for room unless it ends a request. False where `stopped`, or closed.

        `stopped` is asked again after `nudge`.
        """
        with self._condition:
            while not isinstance(body, ENDS) and self._is_full():
                if stopped() or self._closed:
                    return False
                self._condition.wait()
            if self._closed:
                return False
            self._last += 1
            data = encode(Event(self._last, request, body))
            self._items.append((self._last, data))
            self._bytes += len(data)
        self.wake()
        return True

    def after(self, seq: int) -> list[tuple[int, bytes]]:
        """What follows event `seq`."""
        with self._condition:
            return [item for item in self._items if item[0] > seq]

    def acknowledge(self, seq: int) -> None:
        """Forget the events up to `seq`.

        Raises
        ------
        ProtocolError
            There was no such event yet.
        """
        with self._condition:
            if seq > self._last:
                raise ProtocolError(
                    f"Event {seq} was never sent; the last is {self._last}.", "Count anew."
                )
            while self._items and self._items[0][0] <= seq:
                self._bytes -= len(self._items.popleft()[1])
            self._condition.notify_all()

    def nudge(self) -> None:
        """Let `put` ask again whether it is to stop."""
        with self._condition:
            self._condition.notify_all()

    def close(self) -> None:
        """Nobody will read any more."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _is_full(self) -> bool:
        return (
            len(self._items) >= self._limits.unread_events
            or self._bytes >= self._limits.unread_bytes
        )


def _nobody() -> None:
    """Nobody is connected."""
