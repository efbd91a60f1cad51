"""What is sent is what is seen: the image layers as 8-bit RGB frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.frames import RGBFrame, check_frame, measure_limits, to_uint8
from napari_sa2va.core.regions import Region
from napari_sa2va.widgets._geometry import StackGeometry, unit_factors

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

_FloatPlane = npt.NDArray[np.float32]

# How results name limits that were measured in each frame: see `measure_limits`.
_PER_FRAME = "percentiles 0.1 and 99.9 of each frame"
# What all layers lay on before results named it.
BLACK = (0, 0, 0)
# The shade of what is no number, in the table of a layer's colours.
_NO_NUMBER = 256
# Frames are mixed so many rows at a time: floats of a whole one would take much memory.
_ROWS = 256


@dataclass(frozen=True, eq=False)
class LayerSnapshot:
    """All that a worker thread needs in order to draw an image layer.

    Attributes
    ----------
    levels : tuple of array-like
        The data, the finest first; read only when a frame is drawn.
    rgb : bool
        Whether the last axis of `data` is colour.
    matrix, offset : arrays
        Take an index of the reference image to one of this layer's.
    colors : (257, 4) array
        The colormap, and last the colour of what is no number (NaN).
    limits, gamma, opacity, blending
        As the layer has them; `limits` are None where each frame has its own.
    name, colormap : str
        What layer and colormap are called.
    """

    levels: tuple[Any, ...]
    rgb: bool
    matrix: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    colors: _FloatPlane
    limits: tuple[float, float] | None
    gamma: float
    opacity: float
    blending: str
    name: str = ""
    colormap: str = ""

    @property
    def mapping(self) -> dict[str, Any]:
        """How values become colours, as plain values."""
        return {
            "layer": self.name,
            "contrast_limits": _PER_FRAME if self.limits is None else list(self.limits),
            "gamma": self.gamma,
            "colormap": self.colormap,
            "opacity": self.opacity,
            "blending": self.blending,
        }

    @property
    def key(self) -> tuple[object, ...]:
        """Equal keys mean equal frames, as long as the data stay."""
        look = (self.limits, self.gamma, self.opacity, self.blending, self.rgb)
        arrays = (self.matrix, self.offset, self.colors)
        return (id(self.levels[0]), *look, *(array.tobytes() for array in arrays))


@dataclass(frozen=True)
class _Plane:
    """A layer in a frame: its values (H, W) or (H, W, C), its limits, and where it reaches."""

    layer: LayerSnapshot
    values: npt.NDArray[Any]
    limits: tuple[float, float]
    inside: npt.NDArray[np.bool_] | None

    def rows(self, rows: slice) -> _Plane:
        """Some rows of it."""
        inside = None if self.inside is None else self.inside[rows]
        return _Plane(self.layer, self.values[rows], self.limits, inside)

    def cut(self, seen: RGBFrame, background: RGBFrame) -> RGBFrame:
        """A picture of it, the background where it does not reach."""
        if self.inside is None:
            return np.ascontiguousarray(seen)
        return np.where(self.inside[..., None], seen, background)


class ViewedFrames:
    """The frames of a stack as the viewer shows them, at the data's resolution or in its steps.

    Made on the Qt thread, read from any: it holds the layers' data and settings, never a layer.

    Parameters
    ----------
    layers : sequence of LayerSnapshot
        From the lowest to the uppermost.
    geometry : StackGeometry
        How the reference image is read as a stack.
    background : tuple of int
        The 8-bit RGB colour that the layers lie on.
    """

    def __init__(
        self,
        layers: Sequence[LayerSnapshot],
        geometry: StackGeometry,
        background: tuple[int, ...] = BLACK,
    ) -> None:
        self._layers = tuple(layers)
        self._geometry = geometry
        self._background = background

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        return self._geometry.stack_shape

    @property
    def geometry(self) -> StackGeometry:
        """How the reference image is read as a stack."""
        return self._geometry

    def within(self, region: Region) -> ViewedFrames:
        """The same frames, of a region only."""
        return ViewedFrames(self._layers, self._geometry.within(region), self._background)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal keys mean equal frames, as long as the data stay."""
        return (self._geometry, self._background, *(layer.key for layer in self._layers))

    @property
    def mapping(self) -> dict[str, Any]:
        """How the layers became what was sent, as plain values: kept with the results."""
        geometry = self._geometry
        return {
            "layers": [layer.mapping for layer in self._layers],
            "background": list(self._background),
            "time_axis": geometry.time_axis,
            "position": list(geometry.fixed),
            "region": list(geometry.box),
            "step": geometry.step,
        }

    def frame(self, index: int) -> RGBFrame:
        """Frame `index` as uint8 RGB (H, W, 3)."""
        check_frame(index, self.shape[0])
        planes = [self._plane(layer, index) for layer in self._layers]
        seen = [plane for plane in planes if plane is not None]
        background = np.array(self._background, np.uint8)
        if len(self._layers) == len(seen) == 1 and _is_untouched(seen[0]):
            return seen[0].cut(seen[0].values, background)
        frame = np.empty((*self.shape[1:], 3), np.uint8)
        for top in range(0, len(frame), _ROWS):
            rows = slice(top, top + _ROWS)
            parts = [plane.rows(rows) for plane in seen]
            if len(parts) == 1 and not parts[0].layer.rgb:
                looked_up = _looked_up(parts[0], background, self._is_lowest(parts[0]))
                frame[rows] = parts[0].cut(looked_up, background)
                continue
            canvas = _canvas(frame[rows].shape[:2], background)
            for part in parts:
                below = None if part.inside is None else canvas[~part.inside]
                _blend(canvas, _colored(part), part.layer, self._is_lowest(part))
                if part.inside is not None:
                    canvas[~part.inside] = below
            frame[rows] = _in_8_bits(canvas)
        return frame

    def _is_lowest(self, plane: _Plane) -> bool:
        """Whether nothing but the background is below, also where the lowest is not there."""
        return plane.layer is self._layers[0]

    def _plane(self, layer: LayerSnapshot, frame: int) -> _Plane | None:
        """What a layer has at each pixel of a frame; None where it is not there."""
        geometry = self._geometry
        plane = [geometry.rows, geometry.columns]
        steps = layer.matrix[:, plane] * geometry.step  # per row and per column
        in_plane = np.abs(steps).max(1) > 1e-9
        data, factors = _level(layer.levels, np.abs(steps).max(1), in_plane)
        # A pixel stands for its step: it shows the middle of it.
        position = np.asarray(geometry.position(frame), float)
        position[plane] += (geometry.step - 1) / 2 if factors.max() > 1 else geometry.step // 2
        start = (layer.matrix @ position + layer.offset + 0.5) / factors - 0.5
        steps = steps / factors[:, None]
        # Only what the region needs is read: it may be a corner of a huge image.
        height, width = self.shape[1:]
        far = start + steps @ (height - 1, width - 1)
        across = start + steps[:, 0] * (height - 1), start + steps[:, 1] * (width - 1)
        corners = np.rint(np.stack((start, far, *across))).astype(int)
        index: list[int | slice] = []
        begin, every = np.zeros(len(start)), np.ones(len(start))
        for axis, here in enumerate(start):
            size, nearest = data.shape[axis], int(np.rint(here))
            if not in_plane[axis]:
                if not 0 <= nearest < size:
                    return None
                index.append(nearest)
                continue
            low, high = int(corners[:, axis].min()), int(corners[:, axis].max()) + 1
            if high <= 0 or low >= size:
                return None
            stride = _stride(steps[axis])
            first = max(0, low)
            first += (nearest - first) % stride  # so that the first pixel itself is read
            if first >= min(size, high):
                return None
            begin[axis], every[axis] = first, stride
            index.append(slice(first, min(size, high), stride))
        values = np.asarray(data[tuple(index)])
        start, steps = (start - begin) / every, steps / every[:, None]
        sampled, inside = _sample(values, steps[in_plane], start[in_plane], self.shape[1:])
        return _Plane(layer, sampled, _limits(layer, sampled, inside), inside)


