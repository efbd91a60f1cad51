"""One case: something that was tried once, and how well it went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sa2va.training.visual_prompts import VisualPrompt

Mask = NDArray[np.bool_]

TILE = 120  # pixels of the longer side of a picture that is kept
STRIP = 3 * TILE  # of one that is more than twice as wide as high: frames of a clip


@dataclass(frozen=True)
class Example:
    """What a case looked like, small enough to be kept for every case.

    Attributes
    ----------
    image : (h, w, 3) uint8 array
    truth, found : (h, w) bool arrays
    marks : tuple of (y, x, kind)
        Points of the prompt in the picture, with SAM's point labels.
    """

    image: NDArray[np.uint8]
    truth: Mask
    found: Mask
    marks: tuple[tuple[float, float, int], ...] = ()


@dataclass(frozen=True)
class Case:
    """One value of a task.

    Attributes
    ----------
    group, task : str
        Where it is listed.
    value : float
        IoU, J&F, or 1 for right and 0 for wrong.
    cluster : int
        Cases of one image depend on each other; the interval of a mean resamples images.
    details : tuple of str
        What the finer break-down lists it under.
    score : float, optional
        The IoU that the model predicted.
    example : Example, optional
        How it looked.
    text : str
        What was asked; empty for a visual prompt.
    answer : tuple of (expected, said), optional
        Of a question.
    """

    group: str
    task: str
    value: float
    cluster: int
    details: tuple[str, ...] = ()
    score: float | None = None
    example: Example | None = None
    text: str = ""
    answer: tuple[str, str] | None = None


def in_language(task: str, language: str) -> str:
    """The name of a task asked in a language: English is what goes without saying."""
    return task if language == "en" else f"{task} [{language}]"


def by_task(cases: Iterable[Case]) -> dict[tuple[str, str], list[Case]]:
    """Cases by group and task, in the order in which they were met."""
    tasks: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        tasks[case.group, case.task].append(case)
    return dict(tasks)


def picture(
    image: NDArray[np.uint8],
    truth: Mask,
    found: Mask,
    prompt: VisualPrompt | None = None,
    near: bool = False,
) -> Example:
    """Shrink a case to a picture; `near` cuts out the object with as much again around it."""
    window = _around(truth) if near else (slice(None), slice(None))
    image, truth, found = image[window], truth[window], found[window]
    y0, x0 = (side.start or 0 for side in window)
    height, width = truth.shape
    factor = (STRIP if width > 2 * height else TILE) / max(height, width)
    if not near:
        factor = min(1.0, factor)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    marks: tuple[tuple[float, float, int], ...] = ()
    if prompt is not None:
        marks = tuple(
            (float((y - y0) * factor), float((x - x0) * factor), int(kind))
            for (x, y), kind in zip(prompt.points, prompt.kinds, strict=True)
        )
    return Example(
        np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size)),
        _shrunk(truth, size),
        _shrunk(found, size),
        marks,
    )


def _shrunk(mask: Mask, size: tuple[int, int]) -> Mask:
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def _around(mask: Mask) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    reach = max(16, int(max(np.ptp(rows), np.ptp(columns))))
    y, x = int(rows.mean()), int(columns.mean())
    return slice(max(0, y - reach), y + reach), slice(max(0, x - reach), x + reach)
