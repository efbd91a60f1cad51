"""Questions about a scene, with what decides their answers."""

from __future__ import annotations

import numpy as np

from napari_sa2va.training.attributes import common_noun, open_noun
from napari_sa2va.training.meaning import MANY, SURELY_MANY, Meaning, Reference
from napari_sa2va.training.meaning import Turn as Turn
from napari_sa2va.training.places import SPRAWLING
from napari_sa2va.training.references import (
    absent,
    by_attribute,
    by_brightness,
    by_position,
    by_relation,
    by_size,
    matching,
    pick,
)
from napari_sa2va.training.scene import Scene, SceneObject

Generator = np.random.Generator

LISTED = 4  # a sentence names up to so many objects one by one
BETWEEN = 0.03  # nearer than this to the border of two regions, an object lies in neither


def count(rng: Generator, scene: Scene) -> Meaning | None:
    """How many there are, of all or of a class; now and then none."""
    if scene.kind == "shapes" and rng.random() < 0.08:
        return Meaning("count", (absent(rng, scene),), 0)
    noun, color = common_noun(rng, scene), None
    things = list(scene.objects)
    if rng.random() < 0.5:
        thing = pick(rng, scene.objects)
        part = rng.random()
        color = thing.color if part < 0.55 else None
        shape = thing.noun if part > 0.45 else None
        things, noun = matching(scene, color, shape), shape or noun
        if color and not shape:
            noun = open_noun(scene)
    labels = tuple(thing.label for thing in things)
    told = _told(len(things))
    if told is None:
        return None
    return Meaning("count", (Reference("class", labels, noun, color),), told)


def color(rng: Generator, scene: Scene) -> Meaning | None:
    """Which colour the named object has."""
    named = _named(rng, scene, hide="color")
    thing = _meant(scene, named)
    return Meaning("color", (named,), thing.color) if named and thing and thing.color else None


def shape(rng: Generator, scene: Scene) -> Meaning | None:
    """Which shape the named object has."""
    if scene.kind != "shapes":
        return None
    named = _named(rng, scene, hide="shape")
    thing = _meant(scene, named)
    return Meaning("shape", (named,), thing.noun) if named and thing else None


def where(rng: Generator, scene: Scene) -> Meaning | None:
    """In which ninth of the image the named object lies, where it is clearly in one."""
    makers = (by_attribute, by_attribute, by_size, by_brightness)
    named = pick(rng, makers)(rng, scene) or _alone(rng, scene)
    thing = _meant(scene, named)
    if named is None or thing is None or scene.kind == SPRAWLING:
        return None
    if min(abs(at - third / 3) for at in (thing.y, thing.x) for third in (1, 2)) < BETWEEN:
        return None
    return Meaning("where", (named,), thing.region)


def existence(rng: Generator, scene: Scene) -> Meaning:
    """Whether something is there: as often as not."""
    if rng.random() < 0.5:
        return Meaning("existence", (absent(rng, scene),), False)
    thing = pick(rng, scene.objects)
    color, noun = pick(
        rng,
        (
            *((thing.color, thing.noun),) * 4,
            *((None, thing.noun),) * 2,
            (thing.color, None if thing.color else thing.noun),
        ),
    )
    labels = tuple(it.label for it in matching(scene, color, noun))
    named = Reference("class", labels, noun or open_noun(scene), color)
    return Meaning("existence", (named,), True)


def which(rng: Generator, scene: Scene) -> Meaning | None:
    """Colour and shape of an object that is named by rank or place; half with its mask."""
    if scene.kind != "shapes":
        return None
    asked = pick(rng, (by_size, by_size, by_position, by_relation))(rng, scene)
    thing = _meant(scene, asked)
    if asked is None or thing is None or asked.color or asked.noun != open_noun(scene):
        return None
    if len(matching(scene, thing.color, thing.noun)) > 1:
        return None
    named = Reference("color and shape", asked.labels, thing.noun, thing.color)
    targets = (asked.labels,) if rng.random() < 0.5 else ()
    return Meaning("which", (asked, named), ((thing.color, thing.noun),), targets)


