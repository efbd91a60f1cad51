"""DAVIS: an indexed PNG a frame, whose index is the object; JPEG images; lists of sequences.

``Annotations/Full-Resolution/<sequence>/00000.png``, ``JPEGImages/Full-Resolution/...`` and
``ImageSets/2017/<part>.txt``. Objects are numbered from 1 to at most 254; 255 is "void".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from napari_sa2va.core.labelled import LabelArray, LabelledStack
from napari_sa2va.core.runs import Labels
from napari_sa2va.export.dataset import PARTS, Export, relabelled
from napari_sa2va.export.images import image_files, images_at, place_image
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.io.images import natural_key
from napari_sa2va.io.label_files import LabelImageFiles

_LARGEST = 254
_MASKS, _IMAGES, _SETS = "Annotations", "JPEGImages", "ImageSets"
_RESOLUTION, _YEAR = "Full-Resolution", "2017"


def write(export: Export, variant: str) -> Iterator[None]:
    """Write a PNG a frame; objects are numbered from 1 in the order of their ids."""
    sets = export.folder / _SETS / _YEAR
    sets.mkdir(parents=True)
    for part, stacks in export.by_part().items():
        sequences = []
        for stack in stacks:
            sequence = f"{stack.name}_{part}" if part else stack.name
            sequences.append(sequence)
            masks = export.folder / _MASKS / _RESOLUTION / sequence
            masks.mkdir(parents=True)
            written = export.renumbered(stack, _LARGEST, from_one=True)
            for frame in range(stack.shape[0]):
                image = export.folder / _IMAGES / _RESOLUTION / sequence / f"{frame:05d}.jpg"
                place_image(stack, frame, export.options, image)
                plane = relabelled(export.plane(stack, frame), written)
                _indexed(plane).save(masks / f"{frame:05d}.png")
                yield
        (sets / f"{part or PARTS[0]}.txt").write_text("\n".join([*sequences, ""]), "utf-8")


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read all sequences, of the largest resolution that is there."""
    folders = sorted((path / _MASKS).iterdir())
    root = next((f for f in folders if f.name == _RESOLUTION), folders[-1])
    if any(root.glob("*.png")):  # without a folder of the resolution
        root = root.parent
    parts = _parts(path)
    split = {entry["part"] for entry in provenance.stacks()} - {""}
    return [
        _sequence(path, folder, parts.get(folder.name, "") if split else "")
        for folder in sorted(root.iterdir())
        if folder.is_dir() and any(folder.glob("*.png"))
    ]


def recognizes(path: Path) -> bool:
    """Whether it is a folder with annotations and lists of sequences."""
    return (path / _MASKS).is_dir() and (path / _SETS).is_dir()


def _sequence(path: Path, folder: Path, part: str) -> LabelledStack:
    files = sorted(folder.glob("*.png"), key=natural_key)
    labels = LabelArray(_WithoutVoid(files))
    images = path / _IMAGES / folder.relative_to(path / _MASKS)
    return LabelledStack(
        labels,
        name=folder.name.removesuffix(f"_{part}") if part else folder.name,
        images=images_at(image_files(images), labels.shape),
        sources=(("labels", folder),),
        part=part,
    )


class _WithoutVoid(LabelImageFiles):
    """Annotations of DAVIS: 255 marks pixels that belong to no object."""

    def __getitem__(self, index: int) -> Labels:
        plane = super().__getitem__(index)
        return np.where(plane == 255, 0, plane)


def _parts(path: Path) -> dict[str, str]:
    lists = sorted((path / _SETS / _YEAR).glob("*.txt"))
    return {name: file.stem for file in lists for name in file.read_text("utf-8").split("\n")}


def _indexed(plane: Labels) -> Image.Image:
    image = Image.fromarray(plane.astype(np.uint8))
    image.putpalette(_palette())
    return image


def _palette() -> bytes:
    """The colours of PASCAL VOC and DAVIS: the bits of the index, dealt out to red, green, blue."""
    index = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return colours.tobytes()
