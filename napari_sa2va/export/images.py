"""The image files of an export: written, referenced, or left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import FrameSource
from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.export.dataset import Options
from napari_sa2va.io.images import IMAGE_SUFFIXES, open_image_files
from napari_sa2va.io.tiff import TIFF_SUFFIXES

_JPEG_QUALITY = 95


def place_image(stack: LabelledStack, frame: int, options: Options, file: Path) -> str:
    """The image of a frame, written to `file` as the options say.

    Returns
    -------
    str
        What an annotation file names: the written file's own name, or the path of the image that
        was there. The name alone where images are left out.

    Raises
    ------
    InputError
        The image cannot be referenced, or not be kept in the file's kind.
    """
    if options.image_files == "none" or stack.images is None:
        return file.name
    source = stack.source_frames[frame]
    if options.image_files == "reference":
        return str(_source_file(stack, source))
    values = _values(stack.images, source) if options.depth == "kept" else None
    if values is None:
        values = stack.images.frame(source)
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(file, values)
    return file.name


def images_at(files: Sequence[Path], shape: tuple[int, int, int]) -> FrameSource | None:
    """Image files as frames in the order given; None where one is missing or of another size."""
    if not files or not all(file.is_file() for file in files):
        return None
    try:
        frames = open_image_files(files, files[0].parent)
    except InputError:  # labels can be imported without their images
        return None
    return frames if frames.shape == shape else None


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder, by name."""
    if not folder.is_dir():
        return []
    suffixes = (*IMAGE_SUFFIXES, *TIFF_SUFFIXES)
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes)


def write_png(file: Path, values: npt.NDArray[Any]) -> None:
    """Write (H, W) or (H, W, 3) of 8 or 16 bits."""
    file.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(values)))


def _source_file(stack: LabelledStack, source: int) -> Path:
    file = getattr(stack.images, "file", lambda _: None)(source)
    if file is None:
        raise InputError(
            f"The images of {stack.name} are not one file a frame: they cannot be referenced.",
            "Write them.",
        )
    return Path(file).absolute()


def _values(images: FrameSource, frame: int) -> npt.NDArray[Any] | None:
    """A frame as it is stored; None where only 8-bit RGB is known, as of a video."""
    values = getattr(images, "values", None)
    return None if values is None else np.asarray(values(frame))


def _write(file: Path, values: npt.NDArray[Any]) -> None:
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    suffix = file.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        colour = "rgb" if values.ndim == 3 else "minisblack"
        tifffile.imwrite(file, values, photometric=colour, compression="zlib")
    elif suffix in (".jpg", ".jpeg") and values.dtype == np.uint8:
        file.write_bytes(imagecodecs.jpeg8_encode(values, level=_JPEG_QUALITY))
    elif suffix == ".png" and values.dtype in (np.uint8, np.uint16):
        write_png(file, values)
    else:
        raise InputError(
            f"Images of {values.dtype} cannot be kept as {suffix[1:].upper()}.",
            "Render them, or choose a format with TIFF images, e.g. cellpose or ctc.",
        )
