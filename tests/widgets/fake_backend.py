"""A backend without a model: deterministic, quick, and it fails when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.core.answers import Answer
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import CheckpointError, Sa2VAError
from napari_sa2va.core.events import (
    Event,
    Failed,
    Finished,
    Mask,
    ObjectFound,
    Progress,
    Reasoning,
    Token,
)
from napari_sa2va.core.frames import FrameSource

SIDE = 8


class FakeBackend:
    """Grounds what is bright, follows it pixel by pixel, and talks in `[SEG]` tokens."""

    def __init__(self, delay: float = 0.002) -> None:
        self.delay = delay
        self.sessions: list[FakeSession] = []
        self.threads: set[int] = set()
        self.closed = False
        self.fail_to_load = False
        self.fail_with: Failed | Exception | None = None
        self.fail_after = 0  # events
        self.room = DeviceMemory("cpu", "this computer", "float32", 12_000_000_000, 24_000_000_000)
        self.vanished: dict[int, range] = {}  # by object: frames in which it is not seen
        self.answer = "I see <p>a cell</p> [SEG] and <p>a dot</p> [SEG]."
        self.reasoning = ""
        self._state = "idle"

    @property
    def info(self) -> BackendInfo:
        if self._state != "ready":
            return BackendInfo("fake", self._state)
        return BackendInfo("fake", "ready", "cpu", "float32")

    def open(self, stack: FrameSource | Any) -> FakeSession:
        self.threads.add(threading.get_ident())
        self._state = "loading"
        time.sleep(10 * self.delay)
        if self.fail_to_load:
            self._state = "failed"
            raise CheckpointError("The checkpoint is damaged.", "Download it again.")
        self.closed = False
        self._state = "ready"
        self.sessions.append(FakeSession(self, stack))
        return self.sessions[-1]

    def memory(self) -> DeviceMemory:
        self.threads.add(threading.get_ident())
        return self.room

    def close(self) -> None:
        self.closed = True


class FakeSession:
    def __init__(self, backend: FakeBackend, frames: FrameSource) -> None:
        self._backend = backend
        self.frames = frames
        self.calls: list[tuple[Any, ...]] = []
        self.prompted: dict[int, set[int]] = {}
        self.masks: dict[int, dict[int, np.ndarray]] = {}
        self.removed: list[int] = []
        self.open_iterators = 0
        self._rest: Iterator[Event] | None = None
        self.closed = False

    def ask(
        self,
        text: str,
        frames: Sequence[int] | None = None,
        regions: Sequence[Any] | None = None,
        *,
        track: bool = True,
        remember: bool = True,
    ) -> Iterator[Event]:
        looked_at = list(range(min(5, self.frames.shape[0]))) if frames is None else list(frames)
        self.calls.append(("ask", text, looked_at, track, remember))
        return self._run(self._ask(text, looked_at, track))

    def segment(
        self,
        object_id: int,
        frame: int,
        points: Iterable[tuple[float, float, bool]] | None = None,
        box: tuple[float, float, float, float] | None = None,
        mask: Any | None = None,
    ) -> Iterator[Event]:
        clicks = None if points is None else list(points)
        self.calls.append(("segment", object_id, frame, clicks, box, mask is not None))
        return self._run(self._segment(object_id, frame, clicks, box, mask))

    def propagate(
        self,
        objects: Sequence[int] | None = None,
        start: int = 0,
        stop: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Event]:
        self.calls.append(("propagate", list(objects or ()), start, stop, reverse))
        frames = range(start, self.frames.shape[0] if stop is None else stop)
        return self._run(self._propagate(list(objects or self.masks), frames, reverse))

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.frames.shape

    def resume(self) -> Iterator[Event]:
        self.calls.append(("resume",))
        rest, self._rest = self._rest, None
        if rest is None:
            return iter([Failed("There is nothing to resume.", "Ask again.")])
        return self._run(rest)

    def remove(self, object_id: int) -> None:
        if object_id not in self.masks:
            raise Sa2VAError(f"There is no object {object_id}.")
        self.removed.append(object_id)
        del self.masks[object_id], self.prompted[object_id]

    def reset(self) -> None:
        self.masks.clear()
        self.prompted.clear()

    def close(self) -> None:
        self.closed = True

    def _run(self, events: Iterator[Event]) -> Iterator[Event]:
        self.open_iterators += 1
        try:
            for number, event in enumerate(events):
                time.sleep(self._backend.delay)
                self._backend.threads.add(threading.get_ident())
                if isinstance(self._backend.fail_with, Exception):
                    raise self._backend.fail_with
                if self._backend.fail_with is not None and number >= self._backend.fail_after:
                    if self._backend.fail_with.remedy:
                        self._rest = chain([event], events)
                    yield self._backend.fail_with
                    return
                yield event
            yield Finished()
        finally:
            self.open_iterators -= 1

    def _ask(self, text: str, looked_at: list[int], track: bool) -> Iterator[Event]:
        answer = self._backend.answer.replace("{text}", text)
        if self._backend.reasoning:
            yield Reasoning(self._backend.reasoning)
        found: list[int] = []
        at = 0
        for word in _tokens(answer):
            yield Token(word)
            at += len(word)
            if word == "[SEG]":
                object_id = max(self.masks, default=0) + 1
                self.masks[object_id], self.prompted[object_id] = {}, set(looked_at)
                found.append(object_id)
                yield ObjectFound(object_id, *_grounded(answer, at - len(word), text))
        every = range(self.frames.shape[0]) if track else looked_at
        for done, frame in enumerate(every, 1):
            for number, object_id in enumerate(found):
                y, x = 4 + 20 * number, 4 + frame
                yield self._mask(frame, object_id, self._square(y, x))
            yield Progress(done, len(every), "frames")
        yield Finished(Answer(answer))

    def _segment(
        self, object_id: int, frame: int, points: Any, box: Any, mask: Any
    ) -> Iterator[Event]:
        self.prompted.setdefault(object_id, set()).add(frame)
        self.masks.setdefault(object_id, {})
        drawn = np.zeros(self.frames.shape[1:], bool)
        if mask is not None:
            drawn |= np.asarray(mask)
        if box is not None:
            y0, x0, y1, x1 = (round(v) for v in box)
            drawn[y0:y1, x0:x1] = True
        for y, x, positive in points or ():
            square = self._square(round(y) - SIDE // 2, round(x) - SIDE // 2)
            drawn = drawn | square if positive else drawn & ~square
        self.frames.frame(frame)
        yield self._mask(frame, object_id, drawn)

    def _propagate(self, objects: list[int], frames: range, reverse: bool) -> Iterator[Event]:
        order = frames[::-1] if reverse else frames
        for done, frame in enumerate(order, 1):
            for object_id in objects:
                seen = [
                    f for f in self.prompted[object_id] if (f >= frame if reverse else f <= frame)
                ]
                if seen:
                    near = min(seen, key=lambda f: abs(f - frame))
                    moved = np.roll(self.masks[object_id][near], frame - near, axis=1)
                    if frame in self._backend.vanished.get(object_id, ()):
                        moved = np.zeros_like(moved)
                    yield self._mask(frame, object_id, moved)
            yield Progress(done, len(order), "frames")

    def _square(self, y: int, x: int) -> np.ndarray:
        square = np.zeros(self.frames.shape[1:], bool)
        square[max(0, y) : y + SIDE, max(0, x) : x + SIDE] = True
        return square

    def _mask(self, frame: int, object_id: int, mask: np.ndarray) -> Mask:
        self.masks[object_id][frame] = mask
        return Mask(frame, object_id, mask, 0.9 if mask.any() else 0.0)


def _tokens(answer: str) -> list[str]:
    spaced = answer
    for token in ("<p>", "</p>", "[SEG]"):
        spaced = spaced.replace(token, f"\0{token}\0")
    return [piece for part in spaced.split("\0") for piece in _words(part)]


def _words(part: str) -> list[str]:
    if part in ("<p>", "</p>", "[SEG]"):
        return [part]
    return [part[i : i + 4] for i in range(0, len(part), 4)]


def _grounded(answer: str, seg: int, question: str) -> tuple[str, tuple[int, int]]:
    before = answer[:seg]
    end = before.rfind("</p>")
    start = before.rfind("<p>")
    if start < 0 or before[end + 4 :].strip():
        return question, (seg, seg + 5)
    return before[start + 3 : end], (start + 3, end)
