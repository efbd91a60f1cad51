"""What is said about a scene: requests, questions and the model's sentences."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np

from napari_sa2va.training import questions
from napari_sa2va.training import references as refer
from napari_sa2va.training.meaning import Meaning, Reference, Turn
from napari_sa2va.training.scene import Scene

Generator = np.random.Generator
ReferenceMaker = Callable[[Generator, Scene], Reference | None]
Maker = Callable[[Generator, Scene], Meaning | None]

KOREAN = 0.35  # share of training
TRIES = 3


def request(reference: Reference) -> Meaning:
    """Ask for the mask of a reference; for one mask of each of several."""
    parts = reference.parts or (reference,)
    return Meaning("request", (reference,), targets=tuple(part.labels for part in parts))


def requests(maker: ReferenceMaker) -> Maker:
    """A maker of requests from one of references."""

    def meaning(rng: Generator, scene: Scene) -> Meaning | None:
        reference = maker(rng, scene)
        return None if reference is None else request(reference)

    return meaning


def refusal(rng: Generator, scene: Scene) -> Meaning:
    """Ask for what is not there."""
    return Meaning("absent", (refer.absent(rng, scene),))


def by_several(rng: Generator, scene: Scene) -> Reference | None:
    """Several objects, mostly by their colours and shapes."""
    makers = (refer.by_attribute, refer.by_attribute, refer.by_size, refer.by_position)
    return refer.several(rng, scene, makers)


# How often each kind of turn is tried; what a scene does not allow is drawn again, so that what
# every scene allows is said more often than these shares and what few allow less.
MIX: tuple[tuple[Maker, float], ...] = (
    (requests(refer.by_attribute), 0.13),
    (requests(refer.everything), 0.08),
    (requests(refer.by_size), 0.13),
    (requests(refer.by_brightness), 0.09),
    (requests(refer.by_position), 0.08),
    (requests(refer.by_relation), 0.18),
    (requests(by_several), 0.03),
    (requests(refer.by_motion), 0.08),
    (refusal, 0.04),
    (questions.count, 0.19),
    (questions.color, 0.06),
    (questions.shape, 0.06),
    (questions.where, 0.065),
    (questions.existence, 0.03),
    (questions.which, 0.045),
    (questions.nature, 0.006),
    (questions.movement, 0.03),
    (questions.moves, 0.01),
    (questions.overview, 0.008),
    (questions.caption, 0.015),
)
_MAKERS = [maker for maker, _ in MIX]
_BOUNDS = list(accumulate(share for _, share in MIX))


def mean(rng: Generator, scene: Scene, makers: Sequence[Maker] | None = None) -> Meaning:
    """Draw a meaning that is true of the scene.

    Parameters
    ----------
    makers : sequence of callables, optional
        Which kinds to draw from, evenly; by default all, by their share in `MIX`. Where the scene
        allows none of them, all of a class is asked for.
    """
    for _ in range(20):
        if makers:
            maker = refer.pick(rng, makers)
        else:
            maker = _MAKERS[bisect(_BOUNDS, rng.random() * _BOUNDS[-1])]
        # A few tries each: else what is always possible would crowd out what is seldom.
        for _ in range(TRIES):
            meaning = maker(rng, scene)
            if meaning is not None:
                return meaning
    return request(refer.everything(rng, scene))


def say(
    rng: Generator,
    scene: Scene,
    makers: Sequence[Maker] | None = None,
    language: str | None = None,
) -> Turn:
    """Draw a turn that the scene allows.

    Parameters
    ----------
    makers : sequence of callables, optional
        As of `mean`.
    language : str, optional
        One of `LANGUAGES`; Korean with the probability `KOREAN` where not given.
    """
    meaning = mean(rng, scene, makers)
    return meaning.said(language or ("ko" if rng.random() < KOREAN else "en"), rng)


def ask_motion(rng: Generator, scene: Scene, language: str | None = None) -> Turn | None:
    """A request or question about motion; None where nothing about it can be told."""
    asked = rng.random() < 0.3
    reference = None if asked else refer.by_motion(rng, scene)
    meaning = request(reference) if reference else questions.movement(rng, scene)
    if meaning is None:
        return None
    return meaning.said(language or ("ko" if rng.random() < KOREAN else "en"), rng)