def nature(rng: Generator, scene: Scene) -> Meaning | None:
    """What kind of objects they are, where they are all of one."""
    nouns = {thing.noun for thing in scene.objects}
    if scene.kind == "shapes" or len(nouns) > 1 or len(scene.objects) < 2:
        return None
    return Meaning("nature", (), nouns.pop())


def overview(rng: Generator, scene: Scene) -> Meaning | None:
    """Name what is there: one by one where few and unlike, else by number."""
    parts = _parts(scene)
    value = _value(parts)
    return None if value is None else Meaning("overview", parts, value)


def caption(rng: Generator, scene: Scene) -> Meaning | None:
    """The same with a mask behind each phrase (grounded conversation generation)."""
    parts = _parts(scene)
    value = _value(parts)
    if value is None:
        return None
    return Meaning("caption", parts, value, tuple(part.labels for part in parts))


def movement(rng: Generator, scene: Scene) -> Meaning | None:
    """How the named object moves, in a clip where something does."""
    named, thing = _in_a_clip(rng, scene)
    if named is None or thing is None:
        return None
    way = thing.direction if thing.motion == "moving" else thing.motion
    return Meaning("movement", (named,), way) if way and way != "drifting" else None


def moves(rng: Generator, scene: Scene) -> Meaning | None:
    """Whether the named object moves."""
    named, thing = _in_a_clip(rng, scene)
    if named is None or thing is None or thing.motion not in ("moving", "still"):
        return None
    return Meaning("moves", (named,), thing.motion == "moving")


def _in_a_clip(rng: Generator, scene: Scene) -> tuple[Reference | None, SceneObject | None]:
    """A named object, if anything in the scene moves: pictures do not show who is at rest."""
    if all(thing.motion == "still" for thing in scene.objects):
        return None, None
    makers = (by_attribute, by_attribute, by_size, by_position)
    named = pick(rng, makers)(rng, scene) or _alone(rng, scene)
    return named, _meant(scene, named)


def _parts(scene: Scene) -> tuple[Reference, ...]:
    """References from left to right; one for all where they are alike or many."""
    things = sorted(scene.objects, key=lambda it: it.x)
    if scene.kind == "shapes" and len(things) <= LISTED:
        return tuple(Reference("class", (it.label,), it.noun, it.color) for it in things)
    nouns = {it.noun for it in things}
    noun = things[0].noun if len(nouns) == 1 else open_noun(scene)
    return (Reference("class", tuple(it.label for it in things), noun),)


def _told(number: int) -> int | None:
    """The number that is said of so many; `MANY` of clearly more, None where that is not clear."""
    if number < MANY:
        return number
    return MANY if number >= SURELY_MANY else None


def _value(parts: tuple[Reference, ...]) -> tuple[tuple[str | None, str], ...] | int | None:
    """Colours and nouns of what is listed; the count, if it can be told, of all at once."""
    if len(parts) == 1 and len(parts[0].labels) > 1:
        return _told(len(parts[0].labels))
    return tuple((part.color, part.noun) for part in parts)


def _named(rng: Generator, scene: Scene, hide: str) -> Reference | None:
    """An object named by anything but the attribute asked for."""
    if rng.random() < 0.6 and scene.kind == "shapes":
        thing = pick(rng, scene.objects)
        if hide == "color" and len(matching(scene, None, thing.noun)) == 1:
            return Reference("shape", (thing.label,), thing.noun)
        if hide == "shape" and len(matching(scene, thing.color, None)) == 1:
            return Reference("color", (thing.label,), open_noun(scene), thing.color)
    named = pick(rng, (by_size, by_position, by_relation))(rng, scene) or _alone(rng, scene)
    if named is None:
        return None
    shown = named.color if hide == "color" else named.noun != open_noun(scene)
    return None if shown and scene.kind == "shapes" else named


def _alone(rng: Generator, scene: Scene) -> Reference | None:
    """The only object, by a noun that fits."""
    if len(scene.objects) > 1:
        return None
    return Reference("shape", (scene.objects[0].label,), common_noun(rng, scene))


def _meant(scene: Scene, named: Reference | None) -> SceneObject | None:
    """The object that a reference names."""
    if named is None:
        return None
    return next(thing for thing in scene.objects if thing.label in named.labels)
