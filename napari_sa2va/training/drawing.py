"""How a scene is painted: bodies onto a background, each as its kind meets the light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_sa2va.training.bodies import Array, Body, signed_distance
from napari_sa2va.training.filaments import filament_distance

SIZE = 256  # side of a scene unless asked otherwise
MARGIN = 8.0  # pixels around an outline that glow and rims reach, at `SIZE`


@dataclass
class Style:
    """What all bodies of a scene share: background, optics and noise; lengths in pixels."""

    kind: str  # shapes, fluorescence, phase, histology, coins, beads, bacteria, fibres
    noun: str
    paint: str  # opaque, stain, glow, phase, relief, lens: how bodies meet the light
    background: Array  # (H, W, 3) where the scene is coloured, else (H, W)
    sigma: float = 0.0
    noise: float = 0.0
    shot: float = 0.0
    dome: float = 0.0
    halo: float = 0.0
    rim: float = 0.0
    rim_width: float = 2.0
    core: float = 0.0  # depth of a cell's dim body around its bright middle, in radii
    lift: float = 0.0
    light: tuple[float, float] = (0.0, 0.0)
    relief: float = 0.0
    grain: tuple[int, float] = (6, 0.0)  # bumps across a body and how strong they are
    stains: dict[str, Array] = field(default_factory=dict)  # what stained bodies may be coloured
    aligned: bool = False  # bodies lie along one angle
    angle: float = 0.0
    gamma: float = 1.0
    illumination: Array | None = None
    tint: Array = field(default_factory=lambda: np.ones(3, np.float32))
    tint_name: str | None = None
    stretch: bool = False
    gain: float = 1.0  # above 1 the brightest saturate
    levels: int = 0  # of a coarse quantisation, 0: none
    hot: Array | None = None  # (N, 3) pixels that are always bright: y, x, value
    invert: bool = False

    @property
    def size(self) -> int:
        return len(self.background)

    @property
    def scale(self) -> float:
        """Pixels to a pixel of a scene of `SIZE`."""
        return self.size / SIZE

    @property
    def is_coloured(self) -> bool:
        return self.background.ndim == 3

    @property
    def light_is_signal(self) -> bool:
        """Whether a brighter object is more of what is looked for, as under fluorescence."""
        return self.paint == "glow" and not self.invert


@dataclass
class Canvas:
    """What is painted before a camera sees it."""

    image: Array  # (H, W) or (H, W, 3)
    labels: NDArray[np.uint8]  # (H, W); the number of the topmost body, 0 is background
    areas: list[int]  # of each body by itself, in pixels, of what lies inside the image


def paint(bodies: list[Body], style: Style) -> Canvas:
    """Paint the bodies in order, counted from 1."""
    canvas = Canvas(style.background.copy(), np.zeros((style.size,) * 2, np.uint8), [])
    for number, body in enumerate(bodies, 1):
        window = _window(body, style)
        if not body.visible or window is None:
            canvas.areas.append(0)
            continue
        dy = (np.arange(window[0].start, window[0].stop, dtype=np.float32) - body.y)[:, None]
        dx = (np.arange(window[1].start, window[1].stop, dtype=np.float32) - body.x)[None]
        dy, dx = dy / np.float32(body.radius), dx / np.float32(body.radius)
        distance = _distance(body, style, dy, dx)
        inside = distance < 0
        canvas.labels[window][inside] = number if body.labelled else 0
        canvas.areas.append(int(np.count_nonzero(inside)))
        patch = _Patch(
            canvas.image[window],
            style.background[window],
            body,
            style,
            distance,
            _texture(body, style, window),
            dy,
            dx,
        )
        (_PAINTERS[style.paint] if body.labelled else _cover)(patch)
    return canvas


def _reach(body: Body, style: Style) -> float:
    return body.radius * 1.25 + MARGIN * style.scale


def _window(body: Body, style: Style) -> tuple[slice, slice] | None:
    reach, size = _reach(body, style), style.size
    y0, y1 = max(0, int(body.y - reach)), min(size, int(body.y + reach) + 1)
    x0, x1 = max(0, int(body.x - reach)), min(size, int(body.x + reach) + 1)
    return (slice(y0, y1), slice(x0, x1)) if min(y1 - y0, x1 - x0) >= 2 else None


def _distance(body: Body, style: Style, dy: Array, dx: Array) -> Array:
    """Distance to the outline in radii, negative inside."""
    cos, sin = np.float32(np.cos(body.angle)), np.float32(np.sin(body.angle))
    if body.paths is None:
        return signed_distance(body, dx * cos + dy * sin, dy * cos - dx * sin)
    paths = body.paths.copy()
    v, u = body.paths[..., 0], body.paths[..., 1]
    paths[..., 0], paths[..., 1] = u * sin + v * cos, u * cos - v * sin
    return filament_distance(paths, dy, dx, MARGIN * style.scale / body.radius)


def _texture(body: Body, style: Style, window: tuple[slice, slice]) -> Array | float:
    """The part of the body's texture that lies in the window; it moves with the body."""
    if body.texture is None:
        return 1.0
    reach = _reach(body, style)
    y, x = window[0].start - int(body.y - reach), window[1].start - int(body.x - reach)
    if body.y < reach or body.x < reach:  # int rounds towards zero: below it, one too far
        y, x = max(0, y), max(0, x)
    height, width = window[0].stop - window[0].start, window[1].stop - window[1].start
    rows = np.minimum(np.arange(y, y + height), len(body.texture) - 1)
    columns = np.minimum(np.arange(x, x + width), len(body.texture) - 1)
    return 1 + body.texture[rows][:, columns]


