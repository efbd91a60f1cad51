"""Runs a server on a socket: loopback, network or the child process's own."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from napari_sa2va.backend import freed_memory
from napari_sa2va.backend.limits import MAX_MESSAGE_BYTES
from napari_sa2va.backend.server import create_app
from napari_sa2va.backend.sessions import Sessions

_SHUTDOWN_SECONDS = 5


class Service:
    """A server that can be run and stopped.

    Parameters
    ----------
    sessions : Sessions
        What it serves.
    token, hosts, compress
        See `napari_sa2va.backend.server.create_app`.
    certificate, key : path, optional
        For TLS.
    linger_seconds : float, optional
        Stop when nobody was connected for so long.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        token: str | None = None,
        hosts: frozenset[str] | None = None,
        compress: bool = True,
        certificate: Path | None = None,
        key: Path | None = None,
        linger_seconds: float | None = None,
    ) -> None:
        self._linger_seconds = linger_seconds
        self._left_at = time.monotonic()
        app: FastAPI = create_app(
            sessions, token=token, hosts=hosts, compress=compress, on_sweep=self._on_sweep
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                ws="websockets-sansio",
                # What is a little too large is refused with a reason; here the line is just cut.
                ws_max_size=2 * MAX_MESSAGE_BYTES,
                ws_max_queue=4,
                # The protocol has its own heartbeats, which tell more.
                ws_ping_interval=None,
                # Frames are compressed already, better.
                ws_per_message_deflate=False,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
                ssl_certfile=certificate,
                ssl_keyfile=key,
                ssl_version=ssl.PROTOCOL_TLS_SERVER,
            )
        )

    @property
    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        return bool(self._server.started)

    def run(self, listening: socket.socket) -> None:
        """Serve until `stop`, or a signal where this is the main thread."""
        freed_memory.share()
        self._server.run(sockets=[listening])

    def stop(self) -> None:
        """End; from any thread."""
        self._server.should_exit = True

    def _on_sweep(self, connections: int) -> None:
        if connections:
            self._left_at = time.monotonic()
        elif (
            self._linger_seconds is not None
            and time.monotonic() - self._left_at > self._linger_seconds
        ):
            self.stop()


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; OSError where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening
