"""Objects through drawn clips: J&F, presence, and phrases that motion decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.session import Session
from napari_sa2va.evaluation.overlap import boundary_f, iou
from napari_sa2va.training import questions
from napari_sa2va.training import references as refer
from napari_sa2va.training.clips import Clip, draw_clip
from napari_sa2va.training.evaluation.asking import ask, find_in_clip, prompt_with
from napari_sa2va.training.evaluation.cases import Case, Example, Mask, in_language, picture
from napari_sa2va.training.evaluation.held_out import SIZES, kinds_of
from napari_sa2va.training.judging import judge
from napari_sa2va.training.language import ReferenceMaker, request
from napari_sa2va.training.meaning import LANGUAGES
from napari_sa2va.training.visual_prompts import box, click

GROUP = "tracking"
FRAMES = 16
SHOWN = (0, 5, 10, 15)
# Five frames over the clip, instead of the first five.
SPREAD = (0, 4, 8, 11, 15)
MOTION, OVER_CLIP = "motion phrase", "motion phrase, frames over the clip"
PHRASE = "phrase by color or shape"
# Which frames the language side looks at; the same phrase is asked once for each.
Frames = Sequence[int] | None
PHRASES: dict[ReferenceMaker, dict[str, Frames]] = {
    refer.by_motion: {MOTION: None, OVER_CLIP: SPREAD},
    refer.by_attribute: {PHRASE: None},
}
QUESTIONS = {"how it moves": questions.movement, "whether it moves": questions.moves}
TRIES = 4


def held_out_clips(
    seed: int, part: int, clips: int
) -> Iterator[tuple[int, Clip, np.random.Generator]]:
    """Clips of all kinds in which objects move, meet, divide, come and go."""
    for number, kind in enumerate(kinds_of(clips)):
        rng = np.random.default_rng([seed, part, number])
        yield number, draw_clip(rng, FRAMES, kind=kind, size=SIZES[number % len(SIZES)]), rng


def measure(engine: Engine, seed: int, clips: int) -> Iterator[Case]:
    """One object of each clip, prompted in the first frame only."""
    for number, clip, rng in held_out_clips(seed, 1, clips):
        scene = clip.scene()
        thing = refer.pick(rng, scene.objects)
        truth: Mask = np.equal(clip.labels, thing.label)
        prompts = {"click": click(rng, scene, thing.label), "box": box(rng, scene, thing.label)}
        found = {task: np.zeros_like(truth) for task in prompts}
        with engine.open(clip.frames) as session:
            for object_id, prompt in enumerate(prompts.values(), 1):
                prompt_with(session, prompt, object_id)
            for frame, masks in session.propagate():
                for object_id, task in enumerate(prompts, 1):
                    found[task][frame] = masks[object_id]
            yield from _in_words(session, number, clip, rng)
        details = (clip.kind, thing.motion, _seen(truth))
        for task, followed in found.items():
            example = strip(clip, truth, followed)
            yield from track_cases(task, number, followed, truth, details, example)
        copy = np.broadcast_to(truth[:1], truth.shape)
        yield from track_cases("unmoved copy of frame 0", number, copy, truth, details)


def _in_words(
    session: Session, number: int, clip: Clip, rng: np.random.Generator
) -> Iterator[Case]:
    """Phrases that name objects of the clip, and questions about their motion."""
    scene = clip.scene()
    for maker, tasks in PHRASES.items():
        reference = next(filter(None, (maker(rng, scene) for _ in range(TRIES))), None)
        if reference is None:
            continue
        truth: Mask = np.isin(clip.labels, reference.labels)
        for language in LANGUAGES:
            turn = request(reference).said(language, rng)
            for task, frames in tasks.items():
                found = find_in_clip(session, turn.question, frames)
                # Where neither shows anything there is nothing to compare.
                there = [i for i in range(len(truth)) if truth[i].any() or found[i].any()]
                value = float(np.mean([iou(found[i], truth[i]) for i in there]))
                name, example = in_language(task, language), strip(clip, truth, found)
                yield Case(GROUP, name, value, number, example=example, text=turn.question)
    for task, ask_about in QUESTIONS.items():
        meaning = next(filter(None, (ask_about(rng, scene) for _ in range(TRIES))), None)
        if meaning is None:
            continue
        for language in LANGUAGES:
            turn = meaning.said(language, rng)
            said = ask(session, turn.question).said
            yield Case(
                GROUP,
                in_language(task, language),
                float(judge(turn, said)),
                number,
                text=turn.question,
                answer=(turn.answer, said),
            )


def track_cases(
    task: str,
    cluster: int,
    found: Mask,
    truth: Mask,
    details: tuple[str, ...],
    example: Example | None = None,
) -> Iterator[Case]:
    """J&F, J and F over the frames that show the object, and in how many presence is right.

    The prompted frame, the first, is left out, as the DAVIS challenge does. An object that is
    never seen again has no J&F.
    """
    present = _in_view(truth)
    right = [mask.any() == here for mask, here in zip(found[1:], present[1:], strict=True)]
    yield Case(GROUP, f"{task}, presence right", float(np.mean(right)), cluster, details)
    shown = [frame for frame in range(1, len(truth)) if present[frame]]
    if not shown:
        return
    region = float(np.mean([iou(found[frame], truth[frame]) for frame in shown]))
    contour = float(np.mean([boundary_f(found[frame], truth[frame]) for frame in shown]))
    yield Case(GROUP, f"{task}, J&F", (region + contour) / 2, cluster, details, example=example)
    yield Case(GROUP, f"{task}, J", region, cluster)
    yield Case(GROUP, f"{task}, F", contour, cluster)


def _in_view(masks: Mask) -> Mask:
    """In which frames there is anything."""
    return np.array([mask.any() for mask in masks])


def _seen(truth: Mask) -> str:
    present = _in_view(truth)
    if present.all():
        return "always in view"
    return "leaves" if not present[np.flatnonzero(~present)[0] :].any() else "comes back"


def strip(clip: Clip, truth: Mask, found: Mask) -> Example:
    """Some frames side by side."""
    frames: NDArray[np.uint8] = np.concatenate([clip.frames[i] for i in SHOWN], axis=1)
    masks = [np.concatenate([side[i] for i in SHOWN], axis=1) for side in (truth, found)]
    return picture(frames, masks[0], masks[1])
