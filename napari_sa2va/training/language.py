"""What is said about a scene: requests, questions and the model's sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from napari_sa2va.training import references as refer
from napari_sa2va.training.questions import (
    Turn,
    color,
    count,
    existence,
    grounded_overview,
    overview,
    shape,
    where,
)
from napari_sa2va.training.references import Reference, pick
from napari_sa2va.training.scene import Scene

Generator = np.random.Generator

REQUESTS = (
    "Please segment {}.",
    "Please segment {}.",
    "Segment {}.",
    "Segment {}",
    "segment {}",
    "Can you segment {}?",
    "Could you please segment {}?",
    "Can you please segment {} in the image?",
    "Please segment {} in this image.",
    "Segment {} in the video.",
    "Can you segment {}? Please respond with the segmentation mask.",
    "Find {}.",
    "Show me {}.",
    "Outline {}.",
    "Track {}.",
    "Select {}.",
    "Where is the mask of {}?",
    "{}",
    "{}.",
)
AGREEMENT = "Sure, [SEG]."

TurnMaker = Callable[[Generator, Scene], Turn | None]


def request(rng: Generator, reference: Reference) -> Turn:
    """Ask for the mask of a reference."""
    question = pick(rng, REQUESTS).format(reference.phrase)
    if rng.random() < 0.1:
        question = question.lower()
    return Turn(question, AGREEMENT, (reference.labels,), reference.means)


def _requests(maker: Callable[[Generator, Scene], Reference | None]) -> TurnMaker:
    def turn(rng: Generator, scene: Scene) -> Turn | None:
        reference = maker(rng, scene)
        return None if reference is None else request(rng, reference)

    return turn


def refusal(rng: Generator, scene: Scene) -> Turn:
    """Ask for what is not there."""
    phrase = refer.absent(rng, scene)
    question = pick(rng, REQUESTS).format(f"the {phrase}")
    return Turn(question, f"There is no {phrase}.", (), "absent")


# How often each kind of turn is tried. Phrases by one attribute teach the most; yes and no the
# least.
MIX: tuple[tuple[TurnMaker, float], ...] = (
    (_requests(refer.by_attribute), 0.19),
    (_requests(refer.everything), 0.11),
    (_requests(refer.by_size), 0.12),
    (_requests(refer.by_position), 0.13),
    (_requests(refer.by_brightness), 0.04),
    (refusal, 0.04),
    (count, 0.09),
    (color, 0.05),
    (shape, 0.05),
    (where, 0.06),
    (existence, 0.04),
    (overview, 0.03),
    (grounded_overview, 0.05),
)
ask_motion = _requests(refer.by_motion)


def say(rng: Generator, scene: Scene, makers: Sequence[TurnMaker] | None = None) -> Turn:
    """Draw a turn that the scene allows.

    Parameters
    ----------
    makers : sequence of callables, optional
        Which kinds of turn to draw from, evenly; by default all, by their share in `MIX`.
    """
    pool = list(makers) if makers else [maker for maker, _ in MIX]
    shares = None if makers else [share for _, share in MIX]
    for _ in range(20):
        turn = pool[int(rng.choice(len(pool), p=shares))](rng, scene)
        if turn is not None:
            return turn
    reference = refer.everything(rng, scene)
    assert reference is not None  # there is always at least one object
    return request(rng, reference)
