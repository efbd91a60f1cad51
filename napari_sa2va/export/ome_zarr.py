"""OME-Zarr labels, 0.4 (Zarr 2) and 0.5 (Zarr 3), with colours, properties and pyramids.

With images, a stack is ``<name>.ome.zarr`` with the images, and the labels within it under
``labels/objects``; objects that overlap lie in further label images, ``objects-2`` and so on.
Without images it is the label image itself.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelArray, LabelledStack, LabelPlanes, PixelMapping
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.dataset import PARTS, Export
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.io import labels_dtype, open_labels
from napari_sa2va.io.arrays import READ_ERRORS, FileFrames, FrameView, stack_name, unreadable_file

_SUFFIX = ".ome.zarr"
_CHUNK = 1024  # pixels along a side
_COARSEST = 256  # levels are added until the longer side has no more pixels than that
_GOLDEN = 0.618033988749895


@dataclass
class _Labels:
    """The label images of one stack while they are written."""

    root: zarr.Group
    stack: LabelledStack
    version: str
    inside: bool
    pyramids: list[list[zarr.Array]] = field(default_factory=list)

    def write(self, frame: int, planes: list[Any]) -> None:
        for number, plane in enumerate(planes):
            while len(self.pyramids) <= number:
                self.pyramids.append(self._new())
            if not plane.any():
                continue  # what is not written is 0
            for level, array in enumerate(self.pyramids[number]):
                array[frame] = plane[:: 2**level, :: 2**level]

    def _new(self) -> list[zarr.Array]:
        group = self.root
        if self.inside:
            name = f"objects-{len(self.pyramids) + 1}" if self.pyramids else "objects"
            parent = self.root.require_group("labels")
            listed = [*_ome(parent.attrs).get("labels", ()), name]
            _annotate(parent, {"labels": listed}, self.version)
            group = parent.create_group(name)
        stack = self.stack
        metadata = _metadata(stack, "tyx", self.version, averaged=False) | self._label()
        _annotate(group, metadata, self.version)
        dtype = labels_dtype(max(stack.object_ids, default=0))
        return _pyramid(group, stack.shape, dtype, "tyx", self.version)

    def _label(self) -> dict[str, Any]:
        ids = self.stack.object_ids
        label: dict[str, Any] = {
            "colors": [{"label-value": i, "rgba": _colour(i)} for i in ids],
            "properties": [_properties(self.stack.record(i)) for i in ids],
        }
        if not ids:  # the schema wants at least one of each
            label = {}
        if self.version == "0.4":
            label["version"] = self.version
        if self.inside:
            label["source"] = {"image": "../../"}
        return {"image-label": label}


def write(export: Export, variant: str) -> Iterator[None]:
    """Write a Zarr group a stack."""
    for part, stacks in export.by_part().items():
        for stack in stacks:
            folder = export.folder / part / f"{stack.name}{_SUFFIX}"
            folder.parent.mkdir(exist_ok=True)
            root = zarr.create_group(folder, zarr_format=2 if variant == "0.4" else 3)
            images = None
            if export.options.image_files == "write":
                images = _images(root, stack, export.options.depth, variant)
            labels = _Labels(root, stack, variant, images is not None)
            for frame in range(stack.shape[0]):
                if images is not None:
                    values = _values(stack, frame, export.options.depth)
                    _write_image(images, frame, values)
                    labels.write(frame, stack.planes(frame))
                else:
                    labels.write(frame, [export.plane(stack, frame)])
                yield


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read a Zarr group, or all of a folder and of its parts."""
    if not _is_group(path):
        return [
            _read_group(group, part, None)
            for part in ("", *PARTS)
            for group in sorted((path / part).glob(f"*{_SUFFIX}"))
        ]
    told = provenance.stacks()
    part, name = (told[0]["part"], told[0]["name"]) if len(told) == 1 else ("", None)
    return [_read_group(path, part, name)]


def recognizes(path: Path) -> bool:
    """Whether it is a Zarr group with labels, or a folder of such groups."""
    if not path.is_dir():
        return False
    if _is_group(path):
        return (path / "labels").is_dir() or path.name.endswith(_SUFFIX)
    return any(any((path / part).glob(f"*{_SUFFIX}")) for part in ("", *PARTS))


