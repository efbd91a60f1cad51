"""Masks by text on drawn scenes: the same meanings in each language."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.session import Session
from napari_sa2va.evaluation.overlap import iou
from napari_sa2va.training import references as refer
from napari_sa2va.training.evaluation.asking import ask
from napari_sa2va.training.evaluation.cases import Case, in_language, picture
from napari_sa2va.training.evaluation.held_out import HeldOut, held_out_scenes
from napari_sa2va.training.judging import judge
from napari_sa2va.training.language import by_several, refusal, request
from napari_sa2va.training.meaning import LANGUAGES, Meaning, Reference
from napari_sa2va.training.places import by_position, by_relation

GROUP = "texts"
ABSENT = "what is not there"
# What a phrase goes by.
MAKERS = {
    "color, shape": refer.by_attribute,
    "position": by_position,
    "size": refer.by_size,
    "brightness": refer.by_brightness,
    "relation": by_relation,
    "all": refer.everything,
    "several": by_several,
}
TRIES = 4  # a maker draws what it goes by: where one is not clear in a scene, another may be


def lower_by(task: str) -> str:
    """The name of how much lower a task is in Korean than in English."""
    return f"{task}, Korean lower by"


def measure(engine: Engine, seed: int, scenes: int) -> Iterator[Case]:
    """Each kind of phrase once in each scene that allows it; two objects at least."""
    for held in held_out_scenes(seed, 3, scenes, fewest=2):
        with engine.open(held.scene.image) as session:
            for task in MAKERS:
                reference = _reference(held, task)
                if reference is not None:
                    yield from _said(session, held, task, request(reference))
            yield from _said(session, held, ABSENT, refusal(held.rng, held.scene))


def _reference(held: HeldOut, task: str) -> Reference | None:
    for _ in range(TRIES):
        reference = MAKERS[task](held.rng, held.scene)
        if reference is not None:
            return reference
    return None


def _said(session: Session, held: HeldOut, task: str, meaning: Meaning) -> Iterator[Case]:
    """One meaning in each language, and how much lower the other is than English."""
    labels = [label for target in meaning.targets for label in target]
    truth = np.isin(held.scene.labels, labels)
    means = (meaning.means,) if meaning.means != task else ()
    values = {}
    for language in LANGUAGES:
        turn = meaning.said(language, held.rng)
        found = ask(session, turn.question)
        right = iou(found.mask, truth) if labels else float(judge(turn, found.said))
        values[language] = right
        yield Case(
            GROUP,
            in_language(task, language),
            right,
            held.number,
            (*held.details, *means),
            found.score,
            picture(held.scene.image, truth, found.mask),
            turn.question,
        )
    yield Case(GROUP, lower_by(task), values["en"] - values["ko"], held.number)
