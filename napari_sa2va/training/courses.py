"""Courses: where each body of a clip is in each frame, and when it is there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.bodies import Array, Body

Generator = np.random.Generator

SPEEDS = (3.0, 12.0)  # pixels a frame, in scenes of `SIZE`
FASTEST = 34.0  # the same, for bodies on their way out or in
CARDINAL = 0.7  # share of courses that go clearly left, right, up or down
CLEAR = 2.0  # a direction is clear where it outweighs the other axis so many times
CROSSING = 0.25  # share of clips in which two bodies meet


@dataclass
class Course:
    """Offsets (y, x) from where the body was placed, and whether it is there: (T, 2) and (T,)."""

    offsets: Array
    seen: NDArray[np.bool_]
    spin: float = 0.0  # radians a frame

    @classmethod
    def stay(cls, length: int) -> Course:
        """No motion at all."""
        return cls(np.zeros((length, 2), np.float32), np.ones(length, bool))

    def at(self, body: Body, frame: int) -> Body:
        """The body as it is in a frame."""
        y, x = self.offsets[frame]
        return replace(
            body,
            y=body.y + float(y),
            x=body.x + float(x),
            angle=body.angle + self.spin * frame,
            visible=bool(self.seen[frame]),
        )

    @property
    def way(self) -> Array:
        """From the first frame to the last: (y, x) in pixels."""
        return self.offsets[-1] - self.offsets[0]

    @property
    def direction(self) -> str | None:
        """Left, right, up or down, if clearly one of them."""
        y, x = (float(part) for part in self.way)
        if abs(x) > CLEAR * abs(y):
            return "right" if x > 0 else "left"
        if abs(y) > CLEAR * abs(x):
            return "down" if y > 0 else "up"
        return None


def draw_courses(
    rng: Generator, bodies: list[Body], length: int, size: int, scale: float, steady: bool
) -> list[Course]:
    """Draw a course for each body; crossing ones may be placed anew.

    Parameters
    ----------
    length : int
        Frames.
    size : int
        Side of the frames in pixels.
    scale : float
        Pixels to a pixel of a scene of `SIZE`.
    steady : bool
        All stay in the frame, and there from the first frame to the last.
    """
    courses = [Course.stay(length) for _ in bodies]
    for index in _movers(rng, len(bodies)):
        courses[index] = _moving(rng, bodies[index], length, size, scale, steady)
    if len(bodies) > 1 and length > 2 and rng.random() < CROSSING:
        _cross(rng, bodies, courses, length, size, scale)
    if not steady:
        for body, course in zip(bodies, courses, strict=True):
            _come_or_go(rng, body, course, size, scale)
    return courses


def _movers(rng: Generator, count: int) -> list[int]:
    """Which move: often exactly one, so that it can be told apart by its motion."""
    form = rng.random()
    if form < 0.15:
        return []
    if form < 0.5:
        return [int(rng.integers(count))]
    if form < 0.6:
        return list(range(count))
    return [index for index in range(count) if rng.random() < 0.5]


def _moving(
    rng: Generator, body: Body, length: int, size: int, scale: float, inside: bool
) -> Course:
    """Constant velocity; some speed up or slow down, some waver."""
    course = Course.stay(length)
    time = np.arange(length, dtype=np.float32)
    for _ in range(8):
        speed = rng.uniform(*SPEEDS) * scale
        heading = np.pi / 2 * int(rng.integers(4)) + rng.normal(0, 0.12)
        if rng.random() > CARDINAL:
            heading += np.pi / 4
        pace = time * speed
        if rng.random() < 0.3:
            pace = pace * (1 + rng.uniform(-0.4, 0.4) * time / length)
        offsets = np.stack((np.sin(heading) * pace, np.cos(heading) * pace), 1)
        if rng.random() < 0.3:
            offsets[1:] += np.cumsum(rng.normal(0, 0.12 * speed, (length - 1, 2)), 0)
        ends = np.array((body.y, body.x)) + offsets
        margin = min(0.75 * body.radius, 0.45 * size)
        if not inside or ((ends > margin) & (ends < size - margin)).all():
            course.offsets, course.spin = offsets.astype(np.float32), float(rng.normal(0, 0.05))
            break
    return course


def _cross(
    rng: Generator,
    bodies: list[Body],
    courses: list[Course],
    length: int,
    size: int,
    scale: float,
) -> None:
    """Send the first and the last body over each other half-way, if there is room to start."""
    pair = (0, len(bodies) - 1)
    time = np.arange(length, dtype=np.float32)
    others = [bodies[index] for index in range(len(bodies)) if index not in pair]
    for _ in range(8):
        meeting = rng.uniform(0.3, 0.7, 2) * size
        heading = rng.uniform(0, 2 * np.pi)
        headings = (heading, heading + rng.uniform(0.5, 1) * np.pi)
        halfway = (length - 1) * rng.uniform(0.4, 0.6)
        ways = [
            rng.uniform(0.6, 1.4) * SPEEDS[1] * scale * np.array((np.sin(it), np.cos(it)))
            for it in headings
        ]
        starts = [meeting - way * halfway for way in ways]
        placed = [
            replace(bodies[index], y=float(y), x=float(x))
            for index, (y, x) in zip(pair, starts, strict=True)
        ]
        if _have_room(placed, others, size):
            for index, way, body in zip(pair, ways, placed, strict=True):
                bodies[index] = body
                courses[index] = Course.stay(length)
                courses[index].offsets = (time[:, None] * way).astype(np.float32)
            return


def _have_room(placed: list[Body], others: list[Body], size: int) -> bool:
    everyone = placed + others
    for index, body in enumerate(placed):
        margin = 0.75 * body.radius
        if not (margin < body.y < size - margin and margin < body.x < size - margin):
            return False
        for other in everyone[index + 1 :]:
            if np.hypot(body.y - other.y, body.x - other.x) < 0.95 * (body.radius + other.radius):
                return False
    return True


def _come_or_go(rng: Generator, body: Body, course: Course, size: int, scale: float) -> None:
    """Change a course so that its body leaves, enters, vanishes or comes back; most stay."""
    fate, length = rng.random(), len(course.seen)
    if length < 3 or fate > 0.34:
        return
    if fate < 0.2:
        out = _way_out(body, size)
        frames = int(rng.integers(max(2, (2 * length) // 3), length))
        speed = float(np.hypot(*out)) / (frames - 0.5)
        if speed < FASTEST * scale:
            course.offsets = np.arange(length)[:, None] * (out / (frames - 0.5))
            if fate > 0.1:  # the same way, backwards: it enters
                course.offsets = course.offsets[::-1]
            course.offsets = course.offsets.astype(np.float32)
    elif fate < 0.27:  # out of focus, under something, bleached
        course.seen[int(rng.integers(1, length)) :] = False
    else:
        gone = int(rng.integers(1, length - 1))
        course.seen[gone : gone + int(rng.integers(1, 3))] = False
        course.seen[-1] = True


def _way_out(body: Body, size: int) -> Array:
    """The shortest way (y, x) over the border of the frame."""
    reach = 1.25 * body.radius
    ways = (
        (-body.y - reach, 0),
        (size - body.y + reach, 0),
        (0, -body.x - reach),
        (0, size - body.x + reach),
    )
    return np.array(min(ways, key=lambda way: abs(way[0]) + abs(way[1])))
