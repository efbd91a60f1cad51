"""COCO instances: a JSON file of run-length masks or polygons, and images.

``annotations/instances_<part>.json`` and ``images/<part>/``, as CVAT and datumaro lay it out; the
part is ``default`` where nothing is split. `track_id` holds the object id, `phrases` what it is
called, `score` the predicted IoU: COCO allows further fields.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack, LabelMasks, Masks
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.runs import ObjectRuns
from napari_sa2va.export.dataset import Export
from napari_sa2va.export.images import images_at, place_image
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.export.reading import frame_stem, group_frames, known_category, read_json
from napari_sa2va.export.rle import box_xywh, coco_polygons, decode, run_lengths
from napari_sa2va.io.images import natural_key

_PREFIX, _WHOLE = "instances_", "default"

_SEGMENTATIONS: dict[str, Callable[[ObjectRuns], Any]] = {
    "rle": run_lengths,
    "polygons": coco_polygons,
}


def write(export: Export, variant: str) -> Iterator[None]:
    """Write the annotations of each part as they come: only one frame is held at a time."""
    (export.folder / "annotations").mkdir()
    for part, stacks in export.by_part().items():
        subset = part or _WHOLE
        file = export.folder / "annotations" / f"{_PREFIX}{subset}.json"
        with file.open("w", encoding="utf-8") as stream:
            yield from _write_part(export, stacks, subset, variant, stream)


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read a folder as `write` lays it out, or one annotation file."""
    files = [path] if path.is_file() else sorted((path / "annotations").glob(f"{_PREFIX}*.json"))
    return [stack for file in files for stack in _read_file(file, provenance)]


def recognizes(path: Path) -> bool:
    """Whether it is such a folder, or an annotation file with images in it."""
    if path.is_dir():
        return any((path / "annotations").glob(f"{_PREFIX}*.json"))
    if path.suffix.lower() != ".json":
        return False
    document = read_json(path)
    return isinstance(document, dict) and {"images", "annotations"} <= document.keys()


def categories_json(export: Export) -> list[dict[str, Any]]:
    """The classes as COCO lists them, numbered from 1."""
    return [
        {"id": number, "name": name, "supercategory": ""}
        for number, name in enumerate(export.categories, 1)
    ]


def _write_part(
    export: Export, stacks: list[LabelledStack], subset: str, variant: str, stream: TextIO
) -> Iterator[None]:
    segmentation = _SEGMENTATIONS[variant]
    images: list[dict[str, Any]] = []
    number = 0
    stream.write('{"info": ' + _json({"description": "written by napari-sa2va"}))
    stream.write(', "licenses": [], "categories": ' + _json(categories_json(export)))
    stream.write(', "annotations": [')
    for stack in stacks:
        for frame in range(stack.shape[0]):
            file = export.folder / "images" / subset / f"{frame_stem(stack.name, frame)}.png"
            name = place_image(stack, frame, export.options, file)
            images.append(_image(len(images) + 1, name, stack, frame))
            for object_id, runs in stack.runs(frame).items():
                number += 1
                annotation = {
                    "id": number,
                    "image_id": len(images),
                    "category_id": export.category(stack, object_id) + 1,
                    "segmentation": segmentation(runs),
                    "area": runs.area,
                    "bbox": box_xywh(runs),
                    "iscrowd": 0,
                }
                annotation |= _known(export, stack, object_id, frame)
                stream.write((",\n" if number > 1 else "\n") + _json(annotation))
            yield
    stream.write('], "images": [' + ",\n".join(map(_json, images)) + "]}\n")


def _image(number: int, name: str, stack: LabelledStack, frame: int) -> dict[str, Any]:
    _, height, width = stack.shape
    return {
        "id": number,
        "file_name": name,
        "height": height,
        "width": width,
        "movie": stack.name,
        "frame": frame,
    }


def _known(export: Export, stack: LabelledStack, object_id: int, frame: int) -> dict[str, Any]:
    known: dict[str, Any] = {"track_id": object_id}
    phrases = export.phrases(stack, object_id)
    if phrases:
        known["phrases"] = phrases
    score = stack.record(object_id).scores.get(stack.source_frames[frame])
    return known if score is None else known | {"score": score}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _read_file(file: Path, provenance: Provenance) -> Iterator[LabelledStack]:
    document = read_json(file)
    subset = file.stem.removeprefix(_PREFIX)
    part = "" if subset == _WHOLE or not file.stem.startswith(_PREFIX) else subset
    folder = file.parent.parent / "images" / subset
    try:
        images = sorted(document["images"], key=lambda image: natural_key(Path(image["file_name"])))
        sizes = [(int(image["height"]), int(image["width"])) for image in images]
        categories = {c["id"]: str(c["name"]) for c in document.get("categories", ())}
        of_image: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
        for annotation in with_tracks(document["annotations"]):
            of_image[annotation["image_id"]].append(annotation)
        movies = _movies(images, sizes, provenance, part, file.stem)
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{file} is no COCO file ({error!r}).", "Is it complete?") from error
    for name, members in movies:
        frames = [of_image[images[place]["id"]] for place in members]
        shape = (len(members), *sizes[members[0]])
        yield LabelledStack(
            LabelMasks(shape, _masks(frames, shape)),
            _records(frames, categories),
            name=name,
            images=images_at([folder / images[p]["file_name"] for p in members], shape),
            sources=(("labels", file),),
            part=part,
        )


def _movies(
    images: list[dict[str, Any]],
    sizes: list[tuple[int, int]],
    provenance: Provenance,
    part: str,
    otherwise: str,
) -> list[tuple[str, list[int]]]:
    if images and all("movie" in image and "frame" in image for image in images):
        movies: dict[str, list[int]] = {}
        for place, image in enumerate(images):
            movies.setdefault(image["movie"], []).append(place)
        for members in movies.values():
            members.sort(key=lambda place: images[place]["frame"])
        return list(movies.items())
    stems = [Path(image["file_name"]).stem for image in images]
    groups = group_frames(stems, sizes, provenance, part, otherwise)
    return [(name, members) for name, members in groups]


def _masks(
    frames: list[list[dict[str, Any]]], shape: tuple[int, int, int]
) -> Callable[[int], Masks]:
    _, height, width = shape

    def masks(frame: int) -> Masks:
        found: dict[int, Any] = {}
        for annotation in frames[frame]:
            mask = decode(annotation["segmentation"], height, width)
            object_id = annotation["track_id"]
            found[object_id] = mask | found[object_id] if object_id in found else mask
        return found.items()

    return masks


def with_tracks(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Annotations with an object id as `track_id`; where none is told, each is its own object."""
    ids = [int(annotation.get("track_id", annotation["id"])) for annotation in annotations]
    first = 1 if 0 in ids else 0  # 0 is background here
    return [a | {"track_id": i + first} for a, i in zip(annotations, ids, strict=True)]


def _records(
    frames: list[list[dict[str, Any]]], categories: dict[Any, str]
) -> dict[int, ObjectRecord]:
    records: dict[int, ObjectRecord] = {}
    for frame, of_frame in enumerate(frames):
        for annotation in of_frame:
            object_id = annotation["track_id"]
            record = records.get(object_id)
            if record is None:
                phrase, *more = annotation.get("phrases") or [""]
                category = known_category(categories.get(annotation["category_id"], ""))
                record = ObjectRecord(object_id, phrase, category=category, expressions=more)
                records[object_id] = record
            if "score" in annotation:
                record.scores[frame] = float(annotation["score"])
    return records
