"""What is sent with a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.widgets._frames import ViewedFrames
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._legs import Leg

if TYPE_CHECKING:
    from napari.layers import Image

BACKWARD, BOTH, FORWARD = "backward", "both", "forward"

LOOKS = FROM_HERE, THIS_FRAME, OVER_RANGE = "Five from here", "This frame", "Five over the range"

# As many frames as the official code shows the language side of a video.
_LOOKED_AT = 5


@dataclass(frozen=True)
class Sent:
    """An image read as a stack, its frames as seen, and the range of them.

    Attributes
    ----------
    image : Image
        The layer whose pixels count.
    geometry : StackGeometry
        How it is read as a stack.
    frames : ViewedFrames
        What the model sees.
    frame : int
        Where the viewer stands.
    start, stop : int
        Half-open range of frames.
    closely : bool
        Whether each click and box is looked at in a region around it.
    """

    image: Image
    geometry: StackGeometry
    frames: ViewedFrames
    frame: int
    start: int
    stop: int
    closely: bool = False

    def check_frame(self) -> None:
        """Raise InputError where the viewer stands outside the range."""
        if not self.start <= self.frame < self.stop:
            raise InputError(
                f"Frame {self.frame} is not in the range {self.start} to {self.stop - 1}.",
                "Go to a frame in the range, or widen it.",
            )

    def legs(self, direction: str) -> list[Leg]:
        """The way from this frame "backward", "forward" or "both"."""
        backward, forward = Leg(self.start, self.frame + 1, True), Leg(self.frame, self.stop)
        return {BACKWARD: [backward], BOTH: [backward, forward], FORWARD: [forward]}[direction]

    def looked_at(self, how: str) -> list[int]:
        """Which frames the language side looks at: one of `LOOKS`."""
        here = min(max(self.frame, self.start), self.stop - 1)
        if how == THIS_FRAME:
            return [here]
        if how == FROM_HERE:
            first = max(self.start, min(here, self.stop - _LOOKED_AT))
            return list(range(first, min(first + _LOOKED_AT, self.stop)))
        spread = np.linspace(self.start, self.stop - 1, _LOOKED_AT).round().astype(int)
        return sorted(set(spread.tolist()))
