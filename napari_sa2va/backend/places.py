"""The three places where a backend can be, by name."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.backend.base import Backend
from napari_sa2va.core.options import DEFAULTS, LoadOptions

THIS_PROCESS = "this process"
CHILD_PROCESS = "child process"


def make_backend(
    place: str = CHILD_PROCESS,
    model: str = "nano",
    options: LoadOptions = DEFAULTS,
    *,
    token: str = "",
    certificate: Path | None = None,
) -> Backend:
    """A backend; nothing is started or loaded before it is used.

    Parameters
    ----------
    place : str
        ``"this process"``, ``"child process"`` or the URL of a server (``wss://gpu:8765``).
    model : str
        As the place knows it.
    options : LoadOptions
        How the model is loaded; a server on the network has its own.
    token, certificate
        For a server: see `napari_sa2va.backend.connectors.ServerConnector`.

    Raises
    ------
    napari_sa2va.core.errors.InputError
        The place is neither.
    """
    if place == THIS_PROCESS:
        from napari_sa2va.backend.local import LocalBackend

        return LocalBackend(model, options)
    from napari_sa2va.backend.client import RemoteBackend, ServerConnector

    if place == CHILD_PROCESS:
        from napari_sa2va.backend.process import ChildConnector, ChildSettings

        child = ChildConnector(ChildSettings(options.device))
        return RemoteBackend(child, model, options)
    return RemoteBackend(ServerConnector(place, token, certificate), model)
