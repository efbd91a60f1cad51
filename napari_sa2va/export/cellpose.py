"""Cellpose training pairs: an image and its labels a frame, ``x.tif`` and ``x_masks.tif``.

In one folder, or in one of each part: Cellpose takes a training and a test folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tifffile

from napari_sa2va.core.labelled import LabelArray, LabelledStack
from napari_sa2va.export.dataset import PARTS, Export
from napari_sa2va.export.images import images_at, place_image
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.export.reading import frame_stem, group_frames
from napari_sa2va.io import labels_dtype
from napari_sa2va.io.images import natural_key
from napari_sa2va.io.label_files import LabelImageFiles, read_label_image

_MASKS = ("_masks", "_cp_masks")


def write(export: Export, variant: str) -> Iterator[None]:
    """Write a pair a frame."""
    for part, stacks in export.by_part().items():
        folder = export.folder / part
        folder.mkdir(exist_ok=True)
        for stack in stacks:
            dtype = labels_dtype(max(stack.object_ids, default=0))
            for frame in range(stack.shape[0]):
                stem = frame_stem(stack.name, frame)
                place_image(stack, frame, export.options, folder / f"{stem}.tif")
                plane = export.plane(stack, frame).astype(dtype)
                file = folder / f"{stem}{_MASKS[0]}.tif"
                tifffile.imwrite(file, plane, photometric="minisblack", compression="zlib")
                yield


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read the pairs of a folder and of its parts."""
    return [stack for part in ("", *PARTS) for stack in _read_folder(path / part, part, provenance)]


def recognizes(path: Path) -> bool:
    """Whether a folder, or one of its parts, holds pairs."""
    return path.is_dir() and any(_mask_files(path / part) for part in ("", *PARTS))


def _mask_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = [f for f in folder.iterdir() if f.suffix in (".tif", ".png")]
    return sorted((f for f in files if f.stem.endswith(_MASKS)), key=natural_key)


def _read_folder(folder: Path, part: str, provenance: Provenance) -> Iterator[LabelledStack]:
    files = _mask_files(folder)
    stems = [_image_stem(file) for file in files]
    sizes = [read_label_image(file).shape for file in files]
    for name, members in group_frames(stems, sizes, provenance, part, folder.name):
        labels = LabelArray(LabelImageFiles([files[place] for place in members]))
        images = [_image_beside(folder, stems[place]) for place in members]
        found = [image for image in images if image is not None]
        yield LabelledStack(
            labels,
            name=name,
            images=images_at(found, labels.shape),
            sources=(("labels", folder),),
            part=part,
        )


def _image_stem(file: Path) -> str:
    suffix = next(s for s in sorted(_MASKS, key=len, reverse=True) if file.stem.endswith(s))
    return file.stem.removesuffix(suffix)


def _image_beside(folder: Path, stem: str) -> Path | None:
    candidates = (folder / f"{stem}{suffix}" for suffix in (".tif", ".tiff", ".png", ".jpg"))
    return next((file for file in candidates if file.is_file()), None)
