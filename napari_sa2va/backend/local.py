"""The engine in this process, on whichever thread iterates."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

import napari_sa2va
from napari_sa2va.backend.base import BackendInfo, ServerStack, State
from napari_sa2va.backend.turns import Turns
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import Sa2VAError
from napari_sa2va.core.events import Event, Failed, Finished, Mask, Progress
from napari_sa2va.core.frames import FrameSource
from napari_sa2va.core.options import DEFAULTS, LoadOptions

if TYPE_CHECKING:
    from napari_sa2va.engine.engine import Engine
    from napari_sa2va.engine.session import Session

# Two threads that import torch and transformers by different ways may see half of a module.
_IMPORTING = threading.Lock()
NOTHING_TO_RESUME = Failed("There is nothing to resume.", "Ask again.")


class LocalBackend:
    """A model in this process, loaded when the first session opens.

    Parameters
    ----------
    model : str
        As `napari_sa2va.load` takes it.
    options : LoadOptions
        How it is loaded.
    turns : Turns, optional
        Shared by all that use the device.
    embedding_budget : int, optional
        Bytes of image embeddings that a session keeps; see `napari_sa2va.engine.engine.Engine`.
    """

    def __init__(
        self,
        model: str = "nano",
        options: LoadOptions = DEFAULTS,
        *,
        turns: Turns | None = None,
        embedding_budget: int | None = None,
    ) -> None:
        self._model = model
        self.options = options
        self._engine: Engine | None = None
        self._state: State = "idle"
        self._trouble = ""
        self._turns = turns or Turns()
        self._embedding_budget = embedding_budget
        # Not a turn: others go on while a model is loaded.
        self._loading = threading.Lock()

    @property
    def info(self) -> BackendInfo:
        device, dtype = self.options.device, self.options.dtype
        engine, used, total = self._engine, 0, 0
        if engine is not None:
            device, dtype = engine.device, engine.dtype
            used, total = engine.memory
        return BackendInfo(
            self._model,
            self._state,
            device,
            dtype,
            waiting=self._turns.waiting,
            memory_used=used,
            memory_total=total,
            trouble=self._trouble,
            revision="" if engine is None else engine.revision,
        )

    def open(self, stack: FrameSource | ServerStack | Any) -> LocalSession:
        """Open a session; the first one loads the model."""
        if isinstance(stack, ServerStack):
            from napari_sa2va.io import open_stack

            stack = open_stack(str(stack.path))
        engine = self._load()
        with self._turns.turn():
            session = engine.open(stack, embedding_budget=self._embedding_budget)
        return LocalSession(session, self._turns)

    def memory(self) -> DeviceMemory:
        # Without the lock: what is free is read while a request runs, too.
        with _IMPORTING:
            from napari_sa2va.engine.device_memory import read_device_memory

        engine = self._engine
        held = 0 if engine is None else engine.weights_size
        return read_device_memory(self.options.device, self.options.dtype, held)

    def close(self) -> None:
        with self._loading, self._turns.turn():
            if self._engine is not None:
                self._engine.close()
            self._engine = None
            self._state = "idle"

    def _load(self) -> Engine:
        with self._loading:
            if self._engine is None:
                self._state, self._trouble = "loading", ""
                try:
                    with _IMPORTING:
                        import_module("napari_sa2va.engine.engine")
                    self._engine = napari_sa2va.load(self._model, **asdict(self.options))
                except BaseException as error:
                    self._state, self._trouble = "failed", str(error)
                    raise
                self._state = "ready"
            return self._engine


class LocalSession:
    """One stack: the engine's session, as events."""

    def __init__(self, session: Session, turns: Turns) -> None:
        self._session = session
        self._turns = turns
        self._again: Callable[[], Iterator[Event]] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._session.shape

    @property
    def embedding_bytes(self) -> int:
        """Bytes of image embeddings that are kept."""
        return self._session.embedding_bytes

    def free_embeddings(self) -> None:
        """Drop all image embeddings; they are made again when needed."""
        with self._turns.turn():
            self._session.free_embeddings()

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
        clicks = None if points is None else list(points)

        def events() -> Iterator[Event]:
            found = self._session.segment(object_id, frame, clicks, box, mask)
            yield Mask(frame, object_id, found.mask, found.score)

        return self._run(events, lambda _: self.segment(object_id, frame, clicks, box, mask))

    def propagate(
        self,
        objects: Sequence[int] | None = None,
        start: int = 0,
        stop: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Event]:
        def rest(done: int) -> Iterator[Event]:
            """The frames that are left: the engine remembers what came before."""
            end = self.shape[0] if stop is None else stop
            first, last = (start, end - done) if reverse else (start + done, end)
            before = self.propagate(objects, first, last, reverse)
            return _continued(before, done, end - start)

        return self._run(lambda: self._session.propagation(objects, start, stop, reverse), rest)

    def resume(self) -> Iterator[Event]:
        again, self._again = self._again, None
        return iter([NOTHING_TO_RESUME]) if again is None else again()

    def remove(self, object_id: int) -> None:
        with self._turns.turn():
            self._session.remove(object_id)

    def reset(self) -> None:
        with self._turns.turn():
            self._session.reset()

    def close(self) -> None:
        with self._turns.turn():
            self._session.close()

    def _run(
        self,
        start: Callable[[], Iterable[Event]],
        rest: Callable[[int], Iterator[Event]] | None = None,
    ) -> Iterator[Event]:
        """The events of a request, with an end to each: `Finished`, or an error as `Failed`.

        `rest` gives what is left of it after so many frames, so that it can be resumed.
        """
        events: Iterator[Event] = iter(())
        finished, done = False, 0
        self._again = None
        try:
            with self._turns.turn():
                events = iter(start())
            while True:
                # Held for one event only, so that the requests of two sessions take turns.
                with self._turns.turn():
                    event = next(events, None)
                if event is None:
                    break
                finished = isinstance(event, Finished)
                if isinstance(event, Progress):
                    done = event.done
                yield event
            if not finished:
                yield Finished()
        except Sa2VAError as error:
            remedy = error.remedy
            if rest is not None and remedy:
                self._again = lambda: rest(done)
            elif remedy == "resume":
                remedy = ""
            yield Failed(error.message, error.hint, remedy)
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()


def _continued(events: Iterator[Event], before: int, total: int) -> Iterator[Event]:
    """Progress as part of the whole."""
    try:
        for event in events:
            if isinstance(event, Progress):
                yield Progress(before + event.done, total, event.what)
            else:
                yield event
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
