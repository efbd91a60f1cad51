"""What readers of several formats share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from napari_sa2va.core.errors import InputError
from napari_sa2va.export.dataset import DEFAULT_CATEGORY, PARTS
from napari_sa2va.export.provenance import Provenance

_NUMBERED = re.compile(r"(.+)_(\d{5,})")


class Movie(NamedTuple):
    """Images that are the frames of one stack.

    Attributes
    ----------
    name : str
        Of the stack.
    members : list of int
        Places in what was grouped, frame by frame.
    """

    name: str
    members: list[int]


def frame_stem(name: str, frame: int) -> str:
    """The name of a frame's files, without a suffix."""
    return f"{name}_{frame:05d}"


def group_frames(
    stems: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    provenance: Provenance,
    part: str,
    otherwise: str,
) -> Iterator[Movie]:
    """Images as stacks: as the provenance tells, else all of them where their sizes agree.

    Parameters
    ----------
    stems : sequence of str
        File names without suffix.
    sizes : sequence of (H, W)
        Of the images.
    provenance : Provenance
        Of the export that is read.
    part : str
        Which part of a split is read.
    otherwise : str
        What a stack is called of which nothing is told.
    """
    left = dict.fromkeys(range(len(stems)))
    told = {entry["name"] for entry in provenance.stacks() if entry["part"] == part}
    numbered: dict[str, dict[int, int]] = {}
    for place, stem in enumerate(stems):
        match = _NUMBERED.fullmatch(stem)
        if match and match[1] in told:
            numbered.setdefault(match[1], {})[int(match[2])] = place
            del left[place]
    for name, frames in numbered.items():
        yield Movie(name, [frames[number] for number in sorted(frames)])
    if left and len({sizes[place] for place in left}) == 1:
        yield Movie(otherwise, list(left))
    else:
        yield from (Movie(stems[place], [place]) for place in left)


def read_json(file: Path) -> Any:
    """The content of a JSON file; InputError where it is damaged."""
    try:
        with file.open(encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}).", "Is it complete?") from error


def part_folders(path: Path, marker: str) -> dict[str, Path]:
    """The folders that hold a file or folder `marker`: of each part, or the one without parts."""
    if (path / marker).exists():
        return {"": path}
    return {part: path / part for part in PARTS if (path / part / marker).exists()}


def known_category(name: str) -> str:
    """A class as a record has it: empty where the file only says that it is an object."""
    return "" if name == DEFAULT_CATEGORY else name
