"""Panels under the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow, QWidget

if TYPE_CHECKING:
    import napari


def dock_below(viewer: napari.Viewer, panel: QWidget, name: str, dock: QWidget) -> None:
    """Dock a panel under the canvas.

    The docks beside the canvas, of which `dock` is one, reach down to the window's corners: with a
    panel below them, too, the window would have to grow beyond small screens.
    """
    window = dock.window()
    if isinstance(window, QMainWindow):  # not where the dock floats
        for corner, area in (
            (Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea),
            (Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea),
        ):
            window.setCorner(corner, area)
    viewer.window.add_dock_widget(panel, name=name, area="bottom")
