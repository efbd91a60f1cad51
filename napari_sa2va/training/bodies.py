"""Bodies: what outlines an object of a scene and what fills it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.12),
    "green": (0.15, 0.68, 0.20),
    "blue": (0.15, 0.25, 0.85),
    "yellow": (0.92, 0.86, 0.15),
    "orange": (0.95, 0.52, 0.08),
    "purple": (0.50, 0.15, 0.60),
    "pink": (0.96, 0.55, 0.72),
    "cyan": (0.15, 0.80, 0.85),
    "white": (0.96, 0.96, 0.96),
    "black": (0.05, 0.05, 0.05),
}
SHAPES = ("circle", "square", "triangle", "star", "ellipse", "cross", "ring")
NOUNS = (*SHAPES, "cell", "nucleus", "coin", "disc", "bead", "bacterium", "fibre", "vessel")


@dataclass
class Body:
    """One body of a scene: where it is, what outlines it and what fills it.

    Lengths are in pixels; `radius` reaches to the farthest point of the outline, more or less.
    """

    shape: str  # one of SHAPES, blob, rod, filament or bar
    noun: str
    y: float
    x: float
    radius: float
    angle: float = 0.0  # radians, from the x axis towards larger y
    aspect: float = 1.0
    color: str | None = None
    rgb: Array = field(default_factory=lambda: np.ones(3, np.float32))
    brightness: float = 1.0
    harmonics: tuple[tuple[int, float, float], ...] = ()  # (order, amplitude, phase) of a blob
    paths: Array | None = None  # of a filament, in units of the radius: see filaments.py
    texture: Array | None = None
    shading: float = 0.0
    bend: float = 0.0  # of a rod: how far its middle lies off the line, in units of the radius
    visible: bool = True
    labelled: bool = True  # an occluder has no label of its own


def signed_distance(body: Body, u: Array, v: Array) -> Array:
    """Distance to the outline in units of the radius, negative inside.

    `u` runs along the body's axis, `v` across it, both in units of the radius.
    """
    match body.shape:
        case "circle":
            return np.hypot(u, v) - 1
        case "square":
            return np.maximum(abs(u), abs(v)) - 0.85
        case "triangle":
            return np.maximum(abs(u) * 0.866 + v * 0.5, -v) - 0.5
        case "ellipse":
            return (np.hypot(u, v / body.aspect) - 1) * 0.75
        case "cross":
            a, b = abs(u), abs(v)
            return np.minimum(np.maximum(a - 1, b - 0.34), np.maximum(a - 0.34, b - 1))
        case "ring":
            return abs(np.hypot(u, v) - 0.75) - 0.25
        case "star":
            return _star_distance(u, v)
        case "bar":
            return np.maximum(abs(u) - 1, abs(v) - body.aspect)
        case "rod":
            beyond = np.maximum(abs(u) - (1 - body.aspect), 0)
            return np.hypot(beyond, v - body.bend * (u * u - 0.4)) - body.aspect
    v = v / body.aspect
    angle, outline = np.arctan2(v, u), np.ones_like(u)
    for order, amplitude, phase in body.harmonics:
        outline = outline + amplitude * np.cos(order * angle + phase)
    return (np.hypot(u, v) / outline - 1) * body.aspect


def _star_distance(u: Array, v: Array, inner: float = 0.45) -> Array:
    """Five points: the edge from an inner corner (on the axis) to the next outer one."""
    half = np.pi / 5
    angle = abs((np.arctan2(u, v) % (2 * half)) - half)
    rho = np.hypot(u, v)
    normal = np.array([np.sin(half), inner - np.cos(half)])
    normal /= np.linalg.norm(normal)
    return normal[0] * (rho * np.cos(angle) - inner) + normal[1] * rho * np.sin(angle)
