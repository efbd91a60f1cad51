"""One stack: ask, segment, propagate, remove, reset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from sam2.modeling.sam2_base import SAM2Base

from napari_sa2va.core.answers import Segmentation
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Event, Mask, Progress
from napari_sa2va.core.frames import FrameSource, check_frame
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.prompts import PointPrompt, TextPrompt, frame_prompts
from napari_sa2va.engine.answering import Answering, Question
from napari_sa2va.engine.cache import EmbeddingCache
from napari_sa2va.engine.chat import Chat, Turn
from napari_sa2va.engine.looking import Looking
from napari_sa2va.engine.masks import full_size_mask
from napari_sa2va.engine.request import Request
from napari_sa2va.engine.runtime import SA2VA_I, Runtime
from napari_sa2va.engine.tracker import TrackedMask, Tracker
from napari_sa2va.engine.trackers import Trackers
from napari_sa2va.models.grounding import (
    FrameFeatures,
    encode_image,
    grounding_pixels,
    has_second_decoder,
)
from napari_sa2va.models.language import MAX_VIDEO_FRAMES


class Session:
    """One stack on one engine; a context manager.

    Parameters
    ----------
    runtime : Runtime
        The model, its tokenizer and where it computes.
    frames : FrameSource
        The stack.
    embedding_budget : int, optional
        Bytes of image embeddings to keep; see `EmbeddingCache`.

    Attributes
    ----------
    scores : dict of int to dict of int to float
        By object id and frame: predicted IoU, 0 where the object is judged absent.
    phrases : dict of int to str
        What each object that was found by text is called.
    """

    def __init__(
        self, runtime: Runtime, frames: FrameSource, embedding_budget: int | None = None
    ) -> None:
        self._runtime = runtime
        self._frames = frames
        self._looking = Looking(runtime, frames)
        self._fitting = runtime.fitting()
        self._chat = Chat(
            runtime.model, runtime.tokens, runtime.language_context, runtime.fitting()
        )
        self._embeddings: list[EmbeddingCache] = []
        self._tracker = self._trackers(embedding_budget)
        self._answering = Answering(
            runtime,
            self._looking,
            self._chat,
            self._tracker,
            frames.shape,
            self._begin_object,
            self._mask,
            self._fitting,
        )
        runtime.holders.add(self)
        self._turns: list[Turn] = []
        self._closed = False
        self.scores: dict[int, dict[int, float]] = {}
        self.phrases: dict[int, str] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        return self._frames.shape

    @property
    def history(self) -> list[tuple[str, str]]:
        """The conversation so far: (user, answer) by turn."""
        return [(turn.user, turn.answer) for turn in self._turns]

    @property
    def encoded_frames(self) -> int:
        """How often SAM 2's image encoder ran in this session; those of two SAM 2 together."""
        return sum(cache.misses for cache in self._embeddings)

    @property
    def embedding_bytes(self) -> int:
        """Bytes of image embeddings that are kept."""
        return sum(cache.nbytes for cache in self._embeddings)

    def free_embeddings(self) -> None:
        """Drop all image embeddings; they are made again when needed."""
        for cache in self._embeddings:
            cache.clear()
        self._looking.forget()

    def free_memory(self) -> None:
        """Drop all that is made again when needed."""
        self.free_embeddings()
        self._chat.free_memory()

    def ask(
        self,
        text: str,
        frames: Sequence[int] | None = None,
        regions: Sequence[Any] | None = None,
        *,
        history: Sequence[tuple[str, str]] | None = None,
        track: bool = True,
        remember: bool = True,
    ) -> Request:
        """Ask a question, or describe what to segment; the model decides which it is.

        Parameters
        ----------
        text : str
            The user's words; special tokens in it are plain characters.
        frames : sequence of int, optional
            Frames that the language side looks at, and in which it grounds what it names.
            Default: the first five; by the grounding ``"sa2va-i"``, five spread over the stack.
        regions : sequence of (H, W) arrays, optional
            Masks that the question is about, in the last of `frames`: "region1", "region2", ...
        history : sequence of (user, answer), optional
            What was said before. Default: the session's conversation.
        track : bool
            Follow what was found through the whole stack.
        remember : bool
            Let the question see and join the session's conversation. A question that comes with
            its own `history` joins none.

        Returns
        -------
        Request
            An iterator of events; `Request.result` runs it to its end and gives the `Answer`.
            Nothing runs until then. Closing it stops within one token or frame.

        Raises
        ------
        InputError
            The text is empty, a frame does not exist, or a region is empty or misshaped.
        """
        self._check_open()
        TextPrompt(text)
        looked_at = self._looked_at(frames)
        masks = [self._region(region) for region in regions or ()]
        past = self._past(history, remember)
        question = Question(text, looked_at, masks, past, track)
        keep = self._turns.append if remember and history is None else _forget
        return Request(self._answering.answer(question, keep))

    def segment(
        self,
        object_id: int,
        frame: int = 0,
        points: Iterable[tuple[float, float, bool] | PointPrompt] | None = None,
        box: tuple[float, float, float, float] | None = None,
        mask: Any | None = None,
    ) -> Segmentation:
        """The mask of one object in one frame; the frame then conditions `propagate`.

        Parameters
        ----------
        object_id : int
            An object that exists is corrected, another is begun.
        frame : int
            Where the prompts are.
        points : iterable of (y, x, positive), optional
            All clicks on the object in this frame. Negative ones alone are enough where the object
            has a mask already.
        box : (y0, x0, y1, x1), optional
            Half-open, in data pixels.
        mask : (H, W) array, optional
            Alone it is taken as it is; with points or a box it is what they refine.

        Returns
        -------
        Segmentation
            ``.mask`` (H, W) bool, and ``.score``, the predicted IoU.

        Raises
        ------
        InputError
            The frame does not exist, or a prompt is empty, outside or misshaped.
        """
        self._check_open()
        check_frame(frame, self.shape[0])
        if object_id < 1:
            raise InputError(f"{object_id} is no object id.", "Ids start at 1; 0 is background.")
        prompts = frame_prompts(
            self.shape[1:], points, box, mask, refines=frame in self.scores.get(object_id, {})
        )
        found = self._tracker.condition_on_prompts(object_id, frame, prompts)
        event = self._mask(frame, object_id, found)
        return Segmentation(event.mask, event.score)

    def propagate(
        self,
        objects: Sequence[int] | None = None,
        start: int = 0,
        stop: int | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[int, dict[int, BoolMask]]]:
        """Follow objects through frames.

        Parameters
        ----------
        objects : sequence of int, optional
            Ids; default all.
        start, stop : int
            Half-open range of frames; default the whole stack.
        reverse : bool
            Go from the last frame of the range to the first.

        Yields
        ------
        frame : int
            In the order of work.
        masks : dict of int to (H, W) bool array
            By object id. Frames before (in `reverse`: after) an object's first prompt have none.

        Raises
        ------
        InputError
            There is no such object or frame, or nothing was prompted yet.
        """
        events = self.propagation(objects, start, stop, reverse)
        return self._by_frame(events)

    def propagation(
        self,
        objects: Sequence[int] | None = None,
        start: int = 0,
        stop: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Event]:
        """The same as `propagate`, as `Mask` and `Progress` events."""
        self._check_open()
        ids = self._object_ids(objects)
        frames = self._range(start, stop, reverse)
        return self._propagate(ids, frames, reverse)

    def remove(self, object_id: int) -> None:
        """Forget an object; InputError where there is none."""
        self._object_ids([object_id])
        self._tracker.remove(object_id)
        self.scores.pop(object_id, None)
        self.phrases.pop(object_id, None)

    def reset(self) -> None:
        """Forget all objects and the conversation; image embeddings stay."""
        self._tracker.clear()
        self._turns.clear()
        self._chat.forget()
        self.scores.clear()
        self.phrases.clear()

    def close(self) -> None:
        """Free what the session holds."""
        self.reset()
        self.free_embeddings()
        self._closed = True

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _propagate(
        self, ids: Sequence[int], frames: Sequence[int], reverse: bool
    ) -> Iterator[Event]:
        self._runtime.begin_tracking()
        for done, frame in enumerate(frames, 1):
            for object_id, found in self._tracker.track(frame, ids, reverse).items():
                yield self._mask(frame, object_id, found)
            yield Progress(done, len(frames), "frames")

    @staticmethod
    def _by_frame(events: Iterator[Event]) -> Iterator[tuple[int, dict[int, BoolMask]]]:
        masks: dict[int, BoolMask] = {}
        frame = 0
        for event in events:
            if isinstance(event, Mask):
                frame = event.frame
                masks[event.object_id] = event.mask
            elif isinstance(event, Progress) and masks:
                yield frame, masks
                masks = {}

    def _mask(self, frame: int, object_id: int, found: TrackedMask) -> Mask:
        size = self.shape[1:]
        mask = self._fitting.run(lambda: full_size_mask(found.logits, found.side, size))
        self.scores.setdefault(object_id, {})[frame] = found.score
        return Mask(frame, object_id, mask, found.score)

    def _trackers(self, budget: int | None) -> Trackers:
        runtime = self._runtime
        own = self._tracker_of(runtime.model.grounding, budget)
        clicks = own
        if runtime.prompt_model is not None:
            clicks = self._tracker_of(runtime.prompt_model, budget)
        follows = None
        if runtime.grounding == SA2VA_I:
            follows = own if has_second_decoder(runtime.model.grounding) else clicks
        return Trackers(own, clicks, follows, self.shape, self._fitting)

    def _tracker_of(self, sam2: SAM2Base, budget: int | None) -> Tracker:
        embeddings = EmbeddingCache(partial(self._encode_frame, sam2), budget)
        self._embeddings.append(embeddings)
        return Tracker(
            sam2,
            embeddings.__getitem__,
            self.shape,
            self._runtime.autocast,
            self._fitting.size,
        )

    @torch.inference_mode()
    def _encode_frame(self, sam2: SAM2Base, frame: int) -> FrameFeatures:
        pixels = grounding_pixels(self._frames.frame(frame), sam2.image_size, sam2.plain)
        with self._runtime.autocast():
            return encode_image(sam2, pixels.to(self._runtime.model.device))

    def _begin_object(self, phrase: str) -> int:
        object_id = max((*self._tracker.objects, *self.scores), default=0) + 1
        self.phrases[object_id] = phrase
        self.scores[object_id] = {}
        return object_id

    def _looked_at(self, frames: Sequence[int] | None) -> tuple[int, ...]:
        if frames is None and self._runtime.grounding == SA2VA_I:
            spread = np.linspace(0, self.shape[0] - 1, MAX_VIDEO_FRAMES, dtype=int)
            return tuple(sorted(set(spread.tolist())))
        if frames is None:
            return tuple(range(min(self.shape[0], MAX_VIDEO_FRAMES)))
        chosen = tuple(sorted({int(frame) for frame in frames}))
        if not chosen:
            raise InputError("No frame is chosen.", "Name at least one frame to look at.")
        for frame in chosen:
            check_frame(frame, self.shape[0])
        return chosen

    def _region(self, region: Any) -> BoolMask:
        mask = np.asarray(region).astype(bool)
        if mask.shape != self.shape[1:]:
            raise InputError(
                f"A region has the shape {mask.shape}, the frames {self.shape[1:]}.",
                "Give masks of the frames' shape.",
            )
        return mask

    def _past(self, history: Sequence[tuple[str, str]] | None, remember: bool) -> list[Turn]:
        if history is not None:
            return [Turn(user, answer) for user, answer in history]
        return list(self._turns) if remember else []

    def _object_ids(self, objects: Sequence[int] | None) -> list[int]:
        known = self._tracker.objects
        ids = list(known) if objects is None else list(objects)
        if not ids:
            raise InputError(
                "There is nothing to propagate.",
                "Segment an object first: say it, click it or box it.",
            )
        unknown = [str(object_id) for object_id in ids if object_id not in known]
        if unknown:
            raise InputError(
                f"There is no object {', '.join(unknown)}.",
                f"Known: {', '.join(map(str, known)) or 'none'}.",
            )
        return ids

    def _range(self, start: int, stop: int | None, reverse: bool) -> Sequence[int]:
        frames = self.shape[0]
        stop = frames if stop is None else stop
        if not 0 <= start < stop <= frames:
            raise InputError(
                f"The frames {start} to {stop} are no range of a stack of {frames}.",
                f"Choose 0 <= start < stop <= {frames}.",
            )
        return range(stop - 1, start - 1, -1) if reverse else range(start, stop)

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("The session is closed.", "Open a new one with engine.open(stack).")


def _forget(turn: Turn) -> None:
    """For answers that are not to join the conversation."""
