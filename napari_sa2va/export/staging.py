"""Exports that appear when they are complete, and never half-written."""

from __future__ import annotations

import errno
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_sa2va.core.errors import InputError

PROVENANCE_NAME = "provenance.json"
CARD_NAME = "README.md"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def provenance_path(export: Path) -> Path:
    """Where the provenance of an export lies: in its folder, or beside its one file."""
    inside = export / PROVENANCE_NAME
    beside = export.with_name(f"{export.name}.{PROVENANCE_NAME}")
    return beside if beside.exists() or not export.is_dir() else inside


def check_target(target: Path, overwrite: bool) -> None:
    """Raise InputError where an export cannot or must not be written to `target`."""
    parent = target.absolute().parent
    if not parent.is_dir():
        raise InputError(f"There is no folder {parent}.", "Create it first.")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not overwrite:
        raise InputError(f"{target} exists.", "Choose another name, or overwrite it on purpose.")
    if target.is_dir() and not provenance_path(target).exists():
        raise InputError(
            f"{target} is no export of napari-sa2va and is not overwritten.",
            "Choose another name, or remove it yourself.",
        )


@contextmanager
def staged(target: Path, overwrite: bool, file_suffix: str | None = None) -> Iterator[Path]:
    """A folder beside `target` to write into; what is in it takes its place when all went well.

    Parameters
    ----------
    target : Path
        A folder that will be, or a file.
    overwrite : bool
        Whether to replace an export that is there.
    file_suffix : str, optional
        `target` is the one file or folder written with this suffix; the provenance and the card
        lie beside it.

    Raises
    ------
    InputError
        The target exists, its folder is missing or read-only, or the disk is full. Nothing is
        left under the target's name, and what was there stays.
    """
    check_target(target, overwrite)
    folder = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        folder.mkdir()
        yield folder
        if file_suffix is None:
            _take_place(folder, target)
        else:
            _publish_file(folder, target, file_suffix)
    except OSError as error:
        raise _explained(error, target) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish_file(folder: Path, target: Path, suffix: str) -> None:
    (main,) = (path for path in folder.iterdir() if path.name.endswith(suffix))
    (folder / PROVENANCE_NAME).replace(target.with_name(f"{target.name}.{PROVENANCE_NAME}"))
    (folder / CARD_NAME).replace(target.with_name(f"{target.name}.{CARD_NAME}"))
    _take_place(main, target)


def _take_place(new: Path, target: Path) -> None:
    if not target.is_dir():
        new.replace(target)
        return
    # A folder cannot be replaced in one step: the old one steps aside, and back if need be.
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside)


def _explained(error: OSError, target: Path) -> InputError:
    if error.errno in _FULL:
        return InputError(
            f"There is no space left for {target}; nothing of it was written.",
            "Free some, choose another disk, or export fewer frames.",
        )
    if error.errno in _FORBIDDEN:
        return InputError(
            f"{target} cannot be written: {error.strerror or error}.",
            "Choose a folder that you may write to.",
        )
    return InputError(f"{target} cannot be written: {error}.", "Nothing of it was written.")
