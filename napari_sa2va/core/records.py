"""What is known about an object, as the Labels layer keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ObjectRecord:
    """One object of a Labels layer.

    Attributes
    ----------
    object_id : int
        Its label value.
    phrase : str
        What it is called.
    prompts : list of dict
        What was said, clicked and drawn, in order: ``kind``, ``frame`` and the values.
    scores : dict of int to float
        Predicted IoU by frame, 0 where it is judged absent.
    model : str
        Which checkpoint made the masks, with its revision.
    verified_frames : list of int
        Frames whose mask a person confirmed.
    """

    object_id: int
    phrase: str = ""
    prompts: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[int, float] = field(default_factory=dict)
    model: str = ""
    verified_frames: list[int] = field(default_factory=list)

    @property
    def mean_score(self) -> float:
        """Mean score over the frames in which the object is present; 0 if it never is."""
        present = [score for score in self.scores.values() if score > 0]
        return sum(present) / len(present) if present else 0.0

    @property
    def first_frame(self) -> int | None:
        """The first frame in which the object is present."""
        return min((frame for frame, score in self.scores.items() if score > 0), default=None)
