"""Division: a cell stretches, and two daughters part along its axis."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napari_sa2va.training.bodies import Body
from napari_sa2va.training.drawing import Style
from napari_sa2va.training.making import draw_body

Generator = np.random.Generator

DIVIDING = 0.35  # share of clips of living things in which one divides
ALIVE = ("cell", "nucleus", "bacterium")


@dataclass
class Division:
    """Which body divides, from which frame on there are two, and along which axis."""

    mother: int  # its place among the bodies
    frame: int
    axis: float
    daughters: tuple[Body, Body]

    def at(self, mother: Body, frame: int) -> tuple[Body, list[Body]]:
        """The mother and what became of her in a frame."""
        age = frame - self.frame
        if age < 0 or not mother.visible:
            if age == -1 and mother.shape == "blob":
                mother = replace(mother, angle=self.axis, aspect=max(0.5, 0.75 * mother.aspect))
            return mother, []
        rod = mother.shape == "rod"
        reach = mother.radius * ((0.52 if rod else 0.68) + 0.08 * min(age, 5))
        daughters = [
            replace(
                daughter,
                y=mother.y + side * reach * float(np.sin(self.axis)),
                x=mother.x + side * reach * float(np.cos(self.axis)),
            )
            for daughter, side in zip(self.daughters, (-1, 1), strict=True)
        ]
        return replace(mother, visible=False), daughters


def draw_division(rng: Generator, style: Style, bodies: list[Body], length: int) -> Division | None:
    """Have one of the bodies divide, in a share of the clips of what lives."""
    if style.noun not in ALIVE or style.kind == "histology" or length < 2:
        return None
    if rng.random() >= DIVIDING:
        return None
    index = int(rng.integers(len(bodies)))
    mother, frame = bodies[index], int(rng.integers(1, min(length, 5)))
    if mother.shape == "rod":
        half = replace(
            mother, radius=mother.radius * 0.5, aspect=min(0.9, mother.aspect * 2), bend=0.0
        )
        return Division(index, frame, mother.angle, (half, replace(half)))
    first, second = (
        replace(draw_body(rng, style, mother.radius * 0.68), brightness=mother.brightness)
        for _ in range(2)
    )
    return Division(index, frame, float(rng.uniform(0, 2 * np.pi)), (first, second))
