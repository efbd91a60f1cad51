"""Turns, the token stream, and the reuse of what the LLM has already read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.reasoning import THINK_START
from napari_sa2va.engine.fitting import Fitting
from napari_sa2va.models.language import LanguageSide, Visual
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
        The answer's token ids, where the model wrote it and nothing before it.
    """

    user: str
    answer: str
    ids: tuple[int, ...] | None = None


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
    fitting : Fitting
        Runs its steps.
    """

    def __init__(
        self,
        model: Sa2VA,
        tokens: Tokens,
        autocast: Callable[[], AbstractContextManager[object]],
        fitting: Fitting,
    ) -> None:
        self._fitting = fitting
        self._writing = False
        self._model = model
        self._language: LanguageSide = model.language
        self._tokens = tokens
        self._autocast = autocast
        self._template = self._language.template
        self.stop_ids = {tokens.id(word) for word in self._template.stop_words}
        self._placeholder = tokens.id(self._language.placeholder)
        self.forget()

    @property
    def begins_with_reasoning(self) -> bool:
        """Whether the prompt has begun the model's reasoning already."""
        return THINK_START in self._template.begins_answer

    def prompt(self, visual: Visual, history: Sequence[Turn], text: str) -> list[int]:
        """Token ids up to where the answer begins."""
        template, images = self._template, visual.text
        prompt = self._tokens.prompt().markup(template.start)
        for turn in history:
            prompt.markup(template.before_user + images).text(turn.user)
            prompt.markup(template.before_answer)
            if turn.ids is None:
                prompt.markup(turn.answer)
            else:
                prompt.tokens(turn.ids)
            prompt.markup(template.after_answer)
            images = ""
        prompt.markup(template.before_user + images).text(text.strip())
        return prompt.markup(template.before_answer + template.begins_answer).ids()

    def stream(
        self, ids: Sequence[int], visual: Visual, limit: int = MAX_NEW_TOKENS
    ) -> Iterator[Step]:
        """Generate greedily; closing the iterator stops before the next token."""
        room = self._language.context_length - len(ids)
        if room <= 0:
            raise InputError(
                f"The conversation is too long for the model ({len(ids)} tokens).",
                "Start a new one, or ask about fewer frames.",
            )
        run = self._fitting.run
        self._writing = True
        try:
            hidden = run(lambda: self._prefill(ids, visual))
            for _ in range(min(limit, room)):
                token, logits = run(partial(self._choose, hidden))
                if token in self.stop_ids:
                    yield Step(token, logits, None)
                    return
                hidden = run(partial(self._feed, token))
                yield Step(token, logits, hidden)
        finally:
            self._writing = False

    def free_memory(self) -> None:
        """Drop the keys and values, unless an answer is being written with them."""
        if not self._writing:
            self.forget()

    def forget(self) -> None:
        """Drop the keys and values."""
        self._read: list[int] = []
        self._seen: Visual | None = None
        self._next = torch.zeros(())  # the rotary position of the next token, set by _prefill
        self._cache = self._language.new_cache()

    @torch.inference_mode()
    def _prefill(self, ids: Sequence[int], visual: Visual) -> Tensor:
        """Read the prompt, from where it differs from what was read; the last hidden state."""
        known = 0
        if visual is self._seen:
            # The last token is read again: its hidden state chooses the first new one.
            limit = min(len(ids) - 1, len(self._read))
            while known < limit and ids[known] == self._read[known]:
                known += 1
        if known == 0:
            self.forget()
        surplus = self._cache.get_seq_length() - known
        if surplus:
            self._cache.crop(-surplus)
        # Until it is read: what fails in the middle leaves layers of unequal length.
        self._read, self._seen = [], None
        tokens = torch.tensor(ids, device=self._model.device)
        is_visual = tokens == self._placeholder
        positions = self._language.positions(is_visual, visual)
        with self._autocast():
            embeddings = self._language.embed(tokens)
            embeddings[is_visual] = visual.embeddings.to(embeddings.dtype)
            deepstack = []
            for layer in visual.deepstack:
                added = torch.zeros_like(embeddings)
                added[is_visual] = layer.to(added.dtype)
                deepstack.append(added[known:])
            hidden = self._forward(embeddings[known:], positions[..., known:], deepstack)
        self._read, self._seen = list(ids), visual
        self._next = positions[..., -1:] + 1
        return hidden

    @torch.inference_mode()
    def _choose(self, hidden: Tensor) -> tuple[int, Tensor]:
        with self._autocast():
            logits = self._language.logits(hidden)
        return int(logits.argmax()), logits

    @torch.inference_mode()
    def _feed(self, token: int) -> Tensor:
        for layer in self._cache.layers:
            surplus = layer.get_seq_length() - len(self._read)
            if surplus > 0:  # a try that failed went as far as this layer
                layer.crop(-surplus)
        with self._autocast():
            ids = torch.tensor([token], device=self._model.device)
            hidden = self._forward(self._language.embed(ids), self._next)
        self._read.append(token)
        self._next = self._next + 1
        return hidden

    def _forward(
        self, embeddings: Tensor, positions: Tensor, deepstack: Sequence[Tensor] = ()
    ) -> Tensor:
        """The last hidden state (hidden,) of tokens that follow what was read."""
        return self._language.read(embeddings, positions, self._cache, deepstack)[-1]
