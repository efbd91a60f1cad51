"""Names of files and folders that the user's data give."""

from __future__ import annotations

from pathlib import Path


def free_path(folder: Path, name: str, suffix: str) -> Path:
    """A path that nothing has yet: what was saved before stays.

    Parameters
    ----------
    folder : Path
        Where.
    name : str
        Any text; what a file system may not take becomes ``_``.
    suffix : str
        The ending, with its dot.
    """
    plain = "".join(c if c.isalnum() or c in " ._-" else "_" for c in name).strip(" .") or "image"
    path, number = folder / f"{plain}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{plain} {number}{suffix}"
    return path
