"""The server: FastAPI for people and machines that watch it, one WebSocket per session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Response, Security, WebSocket
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

import napari_sa2va
from napari_sa2va.backend.connection import Connection
from napari_sa2va.backend.guard import Guard
from napari_sa2va.backend.refusals import RefusedError
from napari_sa2va.backend.sessions import Sessions

SESSION_PATH = "/session"
_SWEEP_SECONDS = 0.5


class Health(BaseModel):
    """Whether the server lives."""

    status: str
    version: str


class Model(BaseModel):
    """A model that may be asked for."""

    name: str
    state: str
    device: str
    dtype: str
    sessions: int


class OpenSession(BaseModel):
    """A session, as its administrator sees it."""

    id: str
    model: str
    shape: tuple[int, int, int]
    age_seconds: float
    idle_seconds: float
    connected: bool
    running: bool
    embedding_bytes: int


class Detail(BaseModel):
    """Why something is refused."""

    detail: str


_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Detail} for status in (401, 403, 413, 421)
}


def create_app(
    sessions: Sessions,
    *,
    token: str | None = None,
    hosts: frozenset[str] | None = None,
    compress: bool = True,
    on_sweep: Callable[[int], None] | None = None,
) -> FastAPI:
    """The application of a server.

    Parameters
    ----------
    sessions : Sessions
        What it serves; closed with it.
    token, hosts
        Who may speak to it: see `Guard`.
    compress : bool
        Whether clients are to compress frames.
    on_sweep : callable, optional
        Called twice a second with the number of connections.
    """
    connections: set[Connection] = set()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # As many as may wait at once: for a model to load, for their turn.
        workers = ThreadPoolExecutor(2 * sessions.limits.max_sessions + 8)
        asyncio.get_running_loop().set_default_executor(workers)
        sweeping = asyncio.create_task(sweep())
        yield
        sweeping.cancel()
        await asyncio.to_thread(sessions.close)

    async def sweep() -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await asyncio.to_thread(sessions.sweep)
            if on_sweep is not None:
                on_sweep(len(connections))

    app = FastAPI(
        title="napari-sa2va",
        version=napari_sa2va.__version__,
        description="A resident Sa2VA model. Sessions run over the WebSocket at /session.",
        lifespan=lifespan,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        responses=_REFUSALS,
    )
    app.add_middleware(Guard, token=token, hosts=hosts)
    sessions.metrics.gauge("connections", "WebSockets", lambda: len(connections))
    # Says so in the description; `Guard` is who asks for it, of WebSockets, too.
    guarded = [] if token is None else [Security(HTTPBearer(auto_error=False))]

    @app.get("/health")
    async def health() -> Health:
        """Whether the server lives; needs no token."""
        return Health(status="ok", version=napari_sa2va.__version__)

    @app.get("/models", dependencies=guarded)
    def models() -> list[Model]:
        """The models that may be asked for, and those that are loaded."""
        return [
            Model(
                name=info.model,
                state=info.state,
                device=info.device,
                dtype=info.dtype,
                sessions=users,
            )
            for info, users in sessions.models.infos()
        ]

    @app.get("/metrics", response_class=Response, dependencies=guarded)
    def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(sessions.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/admin/sessions", dependencies=guarded)
    def list_sessions() -> list[OpenSession]:
        """All sessions."""
        return [
            OpenSession(
                id=session.id,
                model=session.model,
                shape=session.shape,
                age_seconds=time.monotonic() - session.opened_at,
                idle_seconds=session.idle_seconds,
                connected=session.left_at is None,
                running=session.is_running,
                embedding_bytes=session.embedding_bytes,
            )
            for session in sessions.all()
        ]

    @app.delete(
        "/admin/sessions/{session_id}", responses={404: {"model": Detail}}, dependencies=guarded
    )
    def end_session(session_id: str) -> None:
        """End a session; its client is told."""
        for session in sessions.all():
            if session.id == session_id:
                why = "The session was ended by an administrator."
                sessions.end(session, RefusedError("gone", why))
                return
        raise HTTPException(404, "There is no such session.")

    @app.post("/admin/models/unload", responses={409: {"model": Detail}}, dependencies=guarded)
    def unload(name: str) -> None:
        """Free a model that no session uses."""
        if not sessions.models.unload(name):
            raise HTTPException(409, "The model is not loaded, or a session uses it.")

    @app.websocket(SESSION_PATH)
    async def session(socket: WebSocket) -> None:
        connection = Connection(socket, sessions, compress=compress)
        if len(connections) >= sessions.limits.max_connections:
            await connection.turn_away(
                RefusedError("capacity", "Too many connections.", "Try again later.", 10.0)
            )
            return
        connections.add(connection)
        try:
            await connection.run()
        finally:
            connections.discard(connection)

    return app
