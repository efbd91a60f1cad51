"""Arrays in files, seen as frames."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import ArrayFrames

# What readers and decompressors raise on damaged data, or subclasses of these.
READ_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    EOFError,
    LookupError,
    SyntaxError,  # Pillow on a broken PNG
    ImportError,  # tifffile on a codec that is not installed
    struct.error,
    zlib.error,
)

_DOUBLE_SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.zarr")


class FileFrames(ArrayFrames):
    """Frames of an array that lies in a file; errors name the file.

    Parameters
    ----------
    array : array-like
        As for `ArrayFrames`; it is indexed by frame when a frame is asked for.
    path : Path
        Where it lies.

    Attributes
    ----------
    name : str
        The file's name without its suffix.
    """

    def __init__(self, array: Any, path: Path) -> None:
        try:
            super().__init__(array)
        except InputError as error:
            raise InputError(f"{path}: {error.message}", error.hint) from error
        self.path = path
        self.name = stack_name(path)

    def file(self, index: int) -> Path | None:
        """The image file that frame `index` alone lies in; None where a file holds a stack."""
        files = getattr(self._stack, "files", None)
        return None if files is None else files[index]

    def _read(self, index: int) -> npt.NDArray[Any]:
        try:
            return super()._read(index)
        except InputError:
            raise
        except READ_ERRORS as error:
            raise unreadable_frame(self.path, index, error) from error


class FrameView:
    """An array of any axes, seen as (T, Y, X) or (T, Y, X, S).

    Parameters
    ----------
    array : array-like
        Indexed by integers and slices, and read only then.
    axes : str
        A letter per axis, in the array's order: Y and X; S for colour samples; T, Z, C or any
        other.
    """

    def __init__(self, array: Any, axes: str) -> None:
        sizes = dict(zip(axes, array.shape, strict=True))
        colour = sizes.get("S") in (3, 4)
        self._array = array
        self._axes = axes
        self._time = time_axis(axes, array.shape)
        self._plane = "YXS" if colour else "YX"
        self.dtype = array.dtype
        frames = 1 if self._time is None else sizes[self._time]
        self.shape = (frames, *(sizes[axis] for axis in self._plane))

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        """Frame `index`, (Y, X) or (Y, X, S)."""
        kept = [axis for axis in self._axes if axis in self._plane]
        selection = tuple(
            slice(None) if axis in kept else index if axis == self._time else 0
            for axis in self._axes
        )
        return np.asarray(self._array[selection]).transpose([kept.index(a) for a in self._plane])


def time_axis(axes: str, shape: tuple[int, ...]) -> str | None:
    """The axis to walk along: T, else Z, else the first other one; None for a single image.

    Axes of one step are passed over. Channels and colours are never walked along.
    """
    long = [axis for axis, size in zip(axes, shape, strict=True) if size != 1]
    for axis in ("T", "Z", *long):
        if axis in long and axis not in "YXSC":
            return axis
    return None


def stack_name(path: Path) -> str:
    """The name of a file or folder without its suffix, ``.ome.tif`` and the like included."""
    for suffix in _DOUBLE_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def unreadable_frame(path: Path, index: int, error: Exception) -> InputError:
    """The error for a frame whose data are damaged or cut off."""
    return InputError(
        f"Frame {index} of {path} cannot be read ({_said(error)}).",
        _way_out(error, "Is the file complete? Copy or export it again."),
    )


def unreadable_file(path: Path, error: Exception) -> InputError:
    """The error for a file that is not what its name says, or is damaged from its start."""
    return InputError(
        f"{path} cannot be read ({_said(error)}).",
        _way_out(error, "Is it complete, and of its name's kind? Copy or export it again."),
    )


def _way_out(error: Exception, otherwise: str) -> str:
    if isinstance(error, ImportError) or "imagecodecs" in str(error):
        return "Its compression needs a package: pip install imagecodecs"
    return otherwise


def _said(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
