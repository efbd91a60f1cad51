"""The backend's session for what is sent, and what its objects are called here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from napari_sa2va.backend.base import Backend, BackendInfo, BackendSession, State
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import InputError, Sa2VAError
from napari_sa2va.core.events import Mask, Progress
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.options import DEFAULTS, LoadOptions
from napari_sa2va.core.prompts import FramePrompts
from napari_sa2va.models.catalog import bring_model
from napari_sa2va.widgets._frames import ViewedFrames
from napari_sa2va.widgets._place import Place

Click = tuple[float, float, bool]
Box = tuple[float, float, float, float]

_MEGABYTE = 10**6
# The session's id of what is only previewed: no session counts that far.
_PREVIEWED = 10**6


class ObjectIds:
    """Which object of a session is which label: a session may number its finds as it likes."""

    def __init__(self) -> None:
        self._labels: dict[int, int] = {}

    def label(self, session_id: int) -> int | None:
        """The label of a session's object."""
        return self._labels.get(session_id)

    def session_id(self, label: int) -> int | None:
        """The session's id of a label; None where the session does not know the object."""
        return next((own for own, known in self._labels.items() if known == label), None)

    def bind(self, session_id: int, label: int) -> None:
        """From now on the session's object is this label."""
        self.forget(label)
        self._labels[session_id] = label

    def forget(self, label: int) -> int | None:
        """Drop a label; the session's id that it had."""
        session_id = self.session_id(label)
        if session_id is not None:
            del self._labels[session_id]
        return session_id

    def free_session_id(self, label: int) -> int:
        """An id for an object that the session does not know yet; the label if it can be."""
        return label if label not in self._labels else max(self._labels) + 1


def _nothing() -> Iterator[Progress]:
    return iter(())


@dataclass(frozen=True)
class Source:
    """Where the backend comes from.

    Attributes
    ----------
    make : callable
        Makes the backend when it is first needed: importing a local one takes seconds.
    model, place : str
        What to show of it until then; see `napari_sa2va.backend.base.BackendInfo`.
    bring : callable
        Brings what is missing of the model to this machine, and tells how far that is.
    """

    make: Callable[[], Backend]
    model: str
    place: str
    bring: Callable[[], Iterator[Progress]] = _nothing


