"""The three places where a backend can be, by name."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.backend.base import Backend
from napari_sa2va.backend.limits import Limits

THIS_PROCESS = "this process"
CHILD_PROCESS = "child process"


def make_backend(
    place: str = CHILD_PROCESS,
    model: str = "nano",
    device: str = "auto",
    dtype: str = "auto",
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
    device, dtype : str
        As `napari_sa2va.load` takes them; a server has its own.
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

        return LocalBackend(model, device, dtype)
    from napari_sa2va.backend.client import RemoteBackend, ServerConnector

    if place == CHILD_PROCESS:
        from napari_sa2va.backend.process import ChildConnector, ChildSettings

        settings = ChildSettings(
            device, dtype, idle_seconds=idle_seconds, embedding_bytes=embedding_bytes
        )
        return RemoteBackend(ChildConnector(settings), model)
    return RemoteBackend(ServerConnector(place, token, certificate), model)
