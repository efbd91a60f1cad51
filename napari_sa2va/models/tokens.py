"""Text to token ids and back, where user text is only ever text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from napari_sa2va.core.errors import CheckpointError

SEG = "[SEG]"
PHRASE_START, PHRASE_END = "<p>", "</p>"


class Tokens:
    """The tokenizer of a checkpoint.

    Parameters
    ----------
    folder : Path
        Holds ``tokenizer.json``.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or has no ``[SEG]``.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(
                f"{folder} has no tokenizer.json.", "Download the checkpoint's tokenizer files."
            )
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the Rust side raises nothing more specific
            raise CheckpointError(f"{path} is damaged ({error}).", "Download it again.") from error
        self.seg = self.id(SEG)

    def id(self, token: str) -> int:
        """The id of one special token."""
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise CheckpointError(f"The tokenizer has no token {token}.", "Is this a Sa2VA model?")
        return int(found)

    def encode_markup(self, text: str) -> list[int]:
        """Ids of our own text, in which special tokens mean what they say."""
        return self._encode(text, escape=False)

    def encode_text(self, text: str) -> list[int]:
        """Ids of a user's text: special tokens in it become plain characters."""
        return self._encode(text, escape=True)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)

    def _encode(self, text: str, escape: bool) -> list[int]:
        self._tokenizer.encode_special_tokens = escape
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)
