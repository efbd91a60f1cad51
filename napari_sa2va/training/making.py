"""Single bodies that fit a style: their outline, colour, brightness and texture."""

from __future__ import annotations

import numpy as np

from napari_sa2va.training.bodies import COLORS, SHAPES, Array, Body
from napari_sa2va.training.drawing import Style, texture_size
from napari_sa2va.training.filaments import draw_fibre, draw_vessel
from napari_sa2va.training.optics import smooth_field

Generator = np.random.Generator

ROUGHNESS = {"cell": 0.09, "nucleus": 0.05, "coin": 0.008, "disc": 0.0, "bead": 0.0}


def draw_body(rng: Generator, style: Style, radius: float) -> Body:
    """Draw one body that fits the style, not yet placed."""
    if style.kind == "shapes":
        return _shape(rng, style, radius)
    body = _outlined(rng, style, radius)
    if style.paint == "stain":
        body.color = str(rng.choice(list(style.stains)))
        body.brightness = float(rng.uniform(0.6 if len(style.stains) == 1 else 0.85, 1))
        # One slide has one stain: nuclei differ in how much they took up, hardly in hue.
        rgb = style.stains[body.color] * rng.uniform(0.8, 1.2) + rng.normal(0, 0.015, 3)
        body.rgb = np.clip(rgb, 0, 1).astype(np.float32)
    else:
        body.color = style.tint_name
        body.brightness = _brightness(rng, style)
    if style.relief:
        body.texture = _embossed(rng, style, radius)
    else:
        body.texture = _texture(rng, style, radius, *style.grain)
    return body


def _outlined(rng: Generator, style: Style, radius: float) -> Body:
    # What grows or was stretched together lies together.
    angle = float(style.angle + rng.normal(0, 0.3) if style.aligned else rng.uniform(0, 2 * np.pi))
    match style.noun:
        case "bacterium":
            aspect, bend = float(rng.uniform(0.24, 0.45)), float(rng.normal(0, 0.12))
            return Body("rod", style.noun, 0, 0, radius, angle, aspect, bend=bend)
        case "fibre" | "vessel":
            width = max(2.0, rng.uniform(0.025, 0.06) * radius / style.scale) * style.scale
            draw = draw_fibre if style.noun == "fibre" else draw_vessel
            return Body(
                "filament", style.noun, 0, 0, radius, angle, paths=draw(rng, width / radius)
            )
    roughness = ROUGHNESS[style.noun]
    harmonics = tuple(
        (n, float(rng.normal(0, roughness / (n - 1) ** 0.5)), float(rng.uniform(0, 2 * np.pi)))
        for n in (2, 3, 4, 5)
    )
    aspect = float(rng.uniform(0.55 if style.kind == "fluorescence" else 0.35, 1))
    if style.noun in ("coin", "disc"):
        aspect = float(rng.uniform(0.94, 1))
    elif style.noun == "bead":
        aspect = 1.0
    shape = "blob" if roughness else "circle"
    return Body(shape, style.noun, 0, 0, radius, angle, aspect, harmonics=harmonics)


def _shape(rng: Generator, style: Style, radius: float) -> Body:
    shape, middle = str(rng.choice(SHAPES)), style.size // 2
    color, rgb = _contrasting_color(rng, style.background[middle, middle])
    aspect = float(rng.uniform(0.45, 0.65)) if shape == "ellipse" else 1.0
    angle = float(rng.uniform(0, 2 * np.pi))
    # Programs draw their shapes upright; half of ours are too.
    if rng.random() < 0.5:
        angle = float(rng.choice((0, np.pi))) if shape == "triangle" else 0.0
    body = Body(shape, shape, 0, 0, radius, angle, aspect, color, rgb)
    if style.noise > 0.02:
        body.shading = float(rng.choice((0, 0, 0.06, -0.08)))
        nodes, amplitude = int(rng.choice((4, 6, 10))), float(rng.choice((0, 0, 0.08, 0.15)))
        body.texture = _texture(rng, style, radius, nodes, amplitude)
    return body


def _contrasting_color(rng: Generator, background: Array) -> tuple[str, Array]:
    while True:
        name = str(rng.choice(list(COLORS)))
        rgb = np.array(COLORS[name], np.float32)
        if abs(rgb - background).max() > 0.25:
            jitter = rng.normal(0, 0.035, 3).clip(-0.07, 0.07)
            return name, np.clip(rgb + jitter, 0, 1).astype(np.float32)


def _brightness(rng: Generator, style: Style) -> float:
    match style.paint:
        case "glow":
            # Log-uniform: a few bright ones among many dim ones.
            return float(0.2 * 5 ** rng.random())
        case "relief":
            return float(min(0.95, style.background.mean() + rng.uniform(0.18, 0.6)))
    return float(rng.uniform(0.4, 0.8))


def _texture(
    rng: Generator, style: Style, radius: float, nodes: int, amplitude: float
) -> Array | None:
    if not amplitude:
        return None
    # Bumps below two pixels would be noise.
    nodes = max(2, min(nodes, int(radius / style.scale)))
    return smooth_field(rng, nodes, amplitude, texture_size(radius, style.scale))


def _embossed(rng: Generator, style: Style, radius: float) -> Array:
    """A coin's picture: slopes that face the light are bright."""
    nodes = int(rng.integers(7, 16))
    height = smooth_field(rng, nodes, 1.0, texture_size(radius, style.scale))
    step = max(1, round(len(height) / nodes / 4))
    y, x = style.light
    along_y, along_x = (int(np.sign(part)) * step for part in (y, x))
    return style.relief * (height - np.roll(height, (along_y, along_x), (0, 1)))
