"""One connection on the client: a thread that reads, and keeps it alive."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

import napari_sa2va
from napari_sa2va.backend.connectors import Connector
from napari_sa2va.backend.limits import BEAT_SECONDS, HELLO_SECONDS
from napari_sa2va.backend.protocol import (
    VERSION,
    FromServer,
    Heartbeat,
    Hello,
    Message,
    ProtocolError,
    Refused,
    Status,
    Welcome,
    decode_from_server,
    encode,
)
from napari_sa2va.backend.refusals import RefusedError
from napari_sa2va.core.errors import BackendError

_log = logging.getLogger(__name__)


class LostError(BackendError):
    """The connection is gone."""


class Link:
    """A greeted connection.

    Parameters
    ----------
    connector : Connector
        The way to the server.
    on_status : callable
        Takes each `Status`, in the link's thread.
    start : bool
        Start the server where that is ours to do.

    Attributes
    ----------
    welcome : Welcome
        What the server said.

    Raises
    ------
    BackendError
        The server cannot be reached, or refuses.
    """

    def __init__(
        self, connector: Connector, on_status: Callable[[Status], None], *, start: bool
    ) -> None:
        self._connector = connector
        self._on_status = on_status
        self._socket: ClientConnection = connector.connect(start=start)
        self._heard_at = self._beat_at = time.monotonic()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self.send(Hello(VERSION, f"napari-sa2va {napari_sa2va.__version__}"))
            answer = self.receive(HELLO_SECONDS)
            if not isinstance(answer, Welcome):
                raise ProtocolError(
                    f"{connector.place} does not greet.", "Is it a server of napari-sa2va?"
                )
        except BaseException:
            self._socket.close()
            raise
        self.welcome = answer
        on_status(answer.status)

    def send(self, message: Message) -> None:
        """Send a message; LostError where the connection is gone."""
        try:
            self._socket.send(encode(message))
        except (ConnectionClosed, OSError) as error:
            raise LostError(self._connector.epitaph()) from error

    def receive(self, seconds: float) -> FromServer:
        """The next message other than `Status`; heartbeats go out meanwhile.

        Raises
        ------
        RefusedError
            The server ends the connection, and says why.
        LostError
            The connection is gone, or nothing came for so long.
        """
        deadline = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            if now - self._beat_at >= BEAT_SECONDS:
                self._beat_at = now
                self.send(Heartbeat())
            try:
                data = self._socket.recv(timeout=min(BEAT_SECONDS, max(0.01, deadline - now)))
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise LostError(f"{self._connector.place} does not answer any more.") from None
                continue
            except (ConnectionClosed, OSError) as error:
                raise LostError(self._connector.epitaph()) from error
            message = decode_from_server(data)
            if isinstance(message, Status):
                deadline = time.monotonic() + seconds
                self._on_status(message)
            elif isinstance(message, Refused):
                raise RefusedError.received(message)
            else:
                return message

    def follow(
        self, on_message: Callable[[FromServer], None], on_end: Callable[[BackendError], None]
    ) -> None:
        """From now on hand over what comes, in a thread, until the connection ends."""

        def read() -> None:
            end: BackendError
            try:
                while True:
                    on_message(self.receive(self.welcome.silence_seconds))
            except BackendError as error:
                end = error
            except Exception as error:
                _log.exception("A link failed")
                end = BackendError(f"The link failed: {type(error).__name__}: {error}")
            self._socket.close()
            if not self._closed.is_set():
                on_end(end)

        self._thread = threading.Thread(target=read, name="backend link", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; its thread has ended then, too."""
        self._closed.set()
        self._socket.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
