"""What is meant, in no language: references to objects, requests and questions with their value.

A meaning says itself in any of `LANGUAGES`; the same meaning names the same masks and has the same
answer in each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_sa2va.training.phrasing.english import English
from napari_sa2va.training.phrasing.grammar import Grammar
from napari_sa2va.training.phrasing.korean import Korean

Generator = np.random.Generator
# What decides whether an answer is right: a count, a colour, a noun, a region, yes or no, ...
Value = bool | int | str | tuple[tuple[str | None, str], ...] | None

GRAMMARS: dict[str, Grammar] = {"en": English(), "ko": Korean()}
LANGUAGES = tuple(GRAMMARS)
UNNAMED = ("overview", "caption", "nature")  # acts whose questions name nothing in the scene
MANY = 21  # from here on no number is said
SURELY_MANY = 26  # between the two, nobody is asked: neither a number nor "more" would be wrong


@dataclass(frozen=True)
class Reference:
    """Objects of a scene, and by what they are named.

    Parameters
    ----------
    means : str
        color, shape, color and shape, size, brightness, position, relation, motion, all, several;
        "class" where nothing is named but a kind of thing (which may be absent).
    labels : tuple of int
        What is named.
    noun, color : str
        A key of the lexica; "object", "shape" and "blob" leave the kind open.
    rank, nth : str, int
        largest, smallest, brightest, dimmest or fastest; the second of them with 2.
    pair : bool
        Whether the rank is one among two ("the larger one").
    place, extreme : str, bool
        A ninth of the image; whether the object lies there ("on the left") or only further that
        way than the others ("leftmost").
    relation, anchor : str, Reference
        left, right, above, below or next, and what to.
    motion, direction : str
        As the scene's objects have them.
    parts : tuple of Reference
        The members of "several".
    """

    means: str
    labels: tuple[int, ...]
    noun: str = "object"
    color: str | None = None
    rank: str | None = None
    nth: int = 1
    pair: bool = False
    place: str | None = None
    extreme: bool = False
    relation: str | None = None
    anchor: Reference | None = None
    motion: str | None = None
    direction: str | None = None
    parts: tuple[Reference, ...] = ()

    def phrase(self, language: str = "en", rng: Generator | None = None) -> str:
        """A noun phrase; the plainest one where no generator is given."""
        return GRAMMARS[language].phrase(rng, self)


@dataclass(frozen=True)
class Turn:
    """One question with its answer; each [SEG] of the answer has its labels.

    Parameters
    ----------
    about : tuple of int, optional
        Labels of what the question names, none where there is nothing of the kind; None where it
        names nothing, or several things one by one.
    """

    question: str
    answer: str
    targets: tuple[tuple[int, ...], ...]
    means: str
    language: str = "en"
    value: Value = None
    about: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Meaning:
    """A request or question with its answer, not yet said.

    Parameters
    ----------
    act : str
        request, absent, count, color, shape, where, existence, which, overview, caption,
        movement, moves or nature.
    references : tuple of Reference
        What is asked about; for "which" also what the answer names, for an overview its parts.
    value : Value
        What decides whether an answer is right.
    targets : tuple of tuples of int
        Labels of each [SEG] of the answer.
    """

    act: str
    references: tuple[Reference, ...]
    value: Value = None
    targets: tuple[tuple[int, ...], ...] = ()

    @property
    def means(self) -> str:
        """By what a request names its objects; else what is asked."""
        return self.references[0].means if self.act == "request" else self.act

    def said(self, language: str = "en", rng: Generator | None = None) -> Turn:
        """A turn that says it; in the plainest words where no generator is given."""
        question, answer = GRAMMARS[language].say(rng, self)
        named = self.act not in UNNAMED and len(self.targets) < 2
        about = self.references[0].labels if named else None
        return Turn(question, answer, self.targets, self.means, language, self.value, about)
