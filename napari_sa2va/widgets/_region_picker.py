"""Which part of each frame is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QComboBox, QWidget

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.regions import Region
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._prompt_layers import KEY, place_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Shapes

WHOLE, VIEW, DRAWN, AROUND = (
    "Whole frame",
    "Current view",
    "Drawn rectangle",
    "Around each prompt",
)
REGION_NAME = "Sa2VA region"


class RegionPicker(QComboBox):
    """Offers the whole frame, the view, a rectangle to draw, or what lies around each prompt."""

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.addItems((WHOLE, VIEW, DRAWN, AROUND))
        self.setToolTip(
            "The part of each frame that the model sees; its result is written where it belongs. "
            "Small objects in a large image are seen better in a part of it.\n"
            "Around each prompt: each click and box is looked at closely; descriptions, "
            "questions and Propagate see the whole frame."
        )

    @property
    def is_close(self) -> bool:
        """Whether each prompt is looked at by itself."""
        return self.currentText() == AROUND

    def region(self, image: Image, geometry: StackGeometry) -> Region | None:
        """The chosen part of an image's frames; None for all.

        Raises
        ------
        InputError
            There is no rectangle, or it or the view misses the image.
        """
        if self.currentText() == VIEW:
            return self._view(image, geometry)
        if self.currentText() == DRAWN:
            return self._drawn(image, geometry)
        return None

    def open_layer(self, image: Image) -> Shapes:
        """The layer of an image's region, ready for a rectangle; made if there is none."""
        layer = self.layer(image) or self._viewer.add_shapes(
            ndim=image.ndim,
            edge_color="#ffb000",
            edge_width=2,
            face_color="transparent",
            name=REGION_NAME,
            **place_of(image, "region"),
        )
        self._viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"
        return layer

    def _view(self, image: Image, geometry: StackGeometry) -> Region:
        if self._viewer.dims.ndisplay == 3:
            raise InputError(
                "The view in 3D is no region of a frame.", "Go back to 2D, or send whole frames."
            )
        corners = np.asarray(image.corner_pixels, float)
        if image.multiscale:
            corners = corners * image.downsample_factors[image.data_level]
        return _cut(corners, geometry, "The image is not in view.", "Move it into the view.")

    def _drawn(self, image: Image, geometry: StackGeometry) -> Region:
        layer = self.layer(image)
        if layer is None or not len(layer.data):
            raise InputError(
                "There is no rectangle that says which part of the frames to send.",
                f"Draw one in the layer {REGION_NAME!r}, or send whole frames.",
            )
        return _cut(
            np.asarray(layer.data[-1], float),
            geometry,
            "The region that is drawn lies outside the image.",
            "Move it onto the image, or draw another one.",
        )

    def layer(self, image: Image) -> Shapes | None:
        """The layer of an image's region."""
        for layer in reversed(self._viewer.layers):
            if layer.metadata.get(KEY) == ("region", image.name) and layer.ndim == image.ndim:
                return layer
        return None


def _cut(corners: np.ndarray, geometry: StackGeometry, problem: str, hint: str) -> Region:
    """The pixels whose centres lie between corners (n, ndim), within the frame."""
    plane = corners[:, [geometry.rows, geometry.columns]]
    height, width = geometry.whole.stack_shape[1:]
    y0, x0 = np.maximum(np.ceil(plane.min(0)), 0).astype(int)
    y1, x1 = np.minimum(np.floor(plane.max(0)) + 1, (height, width)).astype(int)
    if y1 <= y0 or x1 <= x0:
        raise InputError(problem, hint)
    return int(y0), int(x0), int(y1), int(x1)
