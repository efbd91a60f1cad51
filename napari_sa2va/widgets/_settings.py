"""The plugin's settings: declared in napari.yaml, kept and edited by napari, read here alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari.settings import get_plugin_settings

PLUGIN = "napari-sa2va"
# As napari.yaml lists them.
OWN_PROCESS = "a process of its own"
IN_NAPARI = "inside napari"
ON_SERVER = "a server"


@dataclass(frozen=True)
class Settings:
    """Where the model runs: napari's preferences of this plugin. No secret is among them.

    Attributes
    ----------
    place : str
        One of `OWN_PROCESS`, `IN_NAPARI`, `ON_SERVER`.
    server : str
        Its address, such as ``wss://gpu:8765``.
    token_file, certificate : str
        Paths of the file that holds the server's token and of a certificate to trust; or empty.
    device : str
        As `napari_sa2va.load` takes it; a server has its own.
    idle_minutes : int
        After which a model that nobody uses is freed.
    embedding_gigabytes : float
        Image embeddings that the process of its own keeps in memory.
    """

    place: str = OWN_PROCESS
    server: str = ""
    token_file: str = ""
    certificate: str = ""
    device: str = "auto"
    idle_minutes: int = 60
    embedding_gigabytes: float = 2.0


def read_settings() -> Settings:
    """What napari keeps; the defaults where this plugin is not registered with napari."""
    stored = _stored("backend")
    return Settings() if stored is None else Settings(**stored.model_dump())


def labels_folder() -> Path | None:
    """The folder in which large labels are to be kept; None: a temporary one."""
    stored = _stored("labels")
    folder = "" if stored is None else stored.folder.strip()
    return Path(folder).expanduser() if folder else None


def remember(settings: Settings) -> None:
    """Let napari keep settings; nothing is kept where this plugin is not registered with it."""
    stored = _stored("backend")
    if stored is not None:
        stored.update(asdict(settings))


def _stored(group: str) -> Any:
    try:
        return getattr(get_plugin_settings(PLUGIN), group)
    except KeyError:
        return None
