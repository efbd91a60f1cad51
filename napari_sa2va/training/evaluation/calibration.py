"""Does the IoU that the model predicts for its masks agree with the true one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Masks whose predicted IoU is in [low, high); the last bin includes 1."""

    low: float
    high: float
    masks: int
    score: float  # mean; 0 where there is no mask
    iou: float


@dataclass(frozen=True)
class Calibration:
    """How far predictions can be trusted.

    Attributes
    ----------
    masks : int
        How many.
    error : float
        Expected calibration error (Naeini et al., AAAI 2015), of a continuous quantity: the mean
        over all masks of their bin's distance between mean prediction and mean IoU.
    rank_correlation : float or None
        Spearman's; None where all predictions, or all IoUs, are equal.
    bins : tuple of Bin
    """

    masks: int
    error: float
    rank_correlation: float | None
    bins: tuple[Bin, ...]


def calibrate(scores: Sequence[float], ious: Sequence[float]) -> Calibration:
    """Compare predicted with true IoUs; a prediction above 1 counts as 1."""
    predicted, true = np.clip(np.asarray(scores, float), 0, 1), np.asarray(ious, float)
    place = np.minimum((predicted * BINS).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        here = place == number
        means = (predicted[here].mean(), true[here].mean()) if here.any() else (0.0, 0.0)
        low, high = number / BINS, (number + 1) / BINS
        bins.append(Bin(low, high, int(here.sum()), float(means[0]), float(means[1])))
    gaps = sum(found.masks * abs(found.score - found.iou) for found in bins)
    error = gaps / len(true) if len(true) else float("nan")
    return Calibration(len(true), error, rank_correlation(predicted, true), tuple(bins))


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's: Pearson's correlation of the ranks, equal values sharing their mean rank."""
    a, b = _ranks(first), _ranks(second)
    if len(a) < 2 or not a.std() or not b.std():
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: ArrayLike) -> NDArray[np.float64]:
    _, index, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[index]
    return ranks
