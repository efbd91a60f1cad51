"""The model that a reopened session was made with is used again, where it is here."""

from __future__ import annotations

from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, Signal

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.catalog import find_entry
from napari_sa2va.widgets._place import Place, place_named


class SessionModel(QObject):
    """Finds out, off the Qt thread, whether a session's model can be used; downloads nothing.

    Signals
    -------
    wanted : (str, Place)
        Use this model, there.
    """

    wanted = Signal(str, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._asked: tuple[str, str, Place] | None = None

    def restore(self, choices: dict[str, Any], model: str, place: Place) -> None:
        """Use the model that is among the choices of a session, in place of another one.

        Where it is not installed, or on a server that the settings do not name, the one in use
        stays, and the user is told.

        Parameters
        ----------
        choices : dict
            As the session keeps them; old ones name no place.
        model, place
            What is in use.
        """
        wanted = choices.get("model") or model
        there = place_named(choices.get("place", place.name), place)
        if there is None:
            self._tell(wanted, model, "on a server that is not in use here")
        elif (wanted, there.name) == (model, place.name):
            return
        elif there.is_here:
            worker = create_worker(_is_installed, wanted, _start_thread=False)
            self._asked = wanted, model, there
            worker.returned.connect(self._on_known)
            worker.start()
        else:
            self.wanted.emit(wanted, there)  # what a server has, it says itself

    def _on_known(self, installed: bool) -> None:
        if self._asked is None:
            return
        wanted, model, there = self._asked
        if installed:
            self.wanted.emit(wanted, there)
        else:
            self._tell(wanted, model, "which is not installed")

    def _tell(self, wanted: str, model: str, why: str) -> None:
        show_warning(f"The session was made with {wanted}, {why}: {model} stays in use.")


def _is_installed(model: str) -> bool:
    try:
        return find_entry(model).folder is not None
    except CheckpointError:
        return False
