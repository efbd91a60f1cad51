"""When an object that is followed counts as lost."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LossRule:
    """An object is lost when its score stays low for some frames; 0 is the score of an absent one.

    Attributes
    ----------
    frames : int
        As many in a row; 0: objects are never given up.
    score : float
        Predicted IoU below which a mask counts as lost.
    """

    frames: int = 10
    score: float = 0.2


@dataclass
class LossWatch:
    """Watches objects along one way through a stack.

    Attributes
    ----------
    rule : LossRule
        When an object is lost.
    lost : dict of int to int
        The objects that are lost, and the first frame in which they were.
    """

    rule: LossRule
    lost: dict[int, int] = field(default_factory=dict)
    _low: dict[int, list[int]] = field(default_factory=dict)

    def saw(self, object_id: int, frame: int, score: float) -> bool:
        """An object's mask in the next frame has this score; whether the object is lost now."""
        if score > 0 and score >= self.rule.score:
            self._low.pop(object_id, None)
            return False
        low = self._low.setdefault(object_id, [])
        low.append(frame)
        if not self.rule.frames or len(low) < self.rule.frames:
            return False
        self.lost[object_id] = low[0]
        return True
