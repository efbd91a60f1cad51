"""What a checkpoint's own files and its logs say about it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import safe_open

from napari_sa2va.models.checkpoint import read_json
from napari_sa2va.training.evaluation.report import digest
from napari_sa2va.training.optimisation import PACE
from napari_sa2va.training.recipe import STAGES

PARTS = {"vision_model.": "vision tower", "language_model.": "language model"}
START = "start.json"
_GROUNDING, _BETWEEN = "grounding_encoder.", "between them"


@dataclass(frozen=True)
class StageLog:
    """One stage as its log tells it: (minutes, loss) at each of the logged steps."""

    name: str
    steps: int
    losses: tuple[tuple[float, float], ...]
    pace: float = 1.0  # factor on its learning rates

    @property
    def minutes(self) -> float:
        return self.losses[-1][0]


def parameters(folder: Path) -> Counter[str]:
    """How many parameters each part has, by the files of weights."""
    counts: Counter[str] = Counter()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - a file of weights is not a mapping
                counts[_part(name)] += prod(weights.get_slice(name).get_shape())
    return counts


def _part(name: str) -> str:
    if name.startswith(_GROUNDING):
        return "grounding (SAM 2)"
    return next((part for start, part in PARTS.items() if name.startswith(start)), _BETWEEN)


def megabytes(folder: Path) -> float:
    """Size of the files of weights."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6


def shapes(folder: Path) -> dict[str, str]:
    """What config.json and grounding.json say of each part."""
    config = read_json(folder / "config.json")
    vision, llm = config["vision_config"], config["llm_config"]
    said = {
        "vision tower": (
            f"{vision['num_hidden_layers']} layers, width {vision['hidden_size']}, patch "
            f"{vision['patch_size']}, images of {vision['image_size']} x {vision['image_size']}"
        ),
        "language model": (
            f"{llm['num_hidden_layers']} layers, width {llm['hidden_size']}, "
            f"vocabulary {llm['vocab_size']}"
        ),
    }
    if (folder / "grounding.json").exists():
        sam2 = read_json(folder / "grounding.json")
        side = sam2.get("image_size", 1024)
        stages = ", ".join(map(str, sam2.get("stages", ())))
        said["grounding (SAM 2)"] = (
            f"Hiera of width {sam2.get('embed_dim', '?')} with stages {stages}; "
            f"images of {side} x {side}"
        )
    return said


def side(folder: Path) -> int:
    """Pixels of an image's side as masks are made from it."""
    path = folder / "grounding.json"
    return int(read_json(path).get("image_size", 1024)) if path.exists() else 1024


def note_start(folder: Path, init: Path, back: float = 0.0) -> None:
    """Note that the training in `folder` starts from `init`, and how far it ends `back` there."""
    start = {"checkpoint": init.name, "weights_sha256": digest(init), "back": back}
    (folder / START).write_text(json.dumps(start) + "\n", encoding="utf-8")


def read_start(folder: Path) -> dict[str, Any] | None:
    """What `note_start` has noted; None where training started from nothing."""
    return read_json(folder / START) if (folder / START).exists() else None


def read_logs(folder: Path) -> Iterator[StageLog]:
    """The stages that have a log, in the order of training."""
    order = {name: place for place, name in enumerate(STAGES)}
    for path in sorted(folder.glob("*.csv"), key=lambda it: (order.get(it.stem, 99), it.stem)):
        with path.open(newline="", encoding="utf-8") as file:
            every = list(csv.reader(file))
        rows = [(int(r[0]), float(r[1]), float(r[3])) for r in every if r[2] == "loss"]
        paces = [float(r[3]) for r in every if r[2] == PACE]
        if rows:
            losses = tuple((at, loss) for _, at, loss in rows)
            yield StageLog(path.stem, rows[-1][0], losses, *paces[-1:])
