"""Scenes and clips as tensors, several dialogues about each image packed into one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from napari_sa2va.models.grounding import IMAGE_MEAN, IMAGE_STD, normalise
from napari_sa2va.training.questions import Turn
from napari_sa2va.training.scene import Scene
from napari_sa2va.training.tokenizer import (
    END_OF_TEXT,
    IMAGE_CONTEXT,
    IMAGE_END,
    IMAGE_START,
    SEG,
    TURN_END,
    TURN_START,
)
from napari_sa2va.training.visual_prompts import VisualPrompt

IGNORED = -100
ASKED = -1
TOKENS_PER_FRAME = 64
USER = f"{TURN_START}user\n"
ASSISTANT = f"{TURN_END}\n{TURN_START}assistant\n"

# A dialogue: the turns that see each other.
Dialogue = tuple[Turn, ...]


@dataclass(frozen=True)
class Talk:
    """Frames, and dialogues about them that do not see each other."""

    frames: NDArray[np.uint8]  # (F, H, W, 3)
    dialogues: tuple[Dialogue, ...]


@dataclass(frozen=True)
class LanguageBatch:
    """Packed sequences.

    `seg_*` number the [SEG] tokens of all rows, `said_*` the tokens from which the answer of turn
    `said_turns` (of all turns that are about something named) is written.
    """

    pixels: Tensor  # (B * F or more, 3, H, W), normalised; row by row
    ids: Tensor  # (B, T)
    targets: Tensor  # (B, T), the next token where the model answers
    visible: Tensor  # (B, 1, T, T) bool
    positions: Tensor  # (B, T)
    seg_rows: Tensor  # (S,)
    seg_columns: Tensor  # (S,)
    said_rows: Tensor  # (K,)
    said_columns: Tensor  # (K,)
    said_turns: Tensor  # (K,)

    def with_images(self, images: Sequence[NDArray[np.uint8]]) -> LanguageBatch:
        """Append images that no text speaks of."""
        if not images:
            return self
        return replace(self, pixels=torch.cat([self.pixels, to_pixels(np.stack(images))]))


def to_pixels(images: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) uint8 as the networks take it: (N, 3, H, W), normalised."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return normalise(pixels, IMAGE_MEAN, IMAGE_STD)


class Packer:
    """Writes dialogues in the official prompt format.

    Parameters
    ----------
    tokenizer : Tokenizer
        The model's.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._pad = self._id(END_OF_TEXT)
        self._seg = self._id(SEG)

    def _id(self, token: str) -> int:
        number: int | None = self._tokenizer.token_to_id(token)
        assert number is not None, f"the tokenizer has no {token}"
        return number

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def prefix(self, frames: int) -> list[int]:
        """What every dialogue about so many frames begins with."""
        image = IMAGE_START + IMAGE_CONTEXT * TOKENS_PER_FRAME + IMAGE_END
        return self.encode(USER + "\n".join([image] * frames))

    def dialogue(self, turns: Dialogue) -> tuple[list[int], list[int]]:
        """Token ids of a dialogue, and in which turn the model writes each (`ASKED`: in none)."""
        ids: list[int] = []
        written: list[int] = []
        for number, turn in enumerate(turns):
            asked = self.encode((f"\n{USER}" if number else "") + turn.question + ASSISTANT)
            answer = self.encode(turn.answer + TURN_END)
            ids += asked + answer
            written += [ASKED] * len(asked) + [number] * len(answer)
        return ids, written

    def pack(self, talks: Sequence[Talk]) -> LanguageBatch:
        """Rows of one talk each; all talks of a batch have equally many frames."""
        frames = len(talks[0].frames)
        prefix = self.prefix(frames)
        rows = [[self.dialogue(turns) for turns in talk.dialogues] for talk in talks]
        length = len(prefix) + max(sum(len(ids) for ids, _ in row) for row in rows)
        shape = (len(talks), length)
        ids = np.full(shape, self._pad)
        targets = np.full(shape, IGNORED)
        positions = np.zeros(shape, np.int64)
        speaker = np.full(shape, -1)  # 0: the frames; 1, 2, ...: the dialogues; -1: padding
        ids[:, : len(prefix)] = prefix
        positions[:, : len(prefix)] = np.arange(len(prefix))
        speaker[:, : len(prefix)] = 0
        said: list[tuple[int, int, int]] = []
        turns_before = 0
        for number, (talk, row) in enumerate(zip(talks, rows, strict=True)):
            start = len(prefix)
            for voice, (tokens, written) in enumerate(row, 1):
                span = slice(start, start + len(tokens))
                ids[number, span] = tokens
                positions[number, span] = len(prefix) + np.arange(len(tokens))
                speaker[number, span] = voice
                answered = np.where(np.array(written) != ASKED, tokens, IGNORED)
                targets[number, start : start + len(tokens) - 1] = answered[1:]
                named = _named(talk.dialogues[voice - 1])
                # What is written at a place is decided one place before.
                said += [
                    (number, start + place - 1, turns_before + named[turn])
                    for place, turn in enumerate(written)
                    if turn in named
                ]
                turns_before += len(named)
                start += len(tokens)
        # [SEG] of a question would be a user's; only the model's own are looked at.
        seg_rows, seg_columns = np.nonzero(ids == self._seg)
        said_rows, said_columns, said_turns = torch.tensor(said).reshape(-1, 3).unbind(1)
        return LanguageBatch(
            pixels=to_pixels(np.concatenate([talk.frames for talk in talks])),
            ids=torch.from_numpy(ids),
            targets=torch.from_numpy(targets),
            visible=torch.from_numpy(_visibility(speaker)),
            positions=torch.from_numpy(positions),
            seg_rows=torch.from_numpy(seg_rows),
            seg_columns=torch.from_numpy(seg_columns),
            said_rows=said_rows,
            said_columns=said_columns,
            said_turns=said_turns,
        )


