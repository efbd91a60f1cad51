"""TLS for a connection that one thread reads while others write."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from napari_sa2va.core.errors import InputError

_Result = TypeVar("_Result")


class SharedTLSSocket(ssl.SSLSocket):
    """Lets one thread at a time into OpenSSL, and none wait there.

    The threads of `websockets` read and write one socket at once, which OpenSSL does not allow: now
    and then an answer is never read. And where the session tickets of TLS 1.3 wake the reader, it
    waits inside OpenSSL for data, from where closing the socket does not bring it back.
    """

    _turn: threading.Lock
    _reading: threading.Lock
    _writing: threading.Lock
    _limit: float | None = None
    _is_shared = False

    def __new__(cls, *arguments: Any, **options: Any) -> SharedTLSSocket:
        made = super().__new__(cls, *arguments, **options)
        made._turn, made._reading, made._writing = (threading.Lock() for _ in range(3))
        return made

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        self._is_shared = True

    def settimeout(self, value: float | None) -> None:
        # Once it is shared it does not block: `_patiently` waits in its place.
        self._limit = value
        super().settimeout(0.0 if self._is_shared else value)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        with self._reading:
            return self._patiently(lambda: super(SharedTLSSocket, self).recv(buflen, flags))

    def send(self, data: Any, flags: int = 0) -> int:
        with self._writing:
            return self._patiently(lambda: super(SharedTLSSocket, self).send(data, flags))

    def shutdown(self, how: int) -> None:
        # Not SSLSocket's: after it a reader would take what is encrypted for data.
        socket.socket.shutdown(self, how)

    def close(self) -> None:
        with suppress(OSError):  # the other side was faster
            self.shutdown(socket.SHUT_RDWR)  # wakes who waits
        # Only then: a selector forgets what is closed, and who waits for it would wait for ever.
        with self._reading, self._writing:
            super().close()

    def _patiently(self, action: Callable[[], _Result]) -> _Result:
        while True:
            try:
                with self._turn:
                    return action()
            except ssl.SSLWantReadError:
                self._wait(selectors.EVENT_READ)
            except ssl.SSLWantWriteError:
                self._wait(selectors.EVENT_WRITE)

    def _wait(self, event: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self, event)
            if not selector.select(self._limit):
                raise TimeoutError("the other side does not answer")


def trust(certificate: Path | None) -> ssl.SSLContext:
    """What a connection to a server trusts: what the system does, and a certificate.

    Raises
    ------
    InputError
        The certificate cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=certificate)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"The certificate {certificate} cannot be read: {error}.", "Give a PEM file."
        ) from error
    context.sslsocket_class = SharedTLSSocket
    return context
