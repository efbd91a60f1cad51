"""Korean particles, whose form follows the last syllable of the noun."""

from __future__ import annotations

# After a final consonant, after a vowel. Keyed by the form that templates write.
PAIRS = {"을": ("을", "를"), "이": ("이", "가"), "은": ("은", "는"), "과": ("과", "와")}
FIXED = ("의", "만", "에")
_FIRST, _LAST, _FINALS = 0xAC00, 0xD7A3, 28


def has_final(word: str) -> bool:
    """Whether the last syllable ends in a consonant; only Hangul does."""
    code = ord(word[-1])
    return _FIRST <= code <= _LAST and (code - _FIRST) % _FINALS != 0


def particle(word: str, which: str) -> str:
    """The form of 을, 이, 은 or 과 that follows the word."""
    with_final, without = PAIRS[which]
    return with_final if has_final(word) else without


def with_particles(phrase: str) -> dict[str, str]:
    """The phrase with each particle, by the names that templates use: `{을}`, `{의}`, ..."""
    final = has_final(phrase)
    forms = {name: phrase + (first if final else second) for name, (first, second) in PAIRS.items()}
    return forms | {name: phrase + name for name in FIXED}


def enumerated(parts: list[str]) -> str:
    """`빨간 원과 파란 별`, `가, 나와 다`."""
    if len(parts) == 1:
        return parts[0]
    *before, last = parts
    listed = ", ".join(before)
    return f"{listed}{particle(listed, '과')} {last}"
