"""Who may speak to a server: token, host and origin, for HTTP and WebSocket alike."""

from __future__ import annotations

import hashlib
import hmac
import json

from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_OPEN_PATHS = frozenset({"/health"})
_MAX_BODY = 64 * 1024

Refusal = tuple[int, str]


class Guard:
    """Lets through only who may.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    token : str or None
        What clients must show in the Authorization header. None: nothing; only where nobody but
        the user can connect.
    hosts : frozenset of str or None
        What a request may call this server. It keeps a web page from reaching a server on loopback
        by a name that it points there.
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: frozenset[str] | None) -> None:
        self._app = app
        self._token = None if token is None else _digest(f"Bearer {token}".encode())
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            refusal = self._refusal(scope)
            if refusal is not None:
                await _refuse(scope, receive, send, *refusal)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if self._hosts is not None and name not in self._hosts:
            return 421, "The server is not called that: use localhost or 127.0.0.1."
        if b"origin" in headers:
            return 403, "Web pages may not use this server."
        size = headers.get(b"content-length", b"0")
        if not size.isdigit() or int(size) > _MAX_BODY:
            return 413, f"A request's body may have {_MAX_BODY} bytes."
        if self._token is None or scope["path"] in _OPEN_PATHS:
            return None
        # Digests are of one length: neither their comparison nor its time tells anything.
        if hmac.compare_digest(self._token, _digest(headers.get(b"authorization", b""))):
            return None
        return 401, "The token is missing or wrong: send it as Authorization: Bearer TOKEN."


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # its connect
        kind = "websocket.http.response"
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    body = json.dumps({"detail": reason}).encode()
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