def _images(root: zarr.Group, stack: LabelledStack, depth: str, version: str) -> list[zarr.Array]:
    first = _values(stack, 0, depth)
    length, height, width = stack.shape
    axes = "tyx"
    shape: tuple[int, ...] = stack.shape
    if first.ndim == 3:
        axes, shape = "tcyx", (length, first.shape[2], height, width)
    _annotate(root, _metadata(stack, axes, version, averaged=True), version)
    return _pyramid(root, shape, first.dtype, axes, version)


def _write_image(images: list[zarr.Array], frame: int, values: Any) -> None:
    for array in images:
        array[frame] = values.transpose(2, 0, 1) if values.ndim == 3 else values
        values = _halved(values)


def _halved(values: Any) -> Any:
    """The mean of each 2 x 2 pixels; an odd last row or column counts twice."""
    height, width = values.shape[:2]
    padding = [(0, height % 2), (0, width % 2), *[(0, 0)] * (values.ndim - 2)]
    padded = np.pad(values, padding, mode="edge")
    quarters = [padded[y::2, x::2].astype(np.float64) for y in (0, 1) for x in (0, 1)]
    mean = np.mean(quarters, axis=0)
    return mean.astype(values.dtype) if values.dtype.kind == "f" else np.rint(mean)


def _values(stack: LabelledStack, frame: int, depth: str) -> Any:
    images, source = stack.images, stack.source_frames[frame]
    if images is None:
        raise InputError(f"{stack.name} has no images.", "Give them.")
    kept = getattr(images, "values", None) if depth == "kept" else None
    return images.frame(source) if kept is None else np.asarray(kept(source))


