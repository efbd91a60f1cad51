"""Stage `language`: the LLM learns to answer and to point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training import language
from napari_sa2va.training.batches import (
    TOKENS_PER_FRAME,
    LanguageBatch,
    Packer,
    Talk,
    named_turns,
    seg_targets,
)
from napari_sa2va.training.clips import Clip, draw_clip
from napari_sa2va.training.dense_labels import DenseLabels, dense_labels
from napari_sa2va.training.following import Follower, Tracks, tracks
from napari_sa2va.training.guiding import Named, guiding_losses, named_centres, named_shares
from napari_sa2va.training.hearing import Heard, hear
from napari_sa2va.training.language import Maker
from napari_sa2va.training.looking import LAYER, POINTERS, attention_logits
from napari_sa2va.training.losses import (
    next_token_loss,
    own_place_loss,
    place_loss,
    pointing_loss,
    word_losses,
)
from napari_sa2va.training.questions import Turn
from napari_sa2va.training.scene import Scene
from napari_sa2va.training.spelling import Speller
from napari_sa2va.training.stage import SceneSource, Stage, at_size
from napari_sa2va.training.tokenizer import IMAGE_CONTEXT

MAX_FRAMES = 5  # as many of a video as Sa2VA's LLM looks at
SPREAD = 5  # frames from one that it looks at to the next, at most
STEADY = 0.4  # share of clips in which nothing comes or goes
BEYOND = 11  # frames that follow the first few of a clip, at most
PLACE_WEIGHT = 0.5
POINTING_WEIGHT = 0.5
SPELLING_WEIGHT = 0.2
GUIDING_WEIGHT = 0.5
FOLLOWING_WEIGHT = 1.0
# What is told by one token among many others weighs little among all words.
ASKED_WEIGHTS = {"count": 0.3, "color": 0.1}
# Means of reference in the log.
REPORTED = (
    *("color", "shape", "color and shape", "size", "brightness"),
    *("position", "relation", "motion", "several", "all"),
)
ASKED = ("existence", "absent", "count", "color", "shape", "where", "which", "movement", "moves")


@dataclass(frozen=True)
class SpokenBatch:
    """Packed dialogues and what each [SEG] means."""

    packed: LanguageBatch
    targets: Tensor  # (S, G, G), over a clip the mean of its frames
    frame_targets: Tensor  # (S, F, G, G)
    means: tuple[str, ...]
    named: Named
    tracks: Tracks | None = None  # of clips only
    dense: DenseLabels | None = None  # of images only, those of which no text speaks last


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
    clips_every : int
        Every so manieth batch is about clips; None: none is.
    makers : sequence of callables, optional
        What is talked about, evenly; all by their shares where not given.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        source: SceneSource,
        unspoken: SceneSource | None = None,
        images: int = 9,
        clips: int = 5,
        extra: int = 0,
        turns: int = 6,
        clips_every: int | None = 6,
        makers: Sequence[Maker] | None = None,
    ) -> None:
        self.rng, self.source, self.unspoken, self.extra = source.rng, source, unspoken, extra
        self.packer = Packer(tokenizer)
        self.images, self.clips, self.turns = images, clips, turns
        self.clips_every, self.makers, self._drawn = clips_every, makers, 0

    def draw(self) -> SpokenBatch:
        # By number, not by chance: processes side by side then draw batches of equal cost.
        self._drawn += 1
        clips = self.clips_every and self._drawn % self.clips_every == 0
        return self.about_clips() if clips else self.about_images()

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
        batch = self._batch(talks, [mask[None] for mask in masks], scenes)
        unspoken = [self.unspoken.draw() for _ in range(self.extra)] if self.unspoken else []
        return replace(
            batch,
            packed=batch.packed.with_images([scene.image for scene in unspoken]),
            dense=dense_labels([*scenes, *unspoken]),
        )

    def about_clips(self) -> SpokenBatch:
        # Few videos are shorter than what the LLM looks at.
        short = self.rng.random() < 0.3
        length = int(self.rng.integers(2, MAX_FRAMES)) if short else MAX_FRAMES
        clips = [self._clip(length) for _ in range(self.clips)]
        talks = [Talk(clip.frames, self._clip_dialogues(clip)) for clip in clips]
        masks = [
            clip.targets(labels)
            for talk, clip in zip(talks, clips, strict=True)
            for turns in talk.dialogues
            for turn in turns
            for labels in turn.targets
        ]
        batch = self._batch(talks, masks, clips)
        return replace(batch, tracks=tracks(clips))

    def _clip(self, length: int) -> Clip:
        """The first frames of a clip, or some that are spread over it."""
        rng = self.rng
        steady = bool(rng.random() < STEADY)
        if rng.random() < 0.5:
            return draw_clip(rng, length, steady=steady, every=int(rng.integers(1, SPREAD + 1)))
        return draw_clip(rng, length, steady=steady, beyond=int(rng.integers(BEYOND + 1)))

    def _batch(
        self, talks: list[Talk], masks: Sequence[np.ndarray], shown: Sequence[Scene | Clip]
    ) -> SpokenBatch:
        frames = torch.from_numpy(np.stack(masks))
        means = tuple(
            turn.means
            for talk in talks
            for turns in talk.dialogues
            for turn in turns
            for _ in turn.targets
        )
        packed, named = self.packer.pack(talks), _named(talks, shown)
        return SpokenBatch(packed, frames.mean(1), frames, means, named)

    def _dialogue(self, scene: Scene) -> tuple[Turn, ...]:
        first = language.say(self.rng, scene, self.makers)
        if self.rng.random() < 0.1:
            return first, language.say(self.rng, scene, self.makers)
        return (first,)

    def _clip_dialogues(self, clip: Clip) -> tuple[tuple[Turn, ...], ...]:
        scene = clip.scene()
        most = 2 * self.turns // 3
        # Whether what is not listed does the same is not known.
        asked = 0 if clip.shows_others else most
        moving = [language.ask_motion(self.rng, scene) for _ in range(asked)]
        told = [self._dialogue(scene) for _ in range(self.turns - most)]
        return (*told, *((turn,) for turn in moving if turn))


def _named(talks: Sequence[Talk], shown: Sequence[Scene | Clip]) -> Named:
    """What the turns name, in the order in which they are packed."""
    pictured = {id(talk): picture for talk, picture in zip(talks, shown, strict=True)}
    shares, centres, means = [], [], []
    for talk, turn in named_turns(talks):
        picture, about = pictured[id(talk)], turn.about or ()
        if isinstance(picture, Clip):
            masks, first = picture.targets(about), picture.scene()
        else:
            masks, first = picture.target(about)[None], picture
        shares.append(named_shares(masks))
        centres.append(named_centres(first, about, len(masks)))
        means.append(turn.means)
    width = len(talks[0].frames) * TOKENS_PER_FRAME
    return Named(
        shares=torch.from_numpy(np.array(shares, np.float32).reshape(-1, width)),
        centres=torch.from_numpy(np.array(centres, np.float32).reshape(-1, width)),
        means=tuple(means),
    )


class LanguageStage(Stage[SpokenBatch]):
    """Next tokens, and [SEG] as a soft click.

    The vision tower rests: the first blind steps of the LLM would destroy its features, and three
    times as many images pass when it needs no gradient.
    """

    name = "language"
    learning_rate = 1e-3
    matrix_rate = 3e-3
    trained: ClassVar[tuple[str, ...]] = (
        "language.projector.",
        "language.llm.",
        "text_hidden_fcs.",
    )

    def __init__(self, model: Sa2VA, tokenizer: Tokenizer) -> None:
        super().__init__(model)
        packer = Packer(tokenizer)
        self.context = packer.encode(IMAGE_CONTEXT)[0]
        self.speller, self.follower = Speller(packer), Follower(packer)

    def losses(self, batch: SpokenBatch) -> dict[str, Tensor]:
        return self.spoken(hear(self.model, batch.packed, self.context), batch)[0]

    def spoken(self, heard: Heard, batch: SpokenBatch) -> tuple[dict[str, Tensor], Tensor]:
        """The losses, and the projected [SEG] states (S, C) for whoever decodes them."""
        losses, seg = self._spoken(heard, batch)
        if batch.dense is not None:
            spelled = self.speller.loss(self.model, heard.visual, batch.dense.cells)
            losses |= {"spelled": spelled, "loss": losses["loss"] + SPELLING_WEIGHT * spelled}
        if batch.tracks is not None:
            followed = self.follower.losses(
                self.model, heard, batch.packed, batch.tracks, self.context
            )
            total = sum(followed[name] for name in ("matched", "moved") if name in followed)
            losses |= followed | {"loss": losses["loss"] + FOLLOWING_WEIGHT * total}
        return losses, seg

    def _spoken(self, heard: Heard, batch: SpokenBatch) -> tuple[dict[str, Tensor], Tensor]:
        language, packed, hidden = self.model.language, batch.packed, heard.hidden
        words, accuracy = next_token_loss(hidden, language.llm.lm_head, packed.targets)
        rows, columns = packed.seg_rows, packed.seg_columns
        looks = attention_logits(
            language.llm, LAYER, POINTERS, heard.entering[LAYER], packed.positions, rows, columns
        )
        # The frames come first, at the same places in all rows.
        visual = packed.ids[0] == self.context
        pointing = pointing_loss(looks[..., visual], _showing(batch)).mean()
        seg = self.model.text_hidden_fcs(hidden[rows, columns])
        seen = self.model.text_hidden_fcs(heard.visual)
        at_size(self.model.grounding, batch.packed.pixels.shape[-1])
        codes = self.model.grounding.sam_prompt_encoder.get_dense_pe()
        place = place_loss(seg, codes, batch.targets)
        own_place = own_place_loss(seen, codes)
        chosen = (seg.detach() @ codes[0].flatten(1)).argmax(1)
        side = codes.shape[-1]
        coarse = torch.nn.functional.avg_pool2d(
            batch.targets[:, None], batch.targets.shape[-1] // side
        )
        hits = (coarse.flatten(1).gather(1, chosen[:, None])[:, 0] > 0.3).float()
        guided = guiding_losses(self.model, heard, packed, batch.named, self.context)
        pointed = PLACE_WEIGHT * (place.mean() + own_place) + POINTING_WEIGHT * pointing
        losses = {
            "loss": words + pointed + GUIDING_WEIGHT * (guided["guided"] + guided["counted"]),
            "words": words,
            "word_accuracy": accuracy,
            "place": place.mean(),
            "pointing": pointing,
            "own_place": own_place,
            **guided,
        }
        said = packed.said_rows, packed.said_columns
        spoken = word_losses(hidden[said], language.llm.lm_head, packed.targets[said])
        for means in ASKED:
            turns = torch.tensor([it == means for it in batch.named.means], device=spoken.device)
            if turns.any():
                told = spoken[turns[packed.said_turns]].mean()
                losses[f"words_{means}"] = told
                losses["loss"] = losses["loss"] + ASKED_WEIGHTS.get(means, 0) * told
        for means in REPORTED:
            chosen_rows = [row for row, said in enumerate(batch.means) if said == means]
            if chosen_rows:
                losses[f"hit_{means}"] = hits[chosen_rows].mean()
        return losses, seg


def _showing(batch: SpokenBatch) -> Tensor:
    """What shows that a [SEG] means it: (S, F, G, G); the first frame shows no motion."""
    moving = torch.tensor([means == "motion" for means in batch.means], dtype=torch.bool)
    shown = batch.frame_targets.clone()
    shown[moving, 0] = 0
    return shown


class NamingStage(LanguageStage):
    """First of all, what colours and shapes are called: the rest of language builds on looking."""

    name = "naming"


class MotionStage(LanguageStage):
    """What moves in clips, and which way: at a pace that would cost `joint` what it knows."""

    name = "motion"
    matrix_rate = 4e-3
    trained = ("language.", "text_hidden_fcs.")
    slow = ("language.vision.",)
