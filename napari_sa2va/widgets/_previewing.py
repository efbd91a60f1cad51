"""While a point is about to be placed: the mask that it would give, under the cursor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QTimer

from napari_sa2va.core.errors import InputError, Sa2VAError
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.prompts import FramePrompts, PointPrompt
from napari_sa2va.core.regions import around, is_cut, seen_from, widened
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._prompt_layers import KEY, DrawnPrompts
from napari_sa2va.widgets._prompting import Prompting
from napari_sa2va.widgets._sessions import Sessions
from napari_sa2va.widgets._stack_picker import StackPicker
from napari_sa2va.widgets._workbench import Workbench

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels, Points

    from napari_sa2va.widgets._frames import ViewedFrames
    from napari_sa2va.widgets._sent import Sent

Seen = tuple[BoolMask, StackGeometry]  # a mask, and how the frames that it is in are read

PREVIEW_NAME = "Sa2VA preview"
_RESTING_MS = 120  # the cursor stands still
# A preview that comes later is of no use; after as many late ones no more are asked for.
_IN_TIME, _LATE = 1.0, 3  # seconds


class Previewing(QObject):
    """Asks for a preview where the cursor rests in the points layer, and shows it.

    Nothing waits for a preview, and none leaves a trace: the model forgets its object at once, the
    layer that shows it goes when points are no longer added. There is none before the model is
    loaded for what is sent, while a run is on its way, or where the backend is too slow.

    Parameters
    ----------
    viewer : napari.Viewer
        Where it is shown.
    picker, prompting, workbench
        What is sent, the prompts that are there, and the model.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        picker: StackPicker,
        prompting: Prompting,
        workbench: Workbench,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._picker = viewer, picker
        self._prompting, self._workbench = prompting, workbench
        self._points: Points | None = None
        self._at: tuple[float, ...] | None = None
        self._layer: Labels | None = None
        self._busy = self._inserting = False
        self._late = 0
        self._resting = QTimer(self, interval=_RESTING_MS, singleShot=True)

        self._resting.timeout.connect(self._ask)
        workbench.started.connect(self.hide)
        picker.changed.connect(self._begin_anew)

    def watch(self, points: Points) -> None:
        """Preview while points are added in this layer."""
        if self._points is points:
            return
        self._points = points
        weak = ref(self)  # the layer may outlive the dock

        def moved(layer: Points, event: Any) -> None:
            if (here := weak()) is not None and layer is here._points:
                here.move(event.position)

        def changed(_: object) -> None:
            if (here := weak()) is not None:
                here.hide()

        points.mouse_move_callbacks.append(moved)
        points.events.data.connect(changed)
        points.events.mode.connect(changed)

    def move(self, position: tuple[float, ...]) -> None:
        """The cursor is at a place in the world."""
        if self._points is None or str(self._points.mode) != "add":
            return
        self._at = tuple(position)
        self._resting.start()

    def hide(self, _: object = None) -> None:
        """Show none until the cursor moves again."""
        self._resting.stop()
        self._at = None
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def end(self) -> None:
        """Let go of the layers."""
        self.hide()
        self._points = None

    def _begin_anew(self) -> None:
        if not self._inserting:
            self._late = 0
            self.hide()

    def _ask(self) -> None:
        if self._busy or self._late >= _LATE or self._at is None or self._points is None:
            return
        if self._workbench.runner.is_running or not self._prompting.panel.preview.isChecked():
            return
        if self._workbench.sessions.info.state != "ready":
            return
        try:
            sent = self._picker.sent()
            prompts = self._prompts(sent)
        except InputError:
            return  # the cursor is beside the image: a click would say so
        self._busy = True
        asked = (time.perf_counter(), self._at)
        worker = create_worker(_preview, self._workbench.sessions, sent, prompts)
        worker.returned.connect(lambda seen: self._show(sent, seen, *asked))
        worker.errored.connect(self._on_error)
        worker.start()

    def _prompts(self, sent: Sent) -> FramePrompts:
        """The clicks and the box that the object has in this frame, and the click that may come."""
        panel, geometry = self._prompting.panel, sent.geometry
        by_frame = self._prompting.layers.prompts_by_frame(sent.image, geometry)
        drawn = by_frame.get(sent.frame, {}).get(panel.object_id.value(), DrawnPrompts())
        place = np.asarray(self._points.world_to_data(self._at))
        y, x = place[[geometry.rows, geometry.columns]]
        positive = not panel.negative.isChecked()
        here = PointPrompt(float(y), float(x), positive)
        given = DrawnPrompts([*drawn.points, here], drawn.boxes)
        checked = given.checked(geometry.whole.stack_shape[1:], refines=False)
        seen_from(checked, geometry.box)  # said before the model is asked
        return checked

    def _on_error(self, _: Exception) -> None:
        self._busy = False

    def _show(self, sent: Sent, seen: Seen | None, began: float, at: tuple[float, ...]) -> None:
        self._busy = False
        self._late = self._late + 1 if time.perf_counter() - began > _IN_TIME else 0
        if seen is None or self._workbench.runner.is_running:
            return
        if self._at != at:  # the cursor went on, or what is shown is another thing
            if self._at is not None:
                self._resting.start()
            return
        (mask, geometry), image = seen, sent.image
        plane = [geometry.rows, geometry.columns]
        shape = [1] * len(geometry.shape)
        shape[geometry.rows], shape[geometry.columns] = mask.shape
        oriented = mask if geometry.rows < geometry.columns else mask.T
        data = oriented.astype(np.uint8).reshape(shape)
        origin = np.asarray(image.data_to_world([0] * image.ndim), float)
        linear = [np.asarray(image.data_to_world(unit)) - origin for unit in np.eye(image.ndim)]
        affine = np.eye(image.ndim + 1)
        affine[:-1, :-1] = np.stack(linear, axis=1)
        affine[:-1, plane] *= geometry.step
        first = np.array(geometry.position(sent.frame), float)
        first[plane] += (geometry.step - 1) / 2  # its pixels' centres
        affine[:-1, -1] = image.data_to_world(first)
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.affine, self._layer.data = affine, data
            return
        from napari.layers import Labels

        layer = Labels(
            data,
            name=PREVIEW_NAME,
            affine=affine,
            units=image.units,
            axis_labels=image.axis_labels,
            opacity=0.5,
            metadata={KEY: ("preview", image.name)},
        )
        active = self._viewer.layers.selection.active
        self._inserting = True
        self._viewer.layers.insert(len(self._viewer.layers) - 1, layer)
        self._inserting = False
        self._viewer.layers.selection.active = active
        self._layer = layer


def _preview(sessions: Sessions, sent: Sent, prompts: FramePrompts) -> Seen | None:
    """The mask that prompts would give, looked at as a run would look."""
    try:
        if not sent.closely:
            return _seen(sessions, sent.frames, sent.frame, prompts, aside=False)
        height, width = sent.geometry.whole.stack_shape[1:]
        region, cut, seen = around(prompts, (height, width)), True, None
        while cut:
            part = sent.frames.within(region)
            seen = _seen(sessions, part, sent.frame, prompts, aside=True)
            cut = seen is not None and is_cut(seen[0], region, (height, width))
            region = widened(region, (height, width))
        return seen
    except Sa2VAError:
        return None  # a run with the same click will say what is wrong


def _seen(
    sessions: Sessions, frames: ViewedFrames, frame: int, prompts: FramePrompts, aside: bool
) -> Seen | None:
    geometry = frames.geometry
    given = seen_from(prompts, geometry.box, geometry.step)
    mask = sessions.preview(frames, frame, given, aside)
    return None if mask is None else (mask, geometry)
