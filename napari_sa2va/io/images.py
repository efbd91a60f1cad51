"""Single images and folders of them, through Pillow; TIFF frames through tifffile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from napari_sa2va.core.errors import InputError
from napari_sa2va.io.arrays import READ_ERRORS, FileFrames, unreadable_file
from napari_sa2va.io.tiff import TIFF_SUFFIXES

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".jp2")

# Pillow's modes whose values numpy takes as they are; all others become 8-bit RGB.
_ARRAY_MODES = ("1", "L", "I", "F", "I;16", "I;16B", "RGB")


def open_image(path: Path) -> FileFrames:
    """Open an image as a stack of one frame."""
    return FileFrames(ImageFiles([path]), path)


def open_image_folder(folder: Path) -> FileFrames:
    """Open the images of a folder as frames, in natural order.

    Raises
    ------
    InputError
        The folder holds no images, images of several kinds, or of several sizes.
    """
    files = [path for path in folder.iterdir() if _is_image(path)]
    kinds = Counter(path.suffix.lower() for path in files)
    if len(kinds) > 1:
        found = " and ".join(f"{count} {suffix}" for suffix, count in kinds.most_common())
        first = kinds.most_common(1)[0][0]
        raise InputError(
            f"The folder {folder} holds images of several kinds: {found} files.",
            f"Say which are the frames: {folder / f'*{first}'}",
        )
    return open_image_files(files, folder)


def open_image_files(files: Sequence[Path], path: Path) -> FileFrames:
    """Open image files as frames in natural order; `path` is what the user gave."""
    frames = sorted((file for file in files if _is_image(file)), key=natural_key)
    if not frames:
        raise InputError(
            f"No images are found in {path}.",
            f"Image files end in {', '.join((*IMAGE_SUFFIXES, *TIFF_SUFFIXES[:2]))}.",
        )
    return FileFrames(ImageFiles(frames), path if path.is_dir() else path.parent)


class ImageFiles:
    """Image files as one array (T, H, W) or (T, H, W, 3); a file is read when it is indexed.

    Raises
    ------
    InputError
        Their sizes or value types differ; only headers are read to tell.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        layouts = [_layout(path) for path in files]
        for path, layout in zip(files, layouts, strict=True):
            if layout != layouts[0]:
                raise InputError(
                    f"The images differ: {files[0]} is {_shown(layouts[0])}, "
                    f"{path} is {_shown(layout)}.",
                    "Give frames of one size and kind.",
                )
        shape, self.dtype = layouts[0]
        self.shape = (len(files), *shape)

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        return read_image(self.files[index])


def read_image(path: Path) -> npt.NDArray[Any]:
    """The pixels of one image, (H, W) or (H, W, 3)."""
    if path.suffix.lower() in TIFF_SUFFIXES:
        return np.asarray(tifffile.imread(path))
    with Image.open(path) as image:
        # A copy: Pillow's own memory is read-only.
        return np.array(image if image.mode in _ARRAY_MODES else image.convert("RGB"))


def natural_key(path: Path) -> list[tuple[bool, int, str]]:
    """Sort key by which ``frame2`` comes before ``frame10``."""
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(False, int(p), "") if p.isdecimal() else (True, 0, p) for p in parts]


def _is_image(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and path.suffix.lower() in (*IMAGE_SUFFIXES, *TIFF_SUFFIXES)


def _layout(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype that `read_image` will give, from the header."""
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            with tifffile.TiffFile(path) as tiff:
                return tiff.series[0].shape, tiff.series[0].dtype
        with Image.open(path) as image:
            height_width = (image.height, image.width)
            if image.mode not in _ARRAY_MODES or image.mode == "RGB":
                return (*height_width, 3), np.dtype(np.uint8)
            return height_width, np.asarray(Image.new(image.mode, (1, 1))).dtype
    except READ_ERRORS as error:
        raise unreadable_file(path, error) from error


def _shown(layout: tuple[tuple[int, ...], np.dtype[Any]]) -> str:
    shape, dtype = layout
    return f"{' x '.join(map(str, shape))} {dtype}"
