"""napari's reader of sessions: it opens them in the dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import InputError
from napari_sa2va.io.session_file import SUFFIX, is_session

# The layers come from the dock, a moment later: napari's word for "none from here".
_NO_LAYERS: list[tuple[None]] = [(None,)]


def get_reader(path: str | list[str]) -> Callable[[str], list[Any]] | None:
    """npe2's reader: for a file that is a session."""
    if isinstance(path, str) and path.endswith(SUFFIX) and is_session(Path(path)):
        return open_in_dock
    return None


def open_in_dock(path: str) -> list[Any]:
    """Open a session in the dock of the current viewer, which is opened if need be."""
    import napari
    from qtpy.QtCore import QTimer

    viewer = napari.current_viewer()
    if viewer is None:
        raise InputError(f"{path} is a session, which opens in a viewer.", "Open one first.")
    dock = _dock_of(viewer)
    # Not within napari's own opening of files: this opens some itself.
    QTimer.singleShot(0, partial(dock.reopen, Path(path)))
    return _NO_LAYERS


def _dock_of(viewer: Any) -> Any:
    from napari_sa2va.widgets import Sa2VAWidget

    for dock in viewer.window.dock_widgets.values():
        if isinstance(dock, Sa2VAWidget):
            return dock
    _, dock = viewer.window.add_plugin_dock_widget("napari-sa2va", "Sa2VA")
    return dock
