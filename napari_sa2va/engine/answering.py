"""From a question to text and masks: the LLM writes, SAM 2 grounds, memory follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from napari_sa2va.core.answers import Answer, SegmentedObject
from napari_sa2va.core.events import (
    Event,
    Finished,
    Mask,
    ObjectFound,
    Progress,
    Reasoning,
    Token,
)
from napari_sa2va.core.masks import BoolMask, PackedMasks
from napari_sa2va.engine.chat import Chat, Turn
from napari_sa2va.engine.fitting import Fitting
from napari_sa2va.engine.looking import Looking
from napari_sa2va.engine.runtime import Runtime
from napari_sa2va.engine.tracker import TrackedMask
from napari_sa2va.engine.trackers import Trackers
from napari_sa2va.engine.writing import Piece, Writing


@dataclass(frozen=True)
class Question:
    """A question that was checked.

    Attributes
    ----------
    text : str
        The user's words.
    frames : tuple of int
        Frames to look at and to ground in, ascending.
    regions : list of (H, W) bool array
        What the question is about.
    past : list of Turn
        What was said before.
    track : bool
        Follow what is found through the whole stack.
    """

    text: str
    frames: tuple[int, ...]
    regions: list[BoolMask]
    past: list[Turn]
    track: bool


@dataclass(frozen=True)
class Answering:
    """What answers questions about one stack.

    Attributes
    ----------
    runtime, looking, chat, tracker
        The model's sides.
    shape : tuple of int
        (T, H, W) of the stack.
    begin : callable
        Takes a phrase, gives the new object's id.
    record : callable
        Takes frame, object id and tracked mask, gives the event.
    fitting : Fitting
        Runs steps on the device.
    """

    runtime: Runtime
    looking: Looking
    chat: Chat
    tracker: Trackers
    shape: tuple[int, int, int]
    begin: Callable[[str], int]
    record: Callable[[int, int, TrackedMask], Mask]
    fitting: Fitting

    def answer(self, question: Question, remember: Callable[[Turn], None]) -> Iterator[Event]:
        """Write the answer and ground it; the turn is handed over once it is written."""
        yield Progress(0, len(question.frames), "looking at frames")
        visual = self.looking.look(question.frames, question.regions)
        opened = self.chat.begins_with_reasoning
        writing = Writing(self.runtime.tokens, question.text, opened)
        embeddings: dict[int, Tensor] = {}
        objects: dict[int, SegmentedObject] = {}
        prompt = self.chat.prompt(visual, question.past, question.text)
        for step in self.chat.stream(prompt, visual):
            if step.hidden is None:
                yield from _told(writing.end(step.token))
                break
            piece = writing.add(step.token)
            yield from _told(piece)
            if piece.found is not None:
                phrase, span = piece.found
                object_id = self.begin(phrase)
                objects[object_id] = SegmentedObject(
                    object_id, phrase, span, PackedMasks(self.shape)
                )
                embeddings[object_id] = self.fitting.run(
                    partial(project, self.runtime, step.hidden)
                )
                yield ObjectFound(object_id, phrase, span)
        yield from _told(writing.end())
        remember(writing.turn(self.chat.stop_ids))
        if embeddings:
            yield from self._ground(question, embeddings, objects)
        yield Finished(Answer(writing.text, list(objects.values()), writing.reasoning))

    def _ground(
        self,
        question: Question,
        embeddings: Mapping[int, Tensor],
        objects: Mapping[int, SegmentedObject],
    ) -> Iterator[Event]:
        """Masks in the frames that were looked at, then after them, then before them."""
        first, frames = question.frames[0], self.shape[0]
        total = frames if question.track else len(question.frames)
        after = [frame for frame in range(first, frames) if frame not in question.frames]
        legs: list[tuple[Sequence[int], Callable[[int], dict[int, TrackedMask]]]] = [
            (question.frames, lambda frame: self.tracker.condition_on_language(frame, embeddings))
        ]
        if question.track:
            ids = list(objects)
            legs += [
                (after, lambda frame: self.tracker.track(frame, ids)),
                (range(first - 1, -1, -1), lambda frame: self.tracker.track(frame, ids, True)),
            ]
        if total > len(question.frames):
            self.runtime.begin_tracking()
        done = 0
        for leg, masks_in in legs:
            for frame in leg:
                for object_id, found in masks_in(frame).items():
                    event = self.record(frame, object_id, found)
                    objects[object_id].packed[frame] = event.mask
                    objects[object_id].frame_scores[frame] = event.score
                    yield event
                done += 1
                yield Progress(done, total, "frames")


def _told(piece: Piece) -> Iterator[Event]:
    if piece.reasoning:
        yield Reasoning(piece.reasoning)
    if piece.answer:
        yield Token(piece.answer)


@torch.inference_mode()
def project(runtime: Runtime, hidden: Tensor) -> Tensor:
    """The hidden state (hidden,) of ``[SEG]`` as a prompt (C,) for SAM 2."""
    with runtime.autocast():
        return runtime.model.text_hidden_fcs(hidden).float()