class Sessions:
    """One backend, and one session on it at a time.

    `info`, `forget`, `begin_request`, `switch` and `end` belong to the Qt thread, all else to the
    worker.

    Parameters
    ----------
    source : Source
        Where the backend comes from.

    Attributes
    ----------
    ids : ObjectIds
        The objects of the session.
    is_another : bool
        Whether the session given last took the place of another.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._backend: Backend | None = None
        self._session: BackendSession | None = None
        self._frames: ViewedFrames | None = None
        self._forgotten: set[int] = set()
        self._state: State = "idle"
        self._lock = threading.RLock()
        self._freeing: threading.Thread | None = None
        self._ended = False
        self._in_flight = False
        self._had_session = False
        self._previewing = False
        self.is_another = False
        self.ids = ObjectIds()

    @property
    def info(self) -> BackendInfo:
        """What the backend says, or what is known before it exists."""
        backend = self._backend
        if backend is None:
            return BackendInfo(self._source.model, self._state, place=self._source.place)
        info = backend.info
        if self._state == "loading" and info.state == "idle":
            return replace(info, state="loading")
        return info

    @property
    def bring(self) -> Callable[[], Iterator[Progress]]:
        """Brings what is missing of the model to this machine, and tells how far that is."""
        return self._source.bring

    def memory(self) -> DeviceMemory:
        """What the backend's device has room for."""
        return self._the_backend().memory()

    def session(self, frames: ViewedFrames) -> BackendSession:
        """The session for these frames; a new one where they differ from the last."""
        with self._lock:
            if self._ended:
                raise InputError("The widget is closed.", "Open it again.")
            if self._session is None or self._frames is None or self._frames.key != frames.key:
                self.is_another = self._had_session
                self.close_session()
                self._session = self._open(frames)
                self._frames = frames
                self._had_session = True
            else:
                self.is_another = False
            self._drop_forgotten(self._session)
            return self._session

    def has(self, session: BackendSession) -> bool:
        """Whether this is the session that is open."""
        return self._session is session

    def preview(
        self, frames: ViewedFrames, frame: int, prompts: FramePrompts, aside: bool = False
    ) -> BoolMask | None:
        """The mask that points and a box would give; the session forgets it at once.

        None where there is no session for these frames, or a request is on its way. Frames that are
        to be looked at `aside` have one of their own, once the model is loaded. Call it off the Qt
        thread; a request that comes meanwhile waits for it.
        """
        with self._lock:
            session, known, backend = self._session, self._frames, self._backend
            if self._ended or self._in_flight or session is None or known is None:
                return None
            if backend is None or not (aside or known.key == frames.key):
                return None
            self._previewing = True
            try:
                if aside:
                    with closing(backend.open(frames)) as own:
                        return _previewed(own, frame, prompts)
                return _previewed(session, frame, prompts)
            finally:
                self._previewing = False
                if self._ended:
                    self._free()

    def forget(self, labels: Iterable[int]) -> None:
        """Let the session forget objects before the next request: their masks were taken back."""
        self._forgotten.update(labels)

    def remove(self, session: BackendSession, label: int) -> None:
        """Forget an object now."""
        session_id = self.ids.forget(label)
        if session_id is not None:
            # The session may have dropped it on its own account.
            with suppress(Sa2VAError):
                session.remove(session_id)

    def close_session(self) -> None:
        """Free the session, if there is one."""
        session, self._session, self._frames = self._session, None, None
        self.ids = ObjectIds()
        self._forgotten.clear()
        if session is not None:
            session.close()

    def restart(self) -> None:
        """Let go of the backend; the next request makes it anew."""
        with self._lock:
            self._free()
            self._state = "idle"

    def switch(self, source: Source) -> None:
        """Work with another backend from now on; not while a request is in flight."""
        self._source = source
        self._state = "idle"
        self._free_aside()

    def begin_request(self) -> None:
        """A request is on its way: it will call `finish_request`, whatever happens."""
        self._in_flight = True

    def finish_request(self) -> None:
        """The request in flight is over; free everything if that was asked for meanwhile."""
        with self._lock:
            self._in_flight = False
            if self._ended:
                self._free()

    def end(self) -> None:
        """Free everything, for good: soon, or when the request in flight lets go."""
        self._ended = True
        if not (self._in_flight or self._previewing):
            self._free_aside()

    def _free_aside(self) -> None:
        """Free everything in a thread: a server may take seconds to take leave."""
        if self._backend is not None or self._session is not None:
            self._freeing = threading.Thread(target=self._take_leave(), name="leaving")
            self._freeing.start()

    def _take_leave(self) -> Callable[[], None]:
        """Forget the backend now; what is returned closes it."""
        session, self._session, self._frames = self._session, None, None
        backend, self._backend = self._backend, None
        self.ids = ObjectIds()
        self._forgotten.clear()

        def close() -> None:
            if session is not None:
                session.close()
            if backend is not None:
                backend.close()

        return close

    def _free(self) -> None:
        with self._lock:
            self._take_leave()()

    def _open(self, frames: ViewedFrames) -> BackendSession:
        self._state = "loading"
        try:
            session = self._the_backend().open(frames)
        except BaseException:
            self._state = "failed"
            raise
        self._state = "ready"
        return session

    def _the_backend(self) -> Backend:
        with self._lock:
            freeing, self._freeing = self._freeing, None
            if freeing is not None:
                freeing.join()  # a device seldom has room for two models
            if self._backend is None:
                self._backend = self._source.make()
            return self._backend

    def _drop_forgotten(self, session: BackendSession) -> None:
        while self._forgotten:
            self.remove(session, self._forgotten.pop())


def _previewed(session: BackendSession, frame: int, prompts: FramePrompts) -> BoolMask | None:
    mask = None
    try:
        for event in session.segment(_PREVIEWED, frame, *spoken(prompts)):
            if isinstance(event, Mask):
                mask = event.mask
    finally:
        with suppress(Sa2VAError):  # nothing may have come of it
            session.remove(_PREVIEWED)
    return mask


def spoken(prompts: FramePrompts) -> tuple[list[Click] | None, Box | None]:
    """Points and box as sessions take them."""
    points = [(point.y, point.x, point.positive) for point in prompts.points]
    box = prompts.box
    return points or None, box and (box.y0, box.x0, box.y1, box.x1)


def source_of(
    backend: Backend | None, model: str, place: Place, options: LoadOptions = DEFAULTS
) -> Source:
    """A given backend, else a model at a place."""
    if backend is not None:
        info = backend.info
        return Source(lambda: backend, info.model, info.place)
    needed = [model, *([options.prompt_model] if options.prompt_model else [])]
    bring = partial(_bring, needed) if place.is_here else _nothing
    return Source(partial(place.make_backend, model, options), model, place.name, bring)


def _bring(models: Iterable[str]) -> Iterator[Progress]:
    """Download models, counted in megabytes."""
    for transfer in chain.from_iterable(map(bring_model, models)):
        if transfer.total:
            done, total = transfer.done // _MEGABYTE, transfer.total // _MEGABYTE
            yield Progress(done, total, "downloading the model: megabyte")
        else:
            yield Progress(0, 0, transfer.what)
