"""COCO video, as YouTube-VIS has it: one annotation an object, with a mask or null a frame.

``instances.json`` and ``JPEGImages/<video>/00000.jpg``, in a folder of each part where there are
parts, as YouTube-VIS 2021 lays it out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack, LabelMasks, Masks
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.coco import categories_json, with_tracks
from napari_sa2va.export.dataset import Export
from napari_sa2va.export.images import images_at, place_image
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.export.reading import known_category, part_folders, read_json
from napari_sa2va.export.rle import box_xywh, decode, run_lengths

_FILE = "instances.json"


def write(export: Export, variant: str) -> Iterator[None]:
    """Write each part; the run lengths of one video are held until it is done."""
    for part, stacks in export.by_part().items():
        folder = export.folder / part
        folder.mkdir(exist_ok=True)
        videos: list[dict[str, Any]] = []
        number = 0
        with (folder / _FILE).open("w", encoding="utf-8") as stream:
            head = {"description": "written by napari-sa2va"}
            stream.write(f'{{"info": {json.dumps(head)}, "licenses": [], "categories": ')
            stream.write(json.dumps(categories_json(export), ensure_ascii=False))
            stream.write(', "annotations": [')
            for stack in stacks:
                video, tracks = _video(len(videos) + 1, stack), _tracks(export, stack)
                videos.append(video)
                for frame in range(stack.shape[0]):
                    file = folder / "JPEGImages" / stack.name / f"{frame:05d}.jpg"
                    name = place_image(stack, frame, export.options, file)
                    inside = name == file.name
                    video["file_names"].append(f"{stack.name}/{name}" if inside else name)
                    for object_id, runs in stack.runs(frame).items():
                        track = tracks[object_id]
                        track["segmentations"][frame] = run_lengths(runs)
                        track["bboxes"][frame] = box_xywh(runs)
                        track["areas"][frame] = runs.area
                    yield
                for track in tracks.values():
                    number += 1
                    track |= {"id": number, "video_id": video["id"]}
                    stream.write(",\n" if number > 1 else "\n")
                    stream.write(json.dumps(track, ensure_ascii=False))
            stream.write(f'], "videos": {json.dumps(videos, ensure_ascii=False)}}}\n')


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read a folder as `write` lays it out, or one annotation file."""
    if path.is_file():
        return list(_read_file(path, ""))
    folders = part_folders(path, _FILE)
    return [s for part, folder in folders.items() for s in _read_file(folder / _FILE, part)]


def recognizes(path: Path) -> bool:
    """Whether it is such a folder, or an annotation file with videos in it."""
    files = [path] if path.is_file() else [f / _FILE for f in part_folders(path, _FILE).values()]
    files = [file for file in files if file.suffix.lower() == ".json"]
    return bool(files) and {"videos", "annotations"} <= set(read_json(files[0]))


def _video(number: int, stack: LabelledStack) -> dict[str, Any]:
    length, height, width = stack.shape
    size = {"id": number, "height": height, "width": width, "length": length}
    return size | {"name": stack.name, "file_names": []}


def _tracks(export: Export, stack: LabelledStack) -> dict[int, dict[str, Any]]:
    length, height, width = stack.shape
    return {
        object_id: {
            "track_id": object_id,
            "category_id": export.category(stack, object_id) + 1,
            "phrases": export.phrases(stack, object_id),
            "height": height,
            "width": width,
            "iscrowd": 0,
            "segmentations": [None] * length,
            "bboxes": [None] * length,
            "areas": [None] * length,
        }
        for object_id in stack.object_ids
    }


def _read_file(file: Path, part: str) -> Iterator[LabelledStack]:
    document = read_json(file)
    try:
        categories = {c["id"]: str(c["name"]) for c in document.get("categories", ())}
        of_video: dict[Any, list[dict[str, Any]]] = {v["id"]: [] for v in document["videos"]}
        for annotation in with_tracks(document["annotations"]):
            of_video[annotation["video_id"]].append(annotation)
        for video in document["videos"]:
            yield _stack(file, part, video, of_video[video["id"]], categories)
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{file} is no YouTube-VIS file ({error!r}).", "Is it complete?"
        ) from error


def _stack(
    file: Path,
    part: str,
    video: dict[str, Any],
    annotations: list[dict[str, Any]],
    categories: dict[Any, str],
) -> LabelledStack:
    names = video["file_names"]
    shape = (len(names), int(video["height"]), int(video["width"]))
    records = {}
    for annotation in annotations:
        object_id = annotation["track_id"]
        phrase, *more = annotation.get("phrases") or [""]
        category = known_category(categories.get(annotation["category_id"], ""))
        records[object_id] = ObjectRecord(object_id, phrase, category=category, expressions=more)
    folder = file.parent / "JPEGImages"
    return LabelledStack(
        LabelMasks(shape, _masks(annotations, shape)),
        records,
        name=str(video.get("name") or Path(names[0]).parent.name or file.stem),
        images=images_at([folder / name for name in names], shape),
        sources=(("labels", file),),
        part=part,
    )


def _masks(
    annotations: list[dict[str, Any]], shape: tuple[int, int, int]
) -> Callable[[int], Masks]:
    _, height, width = shape

    def masks(frame: int) -> Masks:
        for annotation in annotations:
            segmentation = annotation["segmentations"][frame]
            if segmentation:
                yield annotation["track_id"], decode(segmentation, height, width)

    return masks
