"""RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO, from JSON.

- ``refs(<by>).json`` or ``grefs(<by>).json`` beside ``instances.json``: the content of the
  original files (https://github.com/lichengunc/refer, refer.py), which gRefCOCO publishes as JSON
  (https://github.com/henghuiding/ReLA, gres_model/data/datasets/grefer.py). A reference has
  ``image_id``, ``ann_id`` (of gRefCOCO a list; [-1] refers to nothing), ``split`` and
  ``sentences``.
- ``instances_<name>_<split>.json``, as tools/data/convert_refexp_to_coco.py of
  https://github.com/wjn922/ReferFormer writes it: an image a sentence, with ``caption``.

The original ``refs(<by>).p`` is a pickle, which can run any code when it is read: it is refused.
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
    required,
    union,
)
from napari_sa2va.export.reading import read_json
from napari_sa2va.export.rle import decode

_NOTHING = -1
_SPLITTERS = ("unc", "umd", "google")  # who divided a data set into splits


def read(path: Path, split: str, images: Path | None) -> Dataset:
    """Read a split; `path` is the folder of one data set, such as ``refcoco+``."""
    converted = path / f"instances_{path.name}_{split}.json"
    pictures = images or first_folder(
        [
            base / below
            for base in (path, path.parent)
            for below in ("images/mscoco/images/train2014", "images/train2014", "train2014")
        ]
        + [path / "images"],
        "images",
    )
    with reading(str(converted if converted.is_file() else path)):
        if converted.is_file():
            samples = list(_converted(converted, pictures))
        else:
            samples = list(_references(path, split, pictures))
    # The sentences of an image one after the other: it is read and embedded once.
    samples.sort(key=lambda sample: sample.stack)
    return Dataset("refcoco", path.name.lower(), split, path, samples)


def _references(path: Path, split: str, pictures: Path) -> Iterator[Sample]:
    file = _references_file(path)
    references = read_json(file)
    instances_file = required(path / "instances.json")
    instances = read_json(instances_file)
    images = _by_id(field_of(instances, "images", str(instances_file)), instances_file)
    annotations = _by_id(field_of(instances, "annotations", str(instances_file)), instances_file)
    splits = set()
    found = False
    for reference in references:
        where = f"{file}: reference {reference.get('ref_id', '?')}"
        splits.add(str(field_of(reference, "split", where)))
        if not _belongs(str(reference["split"]), split):
            continue
        found = True
        image = _known(images, field_of(reference, "image_id", where), f"{where}, 'image_id'")
        ids = field_of(reference, "ann_id", where)
        ids = [i for i in (ids if isinstance(ids, list) else [ids]) if i != _NOTHING]
        true = [_known(annotations, i, f"{where}, 'ann_id'") for i in ids]
        for sentence in field_of(reference, "sentences", where):
            number = field_of(sentence, "sent_id", where)
            text = str(field_of(sentence, "sent", where))
            yield _sample(str(number), text, image, true, pictures, instances_file)
    if not found:
        raise InputError(
            f"{file} has no split {split!r}.", f"There are: {', '.join(sorted(splits))}."
        )


def _converted(file: Path, pictures: Path) -> Iterator[Sample]:
    content = read_json(file)
    annotations: dict[Any, list[Mapping[str, Any]]] = {}
    for annotation in field_of(content, "annotations", str(file)):
        owner = field_of(annotation, "image_id", f"{file}: annotation")
        annotations.setdefault(owner, []).append(annotation)
    for image in field_of(content, "images", str(file)):
        number = field_of(image, "id", f"{file}: image")
        text = str(field_of(image, "caption", f"{file}: image {number}"))
        yield _sample(str(number), text, image, annotations.get(number, []), pictures, file)


def _sample(
    number: str,
    text: str,
    image: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    pictures: Path,
    file: Path,
) -> Sample:
    name = field_of(image, "file_name", f"{file}: image")
    return Sample(
        f"{Path(name).stem}/{number}",
        name,
        image_frames([pictures / name], pictures / name),
        _truth(image, annotations, file),
        text=text.strip(),
        group="" if annotations else "no target",
    )


def _truth(
    image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], file: Path
) -> Callable[[int], Masks]:
    def truth(frame: int) -> Masks:
        where = f"{file}: image {image['file_name']}"
        with reading(where):
            size = int(field_of(image, "height", where)), int(field_of(image, "width", where))
        # A crowd is no instance: gRefCOCO's own reader leaves it out, too.
        masks = [
            decode(field_of(annotation, "segmentation", where), *size)
            for annotation in annotations
            if not annotation.get("iscrowd")
        ]
        return {1: union(masks, size)}

    return truth


def _references_file(path: Path) -> Path:
    names = [f"{kind}refs({by})" for kind in ("", "g") for by in _SPLITTERS]
    for name in names:
        if (path / f"{name}.json").is_file():
            return path / f"{name}.json"
    for name in names:
        pickled = path / f"{name}.p"
        if pickled.is_file():
            raise InputError(
                f"{pickled} is a pickle, which can run any code, and is not read.",
                'If you trust it, convert it yourself: python -c "import json, pickle; '
                f"json.dump(pickle.load(open('{pickled.name}', 'rb')), "
                f"open('{name}.json', 'w'))\"",
            )
    raise InputError(
        f"There are neither refs(...).json nor instances_{path.name}_<split>.json in {path}.",
        "Give the folder of one data set, such as refcoco+.",
    )


def _belongs(has: str, wanted: str) -> bool:
    """As the original reader: testA is also part of a split named testAB."""
    if wanted in ("testA", "testB", "testC"):
        return has.startswith("test") and wanted[-1] in has[len("test") :]
    return has.startswith("test") if wanted == "test" else has == wanted


def _by_id(entries: Sequence[Mapping[str, Any]], file: Path) -> dict[Any, Mapping[str, Any]]:
    return {field_of(entry, "id", f"{file}: entry"): entry for entry in entries}


def _known(entries: Mapping[Any, Any], number: Any, where: str) -> Any:
    if number not in entries:
        raise InputError(
            f"{where}: {number} is not in instances.json.", "Do the files belong together?"
        )
    return entries[number]
