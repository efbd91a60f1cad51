"""Short drawn videos: shapes and coins that move, cells that move, divide, come and go."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.bodies import Body
from napari_sa2va.training.drawing import SIZE, Style, render
from napari_sa2va.training.making import draw_body
from napari_sa2va.training.placing import place_bodies
from napari_sa2va.training.scene import Scene, SceneObject, describe, soft_mask
from napari_sa2va.training.scenes import said_of
from napari_sa2va.training.styles import draw_style

Generator = np.random.Generator

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7))
SPEEDS = (2.0, 10.0)  # pixels a frame
DIVIDING = 0.35  # share of cell clips in which one cell divides
FAR = 10**6


@dataclass(frozen=True)
class Clip:
    """Frames with labels; `objects` are those of the first frame."""

    frames: NDArray[np.uint8]  # (T, H, W, 3)
    labels: NDArray[np.uint8]  # (T, H, W); daughters carry their mother's label
    objects: tuple[SceneObject, ...]
    kind: str

    def scene(self, frame: int = 0) -> Scene:
        """One frame as a scene, with the objects of the first frame."""
        return Scene(self.frames[frame], self.labels[frame], self.objects, self.kind)

    def targets(self, labels: tuple[int, ...]) -> NDArray[np.float32]:
        """Soft masks of some labels in all frames: (T, H / 4, W / 4)."""
        return soft_mask(self.labels, labels)


@dataclass
class _Course:
    """How a body moves, and from when to when it is there."""

    velocity: tuple[float, float]
    spin: float
    first: int = 0
    last: int = FAR

    def at(self, body: Body, frame: int) -> Body:
        return replace(
            body,
            y=body.y + self.velocity[0] * frame,
            x=body.x + self.velocity[1] * frame,
            angle=body.angle + self.spin * frame,
            visible=self.first <= frame < self.last,
        )


def draw_clip(
    rng: Generator,
    length: int,
    most: int = 5,
    kind: str | None = None,
    steady: bool = False,
    size: int = SIZE,
) -> Clip:
    """Draw a clip.

    Parameters
    ----------
    length : int
        Frames.
    most : int
        Largest number of objects.
    steady : bool
        No object comes late or leaves early.
    """
    while True:
        style = draw_style(rng, kind, size)
        count = int(rng.integers(1, most + 1))
        high = min(48.0, 140 / np.sqrt(count + 2)) * style.scale
        low = max(10.0 * style.scale, high * 0.35)
        bodies = place_bodies(rng, style, count, (low, high))
        courses = [_course(rng, length, steady, style.scale) for _ in bodies]
        mother = _mother(rng, style, len(bodies))
        frames, labels = _film(rng, style, bodies, courses, mother, length)
        said = said_of(bodies, style, frames[0], labels[0])
        for number, course in enumerate(courses, 1):
            said[number]["motion"] = _motion(course)
        if mother is not None:
            said[mother + 1]["motion"] = "dividing"
        objects = describe(labels[0], said)
        if objects:
            return Clip(frames, labels, objects, style.kind)


def _course(rng: Generator, length: int, steady: bool, scale: float) -> _Course:
    speed = float(rng.uniform(*SPEEDS)) * scale if rng.random() < 0.6 else 0.0
    direction = DIRECTIONS[int(rng.integers(len(DIRECTIONS)))]
    velocity = (direction[0] * speed, direction[1] * speed)
    course = _Course(velocity, float(rng.normal(0, 0.06)) if speed else 0.0)
    fate = rng.random()
    if not steady and fate < 0.1:
        course.last = int(rng.integers(1, length))
    elif not steady and fate < 0.14:
        course.first = int(rng.integers(1, length))
    return course


def _motion(course: _Course) -> str:
    return "moving" if any(course.velocity) else "still"


def _mother(rng: Generator, style: Style, count: int) -> int | None:
    if style.kind not in ("fluorescence", "phase") or rng.random() >= DIVIDING:
        return None
    return int(rng.integers(count))


def _film(
    rng: Generator,
    style: Style,
    bodies: list[Body],
    courses: list[_Course],
    mother: int | None,
    length: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Render all frames; daughters are drawn in place of the mother once she divides."""
    division = int(rng.integers(1, max(2, min(length, 5)))) if mother is not None else FAR
    lineage = np.arange(256, dtype=np.uint8)
    daughters: list[Body] = []
    if mother is not None:
        radius = bodies[mother].radius * 0.74
        daughters = [draw_body(rng, style, radius) for _ in range(2)]
        for number, daughter in enumerate(daughters, len(bodies) + 1):
            daughter.brightness = bodies[mother].brightness
            lineage[number] = mother + 1
    axis = float(rng.uniform(0, 2 * np.pi))
    frames, labels = [], []
    for frame in range(length):
        now = [course.at(body, frame) for body, course in zip(bodies, courses, strict=True)]
        if mother is not None:
            now += _daughters(daughters, now[mother], axis, frame - division)
        image, numbers = render(now, style, rng)
        frames.append(image)
        labels.append(lineage[numbers])
    return np.stack(frames), np.stack(labels)


def _daughters(daughters: list[Body], mother: Body, axis: float, age: int) -> list[Body]:
    """The daughters, drifting apart; hides the mother once they are born."""
    born = age >= 0 and mother.visible
    reach = mother.radius * (0.6 + 0.12 * min(age, 6))
    placed = [
        replace(
            daughter,
            y=mother.y + side * reach * np.sin(axis),
            x=mother.x + side * reach * np.cos(axis),
            visible=born,
        )
        for daughter, side in zip(daughters, (-1, 1), strict=True)
    ]
    mother.visible = mother.visible and not born
    return placed
