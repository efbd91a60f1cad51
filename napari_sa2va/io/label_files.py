"""Labels from files, a frame at a time, their values as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelArray
from napari_sa2va.io.arrays import READ_ERRORS, unreadable_file, unreadable_frame
from napari_sa2va.io.images import natural_key, read_image
from napari_sa2va.io.tiff import TIFF_SUFFIXES, tiff_view
from napari_sa2va.io.zarr import is_zarr, zarr_view

LABEL_IMAGE_SUFFIXES = (".png", ".tif", ".tiff")

# Pillow's modes whose values are labels; of indexed images the index is the label.
_LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16B")


def open_labels(path: str | PathLike[str]) -> LabelArray:
    """Open labels; frames are read when they are asked for.

    Parameters
    ----------
    path : str or path
        TIFF or OME-TIFF, NPY, a Zarr array or OME-Zarr labels, one PNG, or a folder of PNG or
        TIFF images, one a frame, in natural order.

    Raises
    ------
    napari_sa2va.core.errors.InputError
        The path is missing, of another kind, damaged, or holds no integers.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file {path}.", "Check the path.")
    try:
        return LabelArray(_FileLabels(_array(path), path))
    except InputError as error:
        if str(path) in error.message:
            raise
        raise InputError(f"{path}: {error.message}", error.hint) from error
    except READ_ERRORS as error:
        raise unreadable_file(path, error) from error


class LabelImageFiles:
    """Label images, one a frame, as one array (T, H, W); a file is read when it is indexed."""

    def __init__(self, files: Sequence[Path]) -> None:
        first = read_label_image(files[0])
        self._files = files
        self.shape = (len(files), *first.shape)
        self.dtype = first.dtype

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        plane = read_label_image(self._files[index])
        if plane.shape != self.shape[1:]:
            raise InputError(
                f"{self._files[index]} has the shape {plane.shape}, {self._files[0]} "
                f"{self.shape[1:]}.",
                "Give frames of one size.",
            )
        return plane


def read_label_image(path: Path) -> npt.NDArray[Any]:
    """The labels of one image file, (H, W)."""
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            labels = read_image(path)
        else:
            with Image.open(path) as image:
                labels = np.array(image) if image.mode in _LABEL_MODES else np.empty((0, 0, 3))
    except READ_ERRORS as error:
        raise unreadable_file(path, error) from error
    if labels.ndim != 2:
        raise InputError(f"{path} is a colour image, not labels.", "Give one label a pixel.")
    return labels


class _FileLabels:
    """An array in a file; errors name the file."""

    def __init__(self, array: Any, path: Path) -> None:
        self._array = array
        self._path = path
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        try:
            return np.asarray(self._array[index])
        except InputError:
            raise
        except READ_ERRORS as error:
            raise unreadable_frame(self._path, index, error) from error


def _array(path: Path) -> Any:
    if path.is_dir():
        return zarr_view(path) if is_zarr(path) else _folder(path)
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return tiff_view(path)
    if suffix == ".npy":
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return array[None] if array.ndim == 2 else array
    if suffix == ".png":
        return LabelImageFiles([path])
    raise InputError(f"{path} is of an unknown kind.", "Give TIFF, NPY, Zarr, PNG or a folder.")


def _folder(path: Path) -> LabelImageFiles:
    files = [
        file
        for file in path.iterdir()
        if file.suffix.lower() in LABEL_IMAGE_SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise InputError(f"There are no label images in {path}.", "Give PNG or TIFF images.")
    return LabelImageFiles(sorted(files, key=natural_key))
