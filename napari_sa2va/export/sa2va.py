"""Sa2VA fine-tuning: ``annotations.json`` with polygons and texts, and ``images/``.

An item an image: ``image``, ``mask`` (polygons of each mask) and ``text`` (a phrase of each mask).
An object with several phrases is listed once for each. Images without a phrase are left out:
the official data set cannot take them. Objects without a phrase are named by their class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack, LabelMasks, Masks
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.dataset import Export
from napari_sa2va.export.images import image_files, images_at, place_image
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.export.reading import frame_stem, group_frames, part_folders, read_json
from napari_sa2va.export.rle import coco_polygons, decode

_FILE = "annotations.json"


def write(export: Export, variant: str) -> Iterator[None]:
    """Write an item a frame."""
    if export.options.depth == "kept":
        raise InputError("Sa2VA reads 8-bit images.", "Render them.")
    for part, stacks in export.by_part().items():
        folder = export.folder / part
        folder.mkdir(exist_ok=True)
        items = 0
        with (folder / _FILE).open("w", encoding="utf-8") as stream:
            stream.write("[")
            for stack in stacks:
                order = export.orders[part, stack.name] = []
                referred = export.referred(stack)
                for frame in range(stack.shape[0]):
                    file = folder / "images" / f"{frame_stem(stack.name, frame)}.png"
                    image = place_image(stack, frame, export.options, file)
                    item: dict[str, Any] = {"image": image, "mask": [], "text": []}
                    order.append([])
                    for object_id, runs in stack.runs(frame).items():
                        if object_id not in referred:
                            continue
                        outlines = coco_polygons(runs)
                        for phrase in referred[object_id]:
                            item["mask"].append(outlines)
                            item["text"].append(phrase)
                            order[-1].append(object_id)
                    if item["mask"]:
                        items += 1
                        stream.write(",\n" if items > 1 else "\n")
                        stream.write(json.dumps(item, ensure_ascii=False))
                    yield
            stream.write("\n]\n")


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read annotations.json; images that it does not mention are frames without objects."""
    if path.is_file():
        return list(_read_folder(path.parent, path, "", provenance))
    folders = part_folders(path, _FILE)
    return [
        stack
        for part, folder in folders.items()
        for stack in _read_folder(folder, folder / _FILE, part, provenance)
    ]


def recognizes(path: Path) -> bool:
    """Whether it is annotations.json of Sa2VA, or a folder with it."""
    files = [path] if path.is_file() else [f / _FILE for f in part_folders(path, _FILE).values()]
    if not files or files[0].name != _FILE:
        return False
    items = read_json(files[0])
    return isinstance(items, list) and (
        not items or (isinstance(items[0], dict) and {"image", "mask", "text"} <= items[0].keys())
    )


def _read_folder(
    folder: Path, file: Path, part: str, provenance: Provenance
) -> Iterator[LabelledStack]:
    try:
        items = {str(item["image"]): item for item in read_json(file)}
        pairs = [(m, t) for i in items.values() for m, t in zip(i["mask"], i["text"], strict=True)]
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{file} is no such file ({error!r}).", "Is it complete?") from error
    del pairs
    files = {f.name: f for f in image_files(folder / "images")}
    names = sorted(files.keys() | items.keys(), key=lambda name: Path(name).name)
    paths = [files.get(name, Path(name)) for name in names]
    sizes = [_size(image) for image in paths]
    stems = [path.stem for path in paths]
    for name, members in group_frames(stems, sizes, provenance, part, folder.name):
        frames = [items.get(names[place], {"mask": [], "text": []}) for place in members]
        shape = (len(frames), *sizes[members[0]])
        ids = _ids(frames, provenance.stack(name, part).get("order"))
        yield LabelledStack(
            LabelMasks(shape, _masks(frames, ids, shape)),
            _records(frames, ids),
            name=name,
            images=images_at([paths[place] for place in members], shape),
            sources=(("labels", file),),
            part=part,
        )


def _size(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file) as image:
            return image.height, image.width
    except OSError as error:
        raise InputError(
            f"The image {file} cannot be read ({error}): the annotations do not say how large "
            "it is.",
            "Put it beside them.",
        ) from error


def _ids(frames: list[dict[str, Any]], order: list[list[int]] | None) -> list[list[int]]:
    """The object of each mask: as told, else equal masks of an image are one object."""
    if order is not None and [len(ids) for ids in order] == [len(f["mask"]) for f in frames]:
        return order
    ids: list[list[int]] = []
    last = 0
    for frame in frames:
        of_outlines: dict[str, int] = {}
        for mask in frame["mask"]:
            key = json.dumps(mask)
            if key not in of_outlines:
                last += 1
                of_outlines[key] = last
        ids.append([of_outlines[json.dumps(mask)] for mask in frame["mask"]])
    return ids


def _records(frames: list[dict[str, Any]], ids: list[list[int]]) -> dict[int, ObjectRecord]:
    phrases: dict[int, dict[str, None]] = {}
    for frame, numbers in zip(frames, ids, strict=True):
        for object_id, text in zip(numbers, frame["text"], strict=True):
            phrases.setdefault(object_id, {})[str(text)] = None
    records = {}
    for object_id, texts in phrases.items():
        phrase, *more = texts
        records[object_id] = ObjectRecord(object_id, phrase, expressions=more)
    return records


def _masks(
    frames: list[dict[str, Any]], ids: list[list[int]], shape: tuple[int, int, int]
) -> Callable[[int], Masks]:
    def masks(frame: int) -> Masks:
        outlines = dict(zip(ids[frame], frames[frame]["mask"], strict=True))
        for object_id, polygons in outlines.items():
            yield object_id, decode(polygons, *shape[1:])

    return masks
