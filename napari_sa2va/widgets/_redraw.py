"""Shows what a run writes while it runs, without slowing down the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sa2va.widgets._geometry import StackGeometry, current_position

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels

# Often enough to watch, seldom enough to stay fluent.
_EVERY_MS = 50


class Redraw(QObject):
    """Gathers frames that changed; draws, a few times a second, the one that is shown.

    Signals
    -------
    due
        It is time to show what is new.
    """

    due = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._stale: set[int] = set()
        self._timer = QTimer(self, interval=_EVERY_MS, singleShot=True)
        self._timer.timeout.connect(self.due)

    def soon(self, *frames: int) -> None:
        """Something is new; in these frames, the labels are."""
        self._stale.update(frames)
        if not self._timer.isActive():
            self._timer.start()

    def take(self) -> set[int]:
        """The frames that changed since the last call."""
        stale, self._stale = self._stale, set()
        return stale

    def draw(self, layer: Labels, image: Image, geometry: StackGeometry, frames: set[int]) -> None:
        """Draw the layer where one of these frames is shown; napari draws others when seen."""
        shown = geometry.frame_of(current_position(self._viewer, image))
        if self._viewer.dims.ndisplay == 3 or shown in frames:
            layer.refresh(thumbnail=False, highlight=False, extent=False)
