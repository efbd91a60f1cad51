"""Objects of a stack without a window: prompted in one frame, followed, collected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.masks import BoolMask, PackedMasks
from napari_sa2va.io import labels_dtype

if TYPE_CHECKING:
    from napari_sa2va.engine.session import Session


@dataclass
class TrackedObject:
    """One object and its masks so far."""

    phrase: str
    masks: PackedMasks
    scores: dict[int, float] = field(default_factory=dict)

    @property
    def frames(self) -> list[int]:
        """The frames in which it is present."""
        return [frame for frame in self.masks if self.masks[frame].any()]

    @property
    def score(self) -> float:
        """Mean predicted IoU over the frames in which it is present; 0 if it never is."""
        return float(np.mean([self.scores.get(f, 0.0) for f in self.frames] or [0.0]))


class Tracking:
    """Prompts objects in one frame of a session and follows them.

    What is done is kept at every moment: interrupted, it can still be written.

    Parameters
    ----------
    session : Session
        An open session.
    frame : int
        Where the prompts are.

    Attributes
    ----------
    objects : dict of int to TrackedObject
        By object id.
    unanswered : list of (text, answer)
        Texts for which the model found no object, and what it said instead.
    """

    def __init__(self, session: Session, frame: int) -> None:
        self._session = session
        self._frame = frame
        self.objects: dict[int, TrackedObject] = {}
        self.unanswered: list[tuple[str, str]] = []

    def click(
        self,
        object_id: int,
        points: Sequence[tuple[float, float, bool]],
        box: tuple[float, float, float, float] | None = None,
    ) -> None:
        """Segment an object by clicks (y, x, positive), a box (y0, x0, y1, x1), or both."""
        found = self._session.segment(object_id, self._frame, points=points or None, box=box)
        words = "clicked" if points else "boxed"
        self._keep(object_id, f"({words})", self._frame, found.mask)

    def say(self, text: str) -> None:
        """Segment what a text describes; it may be no object, or several."""
        request = self._session.ask(text, frames=[self._frame], track=False, remember=False)
        answer = request.result()
        if not answer.objects:
            self.unanswered.append((text, answer.plain))
        for found in answer.objects:
            self._keep(found.object_id, found.phrase, self._frame, found.packed[self._frame])

    def follow(self, frames: range) -> Iterator[int]:
        """Follow all objects through `frames`, first onwards and then back; yields each done."""
        ways = ((self._frame, frames.stop, False), (frames.start, self._frame, True))
        for start, stop, reverse in ways:
            if start == stop or not self.objects:
                continue
            for frame, masks in self._session.propagate(None, start, stop, reverse):
                for object_id, mask in masks.items():
                    self._keep(object_id, "", frame, mask)
                yield frame

    def labels(self) -> Iterator[npt.NDArray[Any]]:
        """The label image (H, W) of every frame of the stack; the first id wins a pixel."""
        count, *size = self._session.shape
        dtype = labels_dtype(max(self.objects, default=0))
        for frame in range(count):
            labels = np.zeros(size, dtype)
            for object_id in sorted(self.objects, reverse=True):
                masks = self.objects[object_id].masks
                if frame in masks:
                    labels[masks[frame]] = object_id
            yield labels

    def _keep(self, object_id: int, phrase: str, frame: int, mask: BoolMask) -> None:
        target = self.objects.get(object_id)
        if target is None:
            target = TrackedObject(phrase, PackedMasks(self._session.shape))
            self.objects[object_id] = target
        target.masks[frame] = mask
        target.scores[frame] = self._session.scores[object_id][frame]
