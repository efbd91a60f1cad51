"""OME-TIFF labels: a compressed page a frame, pixel sizes, and what is known about the objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import tifffile

import napari_sa2va
from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.dataset import PARTS, Export
from napari_sa2va.export.provenance import Provenance
from napari_sa2va.io import labels_dtype, open_labels
from napari_sa2va.io.arrays import stack_name

_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_SUFFIXES = (".ome.tif", ".ome.tiff")
_UNITS = {
    "micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "pixel": "pixel",
    "second": "s", "millisecond": "ms", "minute": "min", "hour": "h",
}  # fmt: skip
_CLASSIC_TIFF_BYTES = 2**31


def write(export: Export, variant: str) -> Iterator[None]:
    """Write a file a stack."""
    for part, stacks in export.by_part().items():
        folder = export.folder / part
        folder.mkdir(exist_ok=True)
        for stack in stacks:
            dtype = labels_dtype(max(stack.object_ids, default=0))
            length, height, width = stack.shape
            big = length * height * width * dtype.itemsize > _CLASSIC_TIFF_BYTES
            description: bytes | None = _ome_xml(stack, dtype.name)
            with tifffile.TiffWriter(folder / f"{stack.name}.ome.tif", bigtiff=big) as tiff:
                for frame in range(length):
                    tiff.write(
                        export.plane(stack, frame).astype(dtype),
                        photometric="minisblack",
                        compression="zlib",
                        predictor=True,
                        description=description,
                        metadata=None,
                        software="napari-sa2va",
                    )
                    description = None  # on the first page only
                    yield


def read(path: Path, provenance: Provenance) -> list[LabelledStack]:
    """Read a file, or all files of a folder and of its parts."""
    if path.is_file():
        part = provenance.stacks()[0]["part"] if len(provenance.stacks()) == 1 else ""
        name = provenance.stacks()[0]["name"] if len(provenance.stacks()) == 1 else None
        return [_read_file(path, part, name)]
    return [
        _read_file(file, part)
        for part in ("", *PARTS)
        for file in sorted((path / part).glob("*.ome.tif*"))
    ]


def recognizes(path: Path) -> bool:
    """Whether it is an OME-TIFF, or a folder of them."""
    if path.is_dir():
        return any(any((path / part).glob("*.ome.tif*")) for part in ("", *PARTS))
    return path.name.lower().endswith(_SUFFIXES)


def _read_file(file: Path, part: str, name: str | None = None) -> LabelledStack:
    labels = open_labels(file)
    return LabelledStack(
        labels,
        _known_objects(file),
        name=name or stack_name(file),
        sources=(("labels", file),),
        part=part,
    )


def _ome_xml(stack: LabelledStack, type_name: str) -> bytes:
    length, height, width = stack.shape
    ome = ET.Element("OME", xmlns=_NAMESPACE, Creator=f"napari-sa2va {napari_sa2va.__version__}")
    image = ET.SubElement(ome, "Image", ID="Image:0", Name=stack.name)
    sizes = {"SizeX": width, "SizeY": height, "SizeZ": 1, "SizeC": 1, "SizeT": length}
    pixels = ET.SubElement(
        image,
        "Pixels",
        {"ID": "Pixels:0", "DimensionOrder": "XYZCT", "Type": type_name}
        | {name: str(size) for name, size in sizes.items()}
        | _physical_sizes(stack),
    )
    ET.SubElement(pixels, "Channel", ID="Channel:0:0", SamplesPerPixel="1")
    ET.SubElement(pixels, "TiffData", IFD="0", PlaneCount=str(length))
    annotations = ET.SubElement(ome, "StructuredAnnotations")
    comment = ET.SubElement(annotations, "CommentAnnotation", ID="Annotation:0")
    objects = [_plain(stack.record(object_id)) for object_id in stack.object_ids]
    value = ET.SubElement(comment, "Value")
    value.text = json.dumps({"napari-sa2va objects": objects}, ensure_ascii=False)
    return ET.tostring(ome, encoding="utf-8", xml_declaration=True)


def _plain(record: ObjectRecord) -> dict[str, Any]:
    names = ("object_id", "phrase", "expressions", "category", "parent")
    return {name: getattr(record, name) for name in names}


def _physical_sizes(stack: LabelledStack) -> dict[str, str]:
    attributes: dict[str, str] = {}
    named = ("TimeIncrement", "PhysicalSizeY", "PhysicalSizeX")
    for name, size, unit in zip(named, stack.mapping.scale, stack.mapping.units, strict=True):
        known = _UNITS.get(unit)
        if known and (known != "pixel" or (name != "TimeIncrement" and size != 1)):
            attributes |= {name: repr(float(size)), f"{name}Unit": known}
    return attributes


def _known_objects(file: Path) -> dict[int, ObjectRecord]:
    with tifffile.TiffFile(file) as tiff:
        text = tiff.ome_metadata
    if not text:
        return {}
    for value in ET.fromstring(text).iter(f"{{{_NAMESPACE}}}Value"):
        if (value.text or "").startswith('{"napari-sa2va objects"'):
            (stored,) = json.loads(value.text or "").values()
            records = map(ObjectRecord.from_dict, stored)
            return {record.object_id: record for record in records}
    return {}
