"""What a request tells the Qt thread: small things, that only need to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_sa2va.core.events import Failed, Finished, ObjectFound, Progress, Reasoning, Token
from napari_sa2va.core.review import MaskFacts


@dataclass(frozen=True)
class MaskWritten:
    """An object's mask is in the labels of a frame; `facts` is None where it is empty."""

    frame: int
    object_id: int
    score: float
    facts: MaskFacts | None = None


@dataclass(frozen=True)
class FramesChanged:
    """The labels of frames changed as a whole."""

    frames: tuple[int, ...]


@dataclass(frozen=True)
class SameObject:
    """What was found is an object that is there already; its masks are left as they are."""

    object_id: int
    known_as: int


@dataclass(frozen=True)
class ConversationBegan:
    """The session is another one: it knows nothing of what was said before."""


@dataclass(frozen=True)
class Interrupted:
    """The request stands still: it goes on when the user has done something about it.

    Attributes
    ----------
    message, hint : str
        What went wrong, and the way out.
    remedy : str
        What a button does: "resume" goes on, "restart" makes the backend anew before that, "use
        less memory" lets the user choose what takes less.
    """

    message: str
    hint: str
    remedy: Literal["resume", "restart", "use less memory"]


Update = (
    Token
    | Reasoning
    | ConversationBegan
    | ObjectFound
    | MaskWritten
    | SameObject
    | FramesChanged
    | Progress
    | Interrupted
    | Finished
    | Failed
)
