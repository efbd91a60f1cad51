"""Labels as they are: a TIFF or NPY file a stack, or a PNG a frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.export.dataset import Export, relabelled
from napari_sa2va.export.images import write_png
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.io import labels_dtype, open_labels
from napari_sa2va.io.arrays import stack_name

_LARGEST_PNG = np.iinfo(np.uint16).max
_BIG = 2**31
_SUFFIXES = (".tif", ".tiff", ".npy", ".png")


def write(export: Export, variant: str) -> Iterator[None]:
    """Write a file a stack, or a folder of PNG images."""
    for part, stacks in export.by_part().items():
        folder = export.folder / part
        folder.mkdir(exist_ok=True)
        for stack in stacks:
            yield from _WRITERS[variant](export, stack, folder)


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read a file; of a folder, those that the provenance tells, else all of it as one stack."""
    told = provenance.stacks()
    if path.is_dir() and told:
        suffix = "" if provenance.format == "png" else f".{_SUFFIX[provenance.format]}"
        return [
            _read_one(path / s["part"] / f"{s['name']}{suffix}", s["name"], s["part"]) for s in told
        ]
    part, name = (told[0]["part"], told[0]["name"]) if len(told) == 1 else ("", None)
    return [_read_one(path, name or stack_name(path), part)]


def recognizes(path: Path) -> bool:
    """Whether it is a file of labels, or a folder of label images."""
    if path.is_dir():
        return not any(path.glob("*/")) and any(f.suffix in _SUFFIXES for f in path.iterdir())
    return path.suffix.lower() in _SUFFIXES


def _read_one(file: Path, name: str, part: str) -> LabelledStack:
    return LabelledStack(open_labels(file), name=name, sources=(("labels", file),), part=part)


def _write_tiff(export: Export, stack: LabelledStack, folder: Path) -> Iterator[None]:
    dtype = labels_dtype(max(stack.object_ids, default=0))
    big = int(np.prod(stack.shape)) * dtype.itemsize > _BIG
    with tifffile.TiffWriter(folder / f"{stack.name}.tif", bigtiff=big) as tiff:
        for frame in range(stack.shape[0]):
            plane = export.plane(stack, frame).astype(dtype)
            tiff.write(plane, photometric="minisblack", compression="zlib", metadata=None)
            yield


def _write_npy(export: Export, stack: LabelledStack, folder: Path) -> Iterator[None]:
    dtype = labels_dtype(max(stack.object_ids, default=0))
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
    # Not into a memory map: on a full disk that ends the whole process with SIGBUS.
    with (folder / f"{stack.name}.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header | {"shape": stack.shape})
        for frame in range(stack.shape[0]):
            file.write(export.plane(stack, frame).astype(dtype).tobytes())
            yield


def _write_png(export: Export, stack: LabelledStack, folder: Path) -> Iterator[None]:
    (folder / stack.name).mkdir()
    written = export.renumbered(stack, _LARGEST_PNG)
    dtype = np.uint8 if max(written.values(), default=0) < 256 else np.uint16
    for frame in range(stack.shape[0]):
        plane = relabelled(export.plane(stack, frame), written)
        write_png(folder / stack.name / f"{frame:05d}.png", plane.astype(dtype))
        yield


_WRITERS = {"tif": _write_tiff, "npy": _write_npy, "png": _write_png}
_SUFFIX = {"tiff": "tif", "npy": "npy"}
