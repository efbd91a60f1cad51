"""How alike two masks are: J and F of DAVIS (Perazzi et al., CVPR 2016).

They agree with the official code, https://github.com/davisvideochallenge/davis2017-evaluation
(davis2017/metrics.py and davis2017/utils.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_sa2va.core.masks import BoolMask, bounding_box

BOUNDARY_TOLERANCE = 0.008  # of the image's diagonal
_RECALLED = 0.5  # a frame above it counts as found
_BINS = 4  # a video's quarters, for the decay


def iou(found: BoolMask, true: BoolMask) -> float:
    """Intersection over union of two masks (H, W), J; 1 where both are empty."""
    union = np.count_nonzero(found | true)
    return np.count_nonzero(found & true) / union if union else 1.0


def boundary_f(found: BoolMask, true: BoolMask) -> float:
    """Boundary F-measure: the harmonic mean of the boundaries' precision and recall.

    The matching of the two boundaries is approximated as DAVIS does it: a boundary pixel is
    matched where the other boundary, dilated by a disk, covers it.
    """
    radius = math.ceil(BOUNDARY_TOLERANCE * math.hypot(*true.shape))
    edge, true_edge = boundary(found), boundary(true)
    if not edge.any() or not true_edge.any():
        return float(edge.any() == true_edge.any())
    # All that is measured lies between boundary pixels.
    y0, x0, y1, x1 = bounding_box(edge | true_edge) or (0, 0, 0, 0)
    edge, true_edge = edge[y0:y1, x0:x1], true_edge[y0:y1, x0:x1]
    precision = float(_dilated(true_edge, radius)[edge].mean())
    recall = float(_dilated(edge, radius)[true_edge].mean())
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def boundary(mask: BoolMask) -> BoolMask:
    """Pixels whose right, lower or lower right neighbour is on the other side; a pixel wide."""
    # At the image's end there is no neighbour: the mask goes on there.
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, beyond = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return (mask != right) | (mask != below) | (mask != beyond)


@dataclass(frozen=True)
class OverTime:
    """What DAVIS tells of a measure over the frames of one object.

    Attributes
    ----------
    mean : float
    recall : float
        Share of the frames above 0.5.
    decay : float
        How much lower the last quarter of the frames is than the first.
    """

    mean: float
    recall: float
    decay: float


def over_time(values: Sequence[float]) -> OverTime:
    """Mean, recall and decay of a measure's values, frame by frame; at least one."""
    measured = np.asarray(values, float)
    # Quarters share the frame at which they meet, as in the official code.
    ends = np.round(np.linspace(1, len(measured), _BINS + 1) + 1e-10).astype(int) - 1
    first, last = measured[: ends[1] + 1], measured[ends[-2] : ends[-1] + 1]
    return OverTime(
        float(measured.mean()),
        float((measured > _RECALLED).mean()),
        float(first.mean() - last.mean()),
    )


def _dilated(edge: BoolMask, radius: int) -> BoolMask:
    """Pixels no farther than `radius` from a boundary: a disk around each of its pixels."""
    near: BoolMask = ndimage.distance_transform_edt(~edge) <= radius
    return near
