"""Whether an answer is right: by the value that it tells, not by its wording."""

from __future__ import annotations

import re
from collections.abc import Iterable

from napari_sa2va.training.meaning import MANY, Turn
from napari_sa2va.training.phrasing import english_words as english
from napari_sa2va.training.phrasing import korean_words as korean
from napari_sa2va.training.phrasing.grammar import MASK

_OPEN = ("object", "shape", "blob")


def _lexicon(pairs: Iterable[tuple[str, str]]) -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern for all words, longest first, and what each means; the first meaning counts."""
    meanings: dict[str, str] = {}
    for word, key in pairs:
        meanings.setdefault(word, key)
    ordered = sorted(meanings, key=len, reverse=True)
    bounded = [rf"\b{word}\b" if word.isascii() else word for word in ordered]
    return re.compile("|".join(bounded)), meanings


_COLORS, _COLOR_OF = _lexicon(
    [
        *((word, key) for key, forms in english.COLORS.items() for word in forms),
        *((word, key) for key, forms in korean.COLORS.items() for word in forms),
        *((word, key) for key, word in korean.COLOR_NAMES.items()),
    ]
)
_NAMES = {
    key: [*forms, *map(english.plural, forms), *korean.NOUNS[key]]
    for key, forms in english.NOUNS.items()
    if key not in _OPEN
}
_NOUNS, _NOUN_OF = _lexicon(
    [
        # What is usual for one noun stays its own, although it may be rare for another.
        *((english.NOUNS[key].usual[0], key) for key in _NAMES),
        *((english.plural(english.NOUNS[key].usual[0]), key) for key in _NAMES),
        *((korean.NOUNS[key].usual[0], key) for key in _NAMES),
        *((word, key) for key, names in _NAMES.items() for word in names),
    ]
)
_THINGS = re.compile(f"(?P<color>{_COLORS.pattern})|(?P<noun>{_NOUNS.pattern})")
_NUMBERS = re.compile(
    r"(?P<digits>\d+)"
    rf"|\b(?P<word>{'|'.join(sorted(english.NUMBERS, key=len, reverse=True))}|none)\b"
    rf"|(?P<hangul>{'|'.join(sorted(korean.NUMBERS, key=len, reverse=True))}|하나)(?= ?개)"
    r"|(?P<nothing>없습니다|없어요)"
)
_MANY = re.compile(r"more than (twenty|20)|over twenty|(스무|20) ?개(가|를)? ?(넘|이상)")
_SIDES = {
    "top": r"\b(top|upper)\b|위|상단",
    "bottom": r"\b(bottom|lower)\b|아래|하단",
    "left": r"\bleft\b|왼|좌",
    "right": r"\bright\b|오른|우[상하측]",
    "center": r"\b(center|centre|middle)\b|가운데|중앙|중심",
}
_YES, _NO = re.compile(r"\byes\b|^네\b"), re.compile(r"\bno\b|\bnot\b|아니|없|않")
_MOVEMENTS = {
    "left": r"\bleft\b|왼",
    "right": r"\bright\b|오른",
    "up": r"\bup(wards?)?\b|위",
    "down": r"\bdown(wards?)?\b|아래",
    "still": r"\bstill\b|\bnot move\b|않|가만|멈",
    "dividing": r"\bdivid|\bsplit|분열|나뉘",
    "leaving": r"\bleav|밖",
    "entering": r"\benter|들어",
}


def judge(turn: Turn, said: str) -> bool:
    """Whether an answer tells what the turn's own answer tells.

    Parameters
    ----------
    turn : Turn
        What was asked, with its value.
    said : str
        The model's answer, in either language. One that tells two things is wrong.
    """
    if said.count(MASK) != len(turn.targets):
        return False
    text = " ".join(said.replace(MASK, " ").replace("<|im_end|>", " ").lower().split())
    value = turn.value
    match turn.means:
        case "absent":
            return _NO.search(text) is not None and not _YES.search(text)
        case "existence" | "moves":
            return (bool(_YES.search(text)), bool(_NO.search(text))) == (value, not value)
        case "count":
            return counted(text) == value
        case "color":
            return value is None or _colors(text) == {value}
        case "shape" | "nature":
            return value is None or _names(text, str(value))
        case "where":
            return _found(_SIDES, text) == set(str(value).split())
        case "movement":
            return _found(_MOVEMENTS, text) == {value}
        case "which" | "overview" | "caption":
            if isinstance(value, int):
                return counted(text) == value
            return isinstance(value, tuple) and sorted(things(text)) == sorted(value)
    return True  # a request: its masks are judged elsewhere


def counted(said: str) -> int | None:
    """The number that a sentence tells, `MANY` for more than twenty; None without just one."""
    text = said.lower()
    if _MANY.search(text):
        return MANY
    numbers = {_number(found) for found in _NUMBERS.finditer(text)}
    return numbers.pop() if len(numbers) == 1 else None


def _number(found: re.Match[str]) -> int:
    if digits := found["digits"]:
        return min(int(digits), MANY)
    if found["nothing"] or found["word"] == "none":
        return 0
    if word := found["word"]:
        return english.NUMBERS.index(word)
    return 1 if found["hangul"] == "하나" else korean.NUMBERS.index(found["hangul"])


def things(said: str) -> tuple[tuple[str | None, str], ...]:
    """Colour and noun of each thing that a sentence names, in its order."""
    found: list[tuple[str | None, str]] = []
    color = None
    for word in _THINGS.finditer(said):
        if word["noun"]:
            found.append((color, _NOUN_OF[word["noun"]]))
            color = None
        else:
            color = _COLOR_OF[word["color"]]
    return tuple(found)


def _colors(text: str) -> set[str]:
    return {_COLOR_OF[word] for word in _COLORS.findall(text)}


def _names(text: str, noun: str) -> bool:
    """Whether all nouns of a text are names of this one: nuclei may be called cells."""
    named = _NOUNS.findall(text)
    return bool(named) and all(word in _NAMES[noun] for word in named)


def _found(patterns: dict[str, str], text: str) -> set[str]:
    return {name for name, pattern in patterns.items() if re.search(pattern, text)}
