"""An answer as it is written: text out of tokens, phrases that are grounded."""

from __future__ import annotations

from typing import NamedTuple

from napari_sa2va.core.reasoning import split_reasoning
from napari_sa2va.engine.chat import Turn
from napari_sa2va.models.tokens import PHRASE_END, PHRASE_START, SEG, Tokens

# What a byte-level tokenizer gives for a character whose last bytes are still to come.
_INCOMPLETE = "\ufffd"


class Piece(NamedTuple):
    """What a token adds.

    Attributes
    ----------
    reasoning, answer : str
        New text of each.
    found : (str, (int, int)), optional
        For a ``[SEG]`` in the answer: its phrase, and the phrase's span in the answer's text.
    """

    reasoning: str = ""
    answer: str = ""
    found: tuple[str, tuple[int, int]] | None = None


class Writing:
    """Collects the tokens of one answer.

    Parameters
    ----------
    tokens : Tokens
        The tokenizer.
    question : str
        The user's words: what an object is called when the model does not say.
    opened : bool
        The prompt has begun the model's reasoning.
    """

    def __init__(self, tokens: Tokens, question: str, opened: bool = False) -> None:
        self._tokens = tokens
        self._question = question.strip()
        self._opened = opened
        self._ids: list[int] = []
        self._shown = ("", "")

    @property
    def text(self) -> str:
        """The answer as it was written, special tokens included."""
        return self._split()[1].strip()

    @property
    def reasoning(self) -> str:
        """What was thought before it."""
        return self._split()[0]

    def add(self, token: int) -> Piece:
        """Take a token; what it adds."""
        self._ids.append(token)
        reasoning, answer = self._take(growing=True)
        # One within the reasoning is a thought: nobody would see what it points from.
        points = token == self._tokens.seg and bool(self._split()[1])
        return Piece(reasoning, answer, self._grounded() if points else None)

    def end(self, token: int | None = None) -> Piece:
        """Text that was held back; `token` ends the answer and is not for a reader's eyes."""
        held = Piece(*self._take(growing=False))
        if token is not None:
            reasoning, answer = self._split()
            if answer or not reasoning:
                self._ids.append(token)
                self._shown = self._split()
        return held

    def turn(self, stop_ids: set[int]) -> Turn:
        """The turn for the conversation, in which models are not shown what they once thought."""
        ids = tuple(i for i in self._ids if i not in stop_ids)
        written = self._tokens.decode(ids)
        reasoning, answer = split_reasoning(written, self._opened)
        if reasoning or answer != written.lstrip():
            return Turn(self._question, answer.rstrip())
        return Turn(self._question, written, ids)

    def _split(self, growing: bool = False) -> tuple[str, str]:
        return split_reasoning(self._tokens.decode(self._ids), self._opened, growing)

    def _take(self, growing: bool) -> tuple[str, str]:
        if growing and self._tokens.decode(self._ids).endswith(_INCOMPLETE):
            return "", ""
        now, before = self._split(growing), self._shown
        self._shown = now
        return now[0][len(before[0]) :], now[1][len(before[1]) :]

    def _grounded(self) -> tuple[str, tuple[int, int]]:
        """The phrase that the last ``[SEG]`` grounds, and where it stands in the text."""
        text = self._split()[1]
        seg = text.rindex(SEG)
        before = text[:seg]
        end = before.rfind(PHRASE_END)
        start = before.rfind(PHRASE_START, 0, end)
        belongs = start >= 0 and not before[end + len(PHRASE_END) :].strip()
        if not belongs:
            return self._question, (seg, seg + len(SEG))
        inside = before[start + len(PHRASE_START) : end]
        phrase = inside.strip()
        offset = start + len(PHRASE_START) + len(inside) - len(inside.lstrip())
        return phrase or self._question, (offset, offset + len(phrase))
