"""One stack on a server: its requests, and the way back to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from napari_sa2va.backend.base import ServerStack
from napari_sa2va.backend.calls import Call, Receipts
from napari_sa2va.backend.connectors import Connector
from napari_sa2va.backend.frame_sender import FrameSender
from napari_sa2va.backend.journal import Entry, Journal
from napari_sa2va.backend.link import Link, LostError
from napari_sa2va.backend.local import NOTHING_TO_RESUME
from napari_sa2va.backend.pixels import pack_mask
from napari_sa2va.backend.protocol import (
    ALL,
    ENDS,
    Ask,
    Cancel,
    Close,
    Event,
    FromServer,
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
    SentFailed,
    SentFinished,
    SentProgress,
    Stopped,
    WireMask,
    Work,
    decode_from_client,
    encode,
    wire_options,
)
from napari_sa2va.backend.refusals import RefusedError
from napari_sa2va.backend.wire_events import Receiving
from napari_sa2va.core import events
from napari_sa2va.core.errors import BackendError, InputError, Sa2VAError
from napari_sa2va.core.frames import FrameSource
from napari_sa2va.core.options import LoadOptions

if TYPE_CHECKING:
    from napari_sa2va.backend.client import RemoteBackend

_OPEN_SECONDS = 60.0  # without a sign of life; loading a model takes longer
_FIRST_RETRY, _LAST_RETRY = 0.1, 5.0
_TELL_EVERY = 8  # events


class RemoteSession:
    """A session on a server.

    Where the connection is cut it comes back by itself, within the time that the server keeps the
    session. Where the session itself is lost, because the server or its machine is, the request
    ends with `Failed` and the remedy ``"resume"``: `resume`, or the next request, opens another
    session and does again what made the lost one.

    Parameters
    ----------
    backend : RemoteBackend
        Is told how the server is.
    connector : Connector
        The way there.
    opening : Open
        What opens it: see `opening_of`.
    stack : FrameSource or ServerStack
        What it is about.
    sent : set of bytes
        Keys of frames that the server has seen.
    """

    def __init__(
        self,
        backend: RemoteBackend,
        connector: Connector,
        opening: Open,
        stack: FrameSource | ServerStack,
        sent: set[bytes],
    ) -> None:
        self._backend = backend
        self._connector = connector
        self._sender: FrameSender | None = None
        self._opening = opening
        if not isinstance(stack, ServerStack):
            self._sender = FrameSender(stack, sent)
        self._lock = threading.RLock()
        self._journal = Journal()
        self._calls: dict[int, Call] = {}
        self._receipts = Receipts()
        self._since_told = 0
        self._last_request = 0
        self._interrupted: Call | None = None
        self._is_closed = False
        self._is_lost = False
        self._closing = threading.Event()
        self._link: Link | None = None
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._opened.shape

    def ask(
        self,
        text: str,
        frames: Sequence[int] | None = None,
        regions: Sequence[Any] | None = None,
        *,
        track: bool = True,
        remember: bool = True,
    ) -> Iterator[events.Event]:
        return self._run(
            lambda request: Ask(
                request,
                text=text,
                frames=None if frames is None else tuple(map(int, frames)),
                regions=None if regions is None else tuple(map(self._mask, regions)),
                track=track,
                remember=remember,
            )
        )

    def segment(
        self,
        object_id: int,
        frame: int,
        points: Iterable[tuple[float, float, bool]] | None = None,
        box: tuple[float, float, float, float] | None = None,
        mask: Any | None = None,
    ) -> Iterator[events.Event]:
        clicks = None if points is None else list(points)
        return self._run(
            lambda request: Segment(
                request,
                object_id=int(object_id),
                frame=int(frame),
                points=None if clicks is None else tuple(map(_click, clicks)),
                box=None if box is None else _box(*box),
                mask=None if mask is None else self._mask(mask),
            )
        )

    def propagate(
        self,
        objects: Sequence[int] | None = None,
        start: int = 0,
        stop: int | None = None,
        reverse: bool = False,
    ) -> Iterator[events.Event]:
        return self._run(
            lambda request: Propagate(
                request,
                objects=None if objects is None else tuple(map(int, objects)),
                start=int(start),
                stop=None if stop is None else int(stop),
                reverse=bool(reverse),
            )
        )

    def resume(self) -> Iterator[events.Event]:
        call, self._interrupted = self._interrupted, None
        if call is None:
            yield NOTHING_TO_RESUME
        elif self._link is None or isinstance(call.message, Ask):
            yield from self._again(call)
        elif isinstance(call.message, Propagate):
            yield from self._rest(call.message, call.frames_done)
        else:
            segment = call.message
            if isinstance(segment, Segment):
                yield from self._run(
                    lambda request: msgspec.structs.replace(segment, request=request)
                )

    def remove(self, object_id: int) -> None:
        self._at_once(lambda request: Remove(request, int(object_id)))

    def reset(self) -> None:
        self._at_once(Reset)

    def close(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            link, self._link = self._link, None
        self._closing.set()
        self._end_calls(BackendError("The session is closed.", "Open a new one."))
        if self._sender is not None:
            self._sender.close()
        if link is not None:
            self._post(link, Close())
            link.close()
        self._backend.forget(self)

    # --- requests ----------------------------------------------------------------------------

    def _run(self, make: Callable[[int], Work]) -> Iterator[events.Event]:
        try:
            yield from self._request(make)
        except Sa2VAError as error:
            yield events.Failed(error.message, error.hint, error.remedy)

    def _at_once(self, make: Callable[[int], Remove | Reset]) -> None:
        for event in self._request(make):
            if isinstance(event, events.Failed):
                raise InputError(event.message, event.hint)

    def _request(self, make: Callable[[int], Work | Remove | Reset]) -> Iterator[events.Event]:
        """The events of a request, in a session that is made again where it was lost."""
        call = None
        while call is None:
            yield from self._restore()
            call = self._begin(make)
        yield from self._follow(call)

    def _begin(self, make: Callable[[int], Work | Remove | Reset]) -> Call | None:
        """Send a request; None where the session has been lost since it was looked after."""
        with self._lock:
            if self._is_lost and not self._is_closed:
                return None
            self._interrupted = None
            self._last_request += 1
            message = _checked(make, self._last_request)
            return self._start(
                Call(message, self._journal.add(message), Receiving(self._opened.shape))
            )

    def _start(self, call: Call) -> Call:
        with self._lock:
            if self._is_closed:
                raise BackendError("The session is closed.", "Open a new one.")
            if self._is_lost:
                raise BackendError("The session was lost again.", "Resume to go on.", "resume")
            self._calls[call.message.request] = call
            link = self._link
        self._post(link, call.message)
        return call

    def _follow(self, call: Call) -> Iterator[events.Event]:
        ended = False
        try:
            while not ended:
                seq, body = call.get()
                ended = isinstance(body, ENDS)
                event = call.receiving.event(body)
                self._tell(seq, now=ended or not call.has_more)
                if isinstance(body, SentFailed) and body.remedy:
                    self._interrupted = call
                if event is not None:
                    yield event
        except BackendError as error:
            ended = True
            yield events.Failed(error.message, error.hint, error.remedy)
        finally:
            if not ended:
                self._cancel(call)

    def _cancel(self, call: Call) -> None:
        with self._lock:
            call.is_cancelled = True
            for seq in call.rest():
                self._receipts.read(seq)
            is_over, link = call.is_over, self._link
        if not is_over:
            self._post(link, Cancel(call.message.request))
        self._tell(None, now=True)

    def _tell(self, seq: int | None, *, now: bool) -> None:
        with self._lock:
            if seq is not None:
                self._receipts.read(seq)
                self._since_told += 1
            if not now and self._since_told < _TELL_EVERY:
                return
            self._since_told = 0
            read, link = self._receipts.to_tell(), self._link
        if read is not None:
            self._post(link, Received(read))

    @staticmethod
    def _post(link: Link | None, message: Message) -> None:
        """Send, unless the connection is gone: what matters is sent again over the next one."""
        if link is not None:
            try:
                link.send(message)
            except LostError:
                return

    def _mask(self, mask: Any) -> WireMask:
        array = np.asarray(mask).astype(bool)
        if array.shape != self.shape[1:]:
            raise InputError(
                f"The mask has the shape {array.shape}, the frame {self.shape[1:]}.",
                "Give a mask of the frame's shape.",
            )
        return pack_mask(array)

    # --- after a loss ------------------------------------------------------------------------

    def _rest(self, message: Propagate, done: int) -> Iterator[events.Event]:
        """The frames of a propagation that are left: the server remembers what came before."""
        stop = self.shape[0] if message.stop is None else message.stop
        first, last = message.start + done, stop
        if message.reverse:
            first, last = message.start, stop - done
        for event in self.propagate(message.objects, first, last, message.reverse):
            if isinstance(event, events.Progress):
                yield events.Progress(done + event.done, stop - message.start, event.what)
            else:
                yield event

    def _again(self, call: Call) -> Iterator[events.Event]:
        """A request in another session: what arrived of it before is not sent again."""
        entry = call.entry
        if entry is None or isinstance(call.message, Remove | Reset):
            yield NOTHING_TO_RESUME
            return
        with self._lock:
            if entry in self._journal.entries:
                self._journal.entries.remove(entry)
        try:
            self._leave()
            yield from self._restore()
            with self._lock:
                self._last_request += 1
                message = msgspec.structs.replace(
                    call.message, request=self._last_request, skip=entry.events
                )
                entry.is_open, entry.limit = True, None
                self._journal.entries.append(entry)
                call = self._start(Call(message, entry, call.receiving))
        except BackendError as error:
            with self._lock:
                if entry not in self._journal.entries:
                    self._journal.entries.append(entry)
                self._interrupted = call
            yield events.Failed(error.message, error.hint, "resume")
            return
        yield from self._follow(call)

    def _restore(self) -> Iterator[events.Event]:
        """Make the session again where it was lost."""
        with self._lock:
            if self._is_closed:
                raise BackendError("The session is closed.", "Open a new one.")
            if self._link is not None or not self._is_lost:
                return
            done = [entry for entry in self._journal.entries if not isinstance(entry, Reset)]
            for entry in done:
                if entry.is_open:  # what was cut off, and is not gone on with
                    self._journal.close(entry, entry.events)
        self._connect()
        for entry in list(self._journal.entries):
            yield from self._repeat(entry)

    def _repeat(self, entry: Entry) -> Iterator[events.Event]:
        message = entry.message
        with self._lock:
            self._last_request += 1
            request = self._last_request
        if isinstance(message, Remove | Reset):
            again: Work | Remove | Reset = msgspec.structs.replace(message, request=request)
        else:
            again = msgspec.structs.replace(message, request=request, skip=ALL, limit=entry.limit)
        call = self._start(Call(again, None, Receiving(self._opened.shape)))
        for event in self._follow(call):
            if isinstance(event, events.Progress):
                yield event
            elif isinstance(event, events.Failed) and isinstance(again, Ask | Segment | Propagate):
                self._leave()
                raise BackendError(event.message, event.hint, "resume")

    # --- the connection ----------------------------------------------------------------------

    def _connect(self) -> None:
        self._backend.be_present()
        link = Link(self._connector, self._backend.hear, start=True)
        try:
            link.send(self._opening)
            opened = link.receive(_OPEN_SECONDS)
            if not isinstance(opened, Opened):
                raise ProtocolError("The server does not open the session.", "Update it.")
        except BaseException:
            link.close()
            raise
        with self._lock:
            self._receipts = Receipts()
            self._calls.clear()
            self._attach(link, opened)

    def _attach(self, link: Link, opened: Opened) -> None:
        self._opened, self._link, self._is_lost = opened, link, False
        self._backend.hear(opened.status)
        link.follow(
            lambda message: self._on_message(link, message),
            lambda error: self._on_end(link, error),
        )

    def _leave(self) -> None:
        """Give up the session that is there, if one is."""
        with self._lock:
            link, self._link, self._is_lost = self._link, None, True
        if link is not None:
            self._post(link, Close())
            link.close()

    def _on_message(self, link: Link, message: FromServer) -> None:
        match message:
            case NeedFrames() if self._sender is not None:
                for index in message.indices:
                    self._sender.send(link, index, content=message.content)
            case Event():
                self._on_event(message)
            case _:
                raise ProtocolError(
                    f"{type(message).__name__} came at the wrong time.", "Update the server."
                )

    def _on_event(self, event: Event) -> None:
        with self._lock:
            if event.seq > self._receipts.arrived + 1:
                raise ProtocolError(f"Event {event.seq} came too early.", "Update the server.")
            if not self._receipts.arrive(event.seq):
                return
            call = self._calls.get(event.request)
            if call is not None:
                call.put((event.seq, event.body))
                if isinstance(event.body, ENDS):
                    self._end(call, event)
            unread = call is None or call.is_cancelled
            if unread:
                self._receipts.read(event.seq)
        if unread:
            self._tell(None, now=True)

    def _end(self, call: Call, event: Event) -> None:
        call.is_over = True
        del self._calls[event.request]
        if call.entry is None:
            return
        match event.body:
            case Stopped(count):
                self._journal.close(call.entry, count)
            case SentFailed():
                self._journal.close(call.entry, call.entry.events)
            case SentFinished() | SentProgress():
                self._journal.close(call.entry)

    def _on_end(self, link: Link, error: BackendError) -> None:
        with self._lock:
            if self._link is not link:
                return
            self._link = None
        if isinstance(error, LostError) and self._connector.is_lasting:
            self._backend.show("connecting")
            outcome = self._return(link.welcome.keep_seconds)
            if outcome is None:
                return
            error = outcome
        self._lose(error)

    def _return(self, seconds: float) -> BackendError | None:
        """Come back to the session; why it cannot be, or None."""
        deadline, pause = time.monotonic() + seconds, _FIRST_RETRY
        error: BackendError = LostError(self._connector.epitaph())
        while time.monotonic() < deadline and not self._closing.wait(pause):
            pause = min(2 * pause, _LAST_RETRY)
            try:
                link = Link(self._connector, self._backend.hear, start=False)
            except BackendError as reason:
                error = reason
                continue
            try:
                session, secret = self._opened.session, self._opened.secret
                link.send(Resume(session, secret, self._receipts.arrived))
                opened = link.receive(_OPEN_SECONDS)
            except RefusedError as reason:
                link.close()
                if reason.code != "capacity":
                    return reason
                error = reason
                continue
            except BackendError as reason:
                link.close()
                error = reason
                continue
            if isinstance(opened, Opened) and self._go_on(link, opened):
                return None
            link.close()
            return error
        return error

    def _go_on(self, link: Link, opened: Opened) -> bool:
        with self._lock:
            if self._is_closed:
                return False
            calls = list(self._calls.values())
            self._attach(link, opened)
        for call in calls:
            if call.message.request > opened.last_request:
                self._post(link, call.message)
            if call.is_cancelled:
                self._post(link, Cancel(call.message.request))
        return True

    def _lose(self, error: BackendError) -> None:
        if isinstance(error, RefusedError) and error.code in ("gone", "ended"):
            message = error.message
        else:
            message = f"{error.message} What is finished is kept."
        lost = BackendError(message, "Resume to go on.", "resume")
        with self._lock:  # a request that comes now waits, and then makes the session anew
            if isinstance(error, RefusedError) and error.code == "ended" and not self._calls:
                self._backend.rest()
            else:
                self._backend.show("lost", lost)
            self._end_calls(lost)

    def _end_calls(self, error: BackendError) -> None:
        with self._lock:
            self._is_lost = True
            calls = list(self._calls.values())
            self._calls.clear()
            for call in calls:
                if isinstance(call.message, Remove | Reset):
                    if call.entry in self._journal.entries:
                        self._journal.entries.remove(call.entry)
                elif call.is_cancelled:
                    if call.entry is not None:
                        self._journal.close(call.entry, call.entry.events)
                elif call.entry is not None:
                    self._interrupted = call
                call.put(error)


def opening_of(model: str, options: LoadOptions | None, stack: FrameSource | ServerStack) -> Open:
    """The message that opens a session on a stack."""
    how = None if options is None else wire_options(options)
    if isinstance(stack, ServerStack):
        return Open(model, path=str(stack.path), options=how)
    frames, height, width = stack.shape
    return Open(model, shape=(int(frames), int(height), int(width)), options=how)


def _click(click: tuple[float, float, bool]) -> tuple[float, float, bool]:
    y, x, positive = click
    return float(y), float(x), bool(positive)


def _box(y0: float, x0: float, y1: float, x1: float) -> tuple[float, float, float, float]:
    return float(y0), float(x0), float(y1), float(x1)


def _checked(make: Callable[[int], Any], request: int) -> Any:
    """A message as the server would read it; InputError where it would refuse."""
    try:
        message = make(request)
        return decode_from_client(encode(message))
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"What was asked is not understood: {error}.", "Check frames, points, box and mask."
        ) from error
    except ProtocolError as error:
        raise InputError(error.message, "Check frames, points, box and mask.") from error
