"""The backend's session for what is sent, and what its objects are called here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from napari_sa2va.backend.base import Backend, BackendInfo, BackendSession
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import Sa2VAError
from napari_sa2va.core.events import Mask, Progress
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.models.catalog import bring_model
from napari_sa2va.widgets._frames import ViewedFrames

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


class Sessions:
    """One backend, and one session on it at a time.

    `info`, `forget`, `begin_request` and `end` belong to the Qt thread, all else to the worker.

    Parameters
    ----------
    make_backend : callable
        Makes the backend when it is first needed: importing a local one takes seconds.
    model : str
        What to show as the model until then.
    bring : callable
        Brings what is missing of the model to this machine, and tells how far that is.

    Attributes
    ----------
    ids : ObjectIds
        The objects of the session.
    is_another : bool
        Whether the session given last took the place of another.
    """

    def __init__(
        self,
        make_backend: Callable[[], Backend],
        model: str,
        bring: Callable[[], Iterator[Progress]] = lambda: iter(()),
    ) -> None:
        self._make_backend = make_backend
        self.bring = bring
        self._model = model
        self._backend: Backend | None = None
        self._session: BackendSession | None = None
        self._frames: ViewedFrames | None = None
        self._forgotten: set[int] = set()
        self._state = "idle"
        self._lock = threading.RLock()
        self._ended = False
        self._in_flight = False
        self._previewing = False
        self.is_another = False
        self.ids = ObjectIds()

    @property
    def info(self) -> BackendInfo:
        """What the backend says, or what is known before it exists."""
        backend = self._backend
        if backend is None:
            return BackendInfo(self._model, self._state)
        info = backend.info
        if self._state == "loading" and info.state == "idle":
            return BackendInfo(info.model, "loading", info.device, info.dtype)
        return info

    def memory(self) -> DeviceMemory:
        """What the backend's device has room for."""
        return self._the_backend().memory()

    def session(self, frames: ViewedFrames) -> BackendSession:
        """The session for these frames; a new one where they differ from the last."""
        with self._lock:
            if self._ended:
                raise Sa2VAError("The widget is closed.", "Open it again.")
            if self._session is None or self._frames is None or self._frames.key != frames.key:
                self.is_another = self._session is not None
                self.close_session()
                self._session = self._open(frames)
                self._frames = frames
            else:
                self.is_another = False
            self._drop_forgotten(self._session)
            return self._session

    def preview(
        self, frames: ViewedFrames, frame: int, points: Sequence[tuple[float, float, bool]]
    ) -> BoolMask | None:
        """The mask that clicks (y, x, positive) would give; the session forgets it at once.

        None where there is no session for these frames, or a request is on its way. Call it off
        the Qt thread; a request that comes meanwhile waits for it.
        """
        with self._lock:
            session, known = self._session, self._frames
            if self._ended or self._in_flight or session is None or known.key != frames.key:
                return None
            self._previewing = True
            mask = None
            try:
                for event in session.segment(_PREVIEWED, frame, points):
                    if isinstance(event, Mask):
                        mask = event.mask
            finally:
                with suppress(Sa2VAError):  # nothing may have come of it
                    session.remove(_PREVIEWED)
                self._previewing = False
                if self._ended:
                    self._free()
            return mask

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
        """Free everything, for good: now, or when the request or preview in flight lets go."""
        self._ended = True
        if not (self._in_flight or self._previewing):
            self._free()

    def _free(self) -> None:
        with self._lock:
            self.close_session()
            if self._backend is not None:
                self._backend.close()

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
            if self._backend is None:
                self._backend = self._make_backend()
            return self._backend

    def _drop_forgotten(self, session: BackendSession) -> None:
        while self._forgotten:
            self.remove(session, self._forgotten.pop())


def sessions_on(backend: Backend | None, model: str) -> Sessions:
    """Sessions on a given backend, else on a model in this process."""
    if backend is not None:
        return Sessions(lambda: backend, backend.info.model)

    def local() -> Backend:
        from napari_sa2va.backend.local import LocalBackend

        return LocalBackend(model=model, device="auto", dtype="auto")

    return Sessions(local, model, partial(_bring, model))


def _bring(model: str) -> Iterator[Progress]:
    """Download a model, counted in megabytes."""
    for transfer in bring_model(model):
        if transfer.total:
            done, total = transfer.done // _MEGABYTE, transfer.total // _MEGABYTE
            yield Progress(done, total, "downloading the model: megabyte")
        else:
            yield Progress(0, 0, transfer.what)
