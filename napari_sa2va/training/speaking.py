"""Stage `language`: the LLM learns to answer and to point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training import language
from napari_sa2va.training.batches import LanguageBatch, Packer, Talk, seg_targets
from napari_sa2va.training.clips import Clip, draw_clip
from napari_sa2va.training.hearing import hear
from napari_sa2va.training.losses import next_token_loss, place_loss
from napari_sa2va.training.questions import Turn
from napari_sa2va.training.scene import Scene
from napari_sa2va.training.seeing import DenseHead, patch_labels
from napari_sa2va.training.spelling import Speller
from napari_sa2va.training.stage import SceneSource, Stage
from napari_sa2va.training.tokenizer import IMAGE_CONTEXT

MAX_FRAMES = 5  # as many of a video as Sa2VA's LLM looks at
PLACE_WEIGHT = 0.5
DENSE_WEIGHT = 1.0
SPELLING_WEIGHT = 0.2
REPORTED = ("color", "shape", "size", "position", "motion", "all")  # means of reference in the log


@dataclass(frozen=True)
class SpokenBatch:
    """Packed dialogues and what each [SEG] means."""

    packed: LanguageBatch
    targets: Tensor  # (S, G, G), over a clip the mean of its frames
    frame_targets: Tensor  # (S, F, G, G)
    means: tuple[str, ...]
    patches: Tensor | None = None  # dense labels, of images only


class Speaker:
    """Draws dialogues about images and clips.

    Parameters
    ----------
    source, unspoken : SceneSource
        Scenes to talk about, and scenes only to be looked at: dense labels teach shapes, which
        take the most images to learn, and an image costs less than the talk about it.
    images, clips, extra : int
        Rows of a batch about images, of one about clips; how many unspoken images a batch brings.
    turns : int
        Dialogues about each.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        tokenizer: Tokenizer,
        source: SceneSource,
        unspoken: SceneSource,
        images: int = 10,
        clips: int = 5,
        extra: int = 14,
        turns: int = 6,
    ) -> None:
        self.rng, self.source, self.unspoken, self.extra = rng, source, unspoken, extra
        self.packer = Packer(tokenizer)
        self.images, self.clips, self.turns = images, clips, turns

    def about_images(self) -> SpokenBatch:
        scenes = [self.source.draw() for _ in range(self.images)]
        talks = [
            Talk(scene.image[None], tuple(self._dialogue(scene) for _ in range(self.turns)))
            for scene in scenes
        ]
        masks = [
            mask
            for talk, scene in zip(talks, scenes, strict=True)
            for mask in seg_targets(talk, scene)
        ]
        batch = self._batch(talks, [mask[None] for mask in masks])
        unspoken = [self.unspoken.draw() for _ in range(self.extra)]
        labels = [patch_labels(scene) for scene in (*scenes, *unspoken)]
        return replace(
            batch,
            packed=batch.packed.with_images([scene.image for scene in unspoken]),
            patches=torch.from_numpy(np.stack(labels)),
        )

    def about_clips(self) -> SpokenBatch:
        length = int(self.rng.integers(2, MAX_FRAMES + 1))
        clips = [draw_clip(self.rng, length, steady=True) for _ in range(self.clips)]
        talks = [Talk(clip.frames, self._clip_dialogues(clip)) for clip in clips]
        masks = [
            clip.targets(labels)
            for talk, clip in zip(talks, clips, strict=True)
            for turns in talk.dialogues
            for turn in turns
            for labels in turn.targets
        ]
        return self._batch(talks, masks)

    def _batch(self, talks: list[Talk], masks: Sequence[np.ndarray]) -> SpokenBatch:
        frames = torch.from_numpy(np.stack(masks))
        means = tuple(
            turn.means
            for talk in talks
            for turns in talk.dialogues
            for turn in turns
            for _ in turn.targets
        )
        return SpokenBatch(self.packer.pack(talks), frames.mean(1), frames, means)

    def _dialogue(self, scene: Scene) -> tuple[Turn, ...]:
        first = language.say(self.rng, scene)
        if self.rng.random() < 0.1:
            return first, language.say(self.rng, scene)
        return (first,)

    def _clip_dialogues(self, clip: Clip) -> tuple[tuple[Turn, ...], ...]:
        scene = clip.scene()
        moving = language.ask_motion(self.rng, scene)
        told = [self._dialogue(scene) for _ in range(self.turns - 2)]
        return (*told, *([(moving,)] * 2 if moving else ()))


class LanguageStage(Stage):
    """Next tokens, and [SEG] as a soft click.

    Dense labels go on beside them and the vision tower learns slowly: at full pace, and without
    the labels, the first blind steps of the LLM would destroy its features.
    """

    name = "language"
    learning_rate = 1e-3
    trained = ("language.", "text_hidden_fcs.")
    slow = ("language.vision.",)

    def __init__(self, model: Sa2VA, speaker: Speaker, clips_every: int = 8) -> None:
        super().__init__(model)
        self.speaker, self.clips_every = speaker, clips_every
        self.context = speaker.packer.encode(IMAGE_CONTEXT)[0]
        self.heads: DenseHead = DenseHead(model.language.vision.config.hidden_size)
        self.speller = Speller(speaker.packer)

    def draw(self) -> SpokenBatch:
        clips = self.turn_of(self.clips_every)
        return self.speaker.about_clips() if clips else self.speaker.about_images()

    def losses(self, batch: SpokenBatch) -> dict[str, Tensor]:
        return self.losses_and_seg(batch)[0]

    def losses_and_seg(self, batch: SpokenBatch) -> tuple[dict[str, Tensor], Tensor]:
        """The losses, and the projected [SEG] states (S, C) for whoever decodes them."""
        heard = hear(self.model, batch.packed, self.context)
        losses, seg = self._spoken(heard.hidden, batch)
        if batch.patches is not None:
            dense = self.heads.losses(heard.patches, batch.patches)
            spelled = self.speller.loss(self.model, heard.visual, batch.patches)
            extra = DENSE_WEIGHT * dense["dense"] + SPELLING_WEIGHT * spelled
            losses |= dense | {"spelled": spelled, "loss": losses["loss"] + extra}
        return losses, seg

    def _spoken(self, hidden: Tensor, batch: SpokenBatch) -> tuple[dict[str, Tensor], Tensor]:
        head = self.model.language.llm.lm_head
        words, accuracy = next_token_loss(hidden, head, batch.packed.targets)
        seg = self.model.text_hidden_fcs(hidden[batch.packed.seg_rows, batch.packed.seg_columns])
        codes = self.model.grounding.sam_prompt_encoder.get_dense_pe()
        place = place_loss(seg, codes, batch.targets)
        chosen = (seg.detach() @ codes[0].flatten(1)).argmax(1)
        side = codes.shape[-1]
        coarse = torch.nn.functional.avg_pool2d(
            batch.targets[:, None], batch.targets.shape[-1] // side
        )
        hits = (coarse.flatten(1).gather(1, chosen[:, None])[:, 0] > 0.3).float()
        losses = {
            "loss": words + PLACE_WEIGHT * place.mean(),
            "words": words,
            "word_accuracy": accuracy,
            "place": place.mean(),
        }
        for means in REPORTED:
            chosen_rows = [row for row, said in enumerate(batch.means) if said == means]
            if chosen_rows:
                losses[f"hit_{means}"] = hits[chosen_rows].mean()
        return losses, seg
