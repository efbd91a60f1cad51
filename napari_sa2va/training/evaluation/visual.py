"""Visual prompts on drawn scenes: one click, a box, three clicks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_sa2va.engine.engine import Engine
from napari_sa2va.evaluation.overlap import iou
from napari_sa2va.training.evaluation.asking import prompt_with
from napari_sa2va.training.evaluation.cases import Case, picture
from napari_sa2va.training.evaluation.held_out import held_out_scenes
from napari_sa2va.training.references import pick
from napari_sa2va.training.scene import Scene
from napari_sa2va.training.visual_prompts import NEGATIVE, POSITIVE, VisualPrompt, box, click

GROUP = "drawn scenes"


def measure(engine: Engine, seed: int, scenes: int) -> Iterator[Case]:
    """One object of each scene, by each prompt."""
    for held in held_out_scenes(seed, 0, scenes):
        scene, rng = held.scene, held.rng
        label = pick(rng, scene.objects).label
        truth = scene.labels == label
        prompts = {
            "click": click(rng, scene, label),
            "box": box(rng, scene, label),
            "three clicks": three_clicks(rng, scene, label),
        }
        with engine.open(scene.image) as session:
            for object_id, (task, prompt) in enumerate(prompts.items(), 1):
                found = prompt_with(session, prompt, object_id)
                yield Case(
                    GROUP,
                    task,
                    iou(found.mask, truth),
                    held.number,
                    held.details,
                    found.score,
                    picture(scene.image, truth, found.mask, prompt),
                )


def three_clicks(rng: np.random.Generator, scene: Scene, label: int) -> VisualPrompt:
    """Two clicks inside, and a negative one on the nearest other object, else the background."""
    (thing,) = (thing for thing in scene.objects if thing.label == label)
    others = [other for other in scene.objects if other.label != label]
    nearest = min(
        others, key=lambda other: np.hypot(other.y - thing.y, other.x - thing.x), default=None
    )
    clicks = [
        click(rng, scene, label),
        click(rng, scene, label),
        click(rng, scene, nearest.label if nearest else 0),
    ]
    points = np.concatenate([one.points for one in clicks])
    return VisualPrompt(points, np.array([POSITIVE, POSITIVE, NEGATIVE]), label)
