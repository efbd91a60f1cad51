"""What this machine remembers of models: pinned revisions and their files, and what users added."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from napari_sa2va.core.errors import CheckpointError

_FORMAT = 1


@dataclass(frozen=True)
class HubFile:
    """A file as the Hub announced it.

    Attributes
    ----------
    name : str
        In the repository's top folder.
    size : int
        Bytes.
    digest : str
        64 hexadecimal digits: the SHA-256 of a large file. 40: git's SHA-1 of a small one.
    """

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Pin:
    """One revision of a repository, and what the Hub said of it.

    Attributes
    ----------
    revision : str
        The commit, 40 hexadecimal digits.
    files : tuple of HubFile
        Those that are downloaded.
    licence : str, optional
        As its card says.
    languages : tuple of str
        As its card says.
    parameters : int, optional
        Of all safetensors together.
    """

    revision: str
    files: tuple[HubFile, ...]
    licence: str | None = None
    languages: tuple[str, ...] = ()
    parameters: int | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole download."""
        return sum(file.size for file in self.files)


@dataclass
class Record:
    """The contents of ``models.json``: pins by Hub id, and added ids and folders in order."""

    pins: dict[str, Pin] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)


def record_path() -> Path:
    """``models.json`` beside the user's settings, or in the folder ``NAPARI_SA2VA_CONFIG``."""
    chosen = os.environ.get("NAPARI_SA2VA_CONFIG")
    folder = Path(chosen) if chosen else user_config_path("napari-sa2va", appauthor=False)
    return folder / "models.json"


def read_record() -> Record:
    """The record; an empty one where there is no file.

    Raises
    ------
    CheckpointError
        The file is damaged, or a later version wrote it.
    """
    path = record_path()
    if not path.is_file():
        return Record()
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != _FORMAT:
            raise CheckpointError(
                f"{path} has format {content['format']}, which this version does not know.",
                "Update napari-sa2va, or move the file away and download the models again.",
            )
        pins = {name: _pin(value) for name, value in content["pinned"].items()}
        return Record(pins, [str(name) for name in content["added"]])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}, the record of downloaded models, is damaged ({error!r}).",
            "Move it away: what is downloaded is found again by `napari-sa2va models download`.",
        ) from error


def write_record(record: Record) -> None:
    """Replace the record; whoever reads at the same time sees the old or the new one."""
    path = record_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "format": _FORMAT,
        "pinned": {name: asdict(pin) for name, pin in sorted(record.pins.items())},
        "added": record.added,
    }
    half = path.with_name(f"{path.name}.{os.getpid()}.new")
    half.write_text(json.dumps(content, indent=1), "utf-8")
    half.replace(path)


def pin(repository: str, pinned: Pin) -> None:
    """Remember which revision of a repository is used from now on."""
    record = read_record()
    record.pins[repository] = pinned
    write_record(record)


def forget(name: str) -> None:
    """Remember neither a pin nor an addition of this name."""
    record = read_record()
    record.pins.pop(name, None)
    record.added = [added for added in record.added if added != name]
    write_record(record)


def _pin(value: dict[str, Any]) -> Pin:
    files = tuple(HubFile(**file) for file in value["files"])
    return Pin(**{**value, "files": files, "languages": tuple(value["languages"])})
