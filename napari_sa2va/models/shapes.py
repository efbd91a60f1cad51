"""Counts parameters from the headers of safetensors files; reads no weights and needs no torch."""

from __future__ import annotations

import json
import math
from pathlib import Path

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.known import Parameters

# As the format's own readers: a longer header is damage, or an attack on memory.
_LONGEST_HEADER = 100_000_000
_GROUNDING = "grounding_encoder."
_SAM2_ALONE = "memory_attention."  # transformers' names, which have no prefix


def count_parameters(folder: Path) -> Parameters:
    """The parameters in the safetensors files of a folder with official names, or of a SAM 2.

    Where an index names the shards, only those count.

    Raises
    ------
    CheckpointError
        A file is no safetensors file.
    """
    shapes: dict[str, list[int]] = {}
    for path in _files(folder):
        shapes |= _shapes(path)
    alone = any(name.startswith(_SAM2_ALONE) for name in shapes)
    language = grounding = 0
    for name, shape in shapes.items():
        if alone or name.startswith(_GROUNDING):
            grounding += math.prod(shape)
        else:
            language += math.prod(shape)
    return Parameters(language, grounding)


def _files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    try:
        shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        return [path for path in sorted(folder.glob("*.safetensors")) if path.name in shards]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is damaged ({error!r}).", "Download it again.") from error


def _shapes(path: Path) -> dict[str, list[int]]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _LONGEST_HEADER:
                raise ValueError(f"its header has {length} bytes")
            header = json.loads(file.read(length))
        return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is cut or damaged ({error}).", "Download it again."
        ) from error
