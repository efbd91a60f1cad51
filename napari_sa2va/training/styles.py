"""Looks of scenes: background, optics and noise of each kind of image."""

from __future__ import annotations

import numpy as np

from napari_sa2va.training.debris import add_debris
from napari_sa2va.training.drawing import SIZE, Style
from napari_sa2va.training.optics import draw_illumination, smooth_field, wavy_streaks

Generator = np.random.Generator

KINDS = ("shapes", "fluorescence", "phase", "histology", "coins", "beads", "bacteria", "fibres")
KIND_SHARES = (0.4, 0.2, 0.08, 0.08, 0.08, 0.06, 0.05, 0.05)
NOUNS_OF = {
    "fluorescence": ("cell", "nucleus"),
    "phase": ("cell",),
    "histology": ("nucleus",),
    "coins": ("coin", "disc"),
    "beads": ("bead",),
    "bacteria": ("bacterium",),
    "fibres": ("fibre", "vessel"),
}
PAINTS = {
    "fluorescence": ("glow",),
    "phase": ("phase",),
    "coins": ("relief",),
    "beads": ("glow", "glow", "lens"),
    "bacteria": ("glow", "phase", "phase"),
    "fibres": ("glow", "glow", "lens"),
}
GROUNDS = {"glow": (0.0, 0.12), "phase": (0.35, 0.6), "relief": (0.05, 0.35), "lens": (0.45, 0.9)}
TINTS = {"green": (0.12, 1.0, 0.15), "blue": (0.15, 0.3, 1.0), "red": (1.0, 0.15, 0.12)}
STAINS = {"blue": (0.25, 0.35, 0.70), "brown": (0.45, 0.26, 0.15), "purple": (0.42, 0.16, 0.58)}
SLIDES = ((0.9, 0.82, 0.88), (0.9, 0.76, 0.84), (0.76, 0.66, 0.92), (0.9, 0.9, 0.88))


def draw_style(rng: Generator, kind: str | None = None, size: int = SIZE) -> Style:
    """Draw the look of one kind of image (of any kind, by `KIND_SHARES`, where not given)."""
    kind = kind or str(rng.choice(KINDS, p=KIND_SHARES))
    if kind == "shapes":
        return _shapes(rng, size)
    style = _tissue(rng, size) if kind == "histology" else _grey(rng, kind, size)
    style.aligned, style.angle = bool(rng.random() < 0.25), rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.35:
        add_debris(rng, style)
    return style


def _shapes(rng: Generator, size: int) -> Style:
    """Plain backgrounds (as a program draws them) or textured, noisy ones."""
    plain = rng.random() < 0.35
    level = float(rng.choice((0.0, 0.0, 1.0, rng.uniform(0.1, 0.9))))
    base = np.full(3, level if plain else rng.uniform(0.1, 0.9), np.float32)
    if rng.random() < 0.4 and not (plain and level in (0.0, 1.0)):
        base = rng.uniform(0.15, 0.85, 3).astype(np.float32)
    style = Style("shapes", "shape", "opaque", np.empty((size, size, 3), np.float32))
    style.background[:] = base
    if plain:
        style.noise = float(rng.choice((0, 0, 0.02)))
        return style
    amplitude = float(rng.choice((0, 0.03, 0.08, 0.12)))
    nodes = int(rng.choice((3, 6, 10, 20, 40)))
    style.background += smooth_field(rng, nodes, amplitude, size)[..., None]
    style.sigma = _sigma(rng, size, (0, 0, 0.7, 1.1))
    style.noise = float(rng.uniform(0, 0.05))
    return style


def between(rng: Generator, one: float, other: float) -> float:
    """Uniform between two bounds in any order."""
    return one + (other - one) * float(rng.random())


def _sigma(rng: Generator, size: int, choices: tuple[float, ...]) -> float:
    """Blur; a larger image is anything from as sharp by the pixel to as sharp by the field."""
    return float(rng.choice(choices)) * between(rng, 1, size / SIZE)


def _tissue(rng: Generator, size: int) -> Style:
    base = np.array(SLIDES[int(rng.integers(len(SLIDES)))], np.float32)
    base = base + rng.uniform(-0.05, 0.05, 3).astype(np.float32)
    streaks = wavy_streaks(rng, rng.uniform(0, 0.05), size)
    streaks += smooth_field(rng, int(rng.integers(6, 40)), 0.03, size)
    background = base + streaks[..., None] * np.array((0.6, 1, 0.6), np.float32)
    background += smooth_field(rng, 4, 0.04, size)[..., None]
    style = Style("histology", "nucleus", "stain", background.astype(np.float32))
    style.sigma = _sigma(rng, size, (0.5, 0.8, 1.1, 1.4))
    style.noise = float(rng.uniform(0, 0.04))
    names = ("purple",) if rng.random() < 0.6 else ("blue", "brown")
    for name in names:
        style.stains[name] = np.array(STAINS[name], np.float32) + rng.uniform(-0.05, 0.05, 3)
    # A pale blue on pink would pass for purple.
    style.lift = rng.uniform(0.65, 0.95) if len(names) == 1 else rng.uniform(0.85, 1)
    style.rim = rng.uniform(0, 0.25)
    style.grain = (int(rng.integers(5, 14)), float(rng.choice((0.05, 0.15, 0.25, 0.35))))
    return style


