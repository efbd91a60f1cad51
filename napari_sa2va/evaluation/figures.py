"""The figures of a run, from its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from napari_sa2va.evaluation import referring
from napari_sa2va.evaluation.cells import ctc_scores
from napari_sa2va.evaluation.dataset import Dataset
from napari_sa2va.evaluation.instances import average_precision, pieces
from napari_sa2va.evaluation.kinds import kind_named
from napari_sa2va.evaluation.results import Result, Results, Score, apart, decode_mask

ALL, OVERALL = "all", "overall"


@dataclass(frozen=True)
class Figure:
    """A figure of a group of samples.

    Attributes
    ----------
    group : str
        ``all``, ``overall`` (the mean of groups, where a benchmark wants that), or a group.
    name : str
    value : float
        From 0 to 1.
    count : int
        How many objects, expressions, images or videos it is of.
    """

    group: str
    name: str
    value: float
    count: int


def figures(dataset: Dataset, results: Results) -> list[Figure]:
    """All figures of the samples that are done.

    Raises
    ------
    InputError
        The masks of a sample are missing or damaged.
    """
    keys = {sample.key for sample in dataset.samples}
    done = [result for key, result in results.done.items() if key in keys]
    if not done:
        return []
    measure = kind_named(dataset.kind).measure
    if measure == "mAP":
        return _instances(dataset, results)
    if measure == "CTC":
        return _cells(dataset, results)
    of = _video_figures if measure == "J&F" else _image_figures
    found = _by_group(done, of)
    if dataset.kind != "davis":
        found = [figure for figure in found if not figure.name.endswith(("recall", "decay"))]
    return [*found, *_overall(dataset.averaged, found)]


def main_figure(found: Sequence[Figure], name: str) -> Figure | None:
    """The one that published figures are put beside: overall, else of all."""
    for group in (OVERALL, ALL):
        for figure in found:
            if (figure.group, figure.name) == (group, name):
                return figure
    return None


def _by_group(
    done: Sequence[Result], of: Callable[[list[Score]], Mapping[str, float | None]]
) -> list[Figure]:
    groups: dict[str, list[Score]] = {ALL: []}
    for result in done:
        for group in filter(None, (ALL, result.group)):
            groups.setdefault(group, []).extend(result.scores)
    return [
        Figure(group, name, value, len(scores))
        for group, scores in groups.items()
        for name, value in of(scores).items()
        if value is not None
    ]


def _video_figures(scores: list[Score]) -> dict[str, float | None]:
    found: dict[str, float | None] = {"J&F": float(np.mean([s.value for s in scores]))}
    for name in ("mean", "recall", "decay"):
        suffix = "" if name == "mean" else f" {name}"
        found[f"J{suffix}"] = float(np.mean([score.j[name] for score in scores]))
        found[f"F{suffix}"] = float(np.mean([score.f[name] for score in scores]))
    return found | _target_figures(scores)


def _image_figures(scores: list[Score]) -> dict[str, float | None]:
    overlaps = [score.overlap for score in scores]
    found = {
        "cIoU": referring.cumulative_iou(overlaps),
        "gIoU": referring.generalized_iou(overlaps),
    }
    for threshold in (0.5, 0.7, 0.9):
        found[f"Pr@{threshold}"] = referring.precision_at(overlaps, threshold)
    return found | _target_figures(scores)


def _target_figures(scores: list[Score]) -> dict[str, float | None]:
    """Whether it is known that there is nothing; of interest only where that occurs."""
    overlaps = [score.overlap for score in scores]
    without = referring.no_target_accuracy(overlaps)
    if without is None:
        return {}
    return {"N-acc": without, "T-acc": referring.target_accuracy(overlaps)}


def _overall(groups: Sequence[str], found: Sequence[Figure]) -> list[Figure]:
    """The mean of groups, which a benchmark wants in the place of the mean of all samples."""
    parts = [f for f in found if f.group in groups]
    names = dict.fromkeys(f.name for f in parts)
    return [
        Figure(
            OVERALL,
            name,
            float(np.mean([f.value for f in parts if f.name == name])),
            sum(f.count for f in parts if f.name == name),
        )
        for name in names
        if sum(f.name == name for f in parts) == len(groups)
    ]


def _instances(dataset: Dataset, results: Results) -> list[Figure]:
    left = {sample.stack for sample in dataset.samples if sample.key not in results.done}
    # An image counts when all classes were asked for in it.
    samples = [sample for sample in dataset.samples if sample.stack not in left]
    images = {int(sample.stack) for sample in samples}
    if not images:
        return []
    detections: list[dict[str, Any]] = []
    for sample in samples:
        stored = results.masks(sample.key)
        for entry in stored["objects"].values():
            mask = decode_mask(entry["masks"][0], stored["shape"][1:])
            detections += pieces(mask, entry["scores"][0], int(sample.stack), sample.category)
    values = average_precision(dataset.truth_files[""], detections, images)
    return [Figure(ALL, name, value, len(images)) for name, value in values.items()]


def _cells(dataset: Dataset, results: Results) -> list[Figure]:
    found: list[Figure] = []
    for sample in dataset.samples:
        if sample.key in results.done:
            stored = results.masks(sample.key)
            truth = dataset.truth_files[sample.stack]
            scores = ctc_scores(truth, tuple(stored["shape"]), partial(apart, stored))
            found += [Figure(sample.stack, name, value, 1) for name, value in scores.items()]
    names = dict.fromkeys(figure.name for figure in found)
    return [*_means(found, names), *found]


def _means(found: Sequence[Figure], names: Iterable[str]) -> list[Figure]:
    means = []
    for name in names:
        values = [figure.value for figure in found if figure.name == name]
        means.append(Figure(ALL, name, float(np.mean(values)), len(values)))
    return means
