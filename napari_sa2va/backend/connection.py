"""One WebSocket on the server: what comes in, in order; what goes out, without blocking."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

import napari_sa2va
from napari_sa2va.backend.limits import HELLO_SECONDS
from napari_sa2va.backend.protocol import (
    VERSION,
    Ask,
    Cancel,
    Close,
    Frame,
    FrameFailed,
    FramePart,
    FromClient,
    Heartbeat,
    Hello,
    MeasureMemory,
    Memory,
    Message,
    NeedFrames,
    Open,
    Opened,
    Propagate,
    ProtocolError,
    Received,
    Remove,
    Reset,
    Resume,
    Segment,
    Status,
    Welcome,
    decode_from_client,
    encode,
)
from napari_sa2va.backend.refusals import RefusedError
from napari_sa2va.backend.served_session import ServedSession
from napari_sa2va.backend.sessions import Sessions
from napari_sa2va.backend.wire_frames import WireFrames
from napari_sa2va.core.errors import Sa2VAError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_REFUSED = 1008  # the WebSocket's code for a policy


class Connection:
    """Greets a client, attaches it to a session, and carries messages until either goes.

    Parameters
    ----------
    socket : WebSocket
        Not accepted yet; who may connect was checked before.
    sessions : Sessions
        The server's.
    compress : bool
        Whether the client is to compress frames.
    """

    def __init__(self, socket: WebSocket, sessions: Sessions, *, compress: bool) -> None:
        self._socket = socket
        self._sessions = sessions
        self._limits = sessions.limits
        self._compress = compress
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._replies: deque[Message] = deque()
        self._sent = 0  # the last event
        self._session: ServedSession | None = None
        self._opening: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[None] | None = None
        self._model: str | None = None
        self._ended: asyncio.Future[RefusedError] = self._loop.create_future()
        self._over = False
        self._frame: tuple[Frame, bytearray] | None = None  # the one whose parts are coming

    async def run(self) -> None:
        """Serve until the connection ends."""
        await self._socket.accept()
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._greet()
            tasks = [asyncio.create_task(job) for job in (self._read(), self._write())]
            ends: list[asyncio.Future[Any]] = [*tasks, self._ended]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                raise self._ended.result()
            for task in tasks:
                if task.done():
                    task.result()
        except (WebSocketDisconnect, OSError):
            pass
        except RefusedError as refusal:
            await self._refuse(refusal, tasks)
        except ProtocolError as error:
            await self._refuse(RefusedError("protocol", error.message, error.hint), tasks)
        except Exception as error:
            _log.exception("A connection failed")
            reason = f"The server failed: {type(error).__name__}: {error}"
            await self._refuse(RefusedError("failed", reason), tasks)
        finally:
            self._over = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._session is not None:
                self._session.detach(self)

    async def turn_away(self, why: RefusedError) -> None:
        """Say why the client is not served."""
        await self._socket.accept()
        await self._refuse(why, [])

    def wake(self) -> None:
        """There is something to send; from any thread."""
        self._in_loop(self._woken.set)

    def need_frames(self, indices: tuple[int, ...], content: bool) -> None:
        """Ask the client for frames; from any thread."""
        self._reply(NeedFrames(indices, content))

    def end(self, why: RefusedError) -> None:
        """Tell the client why, and end; from any thread."""

        def end() -> None:
            if not self._ended.done():
                self._ended.set_result(why)

        self._in_loop(end)

    def _in_loop(self, call: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the server is gone, and its loop with it
            _log.debug("A message came after the server's end")

    def _reply(self, message: Message) -> None:
        self._replies.append(message)
        self.wake()

    async def _greet(self) -> None:
        hello = await self._receive(HELLO_SECONDS)
        if not isinstance(hello, Hello):
            raise ProtocolError("The first message is not Hello.", "Greet first.")
        if hello.version != VERSION:
            raise RefusedError(
                "version",
                f"The server speaks version {VERSION} of the protocol, the client {hello.version}.",
                "Install the same version of napari-sa2va on both sides.",
            )
        self._reply(
            Welcome(
                VERSION,
                napari_sa2va.__version__,
                self._status(),
                self._compress,
                self._limits.keep_seconds,
                self._limits.silence_seconds,
            )
        )

    async def _read(self) -> None:
        while True:
            await self._handle(await self._receive(self._limits.silence_seconds))

    async def _receive(self, seconds: float) -> FromClient:
        try:
            async with asyncio.timeout(seconds):  # wait_for of 3.11 may swallow a cancellation
                event = await self._socket.receive()
        except TimeoutError:
            raise RefusedError(
                "ended", f"Nothing was heard for {seconds:g} seconds.", "Connect again."
            ) from None
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        data = event.get("bytes")
        if data is None:
            data = event.get("text") or ""
        self._sessions.metrics.bytes_in.inc(len(data))
        return decode_from_client(data)

    async def _write(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._replies:
                await self._send(encode(self._replies.popleft()))
            if self._session is None:
                continue
            for seq, data in self._session.outbox.after(self._sent):
                await self._send(data)
                self._sent = seq
                while self._replies:
                    await self._send(encode(self._replies.popleft()))

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await self._socket.send_bytes(data)
        except TimeoutError:
            raise RefusedError(
                "ended", f"The client read nothing for {self._limits.send_seconds:g} seconds."
            ) from None
        self._sessions.metrics.bytes_out.inc(len(data))

    async def _refuse(self, why: RefusedError, tasks: list[asyncio.Task[None]]) -> None:
        self._sessions.metrics.refusals.labels(why.code).inc()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            # What was said before, the greeting at least, is said first.
            async with asyncio.timeout(2.0):
                while self._replies:
                    await self._socket.send_bytes(encode(self._replies.popleft()))
                await self._socket.send_bytes(encode(why.message_to_client()))
                await self._socket.close(_REFUSED)
        except (OSError, RuntimeError, TimeoutError, WebSocketDisconnect):
            _log.debug("A client was gone before it was told: %s", why)

    async def _handle(self, message: FromClient) -> None:
        match message:
            case Heartbeat():
                self._reply(self._status())
            case Hello():
                raise ProtocolError("Hello came twice.", "Greet once.")
            case MeasureMemory():
                if self._measuring is None or self._measuring.done():
                    # It may import torch: heartbeats are answered meanwhile.
                    self._measuring = asyncio.create_task(self._measure())
                    self._measuring.add_done_callback(self._done)
            case Open() | Resume():
                if self._opening is not None or self._session is not None:
                    raise ProtocolError(
                        "The connection has a session already.", "Open one a connection."
                    )
                self._opening = asyncio.create_task(self._begin(message))
                self._opening.add_done_callback(self._done)
            case _ if self._session is None:
                name = type(message).__name__
                raise ProtocolError(f"{name} came before a session was open.", "Open one first.")
            case _:
                await self._handle_in(self._session, message)

    async def _handle_in(self, session: ServedSession, message: FromClient) -> None:
        match message:
            case Ask() | Segment() | Propagate():
                session.submit(message)
            case Remove() | Reset():
                await asyncio.to_thread(session.at_once, message)
            case Cancel():
                session.cancel(message.request)
            case Received():
                session.read(message.seq)
            case Frame():
                if self._frame is not None:
                    raise ProtocolError("A frame came amidst another.", "Send all parts first.")
                self._sessions.metrics.frames.labels(message.codec).inc()
                self._frame = message, bytearray()
                await self._add(session, message.data)
            case FramePart():
                await self._add(session, message.data)
            case FrameFailed():
                self._wire(session).fail(message)
            case Close():
                await asyncio.to_thread(self._sessions.end, session)
                with suppress(RuntimeError):  # the client's side was closed first
                    await self._socket.close()
                raise WebSocketDisconnect(1000)

    async def _add(self, session: ServedSession, data: bytes) -> None:
        if self._frame is None:
            raise ProtocolError("A part came without a frame.", "Send Frame first.")
        sent, parts = self._frame
        parts += data
        shape = session.shape
        # zstd may make noise a little larger.
        if max(len(parts), sent.size) > shape[1] * shape[2] * 3 * 1.01 + 1024:
            raise ProtocolError(f"Frame {sent.index} is too large.", f"The stack is {shape}.")
        if len(parts) > sent.size or (not data and len(parts) < sent.size):
            raise ProtocolError(
                f"The parts of frame {sent.index} do not make {sent.size} bytes.", "Send all."
            )
        if len(parts) == sent.size:
            self._frame = None
            await asyncio.to_thread(self._wire(session).accept, sent, parts)

    @staticmethod
    def _wire(session: ServedSession) -> WireFrames:
        if session.wire is None:
            raise ProtocolError("The stack is the server's own.", "Send no frames.")
        return session.wire

    async def _begin(self, message: Open | Resume) -> None:
        if isinstance(message, Open):
            self._model = message.model
            try:
                session = await _in_a_thread_that_ends(self._sessions.open, message)
            except RefusedError:
                raise
            except Sa2VAError as error:
                raise RefusedError(
                    "input", error.message, error.hint, remedy=error.remedy
                ) from error
            received = 0
        else:
            session, received = self._sessions.find(message), message.received
        self._model = session.model
        status = self._status()
        if self._over:  # nobody else knows the new session's secret
            if isinstance(message, Open):
                await asyncio.to_thread(self._sessions.end, session)
            return
        self._sent = received
        # First of all: what the session needs follows as soon as it is attached.
        self._replies.append(
            Opened(session.id, session.secret, session.shape, status, session.last_request)
        )
        session.attach(self, received)
        self._session = session
        self.wake()

    async def _measure(self) -> None:
        try:
            found = await asyncio.to_thread(self._sessions.models.memory)
        except Sa2VAError as error:
            raise RefusedError("input", error.message, error.hint) from error
        self._reply(Memory(found.device, found.name, found.dtype, found.free, found.total))

    def _done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, RefusedError):
            self.end(error)
        elif isinstance(error, ProtocolError):
            self.end(RefusedError("protocol", error.message, error.hint))
        elif error is not None:
            _log.error("A connection failed", exc_info=error)
            self.end(RefusedError("failed", f"The server failed: {error}"))

    def _status(self) -> Status:
        return self._sessions.status(self._model)


async def _in_a_thread_that_ends(call: Callable[..., _T], *arguments: Any) -> _T:
    """As `asyncio.to_thread`, for what computes with torch.

    OpenMP keeps a team of threads for each thread that ever computed. As soon as all of them are
    more than there are cores, none waits for the others awake, and every step takes a third longer.
    """
    with ThreadPoolExecutor(1) as executor:
        return await asyncio.get_running_loop().run_in_executor(executor, call, *arguments)
