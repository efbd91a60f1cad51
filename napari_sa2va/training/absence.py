"""What is not in a scene, although one might ask for it."""

from __future__ import annotations

import numpy as np

from napari_sa2va.training.attributes import matching, open_noun, pick
from napari_sa2va.training.bodies import COLORS, SHAPES
from napari_sa2va.training.meaning import Reference
from napari_sa2va.training.scene import Scene

Generator = np.random.Generator

MICROSCOPIC = ("cell", "nucleus", "coin", "disc", "bead", "bacterium", "fibre", "vessel")
ANGULAR = ("square", "triangle", "star", "cross")
ROUND = frozenset(("circle", "disc", "ellipse", "ring", "bead"))
# What may pass for a noun, besides itself; of these, none is ever said to be absent beside it.
PASSING = {
    **dict.fromkeys(("circle", "disc"), ROUND | {"cell", "nucleus", "coin"}),
    **dict.fromkeys(("cell", "nucleus", "bead"), ROUND | {"cell", "nucleus", "bacterium"}),
    "coin": ROUND - {"bead"},
    "ellipse": frozenset(("cell", "nucleus", "bacterium", "bead")),
    "ring": frozenset(("cell", "coin", "nucleus", "bead")),
    "bacterium": frozenset(("cell", "ellipse", "fibre", "bead", "nucleus")),
    "fibre": frozenset(("vessel", "bacterium", "cross", "star")),
    "vessel": frozenset(("fibre", "cross", "star", "ring")),
}
# Hues that a stain or a tint may be taken for.
CLOSE = {
    "green": ("cyan", "yellow"),
    "blue": ("purple", "cyan"),
    "purple": ("blue", "pink", "red"),
    "brown": ("orange", "red", "yellow", "black"),
    "red": ("orange", "pink", "purple", "brown"),
}
GREYS = ("white", "black")


def absent(rng: Generator, scene: Scene) -> Reference:
    """A class that nothing in the scene fits: mostly one of which a part is there."""
    for _ in range(8):
        draw = rng.random()
        if scene.kind == "shapes" and draw < 0.5:
            # The colour is there and the shape is there, but not on one object.
            color, noun = pick(rng, scene.objects).color, pick(rng, scene.objects).noun
        elif draw < 0.65:
            color, noun = pick(rng, list(COLORS)), _familiar(rng, scene)
        elif draw < 0.7:
            color, noun = pick(rng, list(COLORS)), None
        else:
            color, noun = None, pick(rng, _strange(rng, scene))
        if is_absent(scene, color, noun):
            return Reference("class", (), noun or open_noun(scene), color)
    return Reference("class", (), next(it for it in MICROSCOPIC if is_absent(scene, None, it)))


def _strange(rng: Generator, scene: Scene) -> tuple[str, ...]:
    """Nouns to ask for in vain, mostly such as are seen in images of this kind or a like one."""
    if scene.kind == "shapes":
        return SHAPES if rng.random() < 0.8 else MICROSCOPIC
    return MICROSCOPIC if rng.random() < 0.7 else ANGULAR


def _familiar(rng: Generator, scene: Scene) -> str:
    return pick(rng, SHAPES) if scene.kind == "shapes" else scene.objects[0].noun


def is_absent(scene: Scene, color: str | None, noun: str | None) -> bool:
    """Whether a person would say so, too: not where something may pass for it."""
    if matching(scene, color, noun):
        return False
    colors = {thing.color for thing in scene.objects}
    if color and scene.kind != "shapes" and noun in (None, *(it.noun for it in scene.objects)):
        seen = {close for known in colors if known for close in (known, *CLOSE.get(known, ()))}
        return color not in seen and color not in GREYS
    if noun is None or (scene.kind == "shapes" and noun in SHAPES):
        return True
    return not any(noun == it.noun or noun in PASSING.get(it.noun, ()) for it in scene.objects)
