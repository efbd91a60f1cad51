"""Measurements through the public API, as a user's requests go."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.engine.engine import Engine
from napari_sa2va.training import language, questions
from napari_sa2va.training import references as refer
from napari_sa2va.training.clips import Clip, draw_clip
from napari_sa2va.training.nuclei import NucleiImage
from napari_sa2va.training.scenes import KINDS, draw_scene
from napari_sa2va.training.visual_prompts import BOX_START, VisualPrompt, box, click

Mask = NDArray[np.bool_]
Scores = dict[str, list[float]]

MAKERS = {
    "color, shape": refer.by_attribute,
    "position": refer.by_position,
    "size": refer.by_size,
    "brightness": refer.by_brightness,
    "all": refer.everything,
}
QUESTIONS = (
    questions.count,
    questions.color,
    questions.shape,
    questions.where,
    questions.existence,
    questions.overview,
    language.refusal,
)
FRAMES = 12
NUCLEI_PER_IMAGE = 5


def iou(found: Mask, true: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    union = (found | true).sum()
    return float((found & true).sum() / union) if union else 1.0


def visual_prompts(engine: Engine, rng: np.random.Generator, scenes: int) -> Scores:
    """One click, and one box, on one object of each scene."""
    scores: Scores = defaultdict(list)
    for number in range(scenes):
        kind = KINDS[number % len(KINDS)]
        scene = draw_scene(rng, kind=kind)
        label = refer.pick(rng, scene.objects).label
        for name, prompt in (("click", click(rng, scene, label)), ("box", box(rng, scene, label))):
            score = iou(_segment(engine, scene.image, prompt), scene.labels == label)
            scores[name].append(score)
            scores[f"{name}, {kind}"].append(score)
    return scores


def _segment(engine: Engine, stack: NDArray[np.uint8], prompt: VisualPrompt) -> Mask:
    with engine.open(stack) as session:
        return np.asarray(session.segment(object_id=1, frame=0, **_arguments(prompt)).mask)


def _arguments(prompt: VisualPrompt) -> dict[str, Any]:
    """A prompt in the words of the API: (y, x), boxes half-open."""
    if prompt.kinds[0] == BOX_START:
        (x0, y0), (x1, y1) = prompt.points
        return {"box": (float(y0), float(x0), float(y1), float(x1))}
    return {"points": [(float(y), float(x), True) for x, y in prompt.points]}


def phrases(engine: Engine, rng: np.random.Generator, scenes: int) -> Scores:
    """The mask of "Please segment ...", by what the phrase goes by; two objects at least."""
    scores: Scores = defaultdict(list)
    for number in range(scenes):
        # Colours and shapes are what half of the scenes have; the others have light and place.
        scene = draw_scene(rng, kind="shapes" if number % 2 else None)
        if len(scene.objects) < 2:
            continue
        for maker in MAKERS.values():
            reference = maker(rng, scene)
            if reference is None:
                continue
            found = _ask_for(engine, scene.image, reference.phrase)
            score = iou(found, np.isin(scene.labels, reference.labels))
            scores[reference.means].append(score)
            if reference.means in ("color", "shape", "color and shape", "position"):
                scores["color, shape and position"].append(score)
    return scores


def _ask_for(engine: Engine, image: NDArray[np.uint8], phrase: str) -> Mask:
    with engine.open(image) as session:
        answer = session.ask(f"Please segment {phrase}.").result()
    masks = [found.masks[0] for found in answer.objects]
    return np.logical_or.reduce(masks) if masks else np.zeros(image.shape[:2], bool)


def answers(engine: Engine, rng: np.random.Generator, scenes: int) -> Scores:
    """Share of answers that are the expected sentence, word for word."""
    scores: Scores = defaultdict(list)
    for number in range(scenes):
        scene = draw_scene(rng, kind="shapes" if number % 2 else None)
        for maker in QUESTIONS:
            turn = maker(rng, scene)
            if turn is None:
                continue
            with engine.open(scene.image) as session:
                said = session.ask(turn.question).result().text
            scores[turn.means].append(float(_plain(said) == turn.answer))
            if turn.means == "count":
                scores["count, error"].append(abs(_counted(said) - _counted(turn.answer)))
    return scores


def _plain(said: str) -> str:
    return said.removesuffix("<|im_end|>").strip()


def _counted(said: str) -> int:
    """The number that a sentence says; 0 where it says none."""
    words = _plain(said).rstrip(".").split()
    return next((questions.NUMBERS.index(word) for word in words if word in questions.NUMBERS), 0)


def tracking(engine: Engine, rng: np.random.Generator, clips: int) -> Scores:
    """J of one object a clip: over the frames after the prompted one, over all for a phrase."""
    scores: Scores = defaultdict(list)
    for number in range(clips):
        clip = draw_clip(rng, FRAMES, kind=KINDS[number % len(KINDS)])
        scene = clip.scene()
        thing = refer.pick(rng, scene.objects)
        true = clip.labels == thing.label
        for name, prompt in (
            ("click", click(rng, scene, thing.label)),
            ("box", box(rng, scene, thing.label)),
        ):
            followed = _follow(engine, clip.frames, prompt, true)
            scores[name] += followed
            scores[f"{name}, {thing.motion}"] += followed
        scores["unmoved copy of frame 0"] += [iou(true[0], mask) for mask in true[1:]]
        for name, reference in (
            ("phrase", refer.by_attribute(rng, scene) or refer.by_position(rng, scene)),
            ("motion phrase", refer.by_motion(rng, scene)),
        ):
            if reference is not None:
                scores[name] += _find(engine, clip, reference)
    return scores


def _follow(
    engine: Engine, frames: NDArray[np.uint8], prompt: VisualPrompt, true: Mask
) -> list[float]:
    with engine.open(frames) as session:
        session.segment(object_id=1, frame=0, **_arguments(prompt))
        return [iou(masks[1], true[frame]) for frame, masks in session.propagate() if frame]


def _find(engine: Engine, clip: Clip, reference: refer.Reference) -> list[float]:
    true = np.isin(clip.labels, reference.labels)
    with engine.open(clip.frames) as session:
        answer = session.ask(f"Please segment {reference.phrase}.").result()
    found = answer.objects[0].masks if answer.objects else np.zeros_like(true)
    return [iou(mask, meant) for mask, meant in zip(found, true, strict=True)]


def nuclei(engine: Engine, rng: np.random.Generator, images: list[NucleiImage]) -> Scores:
    """Whole micrographs: a click and a box on some nuclei, and the phrase for all."""
    scores: Scores = defaultdict(list)
    for source in images:
        labels = source.labels
        areas = np.bincount(labels.ravel())
        large = [label for label in np.flatnonzero(areas >= 60) if label]
        found = _ask_for(engine, source.image, "all the nuclei")
        scores[f"all the nuclei, {source.kind}"].append(iou(found, labels > 0))
        for label in rng.permutation(large)[:NUCLEI_PER_IMAGE]:
            rows, columns = np.nonzero(labels == label)
            middle = np.hypot(rows - rows.mean(), columns - columns.mean()).argmin()
            point: dict[str, Any] = {
                "points": [(float(rows[middle]), float(columns[middle]), True)]
            }
            corners = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            around: dict[str, Any] = {"box": tuple(float(value) for value in corners)}
            for name, prompt in (("click", point), ("box", around)):
                with engine.open(source.image) as session:
                    mask = session.segment(object_id=1, frame=0, **prompt).mask
                scores[f"{name}, {source.kind}"].append(iou(mask, labels == label))
    return scores
