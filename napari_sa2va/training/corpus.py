"""What the tokenizer's merges are learned from: the templates and the lexica, cut into pieces.

Each piece is what one token should be at most: English is cut at its spaces, Korean also between a
stem and what follows it, so that "원을" and "원은" share the token of "원".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from napari_sa2va.training.phrasing import (
    english_places,
    english_templates,
    english_words,
    korean_places,
    korean_templates,
    korean_words,
)
from napari_sa2va.training.phrasing.forms import Forms
from napari_sa2va.training.phrasing.particles import FIXED, PAIRS

# How often a piece is told: in usual forms, in others, and words that no form holds. Syllables come
# before all else: a merge across the bytes of two of them would break the stem before a particle.
USUAL, OTHER, PLAIN_WORD, SYLLABLE = 8, 2, 1, 800
ANSWERS = (
    "Sure, . , There is are no none more than twenty It is a an at the and in on to left right up "
    "Yes, there is. No, there is not. Yes, it does. No, it does not. The image shows They second",
    "네, . 아니요, 그리고 있습니다. 없습니다. 이미지에 개 넘게 이상 움직입니다. 움직이지 않습니다.",
)
# Plain words that users write and the templates do not hold.
PLAIN = """
user assistant you help with thank hello here it they them these those has have had was were will
not any each other another between behind under near far inside outside around edge border corner
half dark light bright small large big tiny long short thin thick old new first second third last
time frame frames movie sequence follow mother daughter divide divides division moves still growing
tissue membrane background foreground colony neuron grain bubble droplet tumor channel microscope
size area brightness position which who why when because but or if then so than more less most least
same different similar like only also very mask masks outline label
"""
# What follows a stem, beside the particles.
ENDINGS = """
입니다 인가요 이에요 예요 입니까 이야 에서 들 색 개 개인가요 개인지 개예요 개야 주세요 주십시오
주시겠어요 줄래요 줘 해 해줘 하세요 하고 할 으로 로 나요 인지 인가 지
"""
_TABLES_EN = ("COLORS", "NOUNS", "RANKS", "RELATIONS", "MOTIONS")
_TABLES_KO = (*_TABLES_EN, "SECONDS")
_HANGUL = re.compile(r" ?[가-힣]+")
_SYLLABLE = re.compile(r"[가-힣]")


def template_corpus() -> Iterator[str]:
    """Pieces, each as often as its weight; the same at every call."""
    syllables: set[str] = set()
    for text, weight in _texts():
        syllables.update(_SYLLABLE.findall(text))
        for piece in _pieces(text):
            yield from [piece] * weight
    for syllable in sorted(syllables):
        yield from [syllable] * SYLLABLE


def _texts() -> Iterator[tuple[str, int]]:
    for module, tables in ((english_words, _TABLES_EN), (korean_words, _TABLES_KO)):
        for table in tables:
            yield from _weighted(getattr(module, table).values())
    for located in (english_places, korean_places):
        yield from _weighted((*located.LOCATED.values(), *located.EXTREME.values()))
    yield from _weighted((*english_templates.TEMPLATES, *korean_templates.TEMPLATES))
    for words in (english_words, korean_words):
        yield from _weighted((words.HEADING, words.ALL))
    nouns = {english_words.plural(word) for forms in english_words.NOUNS.values() for word in forms}
    told = (
        *(*english_words.NUMBERS, *english_words.OF_TWO.values(), *english_words.REGIONS.values()),
        *(*english_words.MOVEMENTS.values(), *sorted(nouns), "one", "ones"),
        *(*korean_words.NUMBERS, *korean_words.OF_TWO.values(), *korean_words.REGIONS.values()),
        *(*korean_words.MOVEMENTS.values(), *korean_words.COLOR_NAMES.values()),
        *ANSWERS,
    )
    for text in told:
        yield from ((f" {text}", USUAL), (text, OTHER))
    yield from ((piece, USUAL) for piece in _FOLLOWING)
    for word in PLAIN.split():
        yield f" {word}", PLAIN_WORD


def _weighted(tables: Iterable[Forms]) -> Iterator[tuple[str, int]]:
    """Each form with and without a space before it, as it may begin a sentence or not."""
    for forms in tables:
        for share, said in ((USUAL, forms.usual), (OTHER, forms.others)):
            for text in said:
                plain = re.sub(r"\{.*?\}", " ", text)
                yield from ((f" {plain}", share), (plain, OTHER), (f" {plain.lower()}", 1))


def _pieces(text: str) -> Iterator[str]:
    """The text, cut before what follows a Korean stem."""
    end = 0
    for word in _HANGUL.finditer(text):
        yield text[end : word.start()]
        yield from _cut(word[0])
        end = word.end()
    yield text[end:]


def _cut(word: str) -> Iterator[str]:
    """A Korean word as its stem and the pieces behind it."""
    stem = next((stem for stem in _STEMS if word.strip().startswith(stem)), word.strip())
    length = word.index(stem) + len(stem)
    yield word[:length]
    rest = word[length:]
    while rest:
        known = next((piece for piece in _FOLLOWING if rest.startswith(piece)), rest)
        yield known
        rest = rest[len(known) :]


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(set(words), key=lambda word: (-len(word), word))


def _korean_stems() -> list[str]:
    """Every Hangul word of the lexicon, and what templates add particles or endings to."""
    tables = [getattr(korean_words, name).values() for name in _TABLES_KO if name != "RELATIONS"]
    said = [
        *(text for table in tables for forms in table for text in forms),
        *(*korean_words.COLOR_NAMES.values(), *korean_words.REGIONS.values()),
        *korean_words.NUMBERS,
        *(
            "왼편",
            "오른편",
            "위",
            "상단",
            "하단",
            "좌상단",
            "우상단",
            "좌하단",
            "우하단",
            "끝",
            "구석",
        ),
        *("모서리", "중앙", "가운데", "한가운데", "중심", "가까운", "가장", "제일", "맨", "옆"),
        *(
            "이미지",
            "영상",
            "사진",
            "화면",
            "마스크",
            "윤곽",
            "영역",
            "위치",
            "개수",
            "모양",
            "색깔",
        ),
        *("분할", "표시", "선택", "추적", "강조", "검출", "구분", "설명", "이동", "분열", "움직임"),
        *(
            "무엇",
            "어디",
            "이것",
            "물체",
            "부분",
            "찾아",
            "보여",
            "골라",
            "가리켜",
            "짚어",
            "따라가",
        ),
        *("몇", "개", "둘", "수", "전부", "모두", "모든", "전체", "있는", "있는지"),
    ]
    stems = {part.strip() for text in said for part in _HANGUL.findall(text)}
    # "십자가" is the cross, too, but mostly "십자" with its particle.
    return _longest_first(it for it in stems if not (it[:-1] in stems and it[-1] in _PARTICLES))


_PARTICLES = (*FIXED, *(form for pair in PAIRS.values() for form in pair))
_STEMS = _korean_stems()
_FOLLOWING = _longest_first((*ENDINGS.split(), *_PARTICLES))
