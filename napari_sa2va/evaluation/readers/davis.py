"""DAVIS 2017, semi-supervised: objects are given in their first frame and followed.

``Annotations/<resolution>/<sequence>/00000.png`` (indexed; 255 is void, which does not count),
``JPEGImages/<resolution>/<sequence>/00000.jpg`` and ``ImageSets/2017/<split>.txt``, as
https://github.com/davisvideochallenge/davis2017-evaluation (davis2017/davis.py,
davis2017/evaluation.py) reads them. The first frame is given and the last is left out, as there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.evaluation.dataset import Dataset, Masks, Sample, first_folder, image_frames
from napari_sa2va.export.images import image_files
from napari_sa2va.io.images import natural_key
from napari_sa2va.io.label_files import read_label_image

VOID = 255
_RESOLUTIONS = ("480p", "Full-Resolution")


def read(path: Path, split: str, images: Path | None) -> Dataset:
    """Read the sequences of a split; a split without a list is all of them."""
    annotations = first_folder([path / "Annotations" / r for r in _RESOLUTIONS], "annotations")
    pictures = images or path / "JPEGImages" / annotations.name
    samples = [_sample(annotations / name, pictures / name) for name in _sequences(path, split)]
    return Dataset("davis", "davis", split, path, samples)


def objects_in(file: Path) -> list[int]:
    """The objects of an annotation."""
    return [int(i) for i in np.unique(read_label_image(file)) if i not in (0, VOID)]


def _sequences(path: Path, split: str) -> Iterator[str]:
    lists = path / "ImageSets" / "2017"
    file = lists / f"{split}.txt"
    if not file.is_file():
        found = ", ".join(sorted(p.stem for p in lists.glob("*.txt"))) or "none"
        raise InputError(f"There is no {file}.", f"Splits that are there: {found}.")
    for line in file.read_text("utf-8").splitlines():
        if line.strip():
            yield line.strip()


def _sample(annotations: Path, pictures: Path) -> Sample:
    files = sorted(annotations.glob("*.png"), key=natural_key)
    if not files:
        raise InputError(f"There are no annotations in {annotations}.", "Is it complete?")
    found = {file.stem: file for file in image_files(pictures)}
    missing = [file.stem for file in files if file.stem not in found]
    if missing:
        raise InputError(
            f"There is no image of {annotations.name}/{missing[0]} in {pictures}.",
            "Is the data set complete?",
        )
    objects = objects_in(files[0])
    if not objects:
        raise InputError(f"{files[0]} shows no object.", "Objects are given in the first frame.")

    def truth(frame: int) -> Masks:
        plane = read_label_image(files[frame])
        return {number: plane == number for number in objects}

    def void(frame: int) -> BoolMask:
        mask: BoolMask = read_label_image(files[frame]) == VOID
        return mask

    return Sample(
        annotations.name,
        annotations.name,
        image_frames([found[file.stem] for file in files], pictures),
        truth,
        prompts=dict.fromkeys(objects, 0),
        scored=_between,
        void=void,
    )


def _between(frames: int) -> Sequence[int]:
    return range(1, frames - 1)
