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


def beside(target: Path) -> tuple[Path, Path]:
    """The provenance and the card of a target that is one file."""
    provenance, card = (f"{target.name}.{name}" for name in (PROVENANCE_NAME, CARD_NAME))
    return target.with_name(provenance), target.with_name(card)


def check_target(target: Path, overwrite: bool, single: bool = False) -> None:
    """Raise InputError where an export cannot or must not be written to `target`.

    Parameters
    ----------
    target : Path
        A folder that will be; if `single`, a file with its provenance and card beside it.
    overwrite : bool
        Whether an export that is there may be replaced.
    single : bool
        Whether it is one file, or the one folder that a format has in a file's place.
    """
    parent = target.absolute().parent
    if not parent.is_dir():
        raise InputError(f"There is no folder {parent}.", "Create it first.")
    taken = existing(target, single)
    if taken is None:
        return
    if not overwrite:
        raise InputError(f"{taken} exists.", "Choose another name, or overwrite it on purpose.")
    if target.is_dir() and any(target.iterdir()) and not provenance_path(target).exists():
        raise InputError(
            f"{target} is no export of napari-sa2va and is not overwritten.",
            "Choose another name, or remove it yourself.",
        )


def existing(target: Path, single: bool = False) -> Path | None:
    """What an export to `target` would replace; an empty folder is nothing."""
    names = (target, *(beside(target) if single else ()))
    taken = (path for path in names if path.exists() or path.is_symlink())
    return next((path for path in taken if not (path.is_dir() and not any(path.iterdir()))), None)


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
    check_target(target, overwrite, single=file_suffix is not None)
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
    provenance, card = beside(target)
    with _placed(folder / PROVENANCE_NAME, provenance), _placed(folder / CARD_NAME, card):
        _take_place(main, target)


def _take_place(new: Path, target: Path) -> None:
    if not target.is_dir():
        new.replace(target)
        return
    with _placed(new, target):
        pass


@contextmanager
def _placed(new: Path, target: Path) -> Iterator[None]:
    """`new` in the place of `target`, what was there aside; back as it was where the block fails.

    A folder cannot be replaced in one step.
    """
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
    if target.exists():
        target.rename(aside)
    try:
        new.rename(target)
        yield
    except BaseException:
        if target.exists():
            target.rename(new)
        if aside.exists():
            aside.rename(target)
        raise
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink(missing_ok=True)


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
