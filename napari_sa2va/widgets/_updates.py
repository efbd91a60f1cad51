"""What a request tells the Qt thread: small things, that only need to be shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from napari_sa2va.core.events import Failed, Finished, ObjectFound, Progress, Reasoning, Token
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts
from napari_sa2va.widgets._geometry import StackGeometry


@dataclass(frozen=True)
class MaskWritten:
    """An object's mask is in the labels of a frame; `facts` is None where it is empty."""

    frame: int
    object_id: int
    score: float
    facts: MaskFacts | None = None


@dataclass(frozen=True)
class Describing:
    """What is found from now on was described by this text, in this frame."""

    frame: int
    text: str


@dataclass(frozen=True)
class ObjectLost:
    """An object is followed no more: from this frame on it was not seen."""

    object_id: int
    frame: int


@dataclass(frozen=True)
class FramesChanged:
    """The labels of frames changed as a whole; of `geometry` where it is not the run's."""

    frames: tuple[int, ...]
    geometry: StackGeometry | None = None


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


@dataclass(frozen=True)
class Measured:
    """What the masks of objects measure, by object and frame."""

    facts: dict[int, dict[int, MaskFacts]]


@dataclass(frozen=True)
class Told:
    """What objects measure, in words."""

    text: str


@dataclass(frozen=True)
class Saved:
    """A file that the user wanted is written."""

    path: Path


@dataclass(frozen=True)
class Restored:
    """The objects of a session, and what their masks measure by object and frame."""

    records: dict[int, ObjectRecord]
    facts: dict[int, dict[int, MaskFacts]] = field(default_factory=dict)


Update = (
    Token
    | Reasoning
    | ConversationBegan
    | Describing
    | ObjectFound
    | MaskWritten
    | ObjectLost
    | SameObject
    | FramesChanged
    | Measured
    | Told
    | Saved
    | Restored
    | Progress
    | Interrupted
    | Finished
    | Failed
)
