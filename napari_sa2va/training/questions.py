"""Questions about a scene, with the model's sentences as answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_sa2va.training import references as refer
from napari_sa2va.training.references import PLURALS, pick
from napari_sa2va.training.scene import Scene, SceneObject

Generator = np.random.Generator

OVERVIEWS = (
    "What is in the image?",
    "What is in this image?",
    "What do you see?",
    "What can you see in the image?",
    "Describe the image.",
    "Please describe the image.",
    "Describe this image.",
    "What does the image show?",
    "What is in the video?",
    "Describe the video.",
)
GROUNDED_OVERVIEWS = (
    "Could you please give me a brief description of the image? Please respond with interleaved "
    "segmentation masks for the corresponding parts of the answer.",
    "Describe the image with masks.",
    "Please describe the image. Respond with interleaved segmentation masks.",
    "What is in the image? Please respond with masks.",
)
NUMBERS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
)
MANY = "many"
LISTED = 4  # a sentence names up to so many objects one by one


@dataclass(frozen=True)
class Turn:
    """One question with its answer; each [SEG] of the answer has its labels."""

    question: str
    answer: str
    targets: tuple[tuple[int, ...], ...]
    means: str


def number_word(count: int) -> str:
    """A count in words, "many" beyond what the model counts to."""
    return NUMBERS[count] if count < len(NUMBERS) else MANY


def counted(count: int, noun: str) -> str:
    """`three cells`, `one cell`."""
    return f"{number_word(count)} {noun if count == 1 else PLURALS[noun]}"


def count(rng: Generator, scene: Scene) -> Turn:
    """How many there are, of all or of a class."""
    noun, things = refer.noun_of(rng, scene), list(scene.objects)
    kind = noun
    if scene.kind == "shapes" and rng.random() < 0.4:
        thing = pick(rng, scene.objects)
        if rng.random() < 0.5:
            noun, things = thing.noun, refer.matching(scene, None, thing.noun)
            kind = noun
        else:
            kind, things = f"{thing.color} {noun}", refer.matching(scene, thing.color, None)
    plural = kind.removesuffix(noun) + PLURALS[noun]
    asked = pick(
        rng,
        (
            "How many {} are there?",
            "How many {} are in the image?",
            "How many {} can you see?",
            "Count the {}.",
            "What is the number of {}?",
        ),
    )
    verb = "is" if len(things) == 1 else "are"
    return Turn(asked.format(plural), f"There {verb} {counted(len(things), noun)}.", (), "count")


def color(rng: Generator, scene: Scene) -> Turn | None:
    """Which colour the named object has."""
    thing, phrase = _named(rng, scene, hide="color")
    if thing is None or thing.color is None:
        return None
    asked = pick(rng, ("What color is {}?", "What is the color of {}?", "What colour is {}?"))
    return Turn(asked.format(phrase), f"It is {thing.color}.", (), "color")


def shape(rng: Generator, scene: Scene) -> Turn | None:
    """Which shape the named object has."""
    if scene.kind != "shapes":
        return None
    thing, phrase = _named(rng, scene, hide="shape")
    if thing is None:
        return None
    asked = pick(rng, ("What shape is {}?", "What is the shape of {}?"))
    return Turn(asked.format(phrase), f"It is {with_article(thing.noun)}.", (), "shape")


def where(rng: Generator, scene: Scene) -> Turn | None:
    """In which ninth of the image the named object lies."""
    makers = (refer.by_attribute, refer.by_size, refer.by_brightness)
    reference = pick(rng, makers)(rng, scene)
    if reference is None:
        return None
    thing = _labelled(scene, reference.labels[0])
    asked = pick(rng, ("Where is {}?", "Where in the image is {}?"))
    return Turn(asked.format(reference.phrase), f"It is at the {thing.region}.", (), "where")


def existence(rng: Generator, scene: Scene) -> Turn:
    """Whether something is there."""
    asked = pick(rng, ("Is there {}?", "Is there {} in the image?", "Can you see {}?"))
    if rng.random() < 0.5:
        phrase = refer.absent(rng, scene)
        return Turn(asked.format(with_article(phrase)), "No, there is not.", (), "existence")
    thing = pick(rng, scene.objects)
    phrase = f"{thing.color} {thing.noun}" if thing.color else thing.noun
    if rng.random() < 0.3:
        phrase = thing.noun
    return Turn(asked.format(with_article(phrase)), "Yes, there is.", (), "existence")


def overview(rng: Generator, scene: Scene) -> Turn:
    """Name what is there: one by one where few and unlike, else by number."""
    parts = [phrase for phrase, _ in _parts(scene)]
    return Turn(pick(rng, OVERVIEWS), f"The image shows {enumerate_(parts)}.", (), "overview")


def grounded_overview(rng: Generator, scene: Scene) -> Turn:
    """The same with a mask behind each phrase (grounded conversation generation)."""
    parts = _parts(scene)
    said = enumerate_([f"<p> {phrase} </p> [SEG]" for phrase, _ in parts])
    targets = tuple(labels for _, labels in parts)
    return Turn(pick(rng, GROUNDED_OVERVIEWS), f"The image shows {said}.", targets, "caption")


def _parts(scene: Scene) -> list[tuple[str, tuple[int, ...]]]:
    """Phrases with labels, from left to right; one phrase for all where they are alike or many."""
    things = sorted(scene.objects, key=lambda it: it.x)
    if scene.kind == "shapes" and len(things) <= LISTED:
        return [(with_article(f"{it.color} {it.noun}"), (it.label,)) for it in things]
    noun = "shape" if scene.kind == "shapes" else things[0].noun
    return [(counted(len(things), noun), tuple(it.label for it in things))]


def with_article(phrase: str) -> str:
    """`a red circle`, `an orange star`."""
    return f"{'an' if phrase[0] in 'aeio' else 'a'} {phrase}"


def enumerate_(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _named(rng: Generator, scene: Scene, hide: str) -> tuple[SceneObject | None, str]:
    """An object named by anything but the attribute asked for."""
    if rng.random() < 0.6 and scene.kind == "shapes":
        thing = pick(rng, scene.objects)
        if hide == "color" and len(refer.matching(scene, None, thing.noun)) == 1:
            return thing, f"the {thing.noun}"
        if hide == "shape" and len(refer.matching(scene, thing.color, None)) == 1:
            return thing, f"the {thing.color} {pick(rng, ('object', 'shape', 'one'))}"
    if len(scene.objects) == 1:
        return scene.objects[0], f"the {refer.noun_of(rng, scene)}"
    reference = pick(rng, (refer.by_size, refer.by_position))(rng, scene)
    if reference is None:
        return None, ""
    return _labelled(scene, reference.labels[0]), reference.phrase


def _labelled(scene: Scene, label: int) -> SceneObject:
    return next(thing for thing in scene.objects if thing.label == label)
