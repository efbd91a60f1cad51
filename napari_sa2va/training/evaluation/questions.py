"""Answers about drawn scenes: right is what tells the right value, in whatever words."""

from __future__ import annotations

from collections.abc import Iterator

from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.session import Session
from napari_sa2va.training import questions
from napari_sa2va.training.evaluation.asking import ask
from napari_sa2va.training.evaluation.cases import Case, in_language
from napari_sa2va.training.evaluation.held_out import HeldOut, held_out_scenes
from napari_sa2va.training.judging import counted, judge
from napari_sa2va.training.meaning import LANGUAGES, MANY, Meaning

GROUP = "questions"
EXACT, WITHIN_ONE = "count to 8, exact", "count to 20, within one"
FEW, MOST = 8, 20
MAKERS = {
    "yes or no": questions.existence,
    "color": questions.color,
    "shape": questions.shape,
    "where": questions.where,
    "which": questions.which,
    "overview": questions.overview,
    EXACT: questions.count,
}
TRIES = 4


def measure(engine: Engine, seed: int, scenes: int) -> Iterator[Case]:
    """Each kind of question once in each scene that allows it; counts in crowds, too."""
    for held in held_out_scenes(seed, 4, scenes, most=FEW):
        with engine.open(held.scene.image) as session:
            for task in MAKERS:
                meaning = _meaning(held, task)
                if meaning is not None:
                    yield from _asked(session, held, task, meaning)
    for held in held_out_scenes(seed, 5, scenes, most=MOST):
        meaning = questions.count(held.rng, held.scene)
        if meaning is not None and _count(meaning) <= MOST:
            with engine.open(held.scene.image) as session:
                yield from _asked(session, held, WITHIN_ONE, meaning)


def _meaning(held: HeldOut, task: str) -> Meaning | None:
    for _ in range(TRIES):
        meaning = MAKERS[task](held.rng, held.scene)
        if meaning is not None and (task != EXACT or _count(meaning) <= FEW):
            return meaning
    return None


def _count(meaning: Meaning) -> int:
    assert isinstance(meaning.value, int)
    return meaning.value


def _asked(session: Session, held: HeldOut, task: str, meaning: Meaning) -> Iterator[Case]:
    details: tuple[str, ...] = held.details
    if task == WITHIN_ONE:
        details += ("to 8",) if _count(meaning) <= FEW else ("9 to 20",)
    for language in LANGUAGES:
        turn = meaning.said(language, held.rng)
        said = ask(session, turn.question).said
        right = judge(turn, said)
        if task == WITHIN_ONE:
            right = is_within_one(said, _count(meaning))
        yield Case(
            GROUP,
            in_language(task, language),
            float(right),
            held.number,
            details,
            text=turn.question,
            answer=(turn.answer, said),
        )


def is_within_one(said: str, count: int) -> bool:
    """Whether a sentence tells a number next to the true one; "more than twenty" is none."""
    number = counted(said)
    return number is not None and number < MANY and abs(number - count) <= 1
