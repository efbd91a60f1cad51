"""Referring expressions by what objects are: colour, shape, rank, motion; all and several of them.

A reference is only made where it is true and unambiguous in the pixels; each maker returns None
where none is. `places` makes those by where objects are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from napari_sa2va.training.meaning import Reference
from napari_sa2va.training.scene import Scene, SceneObject

Generator = np.random.Generator
T = TypeVar("T")

BLOB_KINDS = ("fluorescence", "phase", "histology", "beads")
SIZE_LEAD, LIGHT_LEAD, SPEED_LEAD = 1.3, 1.2, 1.3
WITHIN_CLASS = 0.3  # share of ranks and places among the reds or the circles instead of among all
MOVERS = ("moving", "leaving", "entering", "drifting")


def pick(rng: Generator, options: Sequence[T]) -> T:
    """One of the options, as it is (numpy's choice would turn it into an array's item)."""
    return options[int(rng.random() * len(options))]


def matching(scene: Scene, color: str | None, noun: str | None) -> list[SceneObject]:
    """Objects of that colour and noun; None matches any."""
    return [
        thing
        for thing in scene.objects
        if color in (None, thing.color) and noun in (None, thing.noun)
    ]


def open_noun(scene: Scene) -> str:
    """A noun that leaves the kind open."""
    if scene.kind == "shapes":
        return "shape"
    return "blob" if scene.kind in BLOB_KINDS else "object"


def common_noun(rng: Generator, scene: Scene) -> str:
    """A noun that fits every object of the scene."""
    first = scene.objects[0].noun
    if any(thing.noun != first for thing in scene.objects):
        return open_noun(scene)
    if scene.kind == "shapes":
        return first if rng.random() < 0.5 else open_noun(scene)
    return first if rng.random() < 0.85 else open_noun(scene)


def peers(rng: Generator, scene: Scene) -> tuple[list[SceneObject], str, str | None]:
    """Objects to be told apart by rank or place, with the noun and the colour that they share."""
    if rng.random() < WITHIN_CLASS:
        thing = pick(rng, scene.objects)
        color, noun = (None, thing.noun) if rng.random() < 0.6 else (thing.color, None)
        alike = matching(scene, color, noun)
        if 2 <= len(alike) < len(scene.objects):
            return alike, noun or open_noun(scene), color
    return list(scene.objects), common_noun(rng, scene), None


def by_attribute(rng: Generator, scene: Scene) -> Reference | None:
    """By colour, shape or both: "the red circle"."""
    found: dict[str, list[Reference]] = defaultdict(list)
    varied = any(thing.noun != scene.objects[0].noun for thing in scene.objects)
    for thing in scene.objects:
        for color, noun in ((thing.color, thing.noun), (thing.color, None), (None, thing.noun)):
            # "the cell" tells nothing where there are only cells.
            told = color or varied or scene.kind == "shapes"
            if told and (color or noun) and len(matching(scene, color, noun)) == 1:
                means = " and ".join(filter(None, (color and "color", noun and "shape")))
                named = Reference(means, (thing.label,), noun or open_noun(scene), color)
                found[means].append(named)
    # First by what, then which: else the phrases with a colour would crowd out the shapes.
    kinds = sorted(found) + ["shape"] * ("shape" in found)
    return pick(rng, found[pick(rng, kinds)]) if found else None


def everything(rng: Generator, scene: Scene) -> Reference:
    """All of a class: "all the cells", "all blue shapes"."""
    classes: set[tuple[str | None, str | None]] = {(None, None)}
    for thing in scene.objects:
        classes |= {(thing.color, None), (None, thing.noun), (thing.color, thing.noun)}
    sizes = {them: len(matching(scene, *them)) for them in classes}
    # Mostly a class of several; "all the stars" may be one star.
    some = [them for them, size in sizes.items() if size > 1] or list(sizes)
    among = some if rng.random() < 0.85 else list(sizes)
    color, noun = pick(rng, sorted(among, key=str)) if rng.random() < 0.65 else (None, None)
    labels = tuple(thing.label for thing in matching(scene, color, noun))
    return Reference("all", labels, noun or common_noun(rng, scene), color)


def by_size(rng: Generator, scene: Scene) -> Reference | None:
    """By rank in area, where it leads by 30 %."""
    return _by_rank(rng, scene, "size", ("largest", "smallest"), lambda it: it.area, SIZE_LEAD)


def by_brightness(rng: Generator, scene: Scene) -> Reference | None:
    """By rank in brightness, where it leads by 20 % and light is signal."""
    if any(thing.brightness is None for thing in scene.objects):
        return None
    words = ("brightest", "dimmest")
    return _by_rank(rng, scene, "brightness", words, lambda it: it.brightness or 0.0, LIGHT_LEAD)


def _by_rank(
    rng: Generator,
    scene: Scene,
    means: str,
    words: tuple[str, str],
    key: Callable[[SceneObject], float],
    lead: float,
) -> Reference | None:
    """The first or last, now and then the second; a word for the most and one for the least."""
    things, noun, color = peers(rng, scene)
    if len(things) < 2:
        return None
    least = rng.random() < 0.5
    ordered = sorted(things, key=key, reverse=not least)
    nth = 2 if len(things) > 2 and rng.random() < 0.2 else 1
    for first, second in pairwise(ordered[: nth + 1]):
        low, high = sorted((key(first), key(second)))
        if high <= low * lead:
            return None
    return Reference(
        means,
        (ordered[nth - 1].label,),
        noun,
        color,
        rank=words[least],
        nth=nth,
        pair=len(things) == 2,
    )


def by_motion(rng: Generator, scene: Scene) -> Reference | None:
    """The only one that moves (that way), divides or stays, or the fastest, as a clip shows it."""
    things = scene.objects
    moving = [thing for thing in things if thing.motion in MOVERS or thing.speed > 0]
    # Of one that divides, nobody tells whether it moves, too.
    dividing = any(thing.motion == "dividing" for thing in things)
    noun = common_noun(rng, scene)
    found: list[Reference] = []
    for motion in ("moving", "still", "dividing", "leaving", "entering"):
        alike = [thing for thing in things if thing.motion == motion]
        if len(alike) != 1 or len(things) == 1:
            continue
        # Nothing else may do what could be called the same.
        lone = {
            "moving": len(moving) == 1 and not dividing,
            "still": all(
                it.motion in (motion, *MOVERS) and it.motion != "drifting" for it in things
            ),
        }
        if lone.get(motion, True):
            found.append(Reference("motion", (alike[0].label,), noun, motion=motion))
    clear = all(thing.direction or thing.motion == "still" for thing in things)
    for way in ("left", "right", "up", "down") if clear and len(things) > 1 else ():
        going = [thing for thing in moving if thing.direction == way]
        if len(going) == 1 and going[0].motion == "moving":
            label = going[0].label
            found.append(Reference("motion", (label,), noun, motion="moving", direction=way))
    fastest = sorted(moving, key=lambda it: -it.speed)[:2]
    if len(fastest) == 2 and not dividing and fastest[0].speed > SPEED_LEAD * fastest[1].speed:
        found.append(Reference("motion", (fastest[0].label,), noun, rank="fastest"))
    return pick(rng, found) if found else None


def several(
    rng: Generator,
    scene: Scene,
    makers: Sequence[Callable[[Generator, Scene], Reference | None]],
) -> Reference | None:
    """Two or three objects, each by its own name: "the red circle and the largest star"."""
    parts: list[Reference] = []
    wanted = 2 if rng.random() < 0.75 else 3
    for _ in range(3 * wanted):
        part = pick(rng, makers)(rng, scene)
        if part is not None and not {*part.labels} & {n for it in parts for n in it.labels}:
            parts.append(part)
        if len(parts) == wanted:
            break
    if len(parts) < 2:
        return None
    return Reference("several", tuple(n for it in parts for n in it.labels), parts=tuple(parts))
