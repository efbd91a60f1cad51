"""A backend in another process or on another machine; needs no torch."""

from __future__ import annotations

import threading
from typing import Any

from napari_sa2va.backend.base import BackendInfo, ServerStack, State
from napari_sa2va.backend.client_session import RemoteSession
from napari_sa2va.backend.connectors import Connector, ServerConnector
from napari_sa2va.backend.link import Link
from napari_sa2va.backend.protocol import FromServer, Status
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import BackendError
from napari_sa2va.core.frames import FrameSource, as_frames

__all__ = ["RemoteBackend", "ServerConnector"]

_STATES: dict[str, State] = {"loading": "loading", "ready": "ready", "failed": "failed"}


class RemoteBackend:
    """A model on a server.

    Parameters
    ----------
    connector : Connector
        The way there: `ServerConnector`, or `napari_sa2va.backend.process.ChildConnector`.
    model : str
        As the server knows it.

    Examples
    --------
    >>> backend = RemoteBackend(ServerConnector("ws://localhost:8765", token))  # doctest: +SKIP
    >>> with_progress = backend.open(stack).propagate()  # doctest: +SKIP
    """

    def __init__(self, connector: Connector, model: str = "nano") -> None:
        self._connector = connector
        self._model = model
        self._lock = threading.RLock()
        self._status = Status("idle")
        self._state: State = "idle"
        self._trouble = ""
        # Shows that somebody is here, and how the server is, while no session is open.
        self._presence: Link | None = None
        self._sent: set[bytes] = set()
        self._sessions: set[RemoteSession] = set()

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
        """What the server's device has room for, as it told last.

        Raises
        ------
        BackendError
            The server cannot be reached, or has loaded no model yet and does not tell.
        """
        self.be_present()
        told = self._status
        if not told.memory_total:
            raise BackendError(
                f"The {self._connector.place} tells its memory when a model is loaded there.",
                "Run something first.",
            )
        free = told.memory_total - told.memory_used
        return DeviceMemory(told.device, self._connector.place, told.dtype, free, told.memory_total)

    def open(self, stack: FrameSource | ServerStack | Any) -> RemoteSession:
        """Open a session; the server loads the model if need be.

        Raises
        ------
        BackendError
            The server cannot be reached, has no place, or cannot load the model.
        """
        source = stack if isinstance(stack, ServerStack) else as_frames(stack)
        session = RemoteSession(self, self._connector, self._model, source, self._sent)
        self._sessions.add(session)
        return session

    def close(self) -> None:
        """Close all sessions, and let go of the server."""
        for session in list(self._sessions):
            session.close()
        with self._lock:
            presence, self._presence = self._presence, None
            self._state = "idle"
        if presence is not None:
            presence.close()

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
            presence.follow(_ignore, lambda error: self._on_end(presence, error))

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

    def _on_end(self, presence: Link, error: BackendError) -> None:
        with self._lock:
            if self._presence is presence:
                self._presence = None
                self.show("lost", error)


def _ignore(message: FromServer) -> None:
    """A connection without a session hears nothing but how the server is."""
