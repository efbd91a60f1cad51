"""Which axes of an image are frames, rows and columns, and where the viewer stands in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.regions import Region, step_for

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Layer


# Names of axes, in small letters: those of frames in the order in which they are preferred.
_FRAMES = ({"t", "time", "frame", "frames"}, {"z", "depth", "slice", "plane"})
_CHANNELS = {"c", "ch", "channel", "channels"}


@dataclass(frozen=True)
class StackGeometry:
    """An image layer read as a stack of frames.

    Attributes
    ----------
    shape : tuple of int
        The image's shape without colour channels.
    time_axis : int or None
        The axis of the frames; None where the image is a single frame.
    rows, columns : int
        The axes of y and x in a frame.
    fixed : tuple of int
        Where the stack lies on all other axes; entries of the three axes above are 0.
    region : tuple of int or None
        The half-open box (y0, x0, y1, x1) of each frame that the stack consists of; None: all.
    step : int
        Every how many pixels, each way, the stack has one: of large regions not all are sent.
    """

    shape: tuple[int, ...]
    time_axis: int | None
    rows: int
    columns: int
    fixed: tuple[int, ...]
    region: Region | None = None
    step: int = 1

    @property
    def stack_shape(self) -> tuple[int, int, int]:
        """(T, H, W), of the region where there is one, in whole steps."""
        frames = 1 if self.time_axis is None else self.shape[self.time_axis]
        y0, x0, y1, x1 = self.box
        return frames, (y1 - y0) // self.step, (x1 - x0) // self.step

    @property
    def box(self) -> Region:
        """What the stack covers of each frame of the image."""
        return self.region or (0, 0, self.shape[self.rows], self.shape[self.columns])

    @property
    def whole(self) -> StackGeometry:
        """All pixels of the frames."""
        return replace(self, region=None, step=1)

    @property
    def place(self) -> list[int]:
        """What tells the stack from others of its image; see `ObjectRecord.place`."""
        place = list(self.fixed)
        place[self.rows] = place[self.columns] = -2
        if self.time_axis is not None:
            place[self.time_axis] = -1
        return place

    def within(self, region: Region | None, step: int | None = None) -> StackGeometry:
        """A region, or all, of the frames, as finely as models can use; or by a given step."""
        if region == self.whole.box:
            region = None
        y0, x0, y1, x1 = region or self.whole.box
        return replace(self, region=region, step=step or step_for(y1 - y0, x1 - x0))

    def position(self, frame: int) -> tuple[int, ...]:
        """The index of the first pixel of a frame."""
        position = list(self.fixed)
        position[self.rows], position[self.columns] = self.box[:2]
        if self.time_axis is not None:
            position[self.time_axis] = frame
        return tuple(position)

    def index(self, frame: int, box: Region) -> tuple[int | slice, ...]:
        """Where a box (y0, x0, y1, x1) of a frame is in an array of the image's shape."""
        index: list[int | slice] = list(self.position(frame))
        y0, x0, y1, x1 = box
        index[self.rows], index[self.columns] = slice(y0, y1), slice(x0, x1)
        return tuple(index)

    def plane(self, array: Any, frame: int) -> Any:
        """All pixels (H, W) of a frame of the stack in an array of the image's shape."""
        return self.upright(array[self.index(frame, self.box)])

    def upright(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What `index` gives, rows first; or the other way round."""
        return plane if self.rows < self.columns else plane.T

    def frame_of(self, position: npt.ArrayLike) -> int | None:
        """The frame that a position in data coordinates lies in; None if it is in none."""
        nearest = np.rint(np.asarray(position, float)).astype(int)
        in_plane = {self.rows, self.columns, self.time_axis}
        for axis, fixed in enumerate(self.fixed):
            if axis not in in_plane and nearest[axis] != fixed:
                return None
        return 0 if self.time_axis is None else int(nearest[self.time_axis])


def slider_axes(viewer: napari.Viewer, image: Image) -> list[int]:
    """The axes of the viewer that can be the time axis of an image."""
    first = viewer.dims.ndim - image.ndim
    return sorted(axis for axis in viewer.dims.order[:-2] if axis >= first)


def default_time_axis(viewer: napari.Viewer, image: Image, moved: bool) -> int | None:
    """The slider axis that the user last `moved`, else time or depth by name, else the first.

    Channels are never meant, as far as they are called so; None where there is nothing else.
    """
    names = {axis: axis_name(viewer, image, axis) for axis in slider_axes(viewer, image)}
    axes = [axis for axis, name in names.items() if name.lower() not in _CHANNELS]
    if moved and viewer.dims.last_used in axes:
        return viewer.dims.last_used
    named = [axis for known in _FRAMES for axis in axes if names[axis].lower() in known]
    return next(iter((*named, *axes)), None)


def axis_name(viewer: napari.Viewer, image: Image, axis: int) -> str:
    """What an axis of the viewer is called: by the image, where it names its axes."""
    own = axis - (viewer.dims.ndim - image.ndim)
    if 0 <= own < image.ndim:
        name = str(image.axis_labels[own])
        if not name.lstrip("-").isdigit():  # napari numbers axes that have no name
            return name
    return str(viewer.dims.axis_labels[axis])


def stack_geometry(viewer: napari.Viewer, image: Image, time_axis: int | None) -> StackGeometry:
    """Read an image as a stack along an axis of the viewer, at the viewer's current position."""
    first = viewer.dims.ndim - image.ndim
    rows, columns = (axis - first for axis in viewer.dims.order[-2:])
    time = None if time_axis is None else time_axis - first
    fixed = list(current_position(viewer, image))
    for axis in (rows, columns, time):
        if axis is not None:
            fixed[axis] = 0
    return StackGeometry(image_shape(image), time, rows, columns, tuple(fixed))


def image_shape(image: Image) -> tuple[int, ...]:
    """The shape at full resolution, without colour channels."""
    return tuple(int(size) for size in full_resolution(image).shape[: image.ndim])


def full_resolution(image: Image) -> Any:
    """The data of an image layer; level 0 of a multiscale one."""
    return image.data[0] if image.multiscale else image.data


def current_position(viewer: napari.Viewer, layer: Layer) -> tuple[int, ...]:
    """The index in the layer's data at which the viewer's sliders stand."""
    world = np.asarray(viewer.dims.point[-layer.ndim :]) * unit_factors(viewer, layer)
    nearest = np.rint(np.asarray(layer.world_to_data(world)))
    return tuple(int(i) for i in np.clip(nearest, 0, np.asarray(image_shape(layer)) - 1))


def go_to_frame(viewer: napari.Viewer, image: Image, geometry: StackGeometry, frame: int) -> None:
    """Move the sliders to a frame."""
    if geometry.time_axis is None:
        return
    world = image.data_to_world(geometry.position(frame)) / unit_factors(viewer, image)
    axis = viewer.dims.ndim - image.ndim + geometry.time_axis
    viewer.dims.set_point(axis, float(world[geometry.time_axis]))


def unit_factors(viewer: napari.Viewer, layer: Layer) -> npt.NDArray[np.float64]:
    """What turns the viewer's world coordinates into the layer's, axis by axis."""
    units = getattr(viewer.dims, "units", None)  # napari before 0.9 knows one unit only
    if units is None:
        return np.ones(layer.ndim)
    pairs = zip(units[-layer.ndim :], layer.units, strict=True)
    return np.array([float((1 * world).to(own).magnitude) for world, own in pairs])
