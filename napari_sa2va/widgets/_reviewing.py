"""Brings the objects of the workbench to a review panel under the viewer, and its wishes back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_sa2va.widgets._below import dock_below
from napari_sa2va.widgets._bound_keys import bind_keys, release_keys
from napari_sa2va.widgets._review_panel import PANEL_KEYS, ReviewPanel
from napari_sa2va.widgets._workbench import Workbench

if TYPE_CHECKING:
    import napari

TITLE = "Sa2VA review"


class Reviewing(QObject):
    """Owns the `ReviewPanel` once it was opened.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the panel docks.
    workbench : Workbench
        Whose objects are reviewed.
    parent : QWidget
        The dock.

    Signals
    -------
    opened
        There is a panel now.
    """

    opened = Signal()

    def __init__(self, viewer: napari.Viewer, workbench: Workbench, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer, self._workbench = viewer, workbench
        self._place: tuple[int | None, int] = (None, 0)
        self._frames = 1
        self.panel: ReviewPanel | None = None

    def open(self) -> ReviewPanel:
        """Show the panel under the viewer."""
        if self.panel is None:
            self.panel = ReviewPanel()
            self.opened.emit()
            bind_keys(self._viewer, self.panel, PANEL_KEYS)
        if self.panel.parent() is None:  # new, or its dock was closed
            dock_below(self._viewer, self.panel, TITLE, self.parent())
        self.refresh(self._frames)
        return self.panel

    def refresh(self, frames: int) -> None:
        """Show the objects as they are now, over so many frames."""
        self._frames = frames
        objects = self._workbench.objects
        if self.panel is None:
            return
        if objects is None:
            self.panel.show_records({}, {}, frames, lambda _: (0.5, 0.5, 0.5))
        else:
            facts = self._workbench.facts
            self.panel.show_records(self._workbench.records, facts, frames, objects.color)
        self.panel.show_place(*self._place)

    def stand_at(self, object_id: int | None, frame: int) -> None:
        """The viewer stands at this frame, and this object is selected."""
        self._place = (object_id, frame)
        if self.panel is not None:
            self.panel.show_place(object_id, frame)

    def end(self) -> None:
        """Close the panel and let go of the viewer's keys."""
        panel, self.panel = self.panel, None
        if panel is None:
            return
        release_keys(self._viewer, PANEL_KEYS)
        self._viewer.window.remove_dock_widget(panel)

    def touch(self, masks: Iterable[tuple[int, int]]) -> None:
        """These masks (object, frame) have changed."""
        if self.panel is not None:
            self.panel.touch(masks)
