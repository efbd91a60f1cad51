"""Events as messages, and back."""

from __future__ import annotations

from napari_sa2va.backend.pixels import pack_mask, unpack_mask
from napari_sa2va.backend.protocol import (
    Body,
    SentFailed,
    SentFinished,
    SentMask,
    SentObject,
    SentProgress,
    SentReasoning,
    SentToken,
    Stopped,
)
from napari_sa2va.core.answers import Answer, SegmentedObject
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
from napari_sa2va.core.masks import PackedMasks


def to_body(event: Event) -> Body:
    """An event as it is sent."""
    match event:
        case Token(text):
            return SentToken(text)
        case Reasoning(text):
            return SentReasoning(text)
        case ObjectFound(object_id, phrase, span):
            return SentObject(object_id, phrase, span)
        case Mask(frame, object_id, mask, score):
            return SentMask(frame, object_id, pack_mask(mask), score)
        case Progress(done, total, what):
            return SentProgress(done, total, what)
        case Finished(answer):
            return SentFinished() if answer is None else SentFinished(answer.text, answer.reasoning)
        case Failed(message, hint, remedy):
            return SentFailed(message, hint, remedy)


class Receiving:
    """The events of one request as they arrive; puts the answer together from its pieces.

    Parameters
    ----------
    shape : tuple of int
        (T, H, W) of the stack.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        self._objects: dict[int, SegmentedObject] = {}

    def event(self, body: Body) -> Event | None:
        """The event; None for `Stopped`."""
        match body:
            case SentToken(text):
                return Token(text)
            case SentReasoning(text):
                return Reasoning(text)
            case SentObject(object_id, phrase, span):
                self._objects[object_id] = SegmentedObject(
                    object_id, phrase, span, PackedMasks(self._shape)
                )
                return ObjectFound(object_id, phrase, span)
            case SentMask(frame, object_id, sent, score):
                mask = unpack_mask(sent, self._shape[1:])
                found = self._objects.get(object_id)
                if found is not None:
                    found.packed[frame] = mask
                    found.frame_scores[frame] = score
                return Mask(frame, object_id, mask, score)
            case SentProgress(done, total, what):
                return Progress(done, total, what)
            case SentFinished(text, reasoning):
                if text is None:
                    return Finished()
                return Finished(Answer(text, list(self._objects.values()), reasoning))
            case SentFailed(message, hint, remedy):
                return Failed(message, hint, remedy)
            case Stopped():
                return None
