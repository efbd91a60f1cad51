"""The demonstration without a window: a sentence and a click on a drawn sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import napari_sa2va
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.headless import TrackedObject, Tracking
from napari_sa2va.io import labels_dtype, write_labels
from napari_sa2va.overlay import contact_sheet
from napari_sa2va.sample_data import Sample, draw_dividing_cells, draw_moving_shapes

_TILES = 12  # of the contact sheet


@dataclass(frozen=True)
class Demo:
    """A sample with what is said and clicked in its first frame."""

    draw: Callable[[], Sample]
    text: str
    click: tuple[float, float]  # (y, x)


DEMOS = {
    "dividing_cells": Demo(draw_dividing_cells, "the largest cell", (46, 212)),
    "moving_shapes": Demo(draw_moving_shapes, "the red circle", (45, 215)),
}


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration left: two files, and a line for each object."""

    labels: Path
    sheet: Path
    lines: list[str]


def run_headless(name: str, folder: Path) -> DemoResult:
    """Run the bundled model on a sample and write what it found.

    Parameters
    ----------
    name : str
        A key of `DEMOS`.
    folder : Path
        Where ``labels.tif`` and ``contact_sheet.png`` go; it is created if need be.
    """
    demo = DEMOS[name]
    sample = demo.draw()
    stack = ArrayFrames(sample.frames)
    make_folder(folder)
    with napari_sa2va.load("nano") as engine, engine.open(stack) as session:
        tracking = Tracking(session, frame=0)
        tracking.say(demo.text)
        clicked = max(tracking.objects, default=0) + 1
        tracking.click(clicked, [(*demo.click, True)])
        for _ in tracking.follow(range(stack.shape[0])):
            pass
        dtype = labels_dtype(max(tracking.objects))
        path = write_labels(
            folder / "labels.tif", tracking.labels(), stack.shape, dtype, overwrite=True
        )
        legend = [
            (object_id, describe(object_id, found, sample))
            for object_id, found in sorted(tracking.objects.items())
        ]
        tiles = _tiles(stack, tracking)
        title = f'{name.replace("_", " ")}: "{demo.text}" and a click'
        contact_sheet(tiles, legend, title).save(folder / "contact_sheet.png")
    lines = [text for _, text in legend]
    lines += [f'"{text}": the model answered "{said}"' for text, said in tracking.unanswered]
    return DemoResult(path, folder / "contact_sheet.png", lines)


def describe(object_id: int, found: TrackedObject, sample: Sample) -> str:
    """What was found, and how well it fits what was drawn."""
    truth, overlap = best_match(found, sample)
    return (
        f"{object_id}  {found.phrase}: score {found.score:.2f}, "
        f"IoU {overlap:.2f} with what was drawn ({sample.phrases[truth]})"
    )


def best_match(found: TrackedObject, sample: Sample) -> tuple[int, float]:
    """The drawn object that is overlapped most, and the mean IoU over the frames.

    Daughters count as the cell that they came from.
    """
    lineage = np.arange(256)
    for daughter, mother in sample.mothers.items():
        lineage[daughter] = mother
    drawn = lineage[sample.labels]
    overlaps = {
        object_id: float(
            np.mean([_iou(drawn[f] == object_id, found.masks[f]) for f in range(len(drawn))])
        )
        for object_id in set(sample.phrases) - set(sample.mothers)
    }
    best = max(overlaps, key=lambda object_id: overlaps[object_id])
    return best, overlaps[best]


def make_folder(folder: Path) -> None:
    """Create a folder; InputError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be created ({error.strerror}).", "Choose another one."
        ) from error


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def _tiles(stack: ArrayFrames, tracking: Tracking) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    chosen = set(np.linspace(0, stack.shape[0] - 1, _TILES).round().astype(int).tolist())
    for frame, labels in enumerate(tracking.labels()):
        if frame in chosen:
            yield f"frame {frame}", stack.frame(frame), labels
