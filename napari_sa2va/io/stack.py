"""One door for every kind of file."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import FrameSource
from napari_sa2va.io.images import IMAGE_SUFFIXES, open_image, open_image_files, open_image_folder
from napari_sa2va.io.tiff import TIFF_SUFFIXES, open_tiff
from napari_sa2va.io.video import VIDEO_SUFFIXES, VideoFrames
from napari_sa2va.io.zarr import is_zarr, open_zarr

_KINDS = "TIFF, OME-TIFF, OME-Zarr, a video, an image, or a folder of images"


def open_stack(path: str | PathLike[str]) -> FrameSource:
    """Open a stack of frames; frames are read when asked for, one at a time.

    Parameters
    ----------
    path : str or path
        A TIFF or OME-TIFF file, a Zarr array or OME-Zarr image (highest resolution), a video
        (mp4, mov, avi, mkv, webm, gif, ...), an image (PNG, JPEG, ...), a folder of images in
        natural order (frame2 before frame10), or a pattern for images such as ``"run/*.png"``.

    Returns
    -------
    FrameSource
        ``shape`` is (T, H, W), ``frame(index)`` is uint8 RGB (H, W, 3), ``name`` is for people.
        T is the time axis, else z, else the first axis that is neither channel nor space; other
        axes are taken at index 0. 16-bit and float data are scaled to 8 bits by limits that hold
        for the whole stack.

    Raises
    ------
    napari_sa2va.core.errors.InputError
        The path is missing, of another kind, empty or damaged. Damage that only reading can
        show is raised by ``frame``.

    Examples
    --------
    >>> stack = open_stack("cells.ome.tif")  # doctest: +SKIP
    >>> stack.shape, stack.frame(0).dtype  # doctest: +SKIP
    ((24, 256, 256), dtype('uint8'))
    """
    path = Path(path)
    if path.is_dir():
        return open_zarr(path) if is_zarr(path) else open_image_folder(path)
    if not path.exists():
        if "*" in path.name or "?" in path.name:
            return open_image_files(list(path.parent.glob(path.name)), path)
        raise InputError(f"There is no file {path}.", "Check the path.")
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return open_tiff(path)
    if suffix in VIDEO_SUFFIXES:
        return VideoFrames(path)
    if suffix in IMAGE_SUFFIXES:
        return open_image(path)
    raise InputError(f"{path} is of an unknown kind.", f"Give {_KINDS}.")
