"""Referring expressions: phrases that name objects of a scene, with the labels they name.

A phrase is only made where it is true and unambiguous in the pixels; each maker returns None
where it is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from napari_sa2va.training.bodies import COLORS, SHAPES
from napari_sa2va.training.scene import Scene, SceneObject

Generator = np.random.Generator
T = TypeVar("T")

PLURALS = {
    **{shape: f"{shape}s" for shape in SHAPES},
    "cross": "crosses",
    "nucleus": "nuclei",
    "disk": "disks",
    **{noun: f"{noun}s" for noun in ("cell", "coin", "object", "shape", "blob", "disc", "spot")},
    **{noun: f"{noun}s" for noun in ("oval", "thing", "bead", "one")},
}
SYNONYMS = {
    "circle": ("disc", "disk"),
    "ellipse": ("oval",),
    "cell": ("nucleus",),
    "nucleus": ("cell",),
    "coin": ("disc",),
}
GENERIC = {"shapes": ("object", "shape"), "coins": ("object", "disc")}
LARGEST, SMALLEST = ("largest", "biggest"), ("smallest", "tiniest")
BRIGHTEST, DIMMEST = ("brightest",), ("dimmest", "darkest")
SIDES = ("left", "right", "top", "bottom")
CORNERS = {
    "top left": (0.0, 0.0),
    "top right": (0.0, 1.0),
    "bottom left": (1.0, 0.0),
    "bottom right": (1.0, 1.0),
    "center": (0.5, 0.5),
    "middle": (0.5, 0.5),
}


@dataclass(frozen=True)
class Reference:
    """A phrase, the labels that it names, and by what it names them."""

    phrase: str
    labels: tuple[int, ...]
    means: str  # color, shape, color and shape, all, size, position, brightness, motion


def pick(rng: Generator, options: Sequence[T]) -> T:
    """One of the options, as it is (numpy's choice would turn it into an array's item)."""
    return options[int(rng.integers(len(options)))]


def noun_of(rng: Generator, scene: Scene) -> str:
    """A noun that fits every object of the scene."""
    generic = GENERIC.get(scene.kind, ("object", "blob"))
    if scene.kind == "shapes" or rng.random() < 0.2:
        return pick(rng, generic)
    return _synonym(rng, scene.objects[0].noun)


def _synonym(rng: Generator, noun: str, share: float = 0.2) -> str:
    return pick(rng, SYNONYMS[noun]) if noun in SYNONYMS and rng.random() < share else noun


def by_attribute(rng: Generator, scene: Scene) -> Reference | None:
    """By colour, shape or both: "the red circle"."""
    found: dict[str, list[Reference]] = defaultdict(list)
    for thing in scene.objects:
        for color, shape in ((thing.color, thing.noun), (thing.color, None), (None, thing.noun)):
            named = matching(scene, color, shape)
            if len(named) == 1 and (color or scene.kind == "shapes"):
                noun = _synonym(rng, shape) if shape else pick(rng, (noun_of(rng, scene), "one"))
                phrase = f"the {color} {noun}" if color else f"the {noun}"
                means = " and ".join(filter(None, (color and "color", shape and "shape")))
                found[means].append(Reference(phrase, (thing.label,), means))
    # First by what, then which: else the phrases with a colour would crowd out the shapes.
    return pick(rng, found[pick(rng, sorted(found))]) if found else None


def matching(scene: Scene, color: str | None, noun: str | None) -> list[SceneObject]:
    """Objects of that colour and noun; None matches any."""
    return [
        thing
        for thing in scene.objects
        if color in (None, thing.color) and noun in (None, thing.noun)
    ]


def everything(rng: Generator, scene: Scene) -> Reference | None:
    """All of a class: "all the cells", "all blue shapes"."""
    thing = pick(rng, scene.objects)
    colors = (None, thing.color) if thing.color else (None,)
    nouns = (None, None, thing.noun) if scene.kind == "shapes" else (None,)
    color, shape = pick(rng, colors), pick(rng, nouns)
    noun = PLURALS[_synonym(rng, shape) if shape else noun_of(rng, scene)]
    quantifier = pick(rng, ("all the", "all the", "all", "every one of the", "all of the", "the"))
    phrase = f"{quantifier} {color} {noun}" if color else f"{quantifier} {noun}"
    labels = tuple(thing.label for thing in matching(scene, color, shape))
    return Reference(phrase, labels, "all")


def by_size(rng: Generator, scene: Scene) -> Reference | None:
    """The extreme in area, where it leads by 30 %."""
    words, ascending = pick(rng, ((LARGEST, False), (SMALLEST, True)))
    thing = _extreme(scene, lambda it: it.area, ascending, ratio=1.3)
    if thing is None:
        return None
    return Reference(f"the {pick(rng, words)} {noun_of(rng, scene)}", (thing.label,), "size")


def by_brightness(rng: Generator, scene: Scene) -> Reference | None:
    """The extreme in brightness, where it leads by 20 % and light is signal."""
    if any(thing.brightness is None for thing in scene.objects):
        return None
    words, ascending = pick(rng, ((BRIGHTEST, False), (DIMMEST, True)))
    thing = _extreme(scene, lambda it: it.brightness or 0.0, ascending, ratio=1.2)
    if thing is None:
        return None
    return Reference(f"the {pick(rng, words)} {noun_of(rng, scene)}", (thing.label,), "brightness")


def by_position(rng: Generator, scene: Scene) -> Reference | None:
    """The extreme towards a side or a corner."""
    noun = noun_of(rng, scene)
    if rng.random() < 0.6:
        side = pick(rng, SIDES)
        horizontal = side in ("left", "right")
        thing = _extreme(
            scene,
            (lambda it: it.x) if horizontal else (lambda it: it.y),
            side in ("left", "top"),
            margin=0.055,
        )
        place = f"on the {side}" if horizontal else f"at the {side}"
        phrase = pick(rng, (f"the {side}most {noun}", f"the {noun} {place}"))
    else:
        corner, (y, x) = pick(rng, list(CORNERS.items()))
        thing = _extreme(scene, lambda it: float(np.hypot(it.y - y, it.x - x)), True, margin=0.07)
        forms = [f"the {noun} closest to the {corner}", f"the {noun} in the {corner}"]
        if corner not in ("center", "middle"):
            forms += [f"the {corner} {noun}", f"the {noun} in the {corner} corner"]
        phrase = pick(rng, forms)
    return Reference(phrase, (thing.label,), "position") if thing else None


def by_motion(rng: Generator, scene: Scene) -> Reference | None:
    """The only one that moves, divides or stays, where several frames show it."""
    motions = [thing.motion for thing in scene.objects]
    lone = [motion for motion in ("moving", "dividing", "still") if motions.count(motion) == 1]
    if not lone or len(set(motions)) == 1:
        return None
    motion = pick(rng, lone)
    thing = scene.objects[motions.index(motion)]
    noun = _synonym(rng, thing.noun) if rng.random() < 0.6 else noun_of(rng, scene)
    return Reference(f"the {motion} {noun}", (thing.label,), "motion")


def absent(rng: Generator, scene: Scene) -> str:
    """A noun phrase that nothing in the scene fits: "red star"."""
    while True:
        color = pick(rng, list(COLORS)) if rng.random() < 0.6 else None
        # A round cell may pass for a circle; these shapes it never has.
        noun = pick(rng, SHAPES if scene.kind == "shapes" else ("square", "triangle", "cross"))
        if not matching(scene, color, noun):
            return f"{color} {noun}" if color else noun


def _extreme(
    scene: Scene,
    key: Callable[[SceneObject], float],
    ascending: bool,
    ratio: float = 1.0,
    margin: float = 0.0,
) -> SceneObject | None:
    """First by the key, if it leads the second by a factor and by a margin; None if alone."""
    if len(scene.objects) < 2:
        return None
    first, second = sorted(scene.objects, key=key, reverse=not ascending)[:2]
    low, high = sorted((key(first), key(second)))
    return first if high > low * ratio and high - low > margin else None
