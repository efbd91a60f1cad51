"""Requests of a client that are on their way, and what was read of their events."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Iterator

from napari_sa2va.backend.journal import Entry
from napari_sa2va.backend.protocol import ENDS, RESTORING, Body, Remove, Reset, SentProgress, Work
from napari_sa2va.backend.wire_events import Receiving
from napari_sa2va.core.errors import BackendError

Arrived = tuple[int, Body] | BackendError


class Call:
    """A request and the events that arrived.

    Attributes
    ----------
    message : Work, Remove or Reset
        As it is sent; sent again after a reconnect where the server had not seen it.
    entry : Entry or None
        Its place in the journal; None for what is only repeated.
    receiving : Receiving
        Makes events of messages.
    frames_done : int
        Of a propagation.
    is_over : bool
        Its end has arrived.
    is_cancelled : bool
        Nobody reads it any more.
    """

    def __init__(
        self, message: Work | Remove | Reset, entry: Entry | None, receiving: Receiving
    ) -> None:
        self.message = message
        self.entry = entry
        self.receiving = receiving
        self.frames_done = 0
        self.is_over = False
        self.is_cancelled = False
        self._arrived: queue.SimpleQueue[Arrived] = queue.SimpleQueue()

    def put(self, arrived: Arrived) -> None:
        """Something arrived."""
        if not isinstance(arrived, BackendError):
            body = arrived[1]
            repeated = isinstance(body, SentProgress) and body.what == RESTORING
            if isinstance(body, SentProgress) and not repeated:
                self.frames_done = body.done
            if self.entry is not None and not repeated and not isinstance(body, ENDS):
                self.entry.events += 1
        self._arrived.put(arrived)

    def get(self) -> tuple[int, Body]:
        """The next event; waits. Raises what was put in the place of one."""
        arrived = self._arrived.get()
        if isinstance(arrived, BackendError):
            raise arrived
        return arrived

    def rest(self) -> Iterator[int]:
        """The numbers of the events that nobody will read."""
        while not self._arrived.empty():
            arrived = self._arrived.get()
            if not isinstance(arrived, BackendError):
                yield arrived[0]

    @property
    def has_more(self) -> bool:
        """Whether something has arrived that was not read."""
        return not self._arrived.empty()


class Receipts:
    """Which events were read: the server may forget what comes before the first unread one."""

    def __init__(self) -> None:
        self.arrived = 0
        self._unread: deque[int] = deque()
        self._read: set[int] = set()
        self._told = 0

    def arrive(self, seq: int) -> bool:
        """An event arrived; False where it had arrived before."""
        if seq <= self.arrived:
            return False
        self.arrived = seq
        self._unread.append(seq)
        return True

    def read(self, seq: int) -> None:
        """It was read, or nobody will."""
        self._read.add(seq)
        while self._unread and self._unread[0] in self._read:
            self._read.discard(self._unread.popleft())

    def to_tell(self) -> int | None:
        """Up to where the server may forget; None where it knows already."""
        read = self._unread[0] - 1 if self._unread else self.arrived
        if read <= self._told:
            return None
        self._told = read
        return read
