"""What is sent: which layers, which axis is time, which frames, and which part of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QSpinBox, QWidget
from superqt.utils import signals_blocked

from napari_sa2va.core.errors import InputError
from napari_sa2va.widgets._frames import snapshot
from napari_sa2va.widgets._geometry import (
    StackGeometry,
    axis_name,
    current_position,
    default_time_axis,
    slider_axes,
    stack_geometry,
)
from napari_sa2va.widgets._region_picker import DRAWN, RegionPicker
from napari_sa2va.widgets._sent import Sent

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Layer
    from napari.utils.events import Event

VISIBLE = "Visible layers"
SINGLE = "none: single images"


class StackPicker(QWidget):
    """Chooses what is sent.

    Signals
    -------
    changed
        Another image, axis or range is chosen.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._axis_chosen = False
        self._moved = False

        self.layers = QComboBox(self)
        self.layers.setToolTip(
            "The layers that the model sees, as they look now: colormap, contrast limits, gamma, "
            "opacity and blending included"
        )
        self.axis = QComboBox(self)
        self.axis.setToolTip(
            "The axis along which objects are followed: time, or the slices of a volume. "
            "Other axes, channels among them, are taken where their sliders stand."
        )
        self.first = QSpinBox(self)
        self.first.setToolTip("The first frame that objects are followed to")
        self.last = QSpinBox(self)
        self.last.setToolTip("The last frame that objects are followed to")
        for box in (self.first, self.last):
            box.setMaximum(0)
        self.total = QLabel(self)
        self.region = RegionPicker(viewer, self)
        self.auto_contrast = QCheckBox("Auto contrast", self)
        self.auto_contrast.setToolTip(
            "Send each frame with contrast limits measured in it, for stacks that bleach or "
            "flicker, instead of those of the layers"
        )

        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(QLabel("Send", self), 0, 0)
        layout.addWidget(self.layers, 0, 1, 1, 4)
        layout.addWidget(QLabel("Time", self), 1, 0)
        layout.addWidget(self.axis, 1, 1, 1, 4)
        layout.addWidget(QLabel("Frames", self), 2, 0)
        for column, widget in enumerate((self.first, QLabel("to", self), self.last, self.total), 1):
            layout.addWidget(widget, 2, column)
        layout.addWidget(QLabel("Region", self), 3, 0)
        layout.addWidget(self.region, 3, 1, 1, 2)
        layout.addWidget(self.auto_contrast, 3, 3, 1, 2)
        layout.setColumnStretch(1, 1)
        layout.setColumnStretch(3, 1)

        self.layers.currentIndexChanged.connect(self._on_layers)
        self.axis.activated.connect(self._on_axis_chosen)
        self.axis.currentIndexChanged.connect(self._on_axis)
        self.first.valueChanged.connect(self._on_first)
        self.last.valueChanged.connect(self._on_last)
        self.region.textActivated.connect(self._on_region_chosen)
        self._connect_viewer()
        self.refresh()

    def _connect_viewer(self) -> None:
        # napari holds bound methods weakly; `end` is for a dock that closes before its viewer.
        layers, dims = self._viewer.layers.events, self._viewer.dims.events
        self._events = (
            (layers.inserted, self._on_inserted),
            (layers.removed, self.refresh),
            (layers.reordered, self.refresh),
            (dims.axis_labels, self._refresh_axes),
            (dims.order, self._refresh_axes),
            (dims.ndim, self._refresh_axes),
            (dims.last_used, self._on_slider_moved),
        )
        for event, slot in self._events:
            event.connect(slot)
        for layer in self._viewer.layers:
            self._watch(layer)

    def end(self) -> None:
        """Let go of the viewer."""
        for event, slot in self._events:
            event.disconnect(slot)

    @property
    def image(self) -> Image | None:
        """The image whose pixels count: the first of those sent that has the most axes."""
        images = self._images()
        return max(images, key=lambda image: image.ndim) if images else None

    def needed_image(self) -> Image:
        """The image whose pixels count. Raises InputError where there is none."""
        image = self.image
        if image is None:
            raise InputError(
                "There is no image to send.", "Open one, or make an image layer visible."
            )
        return image

    def sent(self) -> Sent:
        """What is sent, as it looks now. Raises InputError where there is nothing to send."""
        image = self.needed_image()
        geometry = stack_geometry(self._viewer, image, self.time_axis)
        geometry = geometry.within(self.region.region(image, geometry))
        frames = snapshot(
            self._viewer, image, self._images(), geometry, self.auto_contrast.isChecked()
        )
        frame = self.frame or 0
        stop = min(self.last.value() + 1, geometry.stack_shape[0])
        start = min(self.first.value(), stop - 1)
        return Sent(image, geometry, frames, frame, start, stop, self.region.is_close)

    @property
    def geometry(self) -> StackGeometry | None:
        """How the image is read as a stack, where the viewer stands."""
        image = self.image
        return None if image is None else stack_geometry(self._viewer, image, self.time_axis)

    @property
    def frame(self) -> int | None:
        """Where the viewer stands; None where there is no image."""
        image, geometry = self.image, self.geometry
        if image is None or geometry is None:
            return None
        return geometry.frame_of(current_position(self._viewer, image))

    @property
    def time_axis(self) -> int | None:
        """The viewer's axis that is time."""
        return self.axis.currentData()

    def time_axis_of(self, layer: Layer) -> int | None:
        """The viewer's axis that is time in any layer: the chosen one, where the layer has it."""
        chosen = self.time_axis
        # Without an axis to choose, None says nothing: the image may have fewer than the layer.
        if self.axis.isEnabled() and chosen in (None, *slider_axes(self._viewer, layer)):
            return chosen
        return default_time_axis(self._viewer, layer, self._moved)

    def keep_axis(self) -> None:
        """From now on the axis follows no slider: there are objects along it."""
        self._axis_chosen = self.axis.isEnabled()

    def refresh(self, *_: object) -> None:
        """Offer the layers and axes that there are."""
        chosen = self.layers.currentData()
        with signals_blocked(self.layers):
            self.layers.clear()
            self.layers.addItem(VISIBLE, None)
            for layer in self._image_layers():
                self.layers.addItem(layer.name, layer)
            self.layers.setCurrentIndex(max(0, self._index_of(chosen)))
        self._refresh_axes()

    def _index_of(self, layer: Image | None) -> int:
        rows = range(self.layers.count())
        return next((row for row in rows if self.layers.itemData(row) is layer), 0)

    def _image_layers(self) -> list[Image]:
        from napari.layers import Image

        return [layer for layer in self._viewer.layers if isinstance(layer, Image)]

    def _images(self) -> list[Image]:
        # While layers are being removed, some of those offered are no longer there.
        there = [i for i in self._image_layers() if i.ndim <= self._viewer.dims.ndim]
        chosen = self.layers.currentData()
        return [image for image in there if image is chosen or (chosen is None and image.visible)]

    def _on_inserted(self, event: Event) -> None:
        self._watch(event.value)
        self.refresh()

    def _watch(self, layer: Layer) -> None:
        from napari.layers import Image

        if isinstance(layer, Image):
            for event in (layer.events.name, layer.events.visible, layer.events.data):
                event.connect(self.refresh)

    def _on_layers(self) -> None:
        self._refresh_axes()

    def _on_axis_chosen(self) -> None:
        self._axis_chosen = True

    def _on_region_chosen(self, chosen: str) -> None:
        if chosen == DRAWN and self.image is not None:
            self.region.open_layer(self.image)

    def _on_slider_moved(self, _: Event) -> None:
        self._moved = True  # before, napari names the first
        self._refresh_axes()

    def _refresh_axes(self, *_: object) -> None:
        image = self.image
        axes = [] if image is None else slider_axes(self._viewer, image)
        kept = self.time_axis
        if not self._axis_chosen or kept not in (None, *axes):
            self._axis_chosen = False
            kept = None if image is None else default_time_axis(self._viewer, image, self._moved)
        with signals_blocked(self.axis):
            self.axis.clear()
            for axis in axes:
                self.axis.addItem(f"axis {axis_name(self._viewer, image, axis)}", axis)
            self.axis.addItem(SINGLE, None)
            # Qt does not find None.
            self.axis.setCurrentIndex(axes.index(kept) if kept in axes else len(axes))
        self.axis.setEnabled(bool(axes))
        self._on_axis()

    def _on_axis(self) -> None:
        geometry = self.geometry
        frames = 1 if geometry is None else geometry.stack_shape[0]
        whole = self.last.value() == self.last.maximum()
        with signals_blocked(self.first), signals_blocked(self.last):
            for box in (self.first, self.last):
                box.setMaximum(frames - 1)
                box.setEnabled(frames > 1)
            if whole:
                self.last.setValue(frames - 1)
        self.total.setText(f"of {frames}")
        self.changed.emit()

    def _on_first(self, value: int) -> None:
        self.last.setValue(max(value, self.last.value()))
        self.changed.emit()

    def _on_last(self, value: int) -> None:
        self.first.setValue(min(value, self.first.value()))
        self.changed.emit()
