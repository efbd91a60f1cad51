"""What a question and a prompt bring back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from napari_sa2va.core.masks import BoolMask, PackedMasks

_SPECIAL_TOKENS = re.compile(r"<\|[^|>]*\|>|</?(?:p|vp|img|answer)>|<IMG_CONTEXT>")


def plain_text(text: str) -> str:
    """The text without the tokens that steer the model; ``[SEG]`` stays, it points."""
    return _SPECIAL_TOKENS.sub("", text).strip()


@dataclass
class SegmentedObject:
    """An object that an answer points at.

    Attributes
    ----------
    object_id : int
        Its label value in the session.
    phrase : str
        What the model calls it, else the user's words.
    span : tuple of int
        Half-open range of characters in the answer's text that points at it.
    frame_scores : dict of int to float
        Predicted IoU of each frame, 0 where it is judged absent.
    packed : PackedMasks
        Its masks, a bit a pixel.
    """

    object_id: int
    phrase: str
    span: tuple[int, int]
    packed: PackedMasks
    frame_scores: dict[int, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Mean predicted IoU over the frames in which the object is present; else 0."""
        present = [score for score in self.frame_scores.values() if score > 0]
        return sum(present) / len(present) if present else 0.0

    @property
    def masks(self) -> BoolMask:
        """Read-only boolean (T, H, W), unpacked anew on each access."""
        return self.packed.unpack()


@dataclass
class Answer:
    """The answer to a question.

    Attributes
    ----------
    text : str
        As the model wrote it, special tokens included.
    objects : list of SegmentedObject
        One per ``[SEG]`` in the text, in order.
    reasoning : str
        What the model thought before, between ``<think>`` and ``</think>``; empty if it did not.
        It points at nothing: a ``[SEG]`` in it is a thought, and makes no object.
    """

    text: str
    objects: list[SegmentedObject] = field(default_factory=list)
    reasoning: str = ""

    @property
    def plain(self) -> str:
        """The text for a reader: tokens that only steer the model are left out."""
        return plain_text(self.text)


@dataclass(frozen=True)
class Segmentation:
    """The answer to a click, a box or a mask: ``mask`` (H, W) bool, and its predicted IoU."""

    mask: BoolMask
    score: float
