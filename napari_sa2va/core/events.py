"""What a running request yields, as soon as each is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import Remedy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sa2va.core.answers import Answer


@dataclass(frozen=True)
class Token:
    """A piece of the answer's text, special tokens such as ``[SEG]`` included."""

    text: str


@dataclass(frozen=True)
class Reasoning:
    """A piece of what the model thinks before it answers; it is not part of the answer's text."""

    text: str


@dataclass(frozen=True)
class ObjectFound:
    """The model grounded a phrase.

    Attributes
    ----------
    object_id : int
        The label value of the object.
    phrase : str
        What the model calls it; the user's own words where the model does not say.
    span : tuple of int
        Half-open range of characters in the answer's text that points at the object: the
        phrase, or the ``[SEG]`` token where there is no phrase.
    """

    object_id: int
    phrase: str
    span: tuple[int, int]


@dataclass(frozen=True)
class Mask:
    """The mask of one object in one frame.

    Attributes
    ----------
    frame, object_id : int
        Where it belongs.
    mask : (H, W) bool array
        In data pixels.
    score : float
        The predicted IoU, 0 where the model judges the object to be absent.
    """

    frame: int
    object_id: int
    mask: npt.NDArray[np.bool_]
    score: float


@dataclass(frozen=True)
class Progress:
    """`done` of `total` steps of `what`."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Finished:
    """The request is complete; `answer` is None where there is no text."""

    answer: Answer | None = None


@dataclass(frozen=True)
class Failed:
    """The request ended early: what went wrong, and the way out.

    Attributes
    ----------
    message, hint : str
        One sentence each.
    remedy : {"", "resume", "use less memory"}
        What a button can do: see `napari_sa2va.core.errors.Sa2VAError`.
    """

    message: str
    hint: str = ""
    remedy: Remedy = ""


Event = Token | Reasoning | ObjectFound | Mask | Progress | Finished | Failed