def _named(turns: Dialogue) -> dict[int, int]:
    """Numbers of the turns that are about something named, and which of these each is."""
    numbers = [number for number, turn in enumerate(turns) if turn.about is not None]
    return {number: order for order, number in enumerate(numbers)}


def named_turns(talks: Sequence[Talk]) -> list[tuple[Talk, Turn]]:
    """Turns that are about something named, in the order in which `said_turns` numbers them."""
    return [
        (talk, turn)
        for talk in talks
        for turns in talk.dialogues
        for turn in turns
        if turn.about is not None
    ]


def _visibility(speaker: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Causal; a dialogue sees the frames and itself, padding sees only itself."""
    asking, asked = speaker[:, :, None], speaker[:, None, :]
    length = speaker.shape[1]
    visible = np.tri(length, dtype=bool) & ((asked == 0) | (asking == asked)) & (asked >= 0)
    return (visible | np.eye(length, dtype=bool))[:, None]


def seg_targets(talk: Talk, scene: Scene) -> list[NDArray[np.float32]]:
    """Soft masks of a talk about one image, in the order in which [SEG] tokens are numbered."""
    return [
        scene.target(labels)
        for turns in talk.dialogues
        for turn in turns
        for labels in turn.targets
    ]


@dataclass(frozen=True)
class PromptBatch:
    """Visual prompts of equally many points, and their soft masks."""

    rows: Tensor  # (N,) which image
    points: Tensor  # (N, P, 2)
    kinds: Tensor  # (N, P)
    targets: Tensor  # (N, G, G)


def batch_prompts(scenes: Sequence[Scene], prompts: Sequence[list[VisualPrompt]]) -> PromptBatch:
    """Join the prompts of each scene."""
    flat = [(row, prompt) for row, own in enumerate(prompts) for prompt in own]
    targets = [scenes[row].target((prompt.target,)) for row, prompt in flat]
    return PromptBatch(
        rows=torch.tensor([row for row, _ in flat]),
        points=torch.from_numpy(np.stack([prompt.points for _, prompt in flat])),
        kinds=torch.from_numpy(np.stack([prompt.kinds for _, prompt in flat])),
        targets=torch.from_numpy(np.stack(targets)),
    )
