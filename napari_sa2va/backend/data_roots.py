"""Stacks on the server's own disk: only below the folders that it was given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_sa2va.backend.refusals import RefusedError


class DataRoots:
    """Folders whose stacks clients may open.

    Parameters
    ----------
    folders : sequence of path or None
        None: all; for a server that runs as the very user who asks.
    """

    def __init__(self, folders: Sequence[Path] | None) -> None:
        self._folders = None if folders is None else [f.resolve(strict=True) for f in folders]

    def resolve(self, path: str) -> Path:
        """The path without links.

        Raises
        ------
        RefusedError
            It lies outside, or a link leads outside. What is outside and what is not there get the
            same answer: clients learn nothing about the rest of the disk.
        """
        refusal = RefusedError(
            "input",
            f"There is no stack {path!r} below the server's data folders.",
            "Open one below a --data-root, or send the frames.",
        )
        if "\0" in path:
            raise refusal
        if self._folders is None:
            return Path(path)
        for folder in self._folders:
            # An absolute path stays itself when it is joined.
            try:
                real = (folder / path).resolve(strict=True)
            except (OSError, RuntimeError):
                continue
            if self._is_inside(real):
                if real.is_dir() and not all(map(self._leads_inside, real.rglob("*"))):
                    raise refusal
                return real
        raise refusal

    def _is_inside(self, real: Path) -> bool:
        return any(real.is_relative_to(folder) for folder in self._folders or ())

    def _leads_inside(self, entry: Path) -> bool:
        return not entry.is_symlink() or self._is_inside(entry.resolve())
