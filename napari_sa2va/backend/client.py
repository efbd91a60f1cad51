"""A backend in another process or on another machine; needs no torch."""

from __future__ import annotations

import queue
import threading
from typing import Any

from napari_sa2va.backend.base import BackendInfo, ServerStack, State
from napari_sa2va.backend.client_session import RemoteSession, opening_of
from napari_sa2va.backend.connectors import Connector, ServerConnector
from napari_sa2va.backend.link import Link, LostError
from napari_sa2va.backend.protocol import FromServer, MeasureMemory, Memory, Status
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import BackendError
from napari_sa2va.core.frames import FrameSource, as_frames
from napari_sa2va.core.options import LoadOptions

__all__ = ["RemoteBackend", "ServerConnector"]

_MEASURE_SECONDS = 120.0  # it may have to import torch first
_STATES: dict[str, State] = {"loading": "loading", "ready": "ready", "failed": "failed"}


class RemoteBackend:
    """A model on a server.

    Parameters
    ----------
    connector : Connector
        The way there: `ServerConnector`, or `napari_sa2va.backend.process.ChildConnector`.
    model : str
        As the server knows it.
    options : LoadOptions, optional
        How the model is loaded there; the device is the server's. Default: as the server does it.

    Examples
    --------
    >>> backend = RemoteBackend(ServerConnector("ws://localhost:8765", token))  # doctest: +SKIP
    >>> with_progress = backend.open(stack).propagate()  # doctest: +SKIP
    """

    def __init__(
        self, connector: Connector, model: str = "nano", options: LoadOptions | None = None
    ) -> None:
        self._connector = connector
        self._model = model
        self._options = options
        self._lock = threading.RLock()
        self._status = Status("idle")
        self._state: State = "idle"
        self._trouble = ""
        # Shows that somebody is here, and how the server is, while no session is open.
        self._presence: Link | None = None
        self._sent: set[bytes] = set()
        self._sessions: set[RemoteSession] = set()
        self._asking = threading.Lock()
        self._measured: queue.SimpleQueue[Memory | BackendError] = queue.SimpleQueue()

    @property
    def info(self) -> BackendInfo:
        status = self._status
        return BackendInfo(
            self._model,
            self._state,
            status.device,
            status.dtype,
            self._connector.place,
            status.sessions,
            status.waiting,
            status.memory_used,
            status.memory_total,
            self._trouble,
            status.revision,
        )

    def check(self) -> BackendInfo:
        """Connect, or raise BackendError: what a button "Test" does."""
        self.be_present()
        return self.info

    def memory(self) -> DeviceMemory:
        """What the server's device has room for.

        Raises
        ------
        BackendError
            The server cannot be reached, or its connection was lost.
        """
        with self._asking:
            self.be_present()
            self._measured = queue.SimpleQueue()  # an answer that came too late is of no use
            with self._lock:
                presence = self._presence
            if presence is None:
                raise LostError(self._connector.epitaph())
            presence.send(MeasureMemory())
            try:
                told = self._measured.get(timeout=_MEASURE_SECONDS)
            except queue.Empty:
                raise LostError(f"{self._connector.place} does not tell its memory.") from None
        if isinstance(told, BackendError):
            raise told
        if not self._sessions:
            self._let_go()  # nothing is asked of it: it may end
        # A server on another machine says of its CPU, too, that it is "this computer".
        name = self._connector.machine if self._connector.is_lasting else told.name
        return DeviceMemory(told.device, name, told.dtype, told.free, told.total)

    def open(self, stack: FrameSource | ServerStack | Any) -> RemoteSession:
        """Open a session; the server loads the model if need be.

        Raises
        ------
        BackendError
            The server cannot be reached, has no place, or cannot load the model.
        """
        source = stack if isinstance(stack, ServerStack) else as_frames(stack)
        opening = opening_of(self._model, self._options, source)
        session = RemoteSession(self, self._connector, opening, source, self._sent)
        self._sessions.add(session)
        return session

    def close(self) -> None:
        """Close all sessions, and let go of the server."""
        for session in list(self._sessions):
            session.close()
        with self._lock:
            presence, self._presence = self._presence, None
            self.show("idle")
        self._measured.put(LostError(self._connector.epitaph()))  # nobody waits for it any more
        if presence is not None:
            presence.close()

    def rest(self) -> None:
        """A session was not used for so long that the server ended it; it is made again at need."""
        self.show("idle")
        self._let_go()

    def be_present(self) -> None:
        """Keep a connection that shows how the server is; BackendError where it is unreachable."""
        with self._lock:
            if self._presence is not None:
                return
            self.show("connecting")
            try:
                self._presence = Link(self._connector, self.hear, start=True)
            except BackendError as error:
                self.show("lost", error)
                raise
            presence = self._presence
            presence.follow(self._on_message, lambda error: self._on_end(presence, error))

    def forget(self, session: RemoteSession) -> None:
        """A session was closed."""
        self._sessions.discard(session)

    def hear(self, status: Status) -> None:
        """The server says how it is."""
        # Of the model of this backend, or of no model yet: sessions say which they mean.
        if status.model in ("", self._model):
            self._status = status
            self.show(_STATES.get(status.state, "idle"))
        else:
            self.show("idle")

    def show(self, state: State, error: BackendError | None = None) -> None:
        """What `info` says from now on."""
        self._state, self._trouble = state, "" if error is None else str(error)

    def _let_go(self) -> None:
        """Leave a server that ends when nobody is there."""
        if self._connector.is_lasting:
            return
        with self._lock:
            presence, self._presence = self._presence, None
        if presence is not None:
            presence.close()
            self.show("idle")

    def _on_end(self, presence: Link, error: BackendError) -> None:
        with self._lock:
            if self._presence is presence:
                self._presence = None
                self._measured.put(error)
                self.show("lost", error)

    def _on_message(self, message: FromServer) -> None:
        """What a connection without a session hears, other than how the server is."""
        if isinstance(message, Memory):
            self._measured.put(message)
