"""Referring segmentation: cIoU and gIoU, and expressions that refer to nothing.

As RefCOCO's and gRefCOCO's papers have them (Yu et al., ECCV 2016; Liu et al., "GRES", CVPR 2023,
https://github.com/henghuiding/ReLA). An answer is empty where no pixel is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_sa2va.core.masks import BoolMask


@dataclass(frozen=True)
class Overlap:
    """Pixels of one expression, over all its frames.

    Attributes
    ----------
    intersection, union : int
        Of what was found and what is true.
    has_target : bool
        Whether the expression refers to anything.
    is_found : bool
        Whether anything was found.
    """

    intersection: int
    union: int
    has_target: bool
    is_found: bool

    @property
    def iou(self) -> float:
        """Intersection over union; 1 where both are empty."""
        return self.intersection / self.union if self.union else 1.0


def overlap(pairs: Iterable[tuple[BoolMask, BoolMask]]) -> Overlap:
    """The pixels of (found, true) masks (H, W), frame by frame."""
    intersection = union = found_pixels = true_pixels = 0
    for found, true in pairs:
        intersection += int(np.count_nonzero(found & true))
        union += int(np.count_nonzero(found | true))
        found_pixels += int(np.count_nonzero(found))
        true_pixels += int(np.count_nonzero(true))
    return Overlap(intersection, union, true_pixels > 0, found_pixels > 0)


def cumulative_iou(overlaps: Sequence[Overlap]) -> float | None:
    """cIoU: all intersections over all unions, so that large objects count more.

    None where nothing was found and nothing is true.
    """
    union = sum(overlap.union for overlap in overlaps)
    return sum(overlap.intersection for overlap in overlaps) / union if union else None


def generalized_iou(overlaps: Sequence[Overlap]) -> float | None:
    """gIoU: the mean IoU of the expressions.

    One that refers to nothing counts 1 where nothing was found, and else 0.
    """
    return _mean([overlap.iou for overlap in overlaps])


def no_target_accuracy(overlaps: Sequence[Overlap]) -> float | None:
    """N-acc: for how many of the expressions that refer to nothing nothing was found."""
    return _mean([not overlap.is_found for overlap in overlaps if not overlap.has_target])


def target_accuracy(overlaps: Sequence[Overlap]) -> float | None:
    """T-acc: for how many of the expressions that refer to something something was found."""
    return _mean([overlap.is_found for overlap in overlaps if overlap.has_target])


def precision_at(overlaps: Sequence[Overlap], threshold: float) -> float | None:
    """Pr@X: how many of the expressions that refer to something have at least this IoU."""
    return _mean([overlap.iou >= threshold for overlap in overlaps if overlap.has_target])


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
