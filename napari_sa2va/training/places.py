"""Referring expressions by where objects are: in the image, and to one another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_sa2va.training.attributes import (
    by_attribute,
    by_brightness,
    by_size,
    common_noun,
    matching,
    open_noun,
    peers,
    pick,
)
from napari_sa2va.training.meaning import Reference
from napari_sa2va.training.scene import Scene, SceneObject

Generator = np.random.Generator

SPRAWLING = "fibres"  # their centres say little of where they are
# All in fractions of the image's sides.
SIDE_LEAD, POINT_LEAD = 0.055, 0.07  # by how much the first leads the second
ALONE = 0.12  # the lead beyond which the first is simply "on the left"
NEAR_SIDE, NEAR_CORNER, NEAR_CENTER = 0.42, 0.45, 0.25
SIDES: dict[str, Callable[[SceneObject], float]] = {
    "left": lambda it: it.x,
    "right": lambda it: 1 - it.x,
    "top": lambda it: it.y,
    "bottom": lambda it: 1 - it.y,
}
POINTS = {
    "top left": (0.0, 0.0),
    "top right": (0.0, 1.0),
    "bottom left": (1.0, 0.0),
    "bottom right": (1.0, 1.0),
    "center": (0.5, 0.5),
}
# Unit steps (y, x) of the relations that have a direction.
STEPS = {"left": (0, -1), "right": (0, 1), "above": (-1, 0), "below": (1, 0)}
CLEARLY = 0.08  # how far along its direction a relation must reach
STEEP, VAGUE = 0.6, 1.5  # sideways per step: still clearly left of; hardly left of at all
NEAREST_LEAD = 1.35  # by which factor the nearest is nearer than any rival


def by_position(rng: Generator, scene: Scene) -> Reference | None:
    """What lies furthest towards a side, a corner or the centre, or alone there."""
    things, noun, color = peers(rng, scene)
    if len(things) < 2:
        return None
    for _ in range(4):
        place = pick(rng, list(SIDES)) if rng.random() < 0.55 else pick(rng, list(POINTS))
        key = SIDES.get(place) or _distance_to(*POINTS[place])
        lead = SIDE_LEAD if place in SIDES else POINT_LEAD
        if scene.kind == SPRAWLING:
            lead *= 2
        first, second = sorted(things, key=key)[:2]
        if key(second) - key(first) <= lead:
            continue
        near = NEAR_CENTER if place == "center" else NEAR_SIDE if place in SIDES else NEAR_CORNER
        located = key(first) < near and key(second) - key(first) > ALONE
        return Reference(
            "position",
            (first.label,),
            noun,
            color,
            place=place,
            extreme=not located or rng.random() < 0.3,
        )
    return None


def _distance_to(y: float, x: float) -> Callable[[SceneObject], float]:
    return lambda it: float(((it.y - y) ** 2 + (it.x - x) ** 2) ** 0.5)


def by_relation(rng: Generator, scene: Scene) -> Reference | None:
    """What lies left of, right of, above, below or closest to an object that has a name."""
    if len(scene.objects) < 2 or scene.kind == SPRAWLING:
        return None
    for _ in range(4):
        maker = pick(rng, (by_attribute, by_attribute, by_size, by_brightness, by_position))
        anchor = maker(rng, scene)
        if anchor is None or (anchor.color and anchor.rank):
            continue
        here = next(thing for thing in scene.objects if thing.label in anchor.labels)
        noun, color, others = _others(rng, scene, here)
        relation = pick(rng, [*STEPS, "next"])
        there = _closest(here, others) if relation == "next" else _towards(here, others, relation)
        if there is not None:
            return Reference(
                "relation", (there.label,), noun, color, relation=relation, anchor=anchor
            )
    return None


def _others(
    rng: Generator, scene: Scene, here: SceneObject
) -> tuple[str, str | None, list[SceneObject]]:
    """What may lie beside the anchor: all other objects or those of a noun or a colour."""
    rest = [thing for thing in scene.objects if thing is not here]
    if scene.kind == "shapes" and rng.random() < 0.75:
        thing = pick(rng, rest)
        named = rng.random() < 0.7
        color, noun = (None, thing.noun) if named else (thing.color, None)
        return (
            noun or open_noun(scene),
            color,
            [t for t in matching(scene, color, noun) if t in rest],
        )
    return common_noun(rng, scene), None, rest


def _closest(here: SceneObject, others: list[SceneObject]) -> SceneObject | None:
    """The nearest by its centre, if no other is nearly as near."""
    ordered = sorted(others, key=lambda it: _between(here, it))
    if len(ordered) > 1 and _between(here, ordered[1]) < NEAREST_LEAD * _between(here, ordered[0]):
        return None
    return ordered[0] if ordered else None


def _towards(here: SceneObject, others: list[SceneObject], way: str) -> SceneObject | None:
    """The nearest that is clearly there, if nothing else that one could mean is nearly as near."""
    step_y, step_x = STEPS[way]
    clear: list[SceneObject] = []
    vague: list[SceneObject] = []
    for thing in others:
        along = (thing.y - here.y) * step_y + (thing.x - here.x) * step_x
        aside = abs((thing.y - here.y) * step_x) + abs((thing.x - here.x) * step_y)
        if along > CLEARLY and aside < STEEP * along:
            clear.append(thing)
        elif along > 0 and aside < VAGUE * along:
            vague.append(thing)
    if not clear:
        return None
    first = min(clear, key=lambda it: _between(here, it))
    reach = NEAREST_LEAD * _between(here, first)
    rivals = [thing for thing in (*clear, *vague) if thing is not first]
    return first if all(_between(here, thing) > reach for thing in rivals) else None


def _between(one: SceneObject, other: SceneObject) -> float:
    return float(((one.y - other.y) ** 2 + (one.x - other.x) ** 2) ** 0.5)
