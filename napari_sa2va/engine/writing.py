"""An answer as it is written: text out of tokens, phrases that are grounded."""

from __future__ import annotations

from napari_sa2va.engine.chat import Turn
from napari_sa2va.models.tokens import PHRASE_END, PHRASE_START, SEG, Tokens

# What a byte-level tokenizer gives for a character whose last bytes are still to come.
_INCOMPLETE = "\ufffd"


class Writing:
    """Collects the tokens of one answer.

    Parameters
    ----------
    tokens : Tokens
        The tokenizer.
    question : str
        The user's words: what an object is called when the model does not say.
    """

    def __init__(self, tokens: Tokens, question: str) -> None:
        self._tokens = tokens
        self._question = question.strip()
        self._ids: list[int] = []
        self._shown = ""

    @property
    def text(self) -> str:
        """All that was written, special tokens included."""
        return self._tokens.decode(self._ids).strip()

    def add(self, token: int) -> tuple[str, tuple[str, tuple[int, int]] | None]:
        """Take a token; the new text, and for ``[SEG]`` its phrase and span in the text."""
        self._ids.append(token)
        piece = self._take(hold=True)
        return piece, self._grounded() if token == self._tokens.seg else None

    def flush(self) -> str:
        """Text that was held back for bytes that never came."""
        return self._take(hold=False)

    def turn(self, stop_ids: set[int]) -> Turn:
        """The turn for the conversation."""
        ids = tuple(i for i in self._ids if i not in stop_ids)
        return Turn(self._question, self._tokens.decode(ids), ids)

    def _take(self, hold: bool) -> str:
        text = self._tokens.decode(self._ids).lstrip()
        if hold and text.endswith(_INCOMPLETE):
            return ""
        piece, self._shown = text[len(self._shown) :], text
        return piece

    def _grounded(self) -> tuple[str, tuple[int, int]]:
        """The phrase that the last ``[SEG]`` grounds, and where it stands in the text."""
        text = self._tokens.decode(self._ids).lstrip()
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
