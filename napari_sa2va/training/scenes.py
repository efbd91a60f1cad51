"""Drawn scenes: coloured shapes, cells under three kinds of microscope, coins."""

from __future__ import annotations

import numpy as np

from napari_sa2va.training.bodies import COLORS, SHAPES, Array, Body
from napari_sa2va.training.drawing import SIZE, Style, render, smooth_field
from napari_sa2va.training.scene import Scene, describe

Generator = np.random.Generator

KINDS = ("shapes", "fluorescence", "phase", "histology", "coins")
KIND_SHARES = (0.5, 0.24, 0.08, 0.08, 0.1)
NOUNS = {"fluorescence": "cell", "phase": "cell", "histology": "nucleus", "coins": "coin"}
STAINS = {"blue": (0.35, 0.42, 0.68), "brown": (0.45, 0.26, 0.15), "purple": (0.45, 0.20, 0.50)}
TINTS = {"green": (0.12, 1.0, 0.15), "blue": (0.15, 0.3, 1.0), "red": (1.0, 0.15, 0.12)}


def draw_scene(rng: Generator, most: int = 8, kind: str | None = None) -> Scene:
    """Draw a scene of up to `most` shapes, or up to 1.6 times as many cells.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance: equal states draw equal scenes.
    most : int
        Largest number of shapes.
    kind : str, optional
        One of `KINDS`; drawn by `KIND_SHARES` where not given.
    """
    while True:
        style = draw_style(rng, kind)
        limit = most if style.kind == "shapes" else int(most * 1.6)
        # The smaller of two draws: few objects are more often talked about than many.
        count = min(int(rng.integers(1, limit + 1)), int(rng.integers(1, limit + 1)) + 2)
        bodies = place_bodies(rng, style, count)
        image, labels = render(bodies, style, rng)
        said = {number: said_of(body, style) for number, body in enumerate(bodies, 1)}
        objects = describe(labels, said)
        if objects:
            return Scene(image, labels, objects, style.kind)


def said_of(body: Body, style: Style) -> dict[str, object]:
    """What language may say of a body; brightness only where light means signal."""
    bright = style.kind == "fluorescence" and not style.invert
    brightness = body.brightness if bright else None
    return {"noun": body.noun, "color": body.color, "brightness": brightness}


def draw_style(rng: Generator, kind: str | None = None) -> Style:
    """Draw background, optics and noise of one kind of image (of any kind by default)."""
    kind = kind or str(rng.choice(KINDS, p=KIND_SHARES))
    if kind == "shapes":
        return _shapes_style(rng)
    if kind == "histology":
        base = np.array((0.9, 0.82, 0.88), np.float32) + rng.uniform(-0.08, 0.08, 3)
        stroma = smooth_field(rng, 20, 0.05)[..., None] * np.array((0.6, 1, 0.6))
        background = base + stroma + smooth_field(rng, 4, 0.05)[..., None]
        sigma = float(rng.choice((0.7, 1.1, 1.4)))
        return Style(
            kind, background.astype(np.float32), sigma=sigma, noise=float(rng.uniform(0, 0.05))
        )
    return _grey_style(rng, kind)


def _shapes_style(rng: Generator) -> Style:
    """Plain backgrounds (as a program draws them) or textured, noisy ones."""
    plain = rng.random() < 0.35
    level = float(rng.choice((0.0, 0.0, 1.0, rng.uniform(0.1, 0.9))))
    base = np.full(3, level if plain else rng.uniform(0.1, 0.9), np.float32)
    if rng.random() < 0.4 and not (plain and level in (0.0, 1.0)):
        base = rng.uniform(0.15, 0.85, 3).astype(np.float32)
    background = np.broadcast_to(base, (SIZE, SIZE, 3)).copy()
    if plain:
        return Style("shapes", background, noise=float(rng.choice((0, 0, 0.02))))
    amplitude = float(rng.choice((0, 0.03, 0.08, 0.12)))
    background += smooth_field(rng, int(rng.choice((3, 6, 10, 20, 40))), amplitude)[..., None]
    sigma = float(rng.choice((0, 0, 0.7, 1.1)))
    return Style("shapes", background, sigma=sigma, noise=float(rng.uniform(0, 0.05)))


