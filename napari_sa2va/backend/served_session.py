"""A client's session on the server: it outlives connections."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Protocol

from napari_sa2va.backend import freed_memory
from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.local import LocalSession
from napari_sa2va.backend.metrics import Metrics
from napari_sa2va.backend.outbox import Outbox
from napari_sa2va.backend.pixels import unpack_mask
from napari_sa2va.backend.protocol import (
    RESTORING,
    Ask,
    Body,
    Propagate,
    ProtocolError,
    Remove,
    Reset,
    Segment,
    SentFailed,
    SentFinished,
    SentProgress,
    Stopped,
    Work,
)
from napari_sa2va.backend.refusals import RefusedError
from napari_sa2va.backend.wire_events import to_body
from napari_sa2va.backend.wire_frames import StoppedError, WireFrames
from napari_sa2va.core.errors import Sa2VAError
from napari_sa2va.core.events import Event, Failed, Finished, Progress

_log = logging.getLogger(__name__)


class Attached(Protocol):
    """The connection over which a session is reached."""

    def wake(self) -> None: ...
    def need_frames(self, indices: tuple[int, ...], content: bool) -> None: ...
    def end(self, why: RefusedError) -> None: ...


class ServedSession:
    """Runs the requests of one client on one stack, one after the other, in its own thread.

    Parameters
    ----------
    session : LocalSession
        The engine's side.
    model : str
        What it runs on.
    wire : WireFrames or None
        The stack, where it comes from the client.
    limits, metrics
        Of the server.

    Attributes
    ----------
    id, secret : str
        The name of the session, and what its client alone knows.
    last_request : int
        The last request that arrived.
    used_at, left_at : float
        Monotonic seconds: when something last happened; when its client left, None while it is
        here.
    """

    def __init__(
        self,
        session: LocalSession,
        model: str,
        wire: WireFrames | None,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.secret = secrets.token_urlsafe(24)
        self.model = model
        self.shape = session.shape
        self.outbox = Outbox(limits)
        self.wire = wire
        self.last_request = 0
        self.opened_at = self.used_at = time.monotonic()
        self.left_at: float | None = self.opened_at
        self._session = session
        self._metrics = metrics
        self._limits = limits
        self._jobs: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._waiting = 0
        self._done = 0
        self._running: int | None = None
        self._stepping = False
        self._cancelled: set[int] = set()
        self._connection: Attached | None = None
        self._ended = False
        self._lock = threading.Lock()
        if wire is not None:
            wire.stopped = self._is_stopped
        self._thread = threading.Thread(target=self._work, name=f"session {self.id}", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether a request is on its way."""
        return self._running is not None or self._waiting > 0

    @property
    def idle_seconds(self) -> float:
        """For how long nothing happened. A step may take longer than a session may be idle."""
        return 0.0 if self._stepping else time.monotonic() - self.used_at

    @property
    def embedding_bytes(self) -> int:
        """Bytes of image embeddings that are kept."""
        return self._session.embedding_bytes

    def free_embeddings(self) -> None:
        """Drop them."""
        self._session.free_embeddings()

    def attach(self, connection: Attached, received: int) -> None:
        """A client is here, and has read all events up to `received`."""
        self.outbox.acknowledge(received)
        with self._lock:
            if self._ended:
                raise RefusedError("gone", "The session has ended.", "Open a new one.")
            old, self._connection = self._connection, connection
            self.left_at = None
        if old is not None:
            old.end(
                RefusedError(
                    "replaced", "The session was taken over by another connection of its client."
                )
            )
        self.outbox.wake = connection.wake
        if self.wire is not None:
            self.wire.connect(connection.need_frames)

    def detach(self, connection: Attached) -> None:
        """A connection is gone; does nothing where another took its place."""
        with self._lock:
            if self._connection is not connection:
                return
            self._connection = None
            self.left_at = time.monotonic()
        self.outbox.wake = _nobody
        if self.wire is not None:
            self.wire.connect(None)

    def submit(self, work: Work) -> None:
        """Take a request."""
        self._count(work.request)
        if self._waiting >= self._limits.queued_requests:
            self._put(
                work.request,
                SentFailed(f"{self._waiting} requests wait already.", "Let one finish."),
            )
            return
        with self._lock:
            self._waiting += 1
        self._jobs.put(work)

    def at_once(self, message: Remove | Reset) -> None:
        """Forget an object, or all, between two steps of what runs; waits for a turn."""
        self._count(message.request)
        self._put(message.request, self._forget(message))

    def cancel(self, request: int) -> None:
        """Stop a request as soon as its step is done."""
        if request > self.last_request:
            raise ProtocolError(f"There is no request {request}.", "Cancel what was asked.")
        if request > self._done:
            self._cancelled.add(request)
            self._nudge()

    def read(self, seq: int) -> None:
        """The client has read all events up to `seq`."""
        self.used_at = time.monotonic()
        self.outbox.acknowledge(seq)

    def end(self, why: RefusedError | None = None) -> None:
        """Stop and free everything; tell the client why, if it is here."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            connection = self._connection
        self.outbox.close()
        self._nudge()
        self._jobs.put(None)
        if connection is not None and why is not None:
            connection.end(why)

    def join(self, seconds: float) -> None:
        """Wait until its thread has ended."""
        self._thread.join(seconds)

    def _count(self, request: int) -> None:
        if request <= self.last_request:
            raise ProtocolError(
                f"The request {request} comes after {self.last_request}.", "Count upwards."
            )
        self.last_request = request
        self.used_at = time.monotonic()

    def _nudge(self) -> None:
        self.outbox.nudge()
        if self.wire is not None:
            self.wire.nudge()

    def _is_stopped(self) -> bool:
        return self._ended or self._running in self._cancelled

    def _put(self, request: int, body: Body) -> bool:
        self.used_at = time.monotonic()
        return self.outbox.put(request, body, self._is_stopped)

    def _forget(self, message: Remove | Reset) -> Body:
        try:
            if isinstance(message, Remove):
                self._session.remove(message.object_id)
            else:
                self._session.reset()
        except Sa2VAError as error:
            return to_body(Failed(error.message, error.hint, error.remedy))
        return SentFinished()

    def _work(self) -> None:
        while (work := self._jobs.get()) is not None and not self._ended:
            with self._lock:
                self._waiting -= 1
                self._running = work.request
            try:
                self._put(work.request, self._answer(work))
            finally:
                with self._lock:
                    self._running = None
                self._done = work.request
                self._cancelled.discard(work.request)
        self._session.close()
        freed_memory.give_back()

    def _answer(self, work: Work) -> Body:
        """Run a request and send its events; gives how it ended."""
        kind = type(work).__name__.lower()
        with self._metrics.request(kind) as outcome:
            try:
                end = self._run(work)
            except Sa2VAError as error:
                end = to_body(Failed(error.message, error.hint, error.remedy))
            except Exception as error:
                _log.exception("A request failed")
                end = SentFailed(
                    f"The backend failed: {type(error).__name__}: {error}", "Its log has more."
                )
            outcome(type(end).__name__.removeprefix("Sent").lower())
            return end

    def _run(self, work: Work) -> Body:
        done = 0
        # A backend's events have a close, as its interface says; Iterator's type does not.
        with closing(self._events(work)) as events:  # type: ignore[type-var]
            while not self._is_stopped() and (work.limit is None or done < work.limit):
                self._stepping = True
                try:
                    with self._metrics.step():
                        event = next(events)
                except StoppedError:  # while it waited for a frame
                    break
                finally:
                    self.used_at, self._stepping = time.monotonic(), False
                if isinstance(event, Finished | Failed):
                    return to_body(event)
                done += 1
                if not self._send(work, event, done):
                    break
        return Stopped(done)

    def _send(self, work: Work, event: Event, number: int) -> bool:
        if number > work.skip:
            return self._put(work.request, to_body(event))
        if isinstance(event, Progress):
            return self._put(work.request, SentProgress(event.done, event.total, RESTORING))
        return True

    def _events(self, work: Work) -> Iterator[Event]:
        size = self.shape[1:]
        match work:
            case Ask():
                regions = work.regions and [unpack_mask(mask, size) for mask in work.regions]
                return self._session.ask(
                    work.text, work.frames, regions, track=work.track, remember=work.remember
                )
            case Segment():
                mask = None if work.mask is None else unpack_mask(work.mask, size)
                return self._session.segment(
                    work.object_id, work.frame, work.points, work.box, mask
                )
            case Propagate():
                return self._session.propagate(work.objects, work.start, work.stop, work.reverse)


def _nobody() -> None:
    """Nobody is connected."""
