"""Where labels come from, told in a JSON file beside every export.

`provenance.schema.json` is its schema (JSON Schema, draft 2020-12).
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import napari_sa2va
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack, LabelSource, PixelMapping
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.dataset import DEFAULT_CATEGORY, Export, relabelled
from napari_sa2va.export.staging import provenance_path

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Provenance:
    """What is told about an export.

    Attributes
    ----------
    document : dict
        As in the file; empty where there is none.
    """

    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def format(self) -> str:
        """The name of the format; empty where nothing is told."""
        return str(self.document.get("format", ""))

    def stacks(self) -> list[dict[str, Any]]:
        """What is told about each stack."""
        return list(self.document.get("stacks", ()))

    def stack(self, name: str, part: str = "") -> dict[str, Any]:
        """What is told about one stack; empty where nothing is."""
        for told in self.stacks():
            if (told["name"], told["part"]) == (name, part):
                return told
        return {}


def describe(export: Export, format_name: str) -> dict[str, Any]:
    """All that is known about an export, as plain values."""
    options = export.options
    frames = options.frames
    return {
        "schema_version": SCHEMA_VERSION,
        "software": {
            "name": "napari-sa2va",
            "version": napari_sa2va.__version__,
            "python": platform.python_version(),
        },
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "format": format_name,
        "options": {
            "frames": None if frames is None else [frames.start, frames.stop],
            "classes": None if options.classes is None else list(options.classes),
            "split": None if options.split is None else asdict(options.split),
            "verified_only": options.verified_only,
            "images": options.image_files,
            "depth": options.depth,
            "overlaps": options.overlaps,
        },
        "categories": list(export.categories),
        "stacks": [_stack(export, stack) for stack in export.stacks],
    }


def load_provenance(path: Path) -> Provenance:
    """The provenance of an export; empty where it has none.

    Raises
    ------
    InputError
        It is damaged, or written by a later version.
    """
    file = provenance_path(path)
    if not file.is_file():
        return Provenance()
    try:
        document = json.loads(file.read_text("utf-8"))
        version = document["schema_version"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{file} cannot be read ({error}).", "Remove it to import without it."
        ) from error
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{file} was written by a later version of napari-sa2va.", "Update napari-sa2va."
        )
    return Provenance(document)


def completed(stack: LabelledStack, provenance: Provenance) -> LabelledStack:
    """An imported stack with what its format could not hold: ids, phrases, scores, mapping."""
    told = provenance.stack(stack.name, stack.part)
    if not told:
        return stack
    ids = {int(written): object_id for written, object_id in told["ids"].items()}
    if ids:
        stack = _with_ids(stack, ids)
    objects = dict(stack.objects)
    for values in told["objects"]:
        record = ObjectRecord.from_dict(values)
        # Of formats with other ids only MeViS has phrases, in an order common to all objects.
        read = objects.get(record.object_id)
        objects[record.object_id] = _joined(read, record, in_order=not ids)
    mapping = PixelMapping(**{key: tuple(v) for key, v in told["pixel_mapping"].items()})
    return replace(stack, objects=objects, mapping=mapping, model=told["model"])


def checksum(path: Path) -> dict[str, Any]:
    """Name, size and SHA-256 of a file; of a folder, over its files in the order of their names."""
    digest, size = hashlib.sha256(), 0
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if file is not path:
            digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                size += len(block)
    return {"name": path.name, "bytes": size, "sha256": digest.hexdigest()}


def _stack(export: Export, stack: LabelledStack) -> dict[str, Any]:
    return {
        "name": stack.name,
        "part": stack.part,
        "shape": list(stack.shape),
        "source_frames": list(stack.source_frames),
        "pixel_mapping": asdict(stack.mapping),
        "sources": [{"role": role} | checksum(path) for role, path in stack.sources],
        "model": dict(stack.model),
        "ids": {str(k): v for k, v in export.ids.get((stack.part, stack.name), {}).items()},
        "order": export.orders.get((stack.part, stack.name)),
        "objects": [stack.own_record(object_id).to_dict() for object_id in stack.object_ids],
    }


def _with_ids(stack: LabelledStack, ids: dict[int, int]) -> LabelledStack:
    objects: dict[int, ObjectRecord] = {}
    for written in sorted(stack.objects.keys() & ids.keys()):
        object_id, read = ids[written], stack.objects[written]
        parent = ids.get(read.parent, 0)
        # An object that comes back is several tracks; the first tells what it came from.
        objects.setdefault(
            object_id,
            replace(read, object_id=object_id, parent=0 if parent == object_id else parent),
        )
    return replace(stack, labels=_Renamed(stack.labels, ids), objects=objects)


class _Renamed:
    """Labels whose ids are others."""

    def __init__(self, labels: LabelSource, ids: dict[int, int]) -> None:
        self._labels = labels
        self._ids = ids
        self.shape = labels.shape

    def planes(self, frame: int) -> list[Any]:
        return [relabelled(plane, self._ids) for plane in self._labels.planes(frame)]


def _joined(read: ObjectRecord | None, told: ObjectRecord, in_order: bool) -> ObjectRecord:
    """What the format says wins, where it says something: the file may have been edited."""
    if read is None:
        return told
    key: Callable[[list[str]], list[str]] = list if in_order else sorted
    written = (
        told.phrases,
        told.referring() or [told.category or DEFAULT_CATEGORY],
        told.referring(verified_only=True),
    )
    is_written = key(read.phrases) in map(key, written)
    as_written = {"phrase", "expressions"} if is_written else set()
    changes = {
        name: value
        for name, value in vars(read).items()
        if name not in {"object_id", *as_written} and value not in ("", 0, [], {})
    }
    return replace(told, **changes)
