"""TIFF and OME-TIFF, a page at a time."""

from __future__ import annotations

import weakref
from pathlib import Path

import tifffile
import zarr

from napari_sa2va.core.errors import InputError
from napari_sa2va.io.arrays import READ_ERRORS, FileFrames, FrameView, unreadable_file

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".ome")


def open_tiff(path: Path) -> FileFrames:
    """Open the first image series of a TIFF file.

    Raises
    ------
    InputError
        It is no TIFF file, or it ends before the data that it promises.
    """
    return FileFrames(tiff_view(path), path)


def tiff_view(path: Path) -> FrameView:
    """The first image series of a TIFF file, its values as they are stored.

    Raises
    ------
    InputError
        It is no TIFF file, or it ends before the data that it promises.
    """
    try:
        tiff = _open(path)
    except READ_ERRORS as error:
        raise unreadable_file(path, error) from error
    try:
        return _view(tiff, path)
    except InputError:
        tiff.close()
        raise
    except READ_ERRORS as error:
        tiff.close()
        raise unreadable_file(path, error) from error


def _open(path: Path) -> tifffile.TiffFile:
    tiff = tifffile.TiffFile(path)
    if tiff.is_shaped and len(tiff.series) > 1:
        # tifffile sees as many images where a stack was written frame by frame.
        shapes = {series.shape for series in tiff.series}
        if len(shapes) == 1:
            tiff.close()
            return tifffile.TiffFile(path, is_shaped=False)
    return tiff


def _view(tiff: tifffile.TiffFile, path: Path) -> FrameView:
    _check_complete(tiff, path)
    series = tiff.series[0]
    # A page is a chunk: a frame then costs one read, however many strips it is stored in.
    array = zarr.open_array(series.aszarr(chunkmode="page"), mode="r")
    view = FrameView(array, series.axes)
    weakref.finalize(view, tiff.close)
    return view


def _check_complete(tiff: tifffile.TiffFile, path: Path) -> None:
    """Raise where pages are missing, or the last page's data.

    tifffile reads what is left of a truncated file as a shorter stack: nobody would notice.
    """
    size = tiff.filehandle.size
    tiff.filehandle.seek(tiff.pages.next_page_offset)
    pointer = tiff.filehandle.read(tiff.tiff.offsetsize)
    next_page = int.from_bytes(pointer, "little" if tiff.byteorder == "<" else "big")
    if next_page or _data_end(tiff.series[0]) > size:
        raise InputError(
            f"{path} is cut off: it ends before its last frame.", "Copy or export it again."
        )


def _data_end(series: tifffile.TiffPageSeries) -> int:
    if series.dataoffset is not None:
        return int(series.dataoffset + series.nbytes)
    last = series.pages[-1]
    if last is None:  # an OME-TIFF may leave planes out
        return 0
    return max(map(sum, zip(last.dataoffsets, last.databytecounts, strict=True)), default=0)
