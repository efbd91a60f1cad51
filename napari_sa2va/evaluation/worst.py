"""The worst cases as pictures: what is right, what is too much, what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.frames import RGBFrame
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.evaluation.dataset import Dataset, Sample, absent
from napari_sa2va.evaluation.results import Results, Score, apart, decode_mask
from napari_sa2va.overlay import contact_sheet

RIGHT, TOO_MUCH, MISSING = 3, 6, 4  # colours of the palette: green, orange, yellow
_LEGEND = ((RIGHT, "found, and true"), (TOO_MUCH, "found, not true"), (MISSING, "true, not found"))
_TILES = 4
_CHARACTERS_A_TILE = 28


def draw_worst(dataset: Dataset, results: Results, count: int) -> list[tuple[Path, Sample, Score]]:
    """Write a contact sheet for each of the worst targets into the run's folder ``worst``.

    Returns
    -------
    list of (Path, Sample, Score)
        Worst first.
    """
    folder = results.folder / "worst"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):  # of a report when less was done
        old.unlink()
    drawn = []
    for number, (sample, score) in enumerate(worst(dataset, results, count), 1):
        file = folder / f"{number:02d}.png"
        title = f"{sample.key}  {score.value:.2f}  {sample.text or f'object {score.target}'}"
        tiles = list(_tiles(sample, score.target, results.masks(sample.key)))
        columns = min(len(tiles), _TILES)
        contact_sheet(tiles, _LEGEND, _short(title, columns), columns=columns).save(file)
        drawn.append((file, sample, score))
    return drawn


def worst(dataset: Dataset, results: Results, count: int) -> list[tuple[Sample, Score]]:
    """The targets with the lowest J&F or IoU, and of equal ones the first."""
    scored = [
        (sample, score)
        for sample in dataset.samples
        if sample.key in results.done
        for score in results.done[sample.key].scores
    ]
    return sorted(scored, key=lambda pair: pair[1].value)[:count]


def _tiles(
    sample: Sample, target: int, stored: dict[str, Any]
) -> Iterator[tuple[str, RGBFrame, npt.NDArray[np.uint8]]]:
    frames = sample.frames()
    scored = sample.scored(frames.shape[0]) or range(frames.shape[0])
    for frame in _spread(scored):
        if frames.shape[0] == 1:
            yield "image", frames.frame(0), np.zeros(frames.shape[1:], np.uint8)
        true = sample.truth(frame).get(target, absent(frames.shape[1:]))
        found = _found(sample, target, stored, frame)
        labels = np.zeros(frames.shape[1:], np.uint8)
        labels[found & true], labels[found & ~true], labels[true & ~found] = (
            RIGHT,
            TOO_MUCH,
            MISSING,
        )
        yield f"frame {frame}", frames.frame(frame), labels


def _found(sample: Sample, target: int, stored: dict[str, Any], frame: int) -> BoolMask:
    shape = stored["shape"][1:]
    if not sample.text:
        return apart(stored, frame).get(target, absent(shape))
    total = absent(shape)
    for entry in stored["objects"].values():
        total |= decode_mask(entry["masks"][frame], shape)
    return total


def _spread(frames: Sequence[int]) -> list[int]:
    places = np.linspace(0, len(frames) - 1, min(_TILES, len(frames))).round().astype(int)
    return [frames[place] for place in places.tolist()]


def _short(text: str, tiles: int) -> str:
    most = _CHARACTERS_A_TILE * tiles
    return text if len(text) <= most else f"{text[: most - 1]}…"
