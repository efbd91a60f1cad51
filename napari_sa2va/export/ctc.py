"""Cell Tracking Challenge: 16-bit label TIFFs and the lineage in man_track.txt.

``01/t000.tif``, ``01_GT/TRA/man_track000.tif``, ``01_GT/SEG/man_seg000.tif`` and
``01_GT/TRA/man_track.txt`` with a line ``L B E P`` a track: label, first and last frame, parent. A
track has no gaps: an object that comes back is a new track, whose parent is the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelArray, LabelledStack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.dataset import Export, relabelled
from napari_sa2va.export.images import image_files, images_at, place_image
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.export.reading import part_folders
from napari_sa2va.io.images import natural_key
from napari_sa2va.io.label_files import LabelImageFiles

_LARGEST = np.iinfo(np.uint16).max
_TRACKS = "man_track.txt"


class Track(NamedTuple):
    """A line of man_track.txt: label, first and last frame, parent (0: none)."""

    label: int
    first: int
    last: int
    parent: int


def write(export: Export, variant: str) -> Iterator[None]:
    """Write the sequences 01, 02, ... of each part."""
    for part, stacks in export.by_part().items():
        for number, stack in enumerate(stacks, 1):
            yield from _write_sequence(export, stack, export.folder / part, f"{number:02d}")


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read the sequences; each track is an object where no provenance says otherwise."""
    stacks = []
    for part, folder in _folders(path).items():
        told = [entry["name"] for entry in provenance.stacks() if entry["part"] == part]
        for number, tracks in enumerate(sorted(folder.glob(f"*_GT/TRA/{_TRACKS}"))):
            sequence = tracks.parents[1].name.removesuffix("_GT")
            name = told[number] if number < len(told) else sequence
            stacks.append(_read_sequence(folder, sequence, name, part))
    return stacks


def recognizes(path: Path) -> bool:
    """Whether it is a folder with sequences and their tracks."""
    return path.is_dir() and bool(_folders(path))


def tracks_of(stack: LabelledStack) -> tuple[list[Track], list[dict[int, int]], dict[int, int]]:
    """The tracks of a surveyed stack.

    Returns
    -------
    tracks : list of Track
        In the order of their labels.
    written : list of dict
        By frame: object id to label.
    objects : dict
        Label to object id.

    Raises
    ------
    InputError
        There are too many, or a parent is still there when its child begins.
    """
    spans = {
        object_id: _spans([f for f, ids in enumerate(stack.present) if object_id in ids])
        for object_id in stack.object_ids
    }
    label_of = _labels(spans)
    objects = {label: object_id for (object_id, _), label in label_of.items()}
    written: list[dict[int, int]] = [{} for _ in stack.present]
    tracks = []
    for object_id, of_object in spans.items():
        for number, (first, last) in enumerate(of_object):
            label = label_of[object_id, number]
            if number:
                parent = label_of[object_id, number - 1]
            else:
                parent = _parent(stack, object_id, first, spans, label_of)
            tracks.append(Track(label, first, last, parent))
            for frame in range(first, last + 1):
                written[frame][object_id] = label
    return sorted(tracks), written, objects


def _write_sequence(
    export: Export, stack: LabelledStack, folder: Path, sequence: str
) -> Iterator[None]:
    tra, seg = (folder / f"{sequence}_GT" / kind for kind in ("TRA", "SEG"))
    tra.mkdir(parents=True)
    seg.mkdir()
    tracks, written, objects = tracks_of(stack)
    if any(label != object_id for label, object_id in objects.items()):
        export.ids[stack.part, stack.name] = objects
    digits = max(3, len(str(stack.shape[0] - 1)))
    for frame in range(stack.shape[0]):
        number = f"{frame:0{digits}d}.tif"
        place_image(stack, frame, export.options, folder / sequence / f"t{number}")
        plane = relabelled(export.plane(stack, frame), written[frame]).astype(np.uint16)
        for file in (tra / f"man_track{number}", seg / f"man_seg{number}"):
            tifffile.imwrite(file, plane, photometric="minisblack", compression="zlib")
        yield
    lines = [" ".join(map(str, track)) for track in tracks]
    (tra / _TRACKS).write_text("".join(f"{line}\n" for line in lines), "ascii")


def _spans(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Frames without gaps, as first and last."""
    spans = []
    for _, run in groupby(enumerate(frames), lambda pair: pair[1] - pair[0]):
        group = [frame for _, frame in run]
        spans.append((group[0], group[-1]))
    return spans


def _labels(spans: dict[int, list[tuple[int, int]]]) -> dict[tuple[int, int], int]:
    """A label for each span: the object's own id for its first one, where that fits."""
    count = sum(map(len, spans.values()))
    if count > _LARGEST:
        raise InputError(
            f"There are {count} tracks, and this format holds {_LARGEST}.", "Choose fewer classes."
        )
    keys = [(object_id, number) for object_id, of in spans.items() for number in range(len(of))]
    if max(spans, default=0) + count > _LARGEST:
        return {key: label for label, key in enumerate(keys, 1)}
    own = {key: key[0] for key in keys if key[1] == 0}
    later = [key for key in keys if key[1]]
    return own | {key: label for label, key in enumerate(later, max(spans, default=0) + 1)}


def _parent(
    stack: LabelledStack,
    object_id: int,
    first: int,
    spans: dict[int, list[tuple[int, int]]],
    label_of: dict[tuple[int, int], int],
) -> int:
    parent = stack.record(object_id).parent
    if parent not in spans:
        return 0
    before = [number for number, (_, last) in enumerate(spans[parent]) if last < first]
    if len(before) < len(spans[parent]):
        raise InputError(
            f"Object {object_id} of {stack.name} begins in frame {first}, and its parent {parent} "
            f"is there up to frame {spans[parent][-1][1]}.",
            "A parent ends before its children begin: shorten it, or name no parent.",
        )
    return label_of[parent, before[-1]]


def _folders(path: Path) -> dict[str, Path]:
    if any(path.glob(f"*_GT/TRA/{_TRACKS}")):
        return {"": path}
    found = part_folders(path, "01_GT")
    return {part: folder for part, folder in found.items() if part}


def _read_sequence(folder: Path, sequence: str, name: str, part: str) -> LabelledStack:
    tra = folder / f"{sequence}_GT" / "TRA"
    files = [f for f in tra.glob("man_track*.tif") if re.fullmatch(r"man_track\d+", f.stem)]
    if not files:
        raise InputError(f"There are no label images in {tra}.", "Is the folder complete?")
    labels = LabelArray(LabelImageFiles(sorted(files, key=natural_key)))
    return LabelledStack(
        labels,
        {t.label: ObjectRecord(t.label, parent=t.parent) for t in read_tracks(tra / _TRACKS)},
        name=name,
        images=images_at(image_files(folder / sequence), labels.shape),
        sources=(("labels", tra),),
        part=part,
    )


def read_tracks(file: Path) -> list[Track]:
    """The lines of man_track.txt; InputError where it is damaged."""
    try:
        lines = file.read_text("ascii").splitlines()
        return [Track(*map(int, line.split())) for line in lines if line.strip()]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{file} cannot be read ({error}).", "Each line is four numbers: L B E P."
        ) from error
