"""Zarr arrays and OME-Zarr images (0.1 to 0.5), a frame at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import zarr

from napari_sa2va.core.errors import InputError
from napari_sa2va.io.arrays import READ_ERRORS, FileFrames, FrameView, unreadable_file

_MARKERS = ("zarr.json", ".zarray", ".zgroup", ".zattrs")

# Axes by number where the metadata do not name them; OME-Zarr before 0.3 is always TCZYX.
_DEFAULT_AXES = {2: "YX", 3: "TYX", 4: "TZYX", 5: "TCZYX"}


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a Zarr array or group."""
    return folder.suffix == ".zarr" or any((folder / marker).exists() for marker in _MARKERS)


def open_zarr(folder: Path) -> FileFrames:
    """Open a Zarr array, or the highest resolution of an OME-Zarr image.

    Raises
    ------
    InputError
        It cannot be read, holds no array, or several of which none is said to be the image.
    """
    try:
        return FileFrames(zarr_view(folder), folder)
    except InputError:
        raise
    except READ_ERRORS as error:
        raise unreadable_file(folder, error) from error


def zarr_view(folder: Path) -> FrameView:
    """The array that `open_zarr` opens, its values as they are stored."""
    node = zarr.open(folder, mode="r")
    array, axes = _image_of(node, folder) if isinstance(node, zarr.Group) else (node, None)
    return FrameView(array, axes or _named_axes(array, folder))


def _image_of(group: zarr.Group, folder: Path) -> tuple[zarr.Array, str | None]:
    """The array of a group, and its axes where the group's metadata name them."""
    metadata = {**group.attrs, **group.attrs.get("ome", {})}  # "ome" since version 0.5
    if "multiscales" in metadata:
        image = metadata["multiscales"][0]
        array = group[image["datasets"][0]["path"]]
        return array, _ome_axes(image.get("axes"))
    if "bioformats2raw.layout" in metadata:  # a collection of images: the first is "0"
        return _image_of(group["0"], folder)
    arrays = dict(group.arrays())
    if len(arrays) == 1:
        return arrays.popitem()[1], None
    if not arrays:
        raise InputError(
            f"{folder} holds no array.", "Give a Zarr array or an OME-Zarr image, not a plate."
        )
    raise InputError(
        f"{folder} holds several arrays: {', '.join(sorted(arrays))}.",
        f"Say which one, e.g. {folder / min(arrays)}",
    )


def _ome_axes(axes: list[Any] | None) -> str | None:
    if axes is None:
        return None
    names = [axis["name"] if isinstance(axis, dict) else axis for axis in axes]
    return _letters(names)


def _named_axes(array: zarr.Array, folder: Path) -> str:
    """Axes as the array's own metadata name them (Zarr 3, xarray), else by their number."""
    names = array.metadata.to_dict().get("dimension_names") or array.attrs.get("_ARRAY_DIMENSIONS")
    if names and None not in names:
        axes = _letters(names)
        if {"Y", "X"} <= set(axes):
            return axes
    colour = "S" if array.ndim in (3, 4) and array.shape[-1] in (3, 4) else ""
    axes = _DEFAULT_AXES.get(array.ndim - len(colour), "")
    if not axes:
        raise InputError(
            f"{folder} has {array.ndim} axes, and nothing says what they are.",
            "Store it as OME-Zarr, or with at most five axes (T, C, Z, Y, X).",
        )
    return axes + colour


def _letters(names: list[str]) -> str:
    """One letter per axis; names that begin alike (`time`, `tile`) stay apart."""
    letters = ""
    for name in names:
        letter = name[0].upper()
        letters += letter if letter not in letters else chr(ord("a") + len(letters))
    return letters
