"""Turns, the token stream, and the reuse of what the LLM has already read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from napari_sa2va.core.errors import InputError
from napari_sa2va.models.internvl import IMAGE_CONTEXT
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.models.tokens import Tokens

MAX_NEW_TOKENS = 2048


@dataclass(frozen=True)
class Turn:
    """What the user said and what the model answered.

    Attributes
    ----------
    user, answer : str
        The texts; the answer without the token that ends it.
    ids : tuple of int, optional
        The answer's token ids, where the model wrote it.
    """

    user: str
    answer: str
    ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Visual:
    """What the language side looks at.

    Attributes
    ----------
    key : tuple
        Equal keys mean equal frames and regions.
    text : str
        The placeholders, put before the first turn's text.
    embeddings : (n, hidden) tensor
        One row per placeholder.
    """

    key: tuple[object, ...]
    text: str
    embeddings: Tensor


@dataclass(frozen=True)
class Step:
    """One generated token: its id, the logits (vocabulary,) that chose it, and the last hidden

    state (hidden,) of reading it; None for the token that ends the answer.
    """

    token: int
    logits: Tensor
    hidden: Tensor | None


class Chat:
    """The LLM, with the keys and values of what it read last.

    Parameters
    ----------
    model : Sa2VA
        The network.
    tokens : Tokens
        Its tokenizer.
    autocast : callable
        Makes the context in which the network computes.
    """

    def __init__(
        self,
        model: Sa2VA,
        tokens: Tokens,
        autocast: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._model = model
        self._tokens = tokens
        self._autocast = autocast
        self._template = model.language.template
        self.stop_ids = {tokens.id(word) for word in self._template.stop_words}
        self._context_id = tokens.id(IMAGE_CONTEXT)
        self._read: list[int] = []
        self._read_key: tuple[object, ...] = ()
        self._cache = self._new_cache()

    def prompt(self, visual: Visual, history: Sequence[Turn], text: str) -> list[int]:
        """Token ids up to where the answer begins."""
        markup, template = self._tokens.encode_markup, self._template
        ids: list[int] = []
        images = visual.text
        for turn in history:
            ids += markup(template.before_user) + markup(images)
            ids += self._tokens.encode_text(turn.user) + markup(template.before_answer)
            ids += markup(turn.answer) if turn.ids is None else turn.ids
            ids += markup(template.after_answer)
            images = ""
        ids += markup(template.before_user) + markup(images)
        return ids + self._tokens.encode_text(text.strip()) + markup(template.before_answer)

    def stream(
        self, ids: Sequence[int], visual: Visual, limit: int = MAX_NEW_TOKENS
    ) -> Iterator[Step]:
        """Generate greedily; closing the iterator stops before the next token."""
        room = self._model.language.llm.config.max_position_embeddings - len(ids)
        if room <= 0:
            raise InputError(
                f"The conversation is too long for the model ({len(ids)} tokens).",
                "Start a new one, or ask about fewer frames.",
            )
        hidden = self._prefill(ids, visual)
        for _ in range(min(limit, room)):
            token, logits = self._choose(hidden)
            if token in self.stop_ids:
                yield Step(token, logits, None)
                return
            hidden = self._feed(token)
            yield Step(token, logits, hidden)

    def forget(self) -> None:
        """Drop the keys and values."""
        self._read, self._read_key, self._cache = [], (), self._new_cache()

    @torch.inference_mode()
    def _prefill(self, ids: Sequence[int], visual: Visual) -> Tensor:
        """Read the prompt, from where it differs from what was read; the last hidden state."""
        known = 0
        if visual.key == self._read_key:
            # The last token is read again: its hidden state chooses the first new one.
            limit = min(len(ids) - 1, len(self._read))
            while known < limit and ids[known] == self._read[known]:
                known += 1
        if known == 0:
            self.forget()
        surplus = self._cache.get_seq_length() - known
        if surplus:
            self._cache.crop(-surplus)
        self._read, self._read_key = list(ids), visual.key
        device = self._model.device
        tokens = torch.tensor(ids, device=device)
        llm = self._model.language.llm
        with self._autocast():
            embeddings = llm.get_input_embeddings()(tokens)
            embeddings[tokens == self._context_id] = visual.embeddings.to(embeddings.dtype)
            return self._forward(embeddings[known:])

    @torch.inference_mode()
    def _choose(self, hidden: Tensor) -> tuple[int, Tensor]:
        with self._autocast():
            logits = self._model.language.llm.lm_head(hidden)
        return int(logits.argmax()), logits

    @torch.inference_mode()
    def _feed(self, token: int) -> Tensor:
        self._read.append(token)
        with self._autocast():
            ids = torch.tensor([token], device=self._model.device)
            return self._forward(self._model.language.llm.get_input_embeddings()(ids))

    def _forward(self, embeddings: Tensor) -> Tensor:
        out = self._model.language.llm.model(
            inputs_embeds=embeddings[None], past_key_values=self._cache, use_cache=True
        )
        return out.last_hidden_state[0, -1]

    def _new_cache(self) -> DynamicCache:
        return DynamicCache(config=self._model.language.llm.config)
