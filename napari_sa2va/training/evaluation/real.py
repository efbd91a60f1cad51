"""Real micrographs that training holds out, and the coins of scikit-image, never trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage import data
from skimage.filters import sobel
from skimage.measure import label as label_parts
from skimage.segmentation import watershed

from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.session import Session
from napari_sa2va.evaluation.overlap import iou
from napari_sa2va.training.evaluation.asking import Found, ask, prompt_with
from napari_sa2va.training.evaluation.cases import Case, Mask, in_language, picture
from napari_sa2va.training.language import request
from napari_sa2va.training.meaning import LANGUAGES, Reference
from napari_sa2va.training.nuclei import NucleiImage
from napari_sa2va.training.visual_prompts import BOX_END, BOX_START, POSITIVE, VisualPrompt

NUCLEI, COINS = "real nuclei", "real coins"
NUCLEI_PER_IMAGE = 5
SMALLEST_NUCLEUS = 60  # pixels
COINS_THERE = 24


def measure_nuclei(engine: Engine, seed: int, images: Sequence[NucleiImage]) -> Iterator[Case]:
    """Whole micrographs: a click and a box on some nuclei of each, and all by text."""
    for number, source in enumerate(images):
        rng = np.random.default_rng([seed, 2, number])
        areas = np.bincount(source.labels.ravel())
        large = [label for label in np.flatnonzero(areas >= SMALLEST_NUCLEUS) if label]
        chosen = [int(label) for label in rng.permutation(large)[:NUCLEI_PER_IMAGE]]
        with engine.open(source.image) as session:
            view = _View(session, source.image, source.labels, NUCLEI, f"{source.kind}: ")
            for label in chosen:
                yield from view.each(label, number)
            yield from view.all("nucleus", number)


def measure_coins(engine: Engine) -> Iterator[Case]:
    """A click and a box on each coin, and all by text."""
    grey = data.coins()
    image, labels = np.repeat(grey[..., None], 3, axis=2), coin_labels(grey)
    with engine.open(image) as session:
        view = _View(session, image, labels, COINS)
        for label in range(1, COINS_THERE + 1):
            yield from view.each(label, label)  # one image: the coins are what is resampled
        yield from view.all("coin", 0)


@dataclass(frozen=True)
class _View:
    """A labelled image in a session."""

    session: Session
    image: NDArray[np.uint8]
    labels: NDArray[np.int32]
    group: str
    prefix: str = ""

    def each(self, label: int, cluster: int) -> Iterator[Case]:
        """A click well inside one object, and its box."""
        truth = self.labels == label
        for number, (task, prompt) in enumerate(_prompts(truth, label).items()):
            found = prompt_with(self.session, prompt, 2 * label + number)
            yield self._case(task, truth, found, cluster, prompt=prompt)

    def all(self, noun: str, cluster: int) -> Iterator[Case]:
        """All objects, by text in each language, in its plainest words."""
        labels = tuple(int(label) for label in np.unique(self.labels) if label)
        meaning = request(Reference("all", labels, noun))
        for language in LANGUAGES:
            text = meaning.said(language).question
            found = ask(self.session, text)
            task = in_language("all", language)
            yield self._case(task, self.labels > 0, found, cluster, text)

    def _case(
        self,
        task: str,
        truth: Mask,
        found: Found,
        cluster: int,
        text: str = "",
        prompt: VisualPrompt | None = None,
    ) -> Case:
        return Case(
            self.group,
            f"{self.prefix}{task}",
            iou(found.mask, truth),
            cluster,
            score=found.score,
            example=picture(self.image, truth, found.mask, prompt, near=prompt is not None),
            text=text,
        )


def _prompts(truth: Mask, label: int) -> dict[str, VisualPrompt]:
    """The pixel of the object next to its centre of mass, and its exact box."""
    rows, columns = np.nonzero(truth)
    middle = np.hypot(rows - rows.mean(), columns - columns.mean()).argmin()
    centre = np.array([[columns[middle], rows[middle]]], np.float32)
    corners = [
        [columns.min(), rows.min()],
        [columns.max() + 1, rows.max() + 1],
    ]
    return {
        "click": VisualPrompt(centre, np.array([POSITIVE]), label),
        "box": VisualPrompt(np.array(corners, np.float32), np.array([BOX_START, BOX_END]), label),
    }


def coin_labels(grey: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The coins by scikit-image's tutorial: a watershed of the edges from sure markers.

    Its few small parts are no coins; a coin's holes are filled.
    """
    markers = np.zeros(grey.shape, np.int32)
    markers[grey < 30], markers[grey > 150] = 1, 2
    inside = watershed(sobel(grey), markers) == 2
    background = label_parts(~inside, connectivity=1)
    rim = np.concatenate([background[[0, -1]].ravel(), background[:, [0, -1]].ravel()])
    parts = label_parts(~np.isin(background, rim[rim > 0]), connectivity=1)
    areas = np.bincount(parts.ravel())
    coins = [part for part in np.flatnonzero(areas > 200) if part]
    if len(coins) != COINS_THERE:
        raise ValueError(f"the image of the coins shows {len(coins)}, not {COINS_THERE}")
    labels = np.zeros(grey.shape, np.int32)
    for number, part in enumerate(coins, 1):
        labels[parts == part] = number
    return labels
