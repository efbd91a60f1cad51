"""Korean: from meanings to polite sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sa2va.training.phrasing import korean_places as places
from napari_sa2va.training.phrasing import korean_templates as ask
from napari_sa2va.training.phrasing.forms import Forms, Generator, chance
from napari_sa2va.training.phrasing.grammar import MASK, Grammar, Said, marked
from napari_sa2va.training.phrasing.korean_words import (
    ALL,
    COLOR_NAMES,
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
    SECONDS,
    TOWARDS,
)
from napari_sa2va.training.phrasing.particles import enumerated, particle, with_particles

if TYPE_CHECKING:  # meanings say themselves through grammars
    from napari_sa2va.training.meaning import Meaning, Reference

_YES, _NO = "네", "아니요"


class Korean(Grammar):
    """Short and regular answers; many ways to ask."""

    def phrase(self, rng: Generator | None, it: Reference) -> str:
        """`두 번째로 큰 세포`, `모든 빨간 원`, `파란 것의 위쪽에 있는 별`."""
        if it.parts:
            return enumerated([self.phrase(rng, part) for part in it.parts])
        noun = _bare(rng, it)
        if it.means == "all":
            return noun if len(it.labels) == 1 and chance(rng, 0.5) else ALL.draw(rng).format(noun)
        if it.rank:
            return f"{_rank(rng, it, it.rank)} {noun}"
        if it.place:
            located = places.EXTREME if it.extreme else places.LOCATED
            return located[it.place].draw(rng).format(noun)
        if it.relation and it.anchor:
            return RELATIONS[it.relation].draw(rng).format(self.phrase(rng, it.anchor), noun)
        if it.direction:
            return HEADING.draw(rng).format(noun, TOWARDS[it.direction])
        return MOTIONS[it.motion].draw(rng).format(noun) if it.motion else noun

    def request(self, rng: Generator | None, meaning: Meaning) -> Said:
        reference = meaning.references[0]
        parts = [self.phrase(rng, part) for part in reference.parts or (reference,)]
        question = _asked(rng, ask.REQUESTS, enumerated(parts))
        if not reference.parts:
            return question, f"{_YES}, {MASK}."
        *before, last = [f"{part} {MASK}" for part in parts]
        return question, f"{_YES}, {', '.join(before)} 그리고 {last}."

    def absent(self, rng: Generator | None, meaning: Meaning) -> Said:
        noun = _bare(rng, meaning.references[0])
        asked = ALL.draw(rng).format(noun) if chance(rng, 0.3) else noun
        return _asked(rng, ask.REQUESTS, asked), _none(noun)

    def count(self, rng: Generator | None, meaning: Meaning) -> Said:
        noun = _bare(rng, meaning.references[0])
        assert isinstance(meaning.value, int)
        question = _asked(rng, ask.COUNTS, noun)
        return question, f"{_counted(meaning.value, noun)} 있습니다." if meaning.value else _none(
            noun
        )

    def color(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = _asked(rng, ask.COLOR_QUESTIONS, self.phrase(rng, meaning.references[0]))
        return question, f"{COLOR_NAMES[str(meaning.value)]}입니다."

    def shape(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = _asked(rng, ask.SHAPE_QUESTIONS, self.phrase(rng, meaning.references[0]))
        return question, f"{NOUNS[str(meaning.value)].usual[0]}입니다."

    def where(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = _asked(rng, ask.WHERE_QUESTIONS, self.phrase(rng, meaning.references[0]))
        return question, f"{REGIONS[str(meaning.value)]}에 있습니다."

    def existence(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = _asked(rng, ask.IS_THERE, _bare(rng, meaning.references[0]))
        return question, f"{_YES}, 있습니다." if meaning.value else f"{_NO}, 없습니다."

    def which(self, rng: Generator | None, meaning: Meaning) -> Said:
        asked, named = meaning.references
        question = _asked(rng, ask.WHICH_QUESTIONS, self.phrase(rng, asked))
        name = self.phrase(None, named)
        if not meaning.targets:
            return question, f"{name}입니다."
        return f"{question} {ask.GROUNDED.draw(rng)}", f"{marked(name)}입니다."

    def overview(self, rng: Generator | None, meaning: Meaning) -> Said:
        if len(meaning.references) == 1 and len(meaning.references[0].labels) > 1:
            (group,) = meaning.references
            said = _counted(len(group.labels), _bare(None, group))
        else:
            listed = enumerated([_bare(None, part) for part in meaning.references])
            said = listed + particle(listed, "이")
        return ask.OVERVIEWS.draw(rng), f"이미지에 {said} 있습니다."

    def caption(self, rng: Generator | None, meaning: Meaning) -> Said:
        names = [
            _bare(None, part) if len(part.labels) == 1 else _several(len(part.labels), part)
            for part in meaning.references
        ]
        said = ", ".join(map(marked, names))
        return ask.CAPTIONS.draw(rng), f"이미지에 {said}{particle(names[-1], '이')} 있습니다."

    def movement(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = _asked(rng, ask.MOVEMENT_QUESTIONS, self.phrase(rng, meaning.references[0]))
        return question, MOVEMENTS[str(meaning.value)]

    def moves(self, rng: Generator | None, meaning: Meaning) -> Said:
        question = _asked(rng, ask.DOES_IT_MOVE, self.phrase(rng, meaning.references[0]))
        return question, f"{_YES}, 움직입니다." if meaning.value else f"{_NO}, 움직이지 않습니다."

    def nature(self, rng: Generator | None, meaning: Meaning) -> Said:
        return ask.NATURES.draw(rng), f"{NOUNS[str(meaning.value)].usual[0]}입니다."


def _asked(rng: Generator | None, templates: Forms, phrase: str) -> str:
    template = templates.draw(rng)
    return template.format(phrase, **with_particles(phrase))


def _rank(rng: Generator | None, it: Reference, rank: str) -> str:
    if it.pair and rank in OF_TWO and chance(rng, 0.25):
        return OF_TWO[rank]
    return (SECONDS if it.nth == 2 else RANKS)[rank].draw(rng)


def _bare(rng: Generator | None, it: Reference) -> str:
    """`빨간 원`, `세포`."""
    noun = NOUNS[it.noun].draw(rng)
    # "것" cannot stand alone: it needs a word that tells which.
    if noun == "것" and (it.means in ("class", "all", "relation") and not it.color):
        noun = NOUNS[it.noun].usual[0]
    return f"{COLORS[it.color].draw(rng)} {noun}" if it.color else noun


def _none(noun: str) -> str:
    """`빨간 별은 없습니다.`"""
    return f"{noun}{particle(noun, '은')} 없습니다."


def _counted(count: int, noun: str) -> str:
    """`세포가 다섯 개`, `세포가 스무 개 넘게`."""
    subject = noun + particle(noun, "이")
    if count >= len(NUMBERS):
        return f"{subject} {NUMBERS[-1]} 개 넘게"
    return f"{subject} {NUMBERS[count]} 개"


def _several(count: int, part: Reference) -> str:
    """`세포 다섯 개`, `세포 스무 개 이상`: for a caption, where the mask follows the noun."""
    number = f"{NUMBERS[min(count, len(NUMBERS) - 1)]} 개"
    return f"{_bare(None, part)} {number}{' 이상' if count >= len(NUMBERS) else ''}"
