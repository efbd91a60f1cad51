"""The engine in this process, on whichever thread iterates."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import napari_sa2va
from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import Sa2VAError
from napari_sa2va.core.events import Event, Failed, Finished, Mask
from napari_sa2va.core.frames import FrameSource

if TYPE_CHECKING:
    from napari_sa2va.engine.engine import Engine
    from napari_sa2va.engine.session import Session


class LocalBackend:
    """A model in this process, loaded when the first session opens.

    Parameters
    ----------
    model, device, dtype : str
        As `napari_sa2va.load` takes them.
    """

    def __init__(self, model: str = "nano", device: str = "auto", dtype: str = "auto") -> None:
        self._arguments = (model, device, dtype)
        self._engine: Engine | None = None
        self._state = "idle"
        # One request at a time: the network's caches are not made for two threads.
        self._lock = threading.RLock()

    @property
    def info(self) -> BackendInfo:
        model, device, dtype = self._arguments
        engine = self._engine
        if engine is not None:
            device, dtype = engine.device, engine.dtype
        return BackendInfo(model, self._state, device, dtype)

    def open(self, stack: FrameSource | Any) -> LocalSession:
        """Open a session; the first one loads the model."""
        with self._lock:
            if self._engine is None:
                self._state = "loading"
                try:
                    self._engine = napari_sa2va.load(*self._arguments)
                except BaseException:
                    self._state = "failed"
                    raise
                self._state = "ready"
            return LocalSession(self._engine.open(stack), self._lock)

    def memory(self) -> DeviceMemory:
        # Without the lock: what is free is read while a request runs, too.
        from napari_sa2va.engine.device_memory import read_device_memory

        engine = self._engine
        _, device, dtype = self._arguments
        return read_device_memory(device, dtype, 0 if engine is None else engine.weights_size)

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.close()
            self._engine = None
            self._state = "idle"


class LocalSession:
    """One stack: the engine's session, as events."""

    def __init__(self, session: Session, lock: threading.RLock) -> None:
        self._session = session
        self._lock = lock

    def ask(
        self,
        text: str,
        frames: Sequence[int] | None = None,
        regions: Sequence[Any] | None = None,
        *,
        track: bool = True,
        remember: bool = True,
    ) -> Iterator[Event]:
        return self._run(
            lambda: self._session.ask(text, frames, regions, track=track, remember=remember)
        )

    def segment(
        self,
        object_id: int,
        frame: int,
        points: Iterable[tuple[float, float, bool]] | None = None,
        box: tuple[float, float, float, float] | None = None,
        mask: Any | None = None,
    ) -> Iterator[Event]:
        def events() -> Iterator[Event]:
            found = self._session.segment(object_id, frame, points, box, mask)
            yield Mask(frame, object_id, found.mask, found.score)

        return self._run(events)

    def propagate(
        self,
        objects: Sequence[int] | None = None,
        start: int = 0,
        stop: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Event]:
        return self._run(lambda: self._session.propagation(objects, start, stop, reverse))

    def remove(self, object_id: int) -> None:
        with self._lock:
            self._session.remove(object_id)

    def reset(self) -> None:
        with self._lock:
            self._session.reset()

    def close(self) -> None:
        with self._lock:
            self._session.close()

    def _run(self, start: Callable[[], Iterable[Event]]) -> Iterator[Event]:
        """The events of a request, with an end to each: `Finished`, or an error as `Failed`."""
        events: Iterator[Event] = iter(())
        finished = False
        try:
            with self._lock:
                events = iter(start())
            while True:
                # Held for one event only, so that the requests of two sessions take turns.
                with self._lock:
                    event = next(events, None)
                if event is None:
                    break
                finished = isinstance(event, Finished)
                yield event
            if not finished:
                yield Finished()
        except Sa2VAError as error:
            yield Failed(error.message, error.hint)
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()
