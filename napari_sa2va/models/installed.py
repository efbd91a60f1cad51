"""What of a pinned revision lies in the Hugging Face cache: find, check, remove."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from napari_sa2va.models.pins import HubFile, Pin

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Checked:
    """One file that was compared with the record; `problem` is empty where they agree."""

    name: str
    problem: str


def repository_folder(repository: str) -> Path:
    """Where the Hugging Face cache keeps a repository, be it there or not."""
    name = constants.REPO_ID_SEPARATOR.join(["models", *repository.split("/")])
    return Path(constants.HF_HUB_CACHE).expanduser() / name


def snapshot_folder(repository: str, pin: Pin) -> Path:
    """The folder of a revision."""
    return repository_folder(repository) / "snapshots" / pin.revision


def partial_path(repository: str, file: HubFile) -> Path:
    """Where the beginning of a file waits for its end."""
    return blob_path(repository, file).with_suffix(".incomplete")


def blob_path(repository: str, file: HubFile) -> Path:
    """Where the cache keeps a file's contents; snapshots link there."""
    return repository_folder(repository) / "blobs" / file.digest


def missing_files(repository: str, pin: Pin) -> list[HubFile]:
    """The files that are not there in their full size."""
    folder = snapshot_folder(repository, pin)
    return [file for file in pin.files if not is_whole(folder / file.name, file.size)]


def is_whole(path: Path, size: int) -> bool:
    """Whether a file is there, in this size."""
    return path.is_file() and path.stat().st_size == size


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def arrived_bytes(repository: str, pin: Pin) -> int:
    """How much of a revision is there, halves of files included."""
    missing = missing_files(repository, pin)
    lacking = sum(file.size - size_of(partial_path(repository, file)) for file in missing)
    return pin.size - lacking


def check_files(repository: str, pin: Pin) -> Iterator[Checked]:
    """Compare sizes and checksums of all files with what the Hub announced."""
    folder = snapshot_folder(repository, pin)
    for file in pin.files:
        path = folder / file.name
        if not path.is_file():
            yield Checked(file.name, "missing")
        elif size_of(path) != file.size:
            yield Checked(file.name, f"{size_of(path)} bytes instead of {file.size}")
        elif digest_of(path, file.digest) != file.digest:
            yield Checked(file.name, "its checksum differs: the contents are damaged")
        else:
            yield Checked(file.name, "")


def digest_of(path: Path, like: str) -> str:
    """The checksum of a file in the kind of another one: SHA-256, or git's SHA-1 of a blob."""
    if len(like) == 64:
        hasher = hashlib.sha256()
    else:
        hasher = hashlib.sha1(usedforsecurity=False)
        hasher.update(b"blob %d\0" % size_of(path))
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def link_blob(repository: str, pin: Pin, file: HubFile) -> None:
    """Give a file's contents their name in the snapshot, as huggingface_hub does."""
    blob, pointer = blob_path(repository, file), snapshot_folder(repository, pin) / file.name
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:  # Windows, unless it is told to allow links
        blob.replace(pointer)


def discard_file(repository: str, pin: Pin, name: str) -> None:
    """Delete one file of a revision, so that the next download brings it anew."""
    pointer = snapshot_folder(repository, pin) / name
    if pointer.is_symlink():
        pointer.resolve().unlink(missing_ok=True)
    pointer.unlink(missing_ok=True)


def remove_repository(repository: str) -> int:
    """Delete all revisions and halves of a repository; gives the bytes that were freed."""
    folder = repository_folder(repository)
    if not folder.is_dir():
        return 0
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    freed = sum(path.stat().st_size for path in files)
    shutil.rmtree(folder)
    return freed
