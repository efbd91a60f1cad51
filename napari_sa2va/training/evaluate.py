"""Measure a checkpoint: `python -m napari_sa2va.training.evaluate FOLDER --nuclei DIR`.

Everything goes through the public API, as a user's requests do: text is generated greedily, and a
phrase for which the model writes no [SEG] scores 0. The scenes are drawn from seeds that no
training run uses; the nuclei are the fifth that training holds out; the coins are never trained on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

import napari_sa2va
from napari_sa2va.training.evaluation import questions, real, texts, tracking, visual
from napari_sa2va.training.evaluation.cases import Case
from napari_sa2va.training.evaluation.examples import choose, save_examples
from napari_sa2va.training.evaluation.held_out import SEED
from napari_sa2va.training.evaluation.report import lines, origin, report
from napari_sa2va.training.nuclei import read_nuclei

# Those that take longest come first, so that processes side by side end together.
GROUPS = ("texts", "questions", "tracking", "scenes", "nuclei", "coins")


def measure(group: str, arguments: argparse.Namespace) -> list[Case]:
    """All cases of one of `GROUPS`."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // arguments.processes))
    with napari_sa2va.load(arguments.folder) as engine:
        seed, scenes = arguments.seed, arguments.scenes
        cases: Iterator[Case]
        match group:
            case "scenes":
                cases = visual.measure(engine, seed, scenes)
            case "texts":
                cases = texts.measure(engine, seed, scenes * 2 // 3)
            case "questions":
                cases = questions.measure(engine, seed, scenes * 2 // 3)
            case "tracking":
                cases = tracking.measure(engine, seed, arguments.clips)
            case "nuclei":
                images = read_nuclei(arguments.nuclei, held_out=True) if arguments.nuclei else []
                cases = real.measure_nuclei(engine, seed, images)
            case _:
                cases = real.measure_coins(engine)
        return list(cases)


def measure_all(arguments: argparse.Namespace) -> list[Case]:
    """The cases of all groups that are asked for."""
    groups = [group for group in GROUPS if group in arguments.only]
    if min(arguments.processes, len(groups)) == 1:
        return [case for group in groups for case in measure(group, arguments)]
    # A copy of a process that has run torch's threads may hang: start afresh.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, spawn) as pool:
        found = pool.map(measure, groups, [arguments] * len(groups))
        return [case for cases in found for case in cases]


def command(arguments: argparse.Namespace) -> str:
    """How to repeat this, without the places of this machine."""
    words = ["python -m napari_sa2va.training.evaluate FOLDER"]
    words += ["--nuclei NUCLEI"] if arguments.nuclei else []
    words += [f"--{name} {getattr(arguments, name)}" for name in ("scenes", "clips", "seed")]
    if set(arguments.only) != set(GROUPS):
        words.append(f"--only {' '.join(arguments.only)}")
    return " ".join(words)


def main(options: Sequence[str] | None = None) -> None:
    """Measure, write JSON with examples beside it, print the table."""
    arguments = _arguments(options)
    cases = measure_all(arguments)
    if arguments.json:
        about = {
            "command": command(arguments),
            "seed": arguments.seed,
            **origin(arguments.folder),
        }
        content = report(cases, about)
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        save_examples(arguments.json.with_suffix(".npz"), choose(cases))
    for line in lines(cases):
        sys.stdout.write(f"{line}\n")


def _arguments(options: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure a checkpoint on held-out data.")
    parser.add_argument("folder", help="a checkpoint folder, or a name that load() knows")
    parser.add_argument("--nuclei", type=Path, help="folder with NAME.tif and NAME_labels.tif")
    parser.add_argument(
        "--scenes", type=int, default=300, help="for clicks; two thirds as many for language"
    )
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--only", nargs="+", default=GROUPS, choices=GROUPS, metavar="GROUP")
    parser.add_argument("--seed", type=int, default=SEED, help="of the drawn scenes and clips")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument(
        "--json", type=Path, help="where the figures go; examples for the card go beside it"
    )
    return parser.parse_args(options)


if __name__ == "__main__":
    main()
