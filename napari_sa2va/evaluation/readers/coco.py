"""COCO instances: every class is asked for in every image; each connected piece is an instance.

``annotations/instances_<split>.json`` and ``images/<split>/``, or ``<split>/`` as COCO's own
archives unpack (https://cocodataset.org/#format-data).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import InputError
from napari_sa2va.evaluation.dataset import (
    Dataset,
    Masks,
    Sample,
    field_of,
    first_folder,
    image_frames,
    reading,
    union,
)
from napari_sa2va.export.reading import read_json
from napari_sa2va.export.rle import decode


def read(path: Path, split: str, images: Path | None) -> Dataset:
    """Read a split."""
    file = path / "annotations" / f"instances_{split}.json"
    if not file.is_file():
        there = (p.stem.removeprefix("instances_") for p in file.parent.glob("instances_*.json"))
        raise InputError(
            f"There is no {file}.", f"Splits that are there: {', '.join(sorted(there)) or 'none'}."
        )
    pictures = images or first_folder([path / "images" / split, path / split], "images")
    with reading(str(file)):
        samples = list(_samples(file, pictures))
    return Dataset("coco", "coco", split, path, samples, truth_files={"": file})


def _samples(file: Path, pictures: Path) -> Iterator[Sample]:
    content = read_json(file)
    categories = [
        (int(field_of(c, "id", f"{file}: category")), str(field_of(c, "name", f"{file}: category")))
        for c in field_of(content, "categories", str(file))
    ]
    annotations: dict[tuple[Any, int], list[Mapping[str, Any]]] = {}
    for entry in field_of(content, "annotations", str(file)):
        where = f"{file}: annotation {entry.get('id', '?')}"
        owner = field_of(entry, "image_id", where), int(field_of(entry, "category_id", where))
        annotations.setdefault(owner, []).append(entry)
    for image in field_of(content, "images", str(file)):
        with reading(f"{file}: image, field 'id'"):
            number = int(field_of(image, "id", f"{file}: image"))
        name = field_of(image, "file_name", f"{file}: image {number}")
        for category, called in categories:
            yield Sample(
                f"{number}/{category}",
                str(number),
                image_frames([pictures / name], pictures / name),
                _truth(image, annotations.get((number, category), []), file),
                text=f"all the {called}",
                category=category,
            )


def _truth(
    image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], file: Path
) -> Callable[[int], Masks]:
    def truth(frame: int) -> Masks:
        where = f"{file}: image {image['id']}"
        with reading(where):
            size = int(field_of(image, "height", where)), int(field_of(image, "width", where))
        masks = [decode(field_of(entry, "segmentation", where), *size) for entry in annotations]
        return {1: union(masks, size)}

    return truth