def texture_size(radius: float, scale: float) -> int:
    """Side of a texture that covers the window of a body."""
    return 2 * int(radius * 1.25 + MARGIN * scale) + 2


@dataclass
class _Patch:
    """The window of one body, and what its painter needs to know."""

    view: Array  # painted in place
    ground: Array  # the background without any body
    body: Body
    style: Style
    distance: Array  # to the outline, in radii
    texture: Array | float
    dy: Array  # from the body's centre, in radii
    dx: Array

    @property
    def alpha(self) -> Array:
        """Coverage of pixels, with a rim as soft as one pixel."""
        return np.clip(0.5 - self.distance * self.body.radius, 0, 1)

    @property
    def depth(self) -> Array:
        """Distance to the outline in pixels of a scene of `SIZE`."""
        return self.distance * (self.body.radius / self.style.scale)


def _cover(it: _Patch) -> None:
    """An occluder: flat, in front of everything, nobody's object."""
    if it.style.is_coloured:
        it.view += it.alpha[..., None] * (it.body.rgb - it.view)
    else:
        it.view += it.alpha * (it.body.brightness * it.texture - it.view)


def _opaque(it: _Patch) -> None:
    shade = it.texture * (1 + it.body.shading * (it.dx + it.dy))
    it.view += it.alpha[..., None] * (it.body.rgb * shade[..., None] - it.view)


def _stain(it: _Patch) -> None:
    """Absorption: the stain is densest at the membrane, the background shows through."""
    membrane = it.style.rim * np.exp(-((it.depth + 1.5) ** 2) / 3)
    dense = it.body.brightness * (it.style.lift * it.texture + membrane)
    alpha = (it.alpha * np.clip(dense, 0, 1))[..., None]
    it.view += alpha * (it.body.rgb - it.view)


def _glow(it: _Patch) -> None:
    profile = 1 - it.style.dome * np.clip(it.distance + 1, 0, 1) ** 2
    if it.style.core:
        profile *= 0.4 + 0.6 * np.clip((-it.distance - it.style.core) * 6, 0, 1)
    if it.style.halo:
        reach = 1.5 + 0.15 * it.body.radius / it.style.scale
        glow = np.exp(-np.clip(it.depth, 0, None) / reach) - np.exp(-MARGIN / reach)
        it.view += it.style.halo * it.body.brightness * np.clip(glow, 0, None)
    # What lies below shines through, but the upper body keeps an outline.
    light = it.ground + it.body.brightness * profile * it.texture
    it.view += it.alpha * (light + 0.25 * (it.view - it.ground) - it.view)
    np.minimum(it.view, 1.5, out=it.view)


def _phase(it: _Patch) -> None:
    width = min(it.style.rim_width, 0.2 * it.body.radius)
    rim = it.style.rim * np.exp(-((it.distance * it.body.radius / width) ** 2))
    level = it.style.lift + 0.5 * (it.texture - 1) + (it.body.brightness - 0.6) * 0.12
    it.view += it.alpha * (it.ground + level - it.view) + rim


def _relief(it: _Patch) -> None:
    """An opaque disc lit from one side, with a raised rim."""
    light = it.style.light[0] * it.dy + it.style.light[1] * it.dx
    rim = np.exp(-(((it.depth + 0.08 * it.body.radius / it.style.scale) / 2.2) ** 2))
    rim *= it.style.rim * (0.4 - 4 * light)
    it.view += it.alpha * (it.body.brightness * it.texture + light + rim - it.view)


def _lens(it: _Patch) -> None:
    """Bright field: the outline refracts light away, the middle gathers or absorbs it."""
    ring = np.exp(-((it.distance * it.body.radius / it.style.rim_width + 0.8) ** 2))
    middle = it.style.lift * np.clip(-it.distance * 1.2, 0, 1) * it.texture
    level = it.ground + middle - it.style.dome * it.body.brightness
    it.view += it.alpha * (level - it.view) - it.style.rim * ring


_PAINTERS: dict[str, Callable[[_Patch], None]] = {
    "opaque": _opaque,
    "stain": _stain,
    "glow": _glow,
    "phase": _phase,
    "relief": _relief,
    "lens": _lens,
}
