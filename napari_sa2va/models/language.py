"""What the language sides have in common: how a chat is written, what is seen, how it is read."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, DynamicCache

from napari_sa2va.core.frames import RGBFrame
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.models.weight_names import WeightNames

# Sa2VA looks at no more frames of a video than it was trained on.
MAX_VIDEO_FRAMES = 5

# Settings of a configuration that would name code or a dtype, or say who wrote it.
_NOT_SETTINGS = (
    "_attn_implementation_autoset",
    "architectures",
    "attn_implementation",
    "auto_map",
    "dtype",
    "model_type",
    "torch_dtype",
    "transformers_version",
)


@dataclass(frozen=True)
class ChatTemplate:
    """How turns are written: ``user`` and ``assistant`` around the texts, and what ends a turn.

    `begins_answer` stands only before the answer that is to be written: ``<think>`` where a model
    was taught to reason first.
    """

    before_user: str
    before_answer: str
    after_answer: str
    stop_words: tuple[str, ...]
    start: str = ""
    begins_answer: str = ""


@dataclass(frozen=True)
class Visual:
    """What the language side looks at.

    Attributes
    ----------
    text : str
        The placeholders, put before the first turn's text.
    embeddings : (n, hidden) tensor
        One row per placeholder.
    grids : tuple of (rows, columns)
        Of each image's placeholders, where positions follow them.
    deepstack : tuple of (n, hidden) tensors
        Added to the placeholders' hidden states after the first layers of the LLM.
    """

    text: str
    embeddings: Tensor
    grids: tuple[tuple[int, int], ...] = ()
    deepstack: tuple[Tensor, ...] = ()


class LanguageSide(nn.Module, ABC):
    """Reads frames and text, writes text.

    Attributes
    ----------
    template : ChatTemplate
        How a chat is written.
    placeholder : str
        The special token that stands for one visual token.
    weight_names : WeightNames
        The official names of its weights.
    tied : bool
        Whether a checkpoint may leave out the output head, which is the embeddings' transpose.
    """

    template: ChatTemplate
    placeholder: str
    weight_names: WeightNames
    tied: bool
    _compiled_step: Callable[..., Any] | None = None

    @property
    @abstractmethod
    def decoder(self) -> Any:
        """The LLM without its output head."""

    @property
    @abstractmethod
    def head(self) -> nn.Module:
        """The output head of the LLM."""

    @property
    def hidden_size(self) -> int:
        return int(self.decoder.config.hidden_size)

    @property
    def context_length(self) -> int:
        """How many tokens prompt and answer may have together."""
        config = self.decoder.config
        rope = config.rope_parameters
        # "dynamic" (NTK) stretches its angles as a text outgrows what the LLM was trained on.
        factor = rope["factor"] if rope.get("rope_type") == "dynamic" else 1
        return int(config.max_position_embeddings * factor)

    @abstractmethod
    def look(
        self,
        frames: Sequence[RGBFrame],
        regions: Sequence[BoolMask],
        video: bool,
        at_once: Callable[[int], int] = int,
    ) -> Visual:
        """The visual tokens of frames, and of regions (H, W) in the last of them.

        Of so many images as there are (frames, or tiles of one), `at_once` says how many go
        through the vision tower together; default all.

        Raises
        ------
        InputError
            A region is empty, or the model takes no such frames or regions.
        """

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings (n, hidden) of token ids (n,)."""
        embedded: Tensor = self.decoder.get_input_embeddings()(ids)
        return embedded

    def positions(self, is_visual: Tensor, visual: Visual) -> Tensor:
        """Rotary positions (..., n) of a prompt whose placeholders are marked (n,)."""
        return torch.arange(len(is_visual), device=is_visual.device)[None]

    def read(
        self, embeddings: Tensor, positions: Tensor, cache: Cache, deepstack: Sequence[Tensor] = ()
    ) -> Tensor:
        """Hidden states (n, hidden) of embeddings (n, hidden) that come after what `cache` holds.

        `deepstack` has one (n, hidden) tensor per layer, zero where there is text.
        """
        extra: dict[str, Any] = {}
        if deepstack:
            everywhere = torch.ones_like(embeddings[None, :, 0], dtype=torch.bool)
            extra = {"visual_pos_masks": everywhere, "deepstack_visual_embeds": list(deepstack)}
        # A step is the same a thousand times; prompts differ in length, and each is read once.
        is_step = len(embeddings) == 1 and not deepstack
        run = self._compiled_step if is_step and self._compiled_step else self.decoder
        out = run(
            inputs_embeds=embeddings[None],
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            **extra,
        )
        hidden: Tensor = out.last_hidden_state[0]
        return hidden

    def begin_answers(self, text: str) -> None:
        """Write a text before each answer, which the model goes on with."""
        self.template = replace(self.template, begins_answer=text)

    def compile_step(self) -> None:
        """Let `read` run the LLM compiled where it reads one token; compiled at the first one."""
        # Keys and values grow: one program for all lengths, or each token would be compiled anew.
        self._compiled_step = torch.compile(self.decoder.forward, dynamic=True)

    def use_attention(self, name: str) -> None:
        """Let the LLM use another implementation of attention, by transformers' name of it."""
        self.decoder.set_attn_implementation(name)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., vocabulary) of hidden states (..., hidden)."""
        scores: Tensor = self.head(hidden)
        return scores

    def new_cache(self) -> Cache:
        """For keys and values."""
        return DynamicCache(config=self.decoder.config)


def settings(official: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a part of config.json, without what would name code or a dtype."""
    # transformers writes into nested settings.
    return copy.deepcopy({k: v for k, v in official.items() if k not in _NOT_SETTINGS})
