"""napari's readers and writers: labelled stacks as layers, and layers as exports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np

from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.api import read, write
from napari_sa2va.export.registry import FORMATS
from napari_sa2va.export.staging import provenance_path
from napari_sa2va.io import labels_dtype
from napari_sa2va.io.label_store import LabelStore, new_labels

LayerData = tuple[Any, dict[str, Any], str]

# Folders of label images, TIFF and NPY are read by napari itself, too: it is not to ask each time.
_LEFT_TO_NAPARI = ("plain", "ome_tiff", "ome_zarr")


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """npe2's reader: for data sets of the formats that are imported."""
    if not isinstance(path, str):
        return None
    folder = Path(path)
    known = (f for f in FORMATS.values() if f.readable and f.module not in _LEFT_TO_NAPARI)
    if provenance_path(folder).is_file() or any(f.load().recognizes(folder) for f in known):
        return read_layers
    return None


def read_layers(path: str) -> list[LayerData]:
    """Labels layers of a data set, and its images where they are there."""
    return [layer for stack in read(path) for layer in stack_layers(stack)]


def stack_layers(stack: LabelledStack) -> list[LayerData]:
    """A labelled stack as layers; a Labels layer for each plane where objects overlap."""
    name = f"{stack.name} ({stack.part})" if stack.part else stack.name
    mapping = stack.mapping
    placed = {"scale": mapping.scale, "translate": mapping.translate, "units": mapping.units}
    layers: list[LayerData] = []
    if stack.images is not None:
        layers.append((_lazy_images(stack), {"name": name, "rgb": True, **placed}, "image"))
    records = _records(stack)
    for number, (plane, present) in enumerate(_planes(stack)):
        own = [r for r in records if r.object_id in present] if number else records
        metadata = {
            "image": name,
            "model": str(stack.model.get("id", "")),
            "objects": {record.object_id: vars(record) for record in own},
        }
        called = f"{name} labels" + (f" {number + 1}" if number else "")
        options = {"name": called, "metadata": {"sa2va": metadata}, "features": _features(own)}
        layers.append((plane, options | placed, "labels"))
    return layers


def _writer(format_name: str) -> Callable[[str, Any, dict[str, Any]], list[str]]:
    def write_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
        """npe2's writer of one Labels layer."""
        ndim = len(data.shape)
        layer = SimpleNamespace(
            data=data,
            name=attributes.get("name", "labels"),
            features=attributes.get("features", {}),
            metadata=attributes.get("metadata", {}),
            scale=attributes.get("scale", (1.0,) * ndim),
            translate=attributes.get("translate", (0.0,) * ndim),
            units=attributes.get("units") or ("pixel",) * ndim,
            source=SimpleNamespace(path=None),
        )
        # napari's dialog has asked already whether to replace what has that name.
        there = Path(path).exists()
        return [str(write(layer, path, format_name, overwrite=there))]

    return write_layer


write_coco = _writer("coco")
write_ctc = _writer("ctc")
write_ome_tiff = _writer("ome-tiff")
write_ome_zarr = _writer("ome-zarr")
write_csv = _writer("csv")


def _records(stack: LabelledStack) -> list[ObjectRecord]:
    """What is known of the objects that are present.

    Masks without a score count as those that a person painted: they are there. Where an object is,
    is read off its scores.
    """
    records = {object_id: stack.own_record(object_id) for object_id in stack.object_ids}
    for frame, present in enumerate(stack.present):
        for object_id in present:
            records[object_id].scores.setdefault(frame, 1.0)
    return list(records.values())


def _planes(stack: LabelledStack) -> list[tuple[Any, set[int]]]:
    """Label arrays (T, H, W), in memory or on disk, and the ids in each."""
    dtype = labels_dtype(max(stack.object_ids, default=0))
    planes: list[tuple[Any, set[int]]] = [(new_labels(stack.shape, dtype), set())]
    for frame in range(stack.shape[0]):
        for number, plane in enumerate(stack.planes(frame)):
            if number == len(planes):
                planes.append((new_labels(stack.shape, dtype), set()))
            labels, present = planes[number]
            labels[frame] = plane
            present.update(np.unique(plane).tolist())
            if isinstance(labels, LabelStore):
                labels.settle()
    return planes


def _lazy_images(stack: LabelledStack) -> da.Array:
    images, shape = stack.images, stack.shape[1:]

    def frame(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        # Called only where there are images, which the checker cannot see.
        return images.frame(int(block.ravel()[0]))[None]  # type: ignore[union-attr]

    numbers = da.from_array(np.array(stack.source_frames)[:, None, None, None], chunks=(1, 1, 1, 1))
    return numbers.map_blocks(
        frame, chunks=(1, *shape, 3), dtype=np.uint8, meta=np.empty((0,) * 4, np.uint8)
    )


def _features(records: list[ObjectRecord]) -> dict[str, list[Any]]:
    return {
        "index": [record.object_id for record in records],
        "phrase": [record.phrase for record in records],
        "class": [record.category for record in records],
        "score": [round(record.mean_score, 4) for record in records],
        "first_frame": [record.first_frame for record in records],
        "verified": [len(record.verified_frames) for record in records],
    }