def _grey(rng: Generator, kind: str, size: int) -> Style:
    noun, paint = str(rng.choice(NOUNS_OF[kind])), str(rng.choice(PAINTS[kind]))
    low, high = GROUNDS[paint]
    level = float(rng.uniform(low, high))
    ripple = 0.015 if paint == "phase" else 0.03 * min(1.0, level / 0.03)
    background = level + smooth_field(rng, int(rng.choice((3, 6, 10))), ripple, size)
    if paint == "relief":
        background += smooth_field(rng, 40, 0.02, size)
    style = Style(kind, noun, paint, background.astype(np.float32))
    style.sigma = _sigma(rng, size, (0, 0.8, 1.2, 1.8))
    style.noise, style.shot = rng.uniform(0, 0.05), float(rng.choice((0, 0.03, 0.08)))
    style.gamma = float(rng.choice((1.0, rng.uniform(0.65, 1.2))))
    if rng.random() < 0.5:
        style.illumination = draw_illumination(rng, size, rng.uniform(0.1, 0.5))
    style.stretch = bool(rng.random() < 0.6)
    _light(rng, style)
    _sensor(rng, style)
    if paint == "glow" and rng.random() < 0.3:
        style.tint_name = str(rng.choice(list(TINTS)))
        style.tint = np.array(TINTS[style.tint_name], np.float32)
    elif paint in ("glow", "relief"):
        style.invert = bool(rng.random() < 0.1)
    return style


def _light(rng: Generator, style: Style) -> None:
    """How bodies of the style meet the light."""
    scale = style.scale
    style.grain = (int(rng.choice((4, 6, 10))), float(rng.choice((0, 0.03, 0.08, 0.15))))
    direction, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.15)
    style.light = (float(strength * np.sin(direction)), float(strength * np.cos(direction)))
    match style.paint:
        case "glow":
            style.dome, style.halo = rng.uniform(0, 0.6), float(rng.choice((0, 0, 0.06, 0.15)))
            if style.noun in ("cell", "nucleus"):
                style.grain = (int(rng.integers(4, 13)), float(rng.choice((0, 0.1, 0.2, 0.3))))
            if style.noun == "cell" and rng.random() < 0.4:
                style.core = rng.uniform(0.3, 0.55)
        case "phase":
            style.rim, style.rim_width = rng.uniform(0.1, 0.35), rng.uniform(1.5, 3.5) * scale
            style.lift = float(rng.choice((-1, -1, 1))) * rng.uniform(0.04, 0.15)
            style.grain = (int(rng.integers(6, 16)), float(rng.choice((0, 0.05, 0.1, 0.16))))
            if style.noun == "bacterium":
                style.lift, style.rim = -rng.uniform(0.2, 0.4), rng.uniform(0.05, 0.2)
                style.rim_width = rng.uniform(1.5, 2.5) * scale
        case "lens":
            style.rim, style.rim_width = rng.uniform(0.15, 0.4), rng.uniform(1.2, 2.2) * scale
            style.lift, style.dome = rng.uniform(-0.1, 0.4), rng.uniform(0.05, 0.25)
        case "relief":
            style.rim = rng.uniform(0.15, 0.5)
            style.relief = rng.uniform(0.15, 0.45) if style.noun == "coin" else 0.0
            if style.noun == "disc":
                style.rim, style.light = 0.0, (0.0, 0.0)


def _sensor(rng: Generator, style: Style) -> None:
    """Bit depths: a weak signal on few levels, saturation, hot pixels."""
    form = rng.random()
    if form < 0.12:
        # What differs little from its background would not survive fewer.
        few = (12, 24, 48) if style.paint in ("glow", "relief") else (64, 96)
        style.levels = int(rng.choice(few))
    elif form < 0.24:
        style.gain = rng.uniform(1.1, 1.6)
    elif form < 0.3:
        spots = rng.integers(style.size, size=(int(rng.integers(3, 30)), 2))
        style.hot = np.hstack((spots, rng.uniform(0.5, 1, (len(spots), 1))))
