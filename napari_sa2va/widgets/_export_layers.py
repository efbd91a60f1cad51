"""Layers as labelled stacks: read as the viewer stands, a frame at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import FrameSource, RGBFrame
from napari_sa2va.core.labelled import LabelArray, LabelledStack, PixelMapping, layer_stack
from napari_sa2va.io import open_stack
from napari_sa2va.widgets._frames import BLACK, snapshot
from napari_sa2va.widgets._geometry import (
    StackGeometry,
    full_resolution,
    image_shape,
    stack_geometry,
)
from napari_sa2va.widgets._object_labels import KEY

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels


def labels_layers(viewer: napari.Viewer) -> list[Labels]:
    """The Labels layers of a viewer, the uppermost first."""
    from napari.layers import Labels

    return [layer for layer in reversed(viewer.layers) if isinstance(layer, Labels)]


def image_of(viewer: napari.Viewer, labels: Labels) -> Image | None:
    """The image that labels belong to, of their shape.

    The one that they were made on, else the uppermost one that is visible.
    """
    from napari.layers import Image

    shape = image_shape(labels)
    fitting = [
        layer
        for layer in reversed(viewer.layers)
        if isinstance(layer, Image) and image_shape(layer) == shape
    ]
    known = labels.metadata.get(KEY)
    name = known.get("image") if isinstance(known, dict) else None
    named = (image for image in fitting if image.name == name)
    return next(named, next((image for image in fitting if image.visible), None))


def layer_as_stack(viewer: napari.Viewer, labels: Labels, time_axis: int | None) -> LabelledStack:
    """A Labels layer, with the image that it belongs to, as it can be exported in a thread.

    Other axes than the viewer's `time_axis` and the two that are shown are taken where their
    sliders stand; so are the objects.
    """
    geometry = stack_geometry(viewer, labels, time_axis)
    image = image_of(viewer, labels)
    stack = layer_stack(labels, labels=LabelArray(_Planes(full_resolution(labels), geometry)))
    sources = stack.sources
    if image is not None and (path := _path(image)) is not None:
        sources = (*sources, ("images", path))
    return replace(
        stack,
        objects={i: r for i, r in stack.objects.items() if r.is_at(geometry.place)},
        images=None if image is None else _LayerImages(viewer, labels, image, geometry),
        mapping=_mapping(labels, geometry),
        sources=sources,
    )


class _Planes:
    """The planes of an array along one axis."""

    def __init__(self, data: Any, geometry: StackGeometry) -> None:
        self._data, self._geometry = data, geometry
        self.shape, self.dtype = geometry.stack_shape, data.dtype

    def __getitem__(self, frame: int) -> npt.NDArray[Any]:
        return np.asarray(self._geometry.plane(self._data, frame))


class _LayerImages:
    """An image layer as frames: as it is drawn, as it is stored, or the file that it is in."""

    def __init__(
        self, viewer: napari.Viewer, labels: Labels, image: Image, geometry: StackGeometry
    ) -> None:
        self.shape = geometry.stack_shape
        self._geometry = geometry
        self._data, self._rgb = full_resolution(image), image.rgb
        self._path = _path(image)
        self._files: FrameSource | None = None
        drawn, background = _drawn(viewer, image), _background(labels)
        self._viewed = snapshot(viewer, image, drawn, geometry, background=background)

    def frame(self, index: int) -> RGBFrame:
        """Frame `index` as the model sees it, (H, W, 3)."""
        return self._viewed.frame(index)

    def values(self, index: int) -> npt.NDArray[Any]:
        """Frame `index` as it is stored, (H, W) or (H, W, 3)."""
        plane = np.asarray(self._geometry.plane(self._data, index))
        if not self._rgb:
            return plane
        if self._geometry.rows > self._geometry.columns:  # the colours went first
            plane = np.moveaxis(plane, 0, -1)
        return plane[..., :3]

    def file(self, index: int) -> Path | None:
        """The image file that frame `index` alone lies in."""
        if self._files is None and self._path is not None:
            files = open_stack(self._path)
            self._files = files if files.shape == self.shape else None
        file = getattr(self._files, "file", None)
        return None if file is None else file(index)


def _drawn(viewer: napari.Viewer, image: Image) -> list[Image]:
    """What an image is seen with: all images that are visible, if it is."""
    from napari.layers import Image

    if not image.visible:
        return [image]
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, Image) and layer.visible and layer.ndim <= image.ndim
    ]


def _background(labels: Labels) -> tuple[int, ...] | None:
    """What the image lay on when it was sent last; None where nothing is recorded.

    Layers are exported as they look now, but the theme is none of theirs: another one since must
    not change the images.
    """
    known = labels.metadata.get(KEY)
    sent = known.get("sent") if isinstance(known, dict) else None
    return tuple(sent[-1].get("background", BLACK)) if sent else None


def _path(layer: Any) -> Path | None:
    path = getattr(layer.source, "path", None)
    return Path(path) if isinstance(path, str) and Path(path).exists() else None


def _mapping(layer: Any, geometry: StackGeometry) -> PixelMapping:
    axes = (geometry.time_axis, geometry.rows, geometry.columns)

    def along(values: Any, missing: Any, kind: Any) -> Any:
        return tuple(missing if axis is None else kind(values[axis]) for axis in axes)

    return PixelMapping(
        along(layer.scale, 1.0, float),
        along(layer.translate, 0.0, float),
        along(layer.units, "pixel", str),
    )


def check_there(viewer: napari.Viewer, layers: list[Labels]) -> None:
    """Raise InputError where no layer is chosen, or one was removed."""
    if not layers:
        raise InputError("No Labels layer is chosen.", "Tick one.")
    gone = [layer.name for layer in layers if layer not in viewer.layers]
    if gone:
        raise InputError(f"{gone[0]} is no longer there.", "Choose another layer.")
