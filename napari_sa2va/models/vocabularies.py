"""The two files that a checkpoint's tokenizer may be in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

from napari_sa2va.core.errors import CheckpointError

FAST, SENTENCEPIECE = "tokenizer.json", "tokenizer.model"
_CONFIG, _ADDED = "tokenizer_config.json", "added_tokens.json"


class Vocabulary(Protocol):
    """Plain text to ids and back.

    Attributes
    ----------
    special : dict of str to int
        The tokens that are no text, with their ids.
    """

    special: dict[str, int]

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; special tokens in it are only characters."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""
        ...


def read_vocabulary(folder: Path) -> Vocabulary:
    """The tokenizer of a checkpoint's folder.

    Raises
    ------
    CheckpointError
        There is none, or its files are damaged.
    """
    for name, kind in ((FAST, _Fast), (SENTENCEPIECE, _SentencePiece)):
        path = folder / name
        if path.is_file():
            try:
                return kind(path)
            # Neither library raises anything more specific on a damaged file.
            except Exception as error:
                raise CheckpointError(
                    f"{path} is damaged ({error}).", "Download it again."
                ) from error
    raise CheckpointError(
        f"{folder} has no {FAST} and no {SENTENCEPIECE}.",
        "Download the checkpoint's tokenizer files.",
    )


class _Fast:
    """``tokenizer.json``."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.encode_special_tokens = True
        added = self._tokenizer.get_added_tokens_decoder()
        self.special = {token.content: number for number, token in added.items() if token.special}

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)


class _SentencePiece:
    """``tokenizer.model``, as InternLM2's checkpoints have it, with the tokens added to it.

    As the official tokenizer (transformers' slow one, ``tokenization_internlm2.py``) each text
    between special tokens goes to SentencePiece by itself, and where a decoded text has tokens that
    were added, spaces stand around them.
    """

    def __init__(self, path: Path) -> None:
        self._pieces = SentencePieceProcessor(model_file=str(path))
        self._size = self._pieces.get_piece_size()
        self.special = _added_tokens(path.parent)
        self._names = {number: token for token, number in self.special.items()}

    def encode(self, text: str) -> list[int]:
        return list(self._pieces.encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        texts, run = [""], list[int]()
        for number in ids:
            name = self._names.get(number)
            if name is None:
                run.append(number)
                continue
            texts[-1] += self._decode(run)
            run = []
            if number < self._size:  # one of the vocabulary's own
                texts[-1] += name
            else:
                texts += [name, ""]
        texts[-1] += self._decode(run)
        return " ".join(text for text in texts if text)

    def _decode(self, ids: Sequence[int]) -> str:
        # An LLM may have more rows than its tokenizer has words.
        return str(self._pieces.decode([number for number in ids if number < self._size]))


def _added_tokens(folder: Path) -> dict[str, int]:
    config = folder / _CONFIG
    told = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    if decoder := told.get("added_tokens_decoder"):
        return {token["content"]: int(number) for number, token in decoder.items()}
    added: dict[str, int] = json.loads((folder / _ADDED).read_text(encoding="utf-8"))
    return added
