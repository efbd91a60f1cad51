"""Ways to a server: over the network here, to the child process in `process`."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from napari_sa2va.backend.limits import HELLO_SECONDS, MAX_MESSAGE_BYTES
from napari_sa2va.backend.tls import trust
from napari_sa2va.core.errors import BackendError, InputError

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Connector(Protocol):
    """How a server is reached.

    Attributes
    ----------
    place : str
        What to call it.
    machine : str
        What to call the computer that it is on.
    is_lasting : bool
        Whether the server may still be there when a connection was cut.
    """

    place: str
    machine: str
    is_lasting: bool

    def connect(self, *, start: bool) -> ClientConnection:
        """A connection, before any greeting; `start` the server where that is ours to do.

        Raises
        ------
        BackendError
            It cannot be reached, or does not let us in.
        """
        ...

    def epitaph(self) -> str:
        """One sentence for when the connection is lost."""
        ...


class ServerConnector:
    """A server on the network.

    Parameters
    ----------
    url : str
        ``http(s)://`` or ``ws(s)://``, host and port.
    token : str, optional
        What the server wants to see; sent in a header.
    certificate : path, optional
        The server's certificate, or its authority's, where the system does not know it.

    Raises
    ------
    InputError
        The URL is none, or has a user, a password or a query: secrets do not belong there.
    """

    is_lasting = True

    def __init__(self, url: str, token: str = "", certificate: Path | None = None) -> None:
        parts = urlsplit(url if "://" in url else f"ws://{url}")
        try:
            port, is_address = parts.port, parts.scheme in _SCHEMES and bool(parts.hostname)
        except ValueError:
            port, is_address = None, False
        if not is_address or not parts.hostname or "@" in parts.netloc or parts.query:
            raise InputError(
                f"{parts.scheme}://{parts.hostname or ''} is no address of a server.",
                "Give e.g. ws://localhost:8765; the token goes into its own field.",
            )
        scheme = _SCHEMES[parts.scheme]
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.place = f"{scheme}://{host}" + (f":{port}" if port else "")
        self.machine = parts.hostname
        self._url = f"{self.place}{parts.path.rstrip('/')}/session"
        self._token = token
        self._ssl = trust(certificate) if scheme == "wss" else None
        self._is_loopback = parts.hostname in LOOPBACK

    def connect(self, *, start: bool) -> ClientConnection:
        try:
            # Entered at once: that works with all versions of websockets. `Link` closes it.
            return connect(
                self._url,
                ssl=self._ssl,
                # A proxy is for other machines.
                proxy=None if self._is_loopback else True,
                **connect_options(self._token),
            ).__enter__()
        except (OSError, InvalidHandshake, InvalidURI) as error:
            raise unreachable(self.place, error) from error

    def epitaph(self) -> str:
        return f"The connection to {self.place} was lost."


def connect_options(token: str) -> dict[str, Any]:
    """What all connections have in common."""
    return {
        "compression": None,
        "max_size": MAX_MESSAGE_BYTES,
        "open_timeout": HELLO_SECONDS,
        "close_timeout": 2.0,
        # The protocol has its own heartbeats.
        "ping_interval": None,
        "additional_headers": {"Authorization": f"Bearer {token}"} if token else None,
        "user_agent_header": None,
    }


def unreachable(place: str, error: Exception) -> BackendError:
    """Why a server cannot be reached, in words."""
    if isinstance(error, InvalidStatus):
        status, body = error.response.status_code, error.response.body or b""
        if status == 401:
            return BackendError(
                f"{place} does not accept the token.", "Enter the one that the server was given."
            )
        return BackendError(
            f"{place} refuses the connection ({status}).", body.decode("utf-8", "replace")[:200]
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return BackendError(
            f"The certificate of {place} is not trusted: {error.verify_message}.",
            "Give the server's certificate, if it is yours.",
        )
    if isinstance(error, TimeoutError):
        return BackendError(f"{place} does not answer.", "Is the address right?")
    if isinstance(error, ConnectionRefusedError):
        return BackendError(
            f"Nobody answers at {place}.", "Is the server running, and the port right?"
        )
    if isinstance(error, socket.gaierror):
        return BackendError(f"There is no computer of the name in {place}.", "Check the address.")
    if isinstance(error, InvalidMessage | ssl.SSLError):
        return BackendError(
            f"What answers at {place} does not speak this protocol.",
            "Is the port right? With TLS the address begins with wss://, else with ws://.",
        )
    return BackendError(
        f"{place} cannot be reached: {error}.", "Is the server running, and the address right?"
    )
