"""An engine without a network: quick, deterministic, and it waits or fails when told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from napari_sa2va.core.answers import Answer, Segmentation, SegmentedObject
from napari_sa2va.core.errors import DeviceMemoryError, InputError
from napari_sa2va.core.events import Event, Finished, Mask, ObjectFound, Progress, Token
from napari_sa2va.core.frames import as_frames
from napari_sa2va.core.masks import PackedMasks

PATIENCE = 60.0


class FakeEngine:
    """What it did before goes into what it does next, as with SAM 2's memory."""

    device, dtype, memory, revision = "fake", "float32", (1, 2), "abc"

    def __init__(self) -> None:
        # One step each time it is released, as often as that was; all where `is_free`.
        self.steps = threading.Semaphore(0)
        self.is_free = True
        self.fail_with: Exception | None = None
        self.taken: list[tuple[int, int]] = []
        self.sessions: list[FakeSession] = []
        self.budgets: list[int | None] = []

    def open(self, stack: Any, *, embedding_budget: int | None = None) -> FakeSession:
        self.budgets.append(embedding_budget)
        self.sessions.append(FakeSession(self, as_frames(stack), len(self.sessions)))
        return self.sessions[-1]

    def step(self, session: int, frame: int) -> None:
        if not self.is_free:
            assert self.steps.acquire(timeout=PATIENCE)
        if self.fail_with is not None:
            error, self.fail_with = self.fail_with, None
            raise error
        self.taken.append((session, frame))

    def close(self) -> None:
        pass


class FakeSession:
    """Follows what is bright; each mask depends on all that came before it."""

    def __init__(self, engine: FakeEngine, frames: Any, number: int) -> None:
        self._engine = engine
        self._frames = frames
        self.number = number
        self.shape = frames.shape
        self.history: dict[int, int] = {}
        self.embedding_bytes = 0
        self.freed = 0
        self.closed = False

    def free_embeddings(self) -> None:
        self.embedding_bytes, self.freed = 0, self.freed + 1

    def segment(self, object_id: int, frame: int, points: Any, box: Any, mask: Any) -> Segmentation:
        if (
            object_id < 1
            or not 0 <= frame < self.shape[0]
            or not (points or box or mask is not None)
        ):
            raise InputError("There is no prompt.", "Give points, a box or a mask.")
        self._engine.step(self.number, frame)
        self.history[object_id] = 1
        return Segmentation(self._mask(object_id, frame), 0.5)

    def propagation(
        self, objects: Sequence[int] | None, start: int, stop: int | None, reverse: bool
    ) -> Iterator[Event]:
        ids = list(self.history) if objects is None else list(objects)
        if not ids or set(ids) - set(self.history):
            raise InputError("There is no such object.", "Segment one first.")
        frames = range(start, self.shape[0] if stop is None else stop)
        return self._propagate(ids, frames[::-1] if reverse else frames)

    def ask(
        self, text: str, frames: Any, regions: Any, *, track: bool, remember: bool
    ) -> Iterator[Event]:
        if not text.strip():
            raise InputError("The text is empty.", "Ask something.")
        return self._ask(text)

    def remove(self, object_id: int) -> None:
        if object_id not in self.history:
            raise InputError(f"There is no object {object_id}.", "Name another.")
        del self.history[object_id]

    def reset(self) -> None:
        self.history.clear()

    def close(self) -> None:
        self.closed = True

    def _propagate(self, ids: Sequence[int], frames: Sequence[int]) -> Iterator[Event]:
        for done, frame in enumerate(frames, 1):
            self._engine.step(self.number, frame)
            kept = [object_id for object_id in ids if object_id in self.history]
            masks = [(object_id, self._mask(object_id, frame)) for object_id in kept]
            for object_id, mask in masks:
                yield Mask(frame, object_id, mask, 0.25)
            yield Progress(done, len(frames), "frames")

    def _ask(self, text: str) -> Iterator[Event]:
        for word in ("I ", "see ", "it ", "[SEG]"):
            self._engine.step(self.number, -1)
            yield Token(word)
        object_id = max(self.history, default=0) + 1
        self.history[object_id] = 1
        found = SegmentedObject(object_id, text, (9, 14), PackedMasks(self.shape))
        yield ObjectFound(object_id, text, (9, 14))
        for event in self._propagate([object_id], range(self.shape[0])):
            if isinstance(event, Mask):
                found.packed[event.frame] = event.mask
                found.frame_scores[event.frame] = event.score
            yield event
        yield Finished(Answer("I see it [SEG]", [found]))

    def _mask(self, object_id: int, frame: int) -> np.ndarray:
        pixels = self._frames.frame(frame)[..., 0]
        self.history[object_id] = (self.history[object_id] * 31 + int(pixels.sum())) % 251
        return pixels > self.history[object_id]


OUT_OF_MEMORY = DeviceMemoryError("The device has no memory left.", "Use less.", "use less memory")
