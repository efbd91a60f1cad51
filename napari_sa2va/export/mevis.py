"""Referring video segmentation, as MeViS and Ref-SAV have it.

``meta_expressions.json`` (by video: its frames, and expressions with the objects that they refer
to), ``mask_dict.json`` (by annotation: a run-length mask or null a frame) and
``JPEGImages/<video>/00000.jpg``. Objects that share a phrase share an expression.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack, LabelMasks, Masks
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.dataset import Export
from napari_sa2va.export.images import images_at, place_image
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.export.reading import part_folders, read_json
from napari_sa2va.export.rle import decode, run_lengths

_META, _MASKS = "meta_expressions.json", "mask_dict.json"


def write(export: Export, variant: str) -> Iterator[None]:
    """Write each part; the run lengths of one video are held until it is done."""
    for part, stacks in export.by_part().items():
        folder = export.folder / part
        folder.mkdir(exist_ok=True)
        videos = {}
        first = 1
        with (folder / _MASKS).open("w", encoding="utf-8") as stream:
            stream.write("{")
            for stack in stacks:
                referred = export.referred(stack)
                annotation = {i: first + n for n, i in enumerate(referred)}
                export.ids[part, stack.name] = {n: i for i, n in annotation.items()}
                videos[stack.name] = _video(stack, referred, annotation)
                tracks: dict[int, list[Any]] = {i: [None] * stack.shape[0] for i in annotation}
                for frame in range(stack.shape[0]):
                    file = folder / "JPEGImages" / stack.name / f"{frame:05d}.jpg"
                    place_image(stack, frame, export.options, file)
                    for object_id, runs in stack.runs(frame).items():
                        if object_id in tracks:
                            tracks[object_id][frame] = run_lengths(runs)
                    yield
                for object_id, number in annotation.items():
                    stream.write(",\n" if number > 1 else "\n")
                    stream.write(f'"{number}": {json.dumps(tracks[object_id])}')
                first += len(annotation)
            stream.write("\n}\n")
        text = json.dumps({"videos": videos}, ensure_ascii=False, indent=1)
        (folder / _META).write_text(text, "utf-8")


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read all videos; an annotation is an object, and the expressions are its phrases."""
    folders = part_folders(path, _META)
    return [s for part, f in folders.items() for s in _read_folder(f, part, provenance)]


def recognizes(path: Path) -> bool:
    """Whether a folder, or one of its parts, has expressions and masks."""
    return any((folder / _MASKS).is_file() for folder in part_folders(path, _META).values())


def _video(
    stack: LabelledStack, referred: dict[int, list[str]], annotation: dict[int, int]
) -> dict[str, Any]:
    objects: dict[str, list[int]] = {}
    for object_id, phrases in referred.items():
        for phrase in phrases:
            objects.setdefault(phrase, []).append(object_id)
    return {
        "frames": [f"{frame:05d}" for frame in range(stack.shape[0])],
        "height": stack.shape[1],
        "width": stack.shape[2],
        "expressions": {
            str(number): {
                "exp": phrase,
                "obj_id": ids,
                "anno_id": [annotation[object_id] for object_id in ids],
            }
            for number, (phrase, ids) in enumerate(objects.items())
        },
    }


def _read_folder(folder: Path, part: str, provenance: Provenance) -> Iterator[LabelledStack]:
    videos, tracks = read_json(folder / _META), read_json(folder / _MASKS)
    try:
        for name, video in videos["videos"].items():
            phrases: dict[int, dict[str, None]] = {}
            for expression in video["expressions"].values():
                for number in expression.get("anno_id", ()):
                    phrases.setdefault(int(number), {})[expression["exp"]] = None
            told = bool(provenance.stack(name, part))
            yield _stack(folder, part, name, video, phrases, tracks, first=0 if told else 1)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder / _META} cannot be read ({error!r}).", "Correct it.") from error


def _stack(
    folder: Path,
    part: str,
    name: str,
    video: dict[str, Any],
    phrases: dict[int, dict[str, None]],
    tracks: dict[str, list[Any]],
    first: int,
) -> LabelledStack:
    # MeViS numbers annotations from 0, which is background here.
    ids = {number: number + first for number in sorted(phrases)}
    records = {}
    for number, texts in phrases.items():
        phrase, *more = texts
        records[ids[number]] = ObjectRecord(ids[number], phrase, expressions=more)
    files = [folder / "JPEGImages" / name / f"{frame}.jpg" for frame in video["frames"]]
    shape = (len(video["frames"]), *_size(video, ids, tracks))
    return LabelledStack(
        LabelMasks(shape, _masks(ids, tracks, shape)),
        records,
        name=name,
        images=images_at(files, shape),
        sources=(("labels", folder),),
        part=part,
    )


def _size(
    video: dict[str, Any], ids: dict[int, int], tracks: dict[str, list[Any]]
) -> tuple[int, int]:
    if "height" in video:
        return int(video["height"]), int(video["width"])
    for number in ids:
        for rle in tracks[str(number)]:
            if rle is not None:
                return int(rle["size"][0]), int(rle["size"][1])
    raise InputError("A video has no masks, and nothing says how large it is.", "Leave it out.")


def _masks(
    ids: dict[int, int], tracks: dict[str, list[Any]], shape: tuple[int, int, int]
) -> Callable[[int], Masks]:
    def masks(frame: int) -> Masks:
        for number, object_id in ids.items():
            rle = tracks[str(number)][frame]
            if rle is not None:
                yield object_id, decode(rle, *shape[1:])

    return masks
