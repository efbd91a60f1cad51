"""YOLO segmentation: a text file an image, a line an object, and data.yaml.

``images/<part>/``, ``labels/<part>/`` and ``data.yaml``, as Ultralytics reads them. A line is the
class and one polygon, in shares of the image's size. Readers fill it with OpenCV through the
centres of pixels, so the centres of an object's outermost pixels are written: what is decoded
equals the mask where the object is in one piece. Pieces that lie apart are joined by lines, as
Ultralytics' own converter does it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack, LabelMasks, Masks
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.runs import ObjectRuns
from napari_sa2va.export.dataset import PARTS, Export
from napari_sa2va.export.images import image_files, images_at, place_image
from napari_sa2va.export.polygons import filled, one_polygon, polygons
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.export.reading import frame_stem, group_frames, known_category

_YAML = "data.yaml"

Line = tuple[int, Any]


def write(export: Export, variant: str) -> Iterator[None]:
    """Write a text file a frame. Without a split, all is the training and the validation set."""
    parts = export.by_part()
    for part, stacks in parts.items():
        subset = part or PARTS[0]
        labels = export.folder / "labels" / subset
        labels.mkdir(parents=True)
        (export.folder / "images" / subset).mkdir(parents=True)
        for stack in stacks:
            order = export.orders[part, stack.name] = []
            for frame in range(stack.shape[0]):
                stem = frame_stem(stack.name, frame)
                image = export.folder / "images" / subset / f"{stem}.png"
                place_image(stack, frame, export.options, image)
                runs = stack.runs(frame)
                order.append(list(runs))
                lines = [_line(export.category(stack, i), r) for i, r in runs.items()]
                (labels / f"{stem}.txt").write_text("".join(lines), "utf-8")
                yield
    (export.folder / _YAML).write_text(_yaml(export, list(parts)), "utf-8")


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read a folder with data.yaml; without images, sizes are told by the provenance alone."""
    try:
        names = yaml.safe_load((path / _YAML).read_text("utf-8"))["names"]
        names = dict(names) if isinstance(names, dict) else dict(enumerate(names))
    except (OSError, LookupError, TypeError, yaml.YAMLError) as error:
        raise InputError(f"{path / _YAML} cannot be read ({error}).", "Correct it.") from error
    parts = [p.name for p in sorted((path / "labels").iterdir()) if p.is_dir()]
    whole = provenance.format == "yolo" and not any(s["part"] for s in provenance.stacks())
    return [
        stack
        for subset in parts
        for stack in _read_part(path, subset, "" if whole else subset, names, provenance)
    ]


def recognizes(path: Path) -> bool:
    """Whether it is a folder with data.yaml and labels."""
    return (path / _YAML).is_file() and (path / "labels").is_dir()


def _line(category: int, runs: ObjectRuns) -> str:
    height, width = runs.shape
    y0, x0, _, _ = runs.box
    points = one_polygon(polygons(runs.crop(), "centres")) + np.array((y0, x0))
    while len(points) < 3:  # a pixel or a line is no polygon to most readers
        points = np.concatenate((points, points[-1:]))
    # Readers multiply by the size; some then cut the fraction off, others round. A quarter of a
    # pixel brings both to the pixel itself.
    shares = (points[:, ::-1] + 0.25) / (width, height)
    return f"{category} {' '.join(f'{share:.7g}' for share in shares.ravel())}\n"


def _yaml(export: Export, parts: list[str]) -> str:
    subsets = {part or PARTS[0] for part in parts}
    lines = ["# written by napari-sa2va"]
    for part in PARTS:
        # Ultralytics wants a validation set: where there is none, it is the training set.
        subset = part if part in subsets else next(iter(sorted(subsets, reverse=True)))
        if part in subsets or part != "test":
            lines.append(f"{part}: images/{subset}")
    lines.append("names:")
    lines += [
        f"  {number}: {json.dumps(name, ensure_ascii=False)}"
        for number, name in enumerate(export.categories)
    ]
    return "\n".join([*lines, ""])


def _read_part(
    path: Path, subset: str, part: str, names: dict[int, str], provenance: Provenance
) -> Iterator[LabelledStack]:
    texts = {file.stem: file for file in sorted((path / "labels" / subset).glob("*.txt"))}
    images = {file.stem: file for file in image_files(path / "images" / subset)}
    stems = sorted(texts.keys() | images.keys())
    told = {s["name"]: tuple(s["shape"][1:]) for s in provenance.stacks() if s["part"] == part}
    sizes = [_size(stem, images, told) for stem in stems]
    for name, members in group_frames(stems, sizes, provenance, part, subset):
        shape = (len(members), *sizes[members[0]])
        order = provenance.stack(name, part).get("order")
        lines = [_lines(texts.get(stems[place])) for place in members]
        ids = _ids(lines, order)
        records = {
            object_id: ObjectRecord(object_id, category=known_category(str(names[category])))
            for of_frame, numbers in zip(lines, ids, strict=True)
            for (category, _), object_id in zip(of_frame, numbers, strict=True)
        }
        files = [images[stems[place]] for place in members if stems[place] in images]
        yield LabelledStack(
            LabelMasks(shape, _masks(lines, ids, shape)),
            records,
            name=name,
            images=images_at(files, shape),
            sources=(("labels", path),),
            part=part,
        )


def _size(stem: str, images: dict[str, Path], told: dict[str, tuple[int, int]]) -> tuple[int, int]:
    name = stem.rpartition("_")[0]
    if name in told:
        return told[name]
    if stem not in images:
        raise InputError(
            f"There is no image {stem}: YOLO's labels do not say how large they are.",
            "Put the images beside them.",
        )
    with Image.open(images[stem]) as image:
        return image.height, image.width


def _lines(file: Path | None) -> list[Line]:
    if file is None:
        return []
    try:
        rows = [line.split() for line in file.read_text("utf-8").splitlines() if line.strip()]
        return [(int(row[0]), _shares(row[1:])) for row in rows]
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}).", "Correct it.") from error


def _shares(values: list[str]) -> Any:
    shares = np.array(values, np.float64)
    if len(shares) == 4:  # a box: centre and size
        x, y, width, height = shares
        left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
        shares = np.array([left, top, right, top, right, bottom, left, bottom])
    return shares.reshape(-1, 2)


def _ids(lines: list[list[Line]], order: list[list[int]] | None) -> list[list[int]]:
    """The object of each line: as the provenance tells, else each line is an object."""
    counts = [len(of_frame) for of_frame in lines]
    if order is not None and [len(ids) for ids in order] == counts:
        return order
    starts = np.cumsum([1, *counts]).tolist()
    return [list(range(a, b)) for a, b in pairwise(starts)]


def _masks(
    lines: list[list[Line]], ids: list[list[int]], shape: tuple[int, int, int]
) -> Callable[[int], Masks]:
    size = np.array(shape[1:])

    def masks(frame: int) -> Masks:
        for (_, shares), object_id in zip(lines[frame], ids[frame], strict=True):
            points = np.minimum((shares[:, ::-1] * size).astype(np.int64), size - 1)
            yield object_id, filled(points, shape[1:])

    return masks
