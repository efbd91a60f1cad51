"""Exports what the export window says, through the workbench's runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Failed, Progress
from napari_sa2va.core.labelled import layer_stack
from napari_sa2va.export.api import writing
from napari_sa2va.export.dataset import category_of
from napari_sa2va.export.staging import check_target, existing
from napari_sa2va.widgets._export_layers import (
    check_there,
    image_of,
    labels_layers,
    layer_as_stack,
)
from napari_sa2va.widgets._export_window import ExportWindow, Offered, OverwriteQuestion
from napari_sa2va.widgets._geometry import stack_geometry
from napari_sa2va.widgets._stack_picker import StackPicker
from napari_sa2va.widgets._updates import Update
from napari_sa2va.widgets._workbench import Workbench

if TYPE_CHECKING:
    from pathlib import Path

    import napari
    from napari.layers import Labels
    from qtpy.QtWidgets import QWidget

EXPORT = "Export"


class Exporting(QObject):
    """Owns the `ExportWindow`.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers are exported.
    workbench : Workbench
        Runs the export. Nothing else of it runs meanwhile: what is written must not change.
    picker : StackPicker
        Says which axis is time.
    parent : QWidget
        The dock.

    Signals
    -------
    export_wanted : bool
        Call `start` with it: the user wants the export, in the place of what is there if true.
    """

    export_wanted = Signal(bool)

    def __init__(
        self, viewer: napari.Viewer, workbench: Workbench, picker: StackPicker, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._viewer, self._workbench, self._picker = viewer, workbench, picker
        self._target: Path | None = None
        self._locked: list[Labels] = []
        self._error = ""

        self.window = ExportWindow(parent)
        self.window.shown.connect(self._offer)
        self.window.export_wanted.connect(self._on_wanted)
        self.window.cancel_wanted.connect(workbench.runner.cancel)
        workbench.started.connect(lambda _: self.window.show_running(True))
        workbench.stopped.connect(self._on_stopped)
        workbench.runner.updated.connect(self._on_update)

    def open(self) -> None:
        """Show the window."""
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()

    def start(self, overwrite: bool) -> None:
        """Start the export. Raises InputError, and says so, where the form makes no sense."""
        window = self.window
        layers = window.chosen_layers
        try:
            check_there(self._viewer, layers)
            axis_of = self._picker.time_axis_of
            stacks = [layer_as_stack(self._viewer, layer, axis_of(layer)) for layer in layers]
            target, options = window.chosen_target, window.options()
        except InputError as error:
            window.say(str(error))
            raise
        request = writing(stacks, target, window.chosen_format.name, options, overwrite=overwrite)
        self._target, self._error = target, ""
        self._locked = [layer for layer in layers if layer.editable]
        for layer in self._locked:
            layer.editable = False
        self._workbench.run(EXPORT, request)

    def end(self) -> None:
        """Close the window."""
        self.window.close()

    def _offer(self) -> None:
        self.window.offer([self._offered(layer) for layer in labels_layers(self._viewer)])
        self.window.show_running(self._workbench.runner.is_running)

    def _offered(self, layer: Labels) -> Offered:
        image = image_of(self._viewer, layer)
        geometry = stack_geometry(self._viewer, layer, self._picker.time_axis_of(layer))
        stack = layer_stack(layer, labels=_Unread())
        classes = sorted({category_of(stack, object_id) for object_id in stack.objects})
        name = "" if image is None else image.name
        return Offered(layer, name, geometry.stack_shape[0], tuple(classes))

    def _on_wanted(self) -> None:
        """Check what can be checked at once, and ask about what is there."""
        window = self.window
        try:
            check_there(self._viewer, window.chosen_layers)
            target, _ = window.chosen_target, window.options()
            single = window.chosen_format.is_file(target)
            check_target(target, overwrite=True, single=single)
        except InputError as error:
            window.say(str(error))
            return
        taken = existing(target, single)
        if taken is None:
            self.export_wanted.emit(False)
            return
        question = OverwriteQuestion(taken, window)
        question.confirmed.connect(lambda: self.export_wanted.emit(True))
        question.open()

    def _on_update(self, update: Update) -> None:
        if self._target is None:
            return
        if isinstance(update, Progress):
            self.window.show_progress(update)
        elif isinstance(update, Failed):
            self._error = f"{update.message} {update.hint}".strip()

    def _on_stopped(self, outcome: str) -> None:
        self.window.show_running(False)
        target, self._target = self._target, None
        if target is None:
            return
        for layer in self._locked:
            layer.editable = True
        self._locked = []
        said = {
            "done": f"Written: {target}",
            "cancelled": "Cancelled; nothing was written.",
            "failed": self._error,
        }
        self.window.say(said[outcome])


class _Unread:
    """Labels of which only the layer's records are asked for."""

    shape = (1, 1, 1)

    def planes(self, frame: int) -> list[object]:
        raise RuntimeError("These labels are not to be read.")