def _level(
    levels: tuple[Any, ...], pitch: npt.NDArray[np.float64], in_plane: npt.NDArray[np.bool_]
) -> tuple[Any, npt.NDArray[np.float64]]:
    """The coarsest level that has all pixels that are asked for, and how coarse it is by axis."""
    finest = np.asarray(levels[0].shape[: len(pitch)], float)
    for level in reversed(levels):
        factors = finest / level.shape[: len(pitch)]
        # Sizes that do not divide give factors that are a little off.
        if (factors[~in_plane] == 1).all() and (factors[in_plane] < pitch[in_plane] * 1.02).all():
            return level, factors
    return levels[0], np.ones(len(pitch))


def _stride(steps: npt.NDArray[np.float64]) -> int:
    """Every how many pixels along an axis are read: all, unless the layers lie parallel."""
    along = np.abs(steps[np.abs(steps) > 1e-9])
    return max(1, int(along[0] + 1e-6)) if len(along) == 1 else 1


def snapshot(
    viewer: napari.Viewer,
    reference: Image,
    images: Sequence[Image],
    geometry: StackGeometry,
    auto_contrast: bool = False,
    background: tuple[int, ...] | None = None,
) -> ViewedFrames:
    """Freeze how some image layers look; call it on the Qt thread.

    With `auto_contrast`, the contrast limits are measured in each frame instead: from the 0.1 to
    the 99.9 percentile of what is sent of it. Without a `background`, it is the canvas' own.
    """
    layers = [_snapshot_layer(viewer, reference, image, auto_contrast) for image in images]
    if background is None:
        color = np.asarray(viewer.canvas.background_color)[:3]
        background = tuple(int(value) for value in np.rint(color * 255))
    return ViewedFrames(layers, geometry, background)


