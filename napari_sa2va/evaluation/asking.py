"""One sample on a backend: what the model finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from napari_sa2va.backend.base import BackendSession
from napari_sa2va.core.errors import BackendError, InputError
from napari_sa2va.core.events import Event, Failed, Finished, Mask
from napari_sa2va.core.masks import BoolMask, PackedMasks, bounding_box
from napari_sa2va.evaluation.dataset import Sample


@dataclass
class Found:
    """What the model found.

    Attributes
    ----------
    masks : dict of int to PackedMasks
        By object; those of one sample may overlap.
    scores : dict of int to dict of int to float
        By object and frame: predicted IoU.
    answer : str
        What it said.
    """

    shape: tuple[int, int, int]
    masks: dict[int, PackedMasks] = field(default_factory=dict)
    scores: dict[int, dict[int, float]] = field(default_factory=dict)
    answer: str = ""

    def keep(self, mask: Mask) -> None:
        """Remember a mask; one that comes again replaces the one before."""
        self.masks.setdefault(mask.object_id, PackedMasks(self.shape))[mask.frame] = mask.mask
        self.scores.setdefault(mask.object_id, {})[mask.frame] = mask.score

    def together(self, frame: int) -> BoolMask:
        """All objects of a frame as one mask (H, W)."""
        total = np.zeros(self.shape[1:], bool)
        for masks in self.masks.values():
            total |= masks[frame]
        return total

    def apart(self, frame: int) -> dict[int, BoolMask]:
        """Each object of a frame; where they overlap, the lowest id has the pixel."""
        taken = np.zeros(self.shape[1:], bool)
        masks = {}
        for object_id in sorted(self.masks):
            masks[object_id] = self.masks[object_id][frame] & ~taken
            taken |= masks[object_id]
        return masks


def find(session: BackendSession, sample: Sample, question: str, prompt: str) -> Found:
    """Ask for a sample, and forget it in the session.

    Parameters
    ----------
    session : BackendSession
        Open on the sample's stack.
    sample : Sample
        What to ask for.
    question : str
        How a phrase is asked for, with ``{}`` in its place.
    prompt : {"mask", "box", "click"}
        How objects are given where nothing is said.

    Raises
    ------
    BackendError
        The backend could not do it.
    InputError
        An object is prompted in a frame in which it has no mask.
    """
    found = Found(session.shape)
    try:
        if sample.text:
            words = asked(sample.text, question)
            _follow(session.ask(words, track=True, remember=False), found)
        else:
            _follow_prompts(session, sample, prompt, found)
    finally:
        session.reset()
    return found


def asked(phrase: str, question: str) -> str:
    """A phrase as it is asked for; one with a question mark asks by itself."""
    return phrase if "?" in phrase else question.replace("{}", phrase.rstrip(" ."))


def prompt_of(mask: BoolMask, kind: str) -> dict[str, Any]:
    """A true mask (H, W) as what a user would give: its mask, its box, or a click deep inside."""
    if kind == "mask":
        return {"mask": mask}
    if kind == "box":
        return {"box": bounding_box(mask)}
    # Padded: an object at the image's end ends there.
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return {"points": [(float(y), float(x), True)]}


def _follow_prompts(session: BackendSession, sample: Sample, kind: str, found: Found) -> None:
    for target, frame in sorted(sample.prompts.items()):
        mask = sample.truth(frame).get(target)
        if mask is None or not mask.any():
            raise InputError(
                f"{sample.key}: object {target} has no mask in frame {frame}, where it is given.",
                "Is the data set damaged?",
            )
        _follow(session.segment(target, frame, **prompt_of(mask, kind)), found)
    _follow(session.propagate(), found)


def _follow(events: Iterable[Event], found: Found) -> None:
    for event in events:
        if isinstance(event, Mask):
            found.keep(event)
        elif isinstance(event, Failed):
            raise BackendError(event.message, event.hint, event.remedy)
        elif isinstance(event, Finished) and event.answer is not None:
            found.answer = event.answer.plain
