"""Measure a checkpoint: `python -m napari_sa2va.training.evaluate FOLDER --nuclei DIR`.

Everything goes through the public API, as a user's requests do: text is generated greedily, and a
phrase for which the model writes no [SEG] scores 0. The scenes are drawn from seeds that no
training run uses; the nuclei are the fifth that training holds out.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import napari_sa2va
from napari_sa2va.engine.engine import Engine
from napari_sa2va.training.measuring import (
    FRAMES,
    answers,
    nuclei,
    phrases,
    tracking,
    visual_prompts,
)
from napari_sa2va.training.nuclei import read_nuclei

SEED = 20_000


def evaluate(
    engine: Engine, scenes: int, clips: int, nuclei_folder: Path | None, seed: int = SEED
) -> dict[str, dict[str, tuple[float, int]]]:
    """All measurements.

    Returns
    -------
    dict
        For each group the mean of each quantity and how many values it is the mean of.
    """
    groups = {
        "visual prompts, IoU": visual_prompts(engine, _rng(seed, 0), scenes),
        "phrases, IoU": phrases(engine, _rng(seed, 1), scenes),
        "answers, share right": answers(engine, _rng(seed, 2), scenes),
        f"tracking over {FRAMES} frames, J": tracking(engine, _rng(seed, 3), clips),
    }
    if nuclei_folder is not None:
        held_out = read_nuclei(nuclei_folder, held_out=True)
        groups["held-out real nuclei, IoU"] = nuclei(engine, _rng(seed, 4), held_out)
    return {
        group: {name: (float(np.mean(v)), len(v)) for name, v in sorted(scores.items())}
        for group, scores in groups.items()
    }


def _rng(seed: int, part: int) -> np.random.Generator:
    return np.random.default_rng([seed, part])


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description="Measure a checkpoint on held-out data.")
    parser.add_argument("folder", help="a checkpoint folder, or a name that load() knows")
    parser.add_argument("--nuclei", type=Path, help="folder with NAME.tif and NAME_labels.tif")
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--clips", type=int, default=25)
    parser.add_argument("--seed", type=int, default=SEED, help="of the drawn scenes and clips")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    arguments = parser.parse_args()
    with napari_sa2va.load(arguments.folder) as engine:
        figures = evaluate(
            engine, arguments.scenes, arguments.clips, arguments.nuclei, arguments.seed
        )
    for group, values in figures.items():
        sys.stdout.write(f"\n{group}\n")
        for name, (mean, count) in values.items():
            sys.stdout.write(f"  {name:<32}{mean:6.3f}  ({count})\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
