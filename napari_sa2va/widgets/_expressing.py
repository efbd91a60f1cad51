"""Brings the phrases of the workbench's objects to a panel under the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_sa2va.widgets._below import dock_below
from napari_sa2va.widgets._bound_keys import bind_keys, release_keys
from napari_sa2va.widgets._expressions_panel import PANEL_KEYS, ExpressionsPanel
from napari_sa2va.widgets._workbench import Workbench

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels

TITLE = "Sa2VA expressions"


class Expressing(QObject):
    """Owns the `ExpressionsPanel` once it was opened.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the panel docks.
    workbench : Workbench
        Whose objects are referred to.
    parent : QWidget
        The dock.

    Signals
    -------
    chosen : int
        The user wants to see this object.
    """

    chosen = Signal(int)

    def __init__(self, viewer: napari.Viewer, workbench: Workbench, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer, self._workbench = viewer, workbench
        self._alone: Labels | None = None
        self.panel: ExpressionsPanel | None = None
        workbench.objects_changed.connect(self.refresh)

    def open(self) -> ExpressionsPanel:
        """Show the panel under the viewer."""
        if self.panel is None:
            self.panel = ExpressionsPanel()
            self.panel.chosen.connect(self._on_chosen)
            self.panel.judged.connect(self._on_judged)
            self.panel.phrases_changed.connect(self._on_phrases_changed)
            self.panel.alone_wanted.connect(self._show_alone)
            bind_keys(self._viewer, self.panel, PANEL_KEYS)
        if self.panel.parent() is None:  # new, or its dock was closed
            dock_below(self._viewer, self.panel, TITLE, self.parent())
        self.refresh()
        pair = self.panel.table.selected
        if pair is not None:
            self._on_chosen(pair.object_id)
        return self.panel

    def refresh(self) -> None:
        """Show the objects as they are now."""
        objects = self._workbench.objects
        if self.panel is None:
            return
        if objects is None:
            self.panel.show_records({}, lambda _: (0.5, 0.5, 0.5))
        else:
            self.panel.show_records(self._workbench.records, objects.color)
        self._show_alone(self.panel.isVisible() and self.panel.alone.isChecked())

    def end(self) -> None:
        """Close the panel and let go of the viewer's keys."""
        panel, self.panel = self.panel, None
        if panel is None:
            return
        self._show_alone(False)
        release_keys(self._viewer, PANEL_KEYS)
        self._viewer.window.remove_dock_widget(panel)

    # While an object is being deleted, it is still in the list.
    def _on_chosen(self, object_id: int) -> None:
        if object_id in self._workbench.records:
            self.chosen.emit(object_id)

    def _on_judged(self, object_id: int, expression: str, fits: bool) -> None:
        if object_id in self._workbench.records:
            self._workbench.editing.judge(object_id, expression, fits)

    def _on_phrases_changed(self, object_id: int, phrases: list[str]) -> None:
        if object_id in self._workbench.records:
            self._workbench.editing.set_phrases(object_id, phrases)

    def _show_alone(self, alone: bool) -> None:
        """Draw the selected object only, until this is told otherwise."""
        objects = self._workbench.objects
        layer = None if objects is None or not alone else objects.layer
        if self._alone is not None and layer is not self._alone:
            self._alone.show_selected_label = False
            self._alone = None
        if layer is not None and not layer.show_selected_label:  # else it is the user's wish
            layer.show_selected_label = True
            self._alone = layer