def _pyramid(
    group: zarr.Group, shape: tuple[int, ...], dtype: Any, axes: str, version: str
) -> list[zarr.Array]:
    """The arrays of all levels, "0" the finest."""
    arrays = []
    for level in range(_levels(shape)):
        sides = [-(-size // 2**level) for size in shape[-2:]]
        size = (*shape[:-2], *sides)
        chunks = tuple(
            min(along, _CHUNK) if axis in "yx" else along if axis == "c" else 1
            for axis, along in zip(axes, size, strict=True)
        )
        own: dict[str, Any] = {"dimension_names": list(axes)}
        if version == "0.4":
            own = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
        arrays.append(group.create_array(str(level), shape=size, dtype=dtype, chunks=chunks, **own))
    return arrays


def _levels(shape: tuple[int, ...]) -> int:
    levels, side = 1, max(shape[-2:])
    while side > _COARSEST:
        levels, side = levels + 1, -(-side // 2)
    return levels


def _metadata(stack: LabelledStack, axes: str, version: str, averaged: bool) -> dict[str, Any]:
    """The multiscale of a group whose coarser levels are `averaged`, or every other pixel."""
    units = dict(zip("tyx", stack.mapping.units, strict=True))
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": _transformations(stack, axes, level, averaged),
        }
        for level in range(_levels(stack.shape))
    ]
    multiscale: dict[str, Any] = {
        "name": stack.name,
        "axes": [_axis(axis, units.get(axis, "pixel")) for axis in axes],
        "datasets": datasets,
        "type": "mean" if averaged else "nearest",
    }
    if version == "0.4":
        multiscale["version"] = version
    return {"multiscales": [multiscale]}


def _transformations(
    stack: LabelledStack, axes: str, level: int, averaged: bool
) -> list[dict[str, Any]]:
    scale = dict(zip("tyx", stack.mapping.scale, strict=True))
    translate = dict(zip("tyx", stack.mapping.translate, strict=True))
    factor = 2**level
    # The centre of a mean of pixels lies between theirs.
    shift = (factor - 1) / 2 if averaged else 0.0
    steps = [scale.get(axis, 1.0) * (factor if axis in "yx" else 1) for axis in axes]
    starts = [
        translate.get(axis, 0.0) + (shift * scale[axis] if axis in "yx" else 0.0) for axis in axes
    ]
    found: list[dict[str, Any]] = [{"type": "scale", "scale": steps}]
    if any(starts):
        found.append({"type": "translation", "translation": starts})
    return found


def _axis(name: str, unit: str) -> dict[str, str]:
    axis = {"name": name, "type": {"t": "time", "c": "channel"}.get(name, "space")}
    return axis if unit == "pixel" else axis | {"unit": unit}


def _annotate(group: zarr.Group, metadata: Mapping[str, Any], version: str) -> None:
    if version == "0.4":
        group.attrs.update(metadata)
    else:
        group.attrs["ome"] = {"version": version, **metadata}


def _ome(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def _colour(object_id: int) -> list[int]:
    """Neighbouring ids get hues that lie far apart."""
    red, green, blue = colorsys.hsv_to_rgb(object_id * _GOLDEN % 1, 0.75, 1.0)
    return [round(255 * red), round(255 * green), round(255 * blue), 255]


def _properties(record: ObjectRecord) -> dict[str, Any]:
    return {
        "label-value": record.object_id,
        "phrase": record.phrase,
        "expressions": record.expressions,
        "category": record.category,
        "parent": record.parent,
        "score": round(record.mean_score, 4),
    }


def _is_group(path: Path) -> bool:
    return (path / "zarr.json").is_file() or (path / ".zgroup").is_file()


def _read_group(path: Path, part: str, name: str | None) -> LabelledStack:
    try:
        root = zarr.open_group(path, mode="r")
        names = []
        if (path / "labels").is_dir():
            names = list(_ome(zarr.open_group(path / "labels", mode="r").attrs)["labels"])
        groups = [path / "labels" / n for n in names] or [path]
        records = _records(_ome(zarr.open_group(groups[0], mode="r").attrs))
        mapping = _mapping(_ome(zarr.open_group(groups[0], mode="r").attrs))
    except READ_ERRORS as error:
        raise unreadable_file(path, error) from error
    sources = [open_labels(group) for group in groups]
    del root
    return LabelledStack(
        LabelPlanes(sources) if len(sources) > 1 else sources[0],
        records,
        name=name or stack_name(path),
        images=_stored_images(path, sources[0]) if names else None,
        mapping=mapping,
        sources=(("labels", path),),
        part=part,
    )


def _stored_images(path: Path, labels: LabelArray) -> Any:
    from napari_sa2va.io.zarr import open_zarr

    try:
        images = _coloured(path) or open_zarr(path)
    except InputError:  # labels without an image are imported all the same
        return None
    return images if images.shape == labels.shape else None


def _coloured(path: Path) -> FileFrames | None:
    """Images whose channels are red, green and blue, as `write` stores rendered ones."""
    root = zarr.open_group(path, mode="r")
    array, multiscales = root.get("0"), _ome(root.attrs).get("multiscales", ())
    axes = [axis["name"] for multiscale in multiscales[:1] for axis in multiscale["axes"]]
    if not isinstance(array, zarr.Array) or axes != ["t", "c", "y", "x"]:
        return None
    is_rgb = array.shape[1] == 3 and array.dtype == np.uint8
    return FileFrames(FrameView(array, "TSYX"), path) if is_rgb else None


def _records(ome: Mapping[str, Any]) -> dict[int, ObjectRecord]:
    stored = ome.get("image-label", {}).get("properties", ())
    records = (ObjectRecord.from_dict(p | {"object_id": p["label-value"]}) for p in stored)
    return {record.object_id: record for record in records}


def _mapping(ome: Mapping[str, Any]) -> PixelMapping:
    """Scale, translation and units of t, y and x, where they are told."""
    scale = {"t": 1.0, "y": 1.0, "x": 1.0}
    translate = dict.fromkeys(scale, 0.0)
    units = dict.fromkeys(scale, "pixel")
    for multiscale in ome.get("multiscales", ())[:1]:
        names = [axis["name"] for axis in multiscale["axes"]]
        for axis in multiscale["axes"]:
            units[axis["name"]] = axis.get("unit", "pixel")
        for transformation in multiscale["datasets"][0]["coordinateTransformations"]:
            if "scale" in transformation:
                scale |= dict(zip(names, transformation["scale"], strict=True))
            if "translation" in transformation:
                translate |= dict(zip(names, transformation["translation"], strict=True))

    def of_tyx(values: dict[str, Any]) -> Any:
        return values["t"], values["y"], values["x"]

    return PixelMapping(of_tyx(scale), of_tyx(translate), of_tyx(units))
