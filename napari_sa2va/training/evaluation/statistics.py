"""Means with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_sa2va.training.evaluation.cases import Case, by_task

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Figure:
    """A mean of `values` values, and its bootstrap interval of 95 %."""

    mean: float
    values: int
    low: float
    high: float


def figure(values: Sequence[float], clusters: Sequence[int], seed: int = 0) -> Figure:
    """The mean, with the percentile interval of means over resampled clusters.

    Values of one image are no independent draws: whole images are resampled.
    """
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Figure(float(np.mean(values)), len(values), float(low), float(high))


def figures(cases: Sequence[Case]) -> dict[str, dict[str, Figure]]:
    """By group: each task, and after it the same task by each detail."""
    found: dict[str, dict[str, Figure]] = {}
    for (group, task), members in by_task(cases).items():
        rows = found.setdefault(group, {})
        rows[task] = _of(members)
        details = {detail: None for case in members for detail in case.details}
        for detail in sorted(details):
            rows[f"{task}, {detail}"] = _of([case for case in members if detail in case.details])
    return found


def _of(cases: Sequence[Case]) -> Figure:
    return figure([case.value for case in cases], [case.cluster for case in cases])
