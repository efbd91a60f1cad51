"""Text to token ids and back, where user text is only ever text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.vocabularies import read_vocabulary

SEG = "[SEG]"
PHRASE_START, PHRASE_END = "<p>", "</p>"


class Tokens:
    """The tokenizer of a checkpoint.

    Parameters
    ----------
    folder : Path
        Holds ``tokenizer.json`` or ``tokenizer.model``.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or has no ``[SEG]``.
    """

    def __init__(self, folder: Path) -> None:
        self._vocabulary = read_vocabulary(folder)
        longest_first = sorted(self._vocabulary.special, key=len, reverse=True)
        self._special = re.compile(f"({'|'.join(map(re.escape, longest_first))})")
        self.seg = self.id(SEG)

    def id(self, token: str) -> int:
        """The id of one special token."""
        found = self._vocabulary.special.get(token)
        if found is None:
            raise CheckpointError(f"The tokenizer has no token {token}.", "Is this a Sa2VA model?")
        return found

    def encode_markup(self, text: str) -> list[int]:
        """Ids of our own text, in which special tokens mean what they say."""
        return self.prompt().markup(text).ids()

    def encode_text(self, text: str) -> list[int]:
        """Ids of a user's text: special tokens in it become plain characters."""
        return self.prompt().text(text).ids()

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""
        return self._vocabulary.decode(ids)

    def prompt(self) -> Prompt:
        """A prompt to be written part by part."""
        return Prompt(self)

    def _parts(self, markup: str) -> Iterable[int | str]:
        """Special tokens, as ids, and the plain text between them."""
        for number, part in enumerate(self._special.split(markup)):
            yield self._vocabulary.special[part] if number % 2 else part

    def _encode(self, text: str) -> list[int]:
        return self._vocabulary.encode(text) if text else []


class Prompt:
    """Token ids of markup and user text as of one string: plain text that touches merges."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._ids: list[int] = []
        self._open = ""  # plain text that may go on

    def markup(self, text: str) -> Prompt:
        """Add our own text, in which special tokens mean what they say."""
        for part in self._tokens._parts(text):
            if isinstance(part, str):
                self._open += part
            else:
                self.tokens((part,))
        return self

    def text(self, text: str) -> Prompt:
        """Add a user's text: special tokens in it become plain characters."""
        self._open += text
        return self

    def tokens(self, ids: Iterable[int]) -> Prompt:
        """Add ids."""
        self._ids = [*self.ids(), *ids]
        return self

    def ids(self) -> list[int]:
        """All ids so far; what is added later does not merge with them."""
        self._ids += self._tokens._encode(self._open)
        self._open = ""
        return self._ids