def _snapshot_layer(
    viewer: napari.Viewer, reference: Image, image: Image, auto_contrast: bool
) -> LayerSnapshot:
    factors = unit_factors(viewer, image)[-reference.ndim :]
    factors = factors / unit_factors(viewer, reference)[-image.ndim :]

    def to_data(position: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        world = np.asarray(reference.data_to_world(position), float)
        world[-len(factors) :] *= factors
        return np.asarray(image.world_to_data(world), float)

    # The map is affine: where the origin and the unit vectors go says all.
    offset = to_data(np.zeros(reference.ndim))
    matrix = np.stack([to_data(unit) - offset for unit in np.eye(reference.ndim)], axis=1)
    low, high = image.contrast_limits
    shades = np.append(np.linspace(0, 1, 256), np.nan)
    colors = np.asarray(image.colormap.map(shades), np.float32)
    return LayerSnapshot(
        levels=tuple(image.data) if image.multiscale else (image.data,),
        rgb=image.rgb,
        matrix=np.round(matrix, 9),
        offset=np.round(offset, 9),
        colors=colors,
        limits=None if auto_contrast and not image.rgb else (float(low), float(high)),
        gamma=float(image.gamma),
        opacity=float(image.opacity),
        blending=str(image.blending),
        name=image.name,
        colormap=str(image.colormap.name),
    )


def _sample(
    values: npt.NDArray[Any],
    steps: npt.NDArray[np.float64],
    start: npt.NDArray[np.float64],
    shape: tuple[int, int],
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Values at the pixels of a frame, and where the layer reaches them; None: everywhere."""
    same = np.array_equal(steps, np.eye(2)) and not start.any()
    if same and values.shape[:2] == shape:
        return values, None
    if np.array_equal(steps, np.eye(2)[::-1]) and not start.any() and values.shape[1::-1] == shape:
        return values.swapaxes(0, 1), None
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    index, inside = [], np.ones(shape, bool)
    for (per_row, per_column), first, size in zip(steps, start, values.shape, strict=False):
        # Grids stay open (H, 1) or (1, W) where the layers are parallel: little to compute.
        at = (
            first + (per_row * rows if per_row else 0) + (per_column * columns if per_column else 0)
        )
        nearest = np.rint(at).astype(int)
        inside &= (nearest >= 0) & (nearest < size)
        index.append(np.clip(nearest, 0, size - 1))
    return values[tuple(index)], None if inside.all() else inside


def _limits(
    layer: LayerSnapshot, values: npt.NDArray[Any], inside: npt.NDArray[np.bool_] | None
) -> tuple[float, float]:
    if layer.limits is not None:
        return layer.limits
    there = values if inside is None else values[inside]
    return measure_limits([np.abs(there) if np.iscomplexobj(there) else there])


def _is_untouched(plane: _Plane) -> bool:
    """Whether the stored pixels are what is seen: opaque 8-bit RGB as it is."""
    layer, values = plane.layer, plane.values
    plain = layer.rgb and values.dtype == np.uint8 and values.shape[-1] == 3
    return plain and (plane.limits, layer.gamma, layer.opacity) == ((0, 255), 1, 1)


def _colored(plane: _Plane) -> _FloatPlane:
    """The plane as RGBA from 0 to 1, opacity not yet applied."""
    values, layer = plane.values, plane.layer
    if not layer.rgb:
        return _table(layer)[_shade(values, plane.limits)]
    low, high = plane.limits
    color = (values[..., :3].astype(np.float32) - low) / (high - low)
    color = np.clip(np.nan_to_num(color), 0, 1) ** layer.gamma
    alpha = np.ones_like(color[..., :1])
    if values.shape[-1] == 4:
        # napari hands other integers to the graphics card as floats, where 1 is opaque.
        whole = np.iinfo(values.dtype).max if values.dtype in (np.uint8, np.uint16) else 1
        alpha = np.nan_to_num(values[..., 3:].astype(np.float32)) / whole
    return np.concatenate([color, alpha], axis=-1)


def _looked_up(plane: _Plane, background: RGBFrame, lowest: bool) -> RGBFrame:
    """A plane of a layer that lies alone, as 8-bit RGB: far quicker than mixing its floats."""
    table = _table(plane.layer)[None]
    canvas = _canvas(table.shape[:2], background)
    _blend(canvas, table, plane.layer, lowest)
    return _in_8_bits(canvas[0])[_shade(plane.values, plane.limits)]


def _canvas(shape: tuple[int, ...], background: RGBFrame) -> _FloatPlane:
    """What layers are blended onto: RGBA from 0 to 1."""
    return np.broadcast_to(np.append(background, 255) / np.float32(255), (*shape, 4)).copy()


def _in_8_bits(canvas: _FloatPlane) -> RGBFrame:
    return np.rint(np.clip(canvas[..., :3], 0, 1) * 255).astype(np.uint8)


def _table(layer: LayerSnapshot) -> _FloatPlane:
    """The colour (RGBA) of each shade."""
    if layer.gamma == 1:
        return layer.colors
    curve = np.linspace(0, 1, 256) ** layer.gamma
    return layer.colors[np.append(np.rint(curve * 255).astype(int), _NO_NUMBER)]


def _shade(plane: npt.NDArray[Any], limits: tuple[float, float]) -> npt.NDArray[np.integer[Any]]:
    """Values as 0 to 255 between the limits; `_NO_NUMBER` where there is none."""
    if np.iscomplexobj(plane):
        plane = np.abs(plane)
    if plane.dtype.kind == "u" and plane.dtype.itemsize <= 2:
        every = np.arange(np.iinfo(plane.dtype).max + 1)
        return to_uint8(every, *limits)[plane]  # a table is quicker than arithmetic
    shades = to_uint8(plane, *limits)
    if plane.dtype.kind == "f" and (missing := np.isnan(plane)).any():
        return np.where(missing, np.uint16(_NO_NUMBER), shades)
    return shades


def _blend(canvas: _FloatPlane, color: _FloatPlane, layer: LayerSnapshot, lowest: bool) -> None:
    """Draw RGBA onto an RGBA canvas in place, as napari tells the graphics card to."""
    rgb, alpha = color[..., :3], np.clip(color[..., 3:] * layer.opacity, 0, 1)
    below, cover = canvas[..., :3], canvas[..., 3:]
    match layer.blending:
        case "minimum" if lowest:
            below[...] = rgb
        case "minimum":
            np.minimum(below, rgb, out=below)
            np.minimum(cover, alpha, out=cover)
            return
        case "additive" if lowest:  # on black, whatever the background
            below[...] = rgb * alpha
        case "additive":
            below *= cover
            below += rgb * alpha
            np.minimum(below, 1, out=below)  # what shines brighter is lost to layers above
        case "multiplicative" if not lowest:
            below *= rgb
        case "opaque" if not lowest:
            below[...], cover[...] = rgb, alpha
            return
        case _:
            below *= 1 - alpha
            below += rgb * alpha
    cover += alpha
    np.minimum(cover, 1, out=cover)
