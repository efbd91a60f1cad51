"""Every kind of data set, once: the Python API and the command line take them from here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_sa2va.core.errors import InputError
from napari_sa2va.evaluation.dataset import Dataset

Measure = Literal["J&F", "IoU", "mAP", "CTC"]


@dataclass(frozen=True)
class Kind:
    """A kind of data set.

    Attributes
    ----------
    name : str
        As it is typed.
    title : str
        For people.
    module, reader : str
        Within `napari_sa2va.evaluation.readers`, and its function.
    split : str
        What is read where nothing else is said.
    measure : str
        ``J&F`` of videos, ``IoU`` of images (cIoU, gIoU), ``mAP`` of instances, ``CTC`` for SEG
        and TRA.
    question : str
        How a phrase is asked for; as Sa2VA's own evaluation does, a phrase with a question mark
        is asked as it stands. Empty where nothing is said.
    """

    name: str
    title: str
    module: str
    reader: str
    split: str
    measure: Measure
    question: str = ""

    def read(self, path: Path, split: str = "", images: Path | None = None) -> Dataset:
        """Read a data set; see the module for its layout.

        Parameters
        ----------
        path : Path
            Its folder.
        split : str
            Which part; empty for the usual one.
        images : Path, optional
            Where its images are, if not in their usual place.

        Raises
        ------
        InputError
            A file or field is missing, damaged, or does not fit the others.
        """
        for folder in (path, images):
            if folder is not None and not folder.is_dir():
                raise InputError(f"There is no folder {folder}.", "Check the path.")
        module = importlib.import_module(f"napari_sa2va.evaluation.readers.{self.module}")
        dataset: Dataset = getattr(module, self.reader)(path, split or self.split, images)
        if not dataset.samples:
            raise InputError(f"{path} asks nothing.", "Is the split right?")
        return dataset


_SEGMENT = "Please segment {}."

KINDS = {
    kind.name: kind
    for kind in (
        Kind("davis", "DAVIS 2017, semi-supervised", "davis", "read", "val", "J&F"),
        Kind("ref-davis", "Ref-DAVIS17", "expressions", "ref_davis", "valid", "J&F", _SEGMENT),
        Kind("mevis", "MeViS", "expressions", "mevis", "valid_u", "J&F", _SEGMENT),
        Kind(
            "ref-youtube-vos", "Ref-YouTube-VOS", "expressions", "ref_youtube_vos", "train",
            "J&F", _SEGMENT,
        ),
        Kind("ref-sav", "Ref-SAV", "expressions", "ref_sav", "valid", "J&F", _SEGMENT),
        Kind("revos", "ReVOS", "expressions", "revos", "valid", "J&F", _SEGMENT),
        Kind(
            "refcoco", "RefCOCO, RefCOCO+, RefCOCOg, gRefCOCO", "refcoco", "read", "val", "IoU",
            "Please segment {} in this image.",
        ),
        Kind("coco", "COCO instances", "coco", "read", "val", "mAP", _SEGMENT),
        Kind("ctc", "Cell Tracking Challenge", "ctc", "read", "", "CTC"),
    )
}  # fmt: skip


def kind_named(name: str) -> Kind:
    """A kind by its name; InputError lists all."""
    if name not in KINDS:
        raise InputError(f"There is no kind of data set {name!r}.", f"Choose: {', '.join(KINDS)}.")
    return KINDS[name]
