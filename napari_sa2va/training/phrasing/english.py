"""English: from meanings to sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sa2va.training.phrasing import english_places as places
from napari_sa2va.training.phrasing import english_templates as ask
from napari_sa2va.training.phrasing.english_words import (
    ALL,
    COLORS,
    HEADING,
    MOTIONS,
    MOVEMENTS,
    NOUNS,
    NUMBERS,
    OF_TWO,
    RANKS,
    REGIONS,
    RELATIONS,
    TOWARDS,
    enumerated,
    plural,
    with_article,
)
from napari_sa2va.training.phrasing.forms import Generator, chance
from napari_sa2va.training.phrasing.grammar import MASK, Grammar, Said, marked

if TYPE_CHECKING:  # meanings say themselves through grammars
    from napari_sa2va.training.meaning import Meaning, Reference

OPEN_NOUNS = ("object", "shape", "blob")  # what "one" may stand for
_LOWER = 0.1  # share of questions without any capital


class English(Grammar):
    """Short and regular answers; many ways to ask."""

    def phrase(self, rng: Generator | None, it: Reference) -> str:
        """`the second largest cell`, `all the red circles`, `the star above the blue one`."""
        if it.parts:
            return enumerated([self.phrase(rng, part) for part in it.parts])
        noun = _bare(rng, it)
        if it.means == "all":
            if len(it.labels) == 1 and chance(rng, 0.5):
                return f"the {noun}"
            return ALL.draw(rng).format(plural(noun))
        if it.rank:
            return self._ranked(rng, it, noun)
        if it.place:
            located = places.EXTREME if it.extreme else places.LOCATED
            return located[it.place].draw(rng).format(noun)
        if it.relation and it.anchor:
            between = RELATIONS[it.relation].draw(rng)
            return f"the {noun} {between} {self.phrase(rng, it.anchor)}"
        if it.direction:
            return HEADING.draw(rng).format(noun, TOWARDS[it.direction])
        if it.motion:
            return MOTIONS[it.motion].draw(rng).format(noun)
        return f"the {noun}"

    def _ranked(self, rng: Generator | None, it: Reference, noun: str) -> str:
        assert it.rank
        if it.pair and it.rank in OF_TWO and chance(rng, 0.25):
            return f"the {OF_TWO[it.rank]} {noun}"
        if it.nth == 2:
            return f"the second {RANKS[it.rank].draw(rng)} {noun}"
        if it.rank == "fastest" and chance(rng, 0.4):
            return f"the {noun} that moves fastest"
        if not noun.endswith("one") and chance(rng, 0.08):
            return f"the {RANKS[it.rank].draw(rng)} of the {plural(noun)}"
        return f"the {RANKS[it.rank].draw(rng)} {noun}"

    def say(self, rng: Generator | None, meaning: Meaning) -> Said:
        """A question, now and then without capitals, and its answer."""
        question, answer = super().say(rng, meaning)
        return (question.lower() if chance(rng, _LOWER) else question), answer

    def request(self, rng: Generator | None, meaning: Meaning) -> Said:
        reference = meaning.references[0]
        if not reference.parts:
            question = ask.REQUESTS.draw(rng).format(self.phrase(rng, reference))
            return question, f"Sure, {MASK}."
        parts = [self.phrase(rng, part) for part in reference.parts]
        question = ask.REQUESTS.draw(rng).format(enumerated(parts))
        return question, f"Sure, {enumerated([f'{part} {MASK}' for part in parts])}."

    def absent(self, rng: Generator | None, meaning: Meaning) -> Said:
        noun = _bare(rng, meaning.references[0])
        if chance(rng, 0.3):
            several = plural(noun)
            question = ask.REQUESTS.draw(rng).format(ALL.draw(rng).format(several))
            return question, f"There are no {several}."
        return ask.REQUESTS.draw(rng).format(f"the {noun}"), f"There is no {noun}."

    def count(self, rng: Generator | None, meaning: Meaning) -> Said:
        noun = _bare(rng, meaning.references[0])
        question = ask.COUNTS.draw(rng).format(plural(noun))
        assert isinstance(meaning.value, int)
        be = "is" if meaning.value == 1 else "are"
        return question, f"There {be} {_counted(meaning.value, noun)}."

    def color(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = ask.COLOR_QUESTIONS.draw(rng).format(self.phrase(rng, meaning.references[0]))
        return question, f"It is {meaning.value}."

    def shape(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = ask.SHAPE_QUESTIONS.draw(rng).format(self.phrase(rng, meaning.references[0]))
        return question, f"It is {with_article(str(meaning.value))}."

    def where(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = ask.WHERE_QUESTIONS.draw(rng).format(self.phrase(rng, meaning.references[0]))
        return question, f"It is {REGIONS[str(meaning.value)]}."

    def existence(self, rng: Generator | None, meaning: Meaning) -> Said:
        noun = _bare(rng, meaning.references[0])
        if chance(rng, 0.3):
            question = ask.ARE_THERE.draw(rng).format(plural(noun))
            return question, "Yes, there are." if meaning.value else "No, there are not."
        question = ask.IS_THERE.draw(rng).format(with_article(noun))
        return question, "Yes, there is." if meaning.value else "No, there is not."

    def which(self, rng: Generator | None, meaning: Meaning) -> Said:
        asked, named = meaning.references
        if asked.rank and asked.nth == 1 and chance(rng, 0.5):
            noun, rank = NOUNS[asked.noun].draw(rng), RANKS[asked.rank].draw(rng)
            question = ask.RANK_QUESTIONS.draw(rng).format(noun, rank, plural(noun))
        else:
            question = ask.WHICH_QUESTIONS.draw(rng).format(self.phrase(rng, asked))
        name = self.phrase(None, named)
        if not meaning.targets:
            return question, f"It is {name}."
        return f"{question} {ask.GROUNDED.draw(rng)}", f"It is {marked(name)}."

    def overview(self, rng: Generator | None, meaning: Meaning) -> Said:
        parts = [_named(part) for part in meaning.references]
        return ask.OVERVIEWS.draw(rng), f"The image shows {enumerated(parts)}."

    def caption(self, rng: Generator | None, meaning: Meaning) -> Said:
        parts = [marked(_named(part)) for part in meaning.references]
        return ask.CAPTIONS.draw(rng), f"The image shows {enumerated(parts)}."

    def movement(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = ask.MOVEMENT_QUESTIONS.draw(rng).format(self.phrase(rng, meaning.references[0]))
        return question, MOVEMENTS[str(meaning.value)]

    def moves(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = ask.DOES_IT_MOVE.draw(rng).format(self.phrase(rng, meaning.references[0]))
        return question, "Yes, it does." if meaning.value else "No, it does not."

    def nature(self, rng: Generator | None, meaning: Meaning) -> Said:
        return ask.NATURES.draw(rng), f"They are {plural(NOUNS[str(meaning.value)].usual[0])}."


def _bare(rng: Generator | None, it: Reference) -> str:
    """`red circle`, `cell`, `blue one`."""
    noun = NOUNS[it.noun].draw(rng)
    # "one" needs a word that tells which.
    told = it.color or it.rank or it.place
    if it.noun in OPEN_NOUNS and told and it.means not in ("class", "all") and chance(rng, 0.15):
        noun = "one"
    return f"{COLORS[it.color].draw(rng)} {noun}" if it.color else noun


def _named(part: Reference) -> str:
    """`a red circle`, `five cells`."""
    noun = _bare(None, part)
    return with_article(noun) if len(part.labels) == 1 else _counted(len(part.labels), noun)


def _counted(count: int, noun: str) -> str:
    """`one cell`, `three cells`, `no cells`, `more than twenty cells`."""
    if count >= len(NUMBERS):
        return f"more than {NUMBERS[-1]} {plural(noun)}"
    return f"{NUMBERS[count]} {noun if count == 1 else plural(noun)}"
