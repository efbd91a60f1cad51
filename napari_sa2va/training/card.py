"""Write a checkpoint's card: `python -m napari_sa2va.training.card FOLDER --figures FIGURES.json`.

The card is FOLDER/README.md with its pictures in FOLDER/images. What it says comes from the
checkpoint's own files, the figures of `evaluate`, and the logs of training; what is missing it
says, too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_sa2va.training import card_figures, card_text
from napari_sa2va.training import checkpoint_facts as facts
from napari_sa2va.training.evaluation.cases import in_language
from napari_sa2va.training.evaluation.examples import Shown, load_examples
from napari_sa2va.training.evaluation.report import digest
from napari_sa2va.training.plots import plot_learning, plot_reliability
from napari_sa2va.training.sheets import save_small, sheet

IMAGES = "images"
BYTES = 500_000  # of all contact sheets: they come with the package
TEXTS = ("color, shape", "position", "size", "brightness", "relation", "all")
SHOWN = (
    *(("drawn scenes", task) for task in ("click", "box", "three clicks")),
    *(("texts", task) for task in TEXTS),
    *(("texts", in_language(task, "ko")) for task in ("position", "relation", "all")),
    *(("tracking", task) for task in ("box, J&F", "motion phrase", "motion phrase [ko]")),
    *(("real nuclei", f"{kind}: click") for kind in ("fluorescence", "histology")),
    *(("real nuclei", f"{kind}: all") for kind in ("fluorescence", "histology")),
    *(("real coins", task) for task in ("click", "all", "all [ko]")),
)


def write_card(folder: Path, figures: Path | None, logs: Path | None) -> None:
    """Write FOLDER/README.md and its pictures; what was not given is said to be missing."""
    images = folder / IMAGES
    images.mkdir(exist_ok=True)
    for old in images.glob("*.png"):
        old.unlink()
    measured = json.loads(figures.read_text("utf-8")) if figures else None
    examples = figures.with_suffix(".npz") if figures else None
    shown = load_examples(examples) if examples and examples.exists() else {}
    sections = [
        *_introduction(folder),
        card_text.KNOWLEDGE.format(side=facts.side(folder)),
        *_training(logs, images),
        card_text.DATA,
        *_figures(measured, digest(folder), images),
        *_pictures(shown, images),
    ]
    text = "\n".join(section.rstrip("\n") + "\n" for section in sections)
    (folder / "README.md").write_text(text, encoding="utf-8")


def _introduction(folder: Path) -> Iterator[str]:
    counts, shapes = facts.parameters(folder), facts.shapes(folder)
    yield card_text.INTRODUCTION.format(
        name=folder.resolve().name,
        parameters=counts.total() / 1e6,
        megabytes=facts.megabytes(folder),
    )
    rows = [
        (part, f"{count / 1e6:.2f} million", shapes.get(part, ""))
        for part, count in counts.most_common()
    ]
    yield card_figures.table(("part", "parameters", "size"), rows)


def _training(logs: Path | None, images: Path) -> Iterator[str]:
    yield "## How it was trained"
    stages = list(facts.read_logs(logs)) if logs else []
    if logs is None or not stages:
        yield "The logs of its training are missing: no log was given when this card was written."
        return
    if start := facts.read_start(logs):
        yield (
            "It started from the weights of `{checkpoint}` (sha256 {weights_sha256}), "
            "whose own training is not in this table."
        ).format(**start)
    if start and start.get("back"):
        yield (
            f"In the end its weights were moved {start['back']:.0%} of the way back to those "
            "(arXiv 2109.01903): what training makes better mostly stays so, and what it forgets "
            "mostly comes back."
        )
    yield (
        "By `python -m napari_sa2va.training.train`, in stages; the pace is a factor on the usual "
        "learning rates, below 1 so that less is forgotten:"
    )
    rows = [
        (
            it.name,
            str(it.steps),
            f"{it.minutes:.0f}",
            f"{it.pace:g}",
            f"{it.losses[0][1]:.3f}",
            f"{it.losses[-1][1]:.3f}",
        )
        for it in stages
    ]
    yield card_figures.table(("stage", "steps", "minutes", "pace", "first loss", "last loss"), rows)
    plot_learning({it.name: it.losses for it in stages}, images / "learning.png")
    yield f"![The loss of each stage over its minutes]({IMAGES}/learning.png)"


def _figures(measured: Mapping[str, Any] | None, weights: str, images: Path) -> Iterator[str]:
    yield "## Figures"
    if measured is None:
        yield "The figures are missing: nothing was measured when this card was written."
        return
    if measured["weights_sha256"] != weights:
        yield "**These figures are of other weights than those in this folder.**"
    yield f"```\n{measured['command']}\n```"
    versions = ", ".join(f"{name} {number}" for name, number in measured["versions"].items())
    yield f"Measured with {versions}.\n\n{card_text.METHOD}"
    yield card_figures.aims(measured["table"])
    yield "## What it misses"
    yield card_figures.misses(measured["table"])
    yield card_text.CALIBRATION
    if measured["calibration"]:
        plot_reliability(measured["calibration"], images / "reliability.png")
        yield f"![Predicted against true IoU]({IMAGES}/reliability.png)"
    yield from card_figures.reliability(measured["calibration"])
    yield "### All figures"
    yield card_figures.every(measured["figures"])
    yield from card_figures.answers(measured["answers"])


def _pictures(shown: Shown, images: Path) -> Iterator[str]:
    yield card_text.PICTURES
    there = [key for key in SHOWN if key in shown]
    if not there:
        yield "The pictures are missing: no examples lay beside the figures."
    for number, (group, task) in enumerate(there, 1):
        ranked = shown[group, task]
        name = f"example-{number:02d}.png"
        save_small(sheet([one.example for one in ranked]), images / name, BYTES // len(there))
        yield f"**{group}: {task}**\n\n![{group}: {task}]({IMAGES}/{name})"
        yield "\n".join(
            f"- {one.rank}, {one.value:.2f}"
            + (f": {card_figures.quoted(one.text)}" if one.text else "")
            for one in ranked
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the card of a folder."""
    parser = argparse.ArgumentParser(description="Write the card of a checkpoint.")
    parser.add_argument("folder", type=Path, help="the checkpoint; README.md and images go there")
    parser.add_argument("--figures", type=Path, help="what `evaluate --json` wrote")
    parser.add_argument("--logs", type=Path, help="the folder in which it was trained")
    given = parser.parse_args(arguments)
    write_card(given.folder, given.figures, given.logs)


if __name__ == "__main__":
    main()
