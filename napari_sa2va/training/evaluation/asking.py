"""Requests through the public API, as a user's go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sa2va.core.answers import plain_text
from napari_sa2va.engine.session import Session
from napari_sa2va.training.evaluation.cases import Mask
from napari_sa2va.training.visual_prompts import BOX_END, BOX_START, POSITIVE, VisualPrompt


@dataclass(frozen=True)
class Found:
    """What a request on an image brought back.

    Attributes
    ----------
    mask : (H, W) bool array
        All objects of the answer together; empty where it has none.
    score : float or None
        The predicted IoU; None where the answer has no mask.
    said : str
        The answer as a reader sees it.
    """

    mask: Mask
    score: float | None
    said: str = ""


def prompt_with(session: Session, prompt: VisualPrompt, object_id: int, frame: int = 0) -> Found:
    """The mask of an object that the session does not know yet."""
    found = session.segment(object_id=object_id, frame=frame, **_arguments(prompt))
    return Found(found.mask, found.score)


def _arguments(prompt: VisualPrompt) -> dict[str, Any]:
    """A prompt in the words of the API: (y, x), boxes half-open."""
    spots = list(zip(prompt.points.tolist(), prompt.kinds.tolist(), strict=True))
    clicks = [(y, x, kind == POSITIVE) for (x, y), kind in spots if kind <= POSITIVE]
    corners = {kind: (y, x) for (x, y), kind in spots if kind in (BOX_START, BOX_END)}
    arguments: dict[str, Any] = {"points": clicks} if clicks else {}
    if corners:
        arguments["box"] = (*corners[BOX_START], *corners[BOX_END])
    return arguments


def ask(session: Session, text: str) -> Found:
    """Ask about an image; no question sees another."""
    answer = session.ask(text, remember=False).result()
    said = plain_text(answer.text)
    if not answer.objects:
        return Found(np.zeros(session.shape[1:], bool), None, said)
    mask = np.logical_or.reduce([found.masks[0] for found in answer.objects])
    scores = [found.frame_scores.get(0, 0.0) for found in answer.objects]
    return Found(mask, float(np.mean(scores)), said)


def find_in_clip(session: Session, text: str, frames: Sequence[int] | None = None) -> Mask:
    """What a text finds in each frame of a clip, all objects together: (T, H, W)."""
    answer = session.ask(text, frames=frames, remember=False).result()
    masks = [found.masks for found in answer.objects]
    return np.logical_or.reduce(masks) if masks else np.zeros(session.shape, bool)
