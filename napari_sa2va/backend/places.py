"""The three places where a backend can be, by name."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.backend.base import Backend
from napari_sa2va.backend.limits import Limits
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
    idle_seconds: float = Limits.idle_seconds,
    embedding_bytes: int = Limits.embedding_bytes,
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
    idle_seconds, embedding_bytes
        For a child process: see `napari_sa2va.backend.process.ChildSettings`.

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

        settings = ChildSettings(
            options.device, idle_seconds=idle_seconds, embedding_bytes=embedding_bytes
        )
        return RemoteBackend(ChildConnector(settings), model, options)
    return RemoteBackend(ServerConnector(place, token, certificate), model)