def _grey_style(rng: Generator, kind: str) -> Style:
    low, high = {"fluorescence": (0.0, 0.12), "phase": (0.35, 0.6), "coins": (0.05, 0.35)}[kind]
    level = float(rng.uniform(low, high))
    ripple = 0.015 if kind == "phase" else 0.03 * min(1.0, level / 0.03)
    background = level + smooth_field(rng, int(rng.choice((3, 6, 10))), ripple)
    if kind == "coins":
        background += smooth_field(rng, 40, 0.02)
    style = Style(kind, background.astype(np.float32))
    style.dome, style.halo = rng.uniform(0, 0.6), float(rng.choice((0, 0, 0.06, 0.12)))
    style.sigma, style.noise = float(rng.choice((0, 0.8, 1.2, 1.8))), rng.uniform(0, 0.05)
    style.shot, style.gamma = float(rng.choice((0, 0.03, 0.08))), rng.uniform(0.65, 1.2)
    if rng.random() < 0.5:
        style.illumination = 1 + np.clip(smooth_field(rng, 3, 0.2), -0.6, 0.6)
    style.stretch = bool(rng.random() < 0.6)
    style.rim, style.rim_width = rng.uniform(0.1, 0.35), rng.uniform(1.5, 3.5)
    if kind == "coins" and rng.random() < 0.4:
        style.rim = 0.0
    style.lift = float(rng.choice((-1, -1, 1))) * rng.uniform(0.04, 0.15)
    direction, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.15)
    style.light = (strength * np.sin(direction), strength * np.cos(direction))
    if kind == "fluorescence" and rng.random() < 0.35:
        style.tint_name = str(rng.choice(list(TINTS)))
        style.tint = np.array(TINTS[style.tint_name], np.float32)
    style.invert = style.tint_name is None and kind != "phase" and rng.random() < 0.1
    return style


def draw_body(rng: Generator, style: Style, radius: float) -> Body:
    """Draw one body that fits the style, not yet placed."""
    angle = float(rng.uniform(0, 2 * np.pi))
    if style.kind == "shapes":
        shape = str(rng.choice(SHAPES))
        color, rgb = _contrasting_color(rng, style.background[SIZE // 2, SIZE // 2])
        aspect = float(rng.uniform(0.45, 0.65)) if shape == "ellipse" else 1.0
        # Programs draw their shapes upright; half of ours are too.
        if rng.random() < 0.5:
            angle = float(rng.choice((0, np.pi))) if shape == "triangle" else 0.0
        body = Body(shape, shape, 0, 0, radius, angle, aspect, color, rgb)
        if style.noise > 0.02:
            body.shading = float(rng.choice((0, 0, 0.06, -0.08)))
            body.texture = _texture(rng, radius, float(rng.choice((0, 0, 0.08, 0.15))))
        return body
    roughness = {"fluorescence": 0.06, "phase": 0.1, "histology": 0.06, "coins": 0.008}[style.kind]
    harmonics = tuple(
        (n, float(rng.normal(0, roughness / (n - 1) ** 0.5)), float(rng.uniform(0, 2 * np.pi)))
        for n in (2, 3, 4, 5)
    )
    aspect = float(rng.uniform(0.93, 1) if style.kind == "coins" else rng.uniform(0.55, 1))
    body = Body("blob", NOUNS[style.kind], 0, 0, radius, angle, aspect, harmonics=harmonics)
    if style.kind == "histology":
        body.color = str(rng.choice(list(STAINS)))
        body.rgb = np.clip(STAINS[body.color] + rng.normal(0, 0.05, 3), 0, 1).astype(np.float32)
    else:
        body.color = style.tint_name
        body.brightness = _brightness(rng, style)
    body.texture = _texture(rng, radius, float(rng.choice((0, 0.03, 0.08, 0.15))))
    return body


def _contrasting_color(rng: Generator, background: Array) -> tuple[str, Array]:
    while True:
        name = str(rng.choice(list(COLORS)))
        rgb = np.array(COLORS[name], np.float32)
        if abs(rgb - background).max() > 0.25:
            return name, np.clip(rgb + rng.normal(0, 0.035, 3), 0, 1).astype(np.float32)


def _brightness(rng: Generator, style: Style) -> float:
    if style.kind == "fluorescence":
        return float(rng.uniform(0.22, 1.0))
    if style.kind == "phase":
        return float(rng.uniform(0.4, 0.8))
    return float(min(0.95, style.background.mean() + rng.uniform(0.18, 0.6)))


def _texture(rng: Generator, radius: float, amplitude: float) -> Array | None:
    if not amplitude:
        return None
    size = 2 * int(radius * 1.25 + 6) + 2
    return smooth_field(rng, int(rng.choice((4, 6, 10))), amplitude, size)


def place_bodies(
    rng: Generator, style: Style, count: int, radii: tuple[float, float] | None = None
) -> list[Body]:
    """Draw `count` bodies (fewer where there is no room) that hardly overlap."""
    low, high = radii or _radii(rng, style.kind, count)
    overlap = 0.95 if style.kind in ("shapes", "coins") else 0.88
    bodies: list[Body] = []
    for _ in range(count * 6):
        if len(bodies) == count:
            break
        body = draw_body(rng, style, float(rng.uniform(low, high)))
        margin = body.radius * 0.75
        for _ in range(8):
            body.y, body.x = rng.uniform(margin, SIZE - margin, 2)
            if all(
                np.hypot(body.y - other.y, body.x - other.x)
                > overlap * (body.radius + other.radius)
                for other in bodies
            ):
                bodies.append(body)
                break
    return bodies


def _radii(rng: Generator, kind: str, count: int) -> tuple[float, float]:
    high = min(52.0, 150 / np.sqrt(count + 1))
    low = max(6.0, high * 0.3)
    if kind in ("coins", "fluorescence") and rng.random() < 0.5:
        middle = rng.uniform(low, high)
        return middle * 0.8, min(high, middle * 1.25)
    return low, high
