"""Label stacks to OME-TIFF, frame by frame."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_sa2va.core.errors import InputError

_DTYPES = tuple(np.dtype(name) for name in ("uint8", "uint16", "uint32"))
_CLASSIC_TIFF_BYTES = 2**31  # well below the 4 GiB that its offsets reach


def labels_dtype(largest_id: int) -> np.dtype[Any]:
    """The smallest unsigned dtype that holds ids up to `largest_id`."""
    for dtype in _DTYPES:
        if 0 <= largest_id <= np.iinfo(dtype).max:
            return dtype
    raise InputError(
        f"The object id {largest_id} cannot be stored.",
        f"Use ids from 1 to {np.iinfo(_DTYPES[-1]).max}.",
    )


def write_labels(
    path: str | PathLike[str],
    frames: Iterable[npt.NDArray[Any]],
    shape: tuple[int, int, int],
    dtype: npt.DTypeLike = np.uint16,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a label stack as compressed OME-TIFF; the stack is never held as a whole.

    The file appears under its name when it is complete: until then, and where anything fails,
    a file that was there stays as it is.

    Parameters
    ----------
    path : str or path
        Where to; `.tif` or `.tiff`.
    frames : iterable of (H, W) integer arrays
        The object id of each pixel, 0 for background; T of them.
    shape : tuple of int
        (T, H, W).
    dtype : dtype
        An unsigned integer type that holds all ids: see `labels_dtype`.
    overwrite : bool
        Whether to replace a file that is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    napari_sa2va.core.errors.InputError
        The file exists, its folder does not, or the frames do not fit `shape` or `dtype`.
    """
    path, dtype = Path(path), np.dtype(dtype)
    check_output(path, overwrite)
    big = int(np.prod(shape)) * dtype.itemsize > _CLASSIC_TIFF_BYTES
    checked = _checked(frames, shape, dtype)
    with _written_beside(path) as beside, tifffile.TiffWriter(beside, ome=True, bigtiff=big) as tif:
        tif.write(
            islice(checked, shape[0]),
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            compression="zlib",
            predictor=True,
            metadata={"axes": "TYX"},
        )
        next(checked, None)  # are more than T frames left? The check raises
    return path


def check_output(path: Path, overwrite: bool) -> None:
    """Raise InputError where labels cannot be written to `path`."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"Labels are written as TIFF, not as {path.name}.", "Name it *.tif.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"There is no folder {path.absolute().parent}.", "Create it first.")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists.", "Choose another name, or overwrite it on purpose.")


@contextmanager
def _written_beside(path: Path) -> Iterator[Path]:
    """A name in the same folder, which becomes `path` when all went well."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _checked(
    frames: Iterable[npt.NDArray[Any]], shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> Iterator[npt.NDArray[Any]]:
    count = 0
    for count, frame in enumerate(frames, 1):
        if count > shape[0] or frame.shape != shape[1:]:
            break
        if frame.size and not 0 <= frame.min() <= frame.max() <= np.iinfo(dtype).max:
            raise InputError(
                f"Frame {count - 1} has ids that {dtype} cannot hold.", "Choose a larger dtype."
            )
        yield frame.astype(dtype, copy=False)
    else:
        if count == shape[0]:
            return
    raise InputError(
        f"The label frames do not fit the shape {shape}: frame {count} of {shape[0]} is "
        f"{frame.shape if count else 'missing'}.",
        "Give T frames of (H, W).",
    )
