"""Short drawn videos: bodies that move, meet, hide, divide, come and go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.bodies import COLORS, Body
from napari_sa2va.training.camera import Camera, draw_camera
from napari_sa2va.training.courses import Course, draw_courses
from napari_sa2va.training.dividing import Division, draw_division
from napari_sa2va.training.drawing import SIZE, Style, paint
from napari_sa2va.training.exposing import develop, present
from napari_sa2va.training.optics import contrast_window
from napari_sa2va.training.placing import place_bodies
from napari_sa2va.training.scene import Scene, SceneObject, describe, soft_mask
from napari_sa2va.training.scenes import SEEN, said_of
from napari_sa2va.training.styles import draw_style

Generator = np.random.Generator

OCCLUDED = 0.2  # share of unsteady clips with something in front that is nobody's object
KEPT = 0.3  # share of its first area that an object of a steady clip shows at least
STIRRED = 2.0  # pixels at `SIZE` over the whole clip from which an object has moved


@dataclass(frozen=True)
class Clip:
    """Frames with labels; `objects` are those of the first frame.

    What enters later has labels in the later frames, but is not among the objects. Of a clip
    whose stage drifts all objects are "drifting": in it nothing can be said to move or to stay.
    An object that is not there in the end is "leaving".
    """

    frames: NDArray[np.uint8]  # (T, H, W, 3)
    labels: NDArray[np.uint8]  # (T, H, W); daughters carry their mother's label
    objects: tuple[SceneObject, ...]
    kind: str

    def scene(self, frame: int = 0) -> Scene:
        """One frame as a scene, with the objects of the first frame."""
        return Scene(self.frames[frame], self.labels[frame], self.objects, self.kind)

    @property
    def shows_others(self) -> bool:
        """Whether a later frame shows a body that is not among the objects."""
        return not set(np.unique(self.labels)) <= {0, *(thing.label for thing in self.objects)}

    def targets(self, labels: tuple[int, ...]) -> NDArray[np.float32]:
        """Soft masks of some labels in all frames: (T, H / 4, W / 4)."""
        return soft_mask(self.labels, labels)


@dataclass
class _Script:
    """All that happens in a clip."""

    style: Style
    bodies: list[Body]
    courses: list[Course]
    division: Division | None
    occluder: tuple[Body, Course] | None
    camera: Camera

    def cast(self, frame: int) -> list[Body]:
        """The bodies of a frame, the daughters behind all others."""
        now = [
            course.at(body, frame) for body, course in zip(self.bodies, self.courses, strict=True)
        ]
        if self.division:
            mother = self.division.mother
            now[mother], daughters = self.division.at(now[mother], frame)
            now += daughters
        if self.occluder:
            now.append(self.occluder[1].at(self.occluder[0], frame))
        y, x = (float(part) for part in self.camera.stage[frame])
        return [replace(body, y=body.y + y, x=body.x + x) for body in now]


def draw_clip(
    rng: Generator,
    length: int,
    most: int = 5,
    kind: str | None = None,
    steady: bool = False,
    size: int = SIZE,
    every: int = 1,
    beyond: int = 0,
) -> Clip:
    """Draw a clip.

    Parameters
    ----------
    length : int
        Frames that are shown.
    most : int
        Largest number of objects.
    kind : str, optional
        As in `draw_scene`.
    steady : bool
        No object comes late, leaves early or is ever hidden but for a rest.
    size : int
        Side of the frames in pixels, a multiple of 32.
    every : int
        Only every so manieth frame is shown, as of a stack over which those that the LLM looks at
        are spread.
    beyond : int
        How many frames follow that are not shown: what an object does is told of the whole.
    """
    while True:
        last = (length - 1) * every + beyond
        script = _draw_script(rng, last + 1, most, kind, steady, size)
        frames, labels, whole = _film(rng, script, range(0, length * every, every))
        said = said_of(script.bodies, script.style, frames[0], labels[0])
        first = np.bincount(labels[0].ravel(), minlength=256)
        end = paint(script.cast(last), script.style).labels if beyond else labels[-1]
        for number, course in enumerate(script.courses, 1):
            if first[number] < SEEN * whole[number - 1]:
                del said[number]  # too much of it is hidden to tell what it is
            else:
                there = bool((end == number).any())
                said[number] |= _motion(script, number - 1, course, there)
        objects = describe(labels[0], said)
        if objects and not (steady and _is_lost(labels, objects)):
            return Clip(frames, labels, objects, script.style.kind)


def _draw_script(
    rng: Generator, length: int, most: int, kind: str | None, steady: bool, size: int
) -> _Script:
    style = draw_style(rng, kind, size)
    count = int(rng.integers(1, most + 1))
    bodies = place_bodies(rng, style, count, _radii(rng, style, count))
    courses = draw_courses(rng, bodies, length, size, style.scale, steady)
    division = draw_division(rng, style, bodies, length)
    if division:
        courses[division.mother] = Course.stay(length)
    hidden = not steady and rng.random() < OCCLUDED
    occluder = _draw_occluder(rng, style, length) if hidden else None
    camera = draw_camera(rng, length, style.scale, steady)
    return _Script(style, bodies, courses, division, occluder, camera)


def _radii(rng: Generator, style: Style, count: int) -> tuple[float, float]:
    high = min(48.0, 140 / np.sqrt(count + 2))
    low = max(10.0, high * 0.35)
    if style.noun in ("fibre", "vessel"):
        low, high = 32.0, 70.0
    elif style.noun in ("bead", "bacterium") or rng.random() < 0.3:
        low, high = 10.0, 24.0
    return low * style.scale, high * style.scale


def _draw_occluder(rng: Generator, style: Style, length: int) -> tuple[Body, Course]:
    """A bar that stays, or a spot that drifts."""
    y, x = rng.uniform(0.25, 0.75, 2) * style.size
    shape, aspect, radius = "bar", rng.uniform(0.03, 0.08), 0.8 * style.size
    course = Course.stay(length)
    if rng.random() < 0.5:
        shape, aspect, radius = "blob", rng.uniform(0.6, 1), rng.uniform(18, 40) * style.scale
        heading, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0, 10) * style.scale
        way = speed * np.array((np.sin(heading), np.cos(heading)))
        course.offsets = (np.arange(length)[:, None] * way).astype(np.float32)
    body = Body(shape, "", y, x, radius, rng.uniform(0, 2 * np.pi), aspect, labelled=False)
    body.brightness = float(rng.uniform(0, 0.3) if style.paint == "glow" else rng.uniform(0.1, 0.9))
    rgb = np.array(COLORS[str(rng.choice(list(COLORS)))]) * 0.3 + rng.uniform(0.1, 0.6)
    body.rgb = rgb.astype(np.float32)
    return body, course


def _motion(script: _Script, index: int, course: Course, there: bool) -> dict[str, object]:
    """What the frames show an object to do."""
    style, frames = script.style, max(1, len(course.seen) - 1)
    if script.camera.drifts:
        return {"motion": "drifting"}
    if script.division and script.division.mother == index:
        return {"motion": "dividing"}
    way = float(np.hypot(*course.way))
    if way < STIRRED * style.scale:
        return {"motion": "still" if there else "leaving"}
    return {
        "motion": "moving" if there else "leaving",
        "direction": course.direction,
        "speed": way / frames / style.size,
    }


def _film(
    rng: Generator, script: _Script, shown: Iterable[int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[int]]:
    """The shown frames, their labels, and how much the first would show of each body by itself."""
    lineage = np.arange(256, dtype=np.uint8)
    if script.division:
        count = len(script.bodies)
        lineage[count + 1 : count + 3] = script.division.mother + 1
    frames, labels = [], []
    window: tuple[float, float] | None = None
    whole: list[int] = []
    for frame in shown:
        style = script.camera.look(script.style, frame)
        canvas = paint(script.cast(frame), style)
        developed = develop(canvas.image, style, rng)
        # One contrast for all frames: what leaves must not light the others up.
        window = window or contrast_window(developed)
        whole = whole or canvas.areas
        frames.append(present(developed, style, window))
        labels.append(lineage[canvas.labels])
    return np.stack(frames), np.stack(labels), whole


def _is_lost(labels: NDArray[np.uint8], objects: tuple[SceneObject, ...]) -> bool:
    """Whether some frame shows too little of an object."""
    areas = np.stack([np.bincount(frame.ravel(), minlength=256) for frame in labels])
    return any((areas[:, it.label] < KEPT * it.area).any() for it in objects)
