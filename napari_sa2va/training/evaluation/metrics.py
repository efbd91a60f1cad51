"""How alike two masks are: J and F of DAVIS (Perazzi et al., CVPR 2016)."""

from __future__ import annotations

import math

import numpy as np
from skimage.morphology import isotropic_dilation

from napari_sa2va.training.evaluation.cases import Mask

BOUNDARY_TOLERANCE = 0.008  # of the image's diagonal


def iou(found: Mask, true: Mask) -> float:
    """Intersection over union, J; 1 where both are empty."""
    union = (found | true).sum()
    return float((found & true).sum() / union) if union else 1.0


def boundary_f(found: Mask, true: Mask) -> float:
    """Boundary F-measure: the harmonic mean of the boundaries' precision and recall.

    The matching of the two boundaries is approximated as DAVIS does it: a boundary pixel is
    matched where the other boundary, dilated by a disk, covers it.
    """
    radius = math.ceil(BOUNDARY_TOLERANCE * math.hypot(*true.shape))
    edge, true_edge = boundary(found), boundary(true)
    if not edge.any() or not true_edge.any():
        return float(edge.any() == true_edge.any())
    precision = float(isotropic_dilation(true_edge, radius)[edge].mean())
    recall = float(isotropic_dilation(edge, radius)[true_edge].mean())
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def boundary(mask: Mask) -> Mask:
    """Pixels whose right, lower or lower right neighbour is on the other side; a pixel wide."""
    # At the image's end there is no neighbour: the mask goes on there.
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, beyond = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return (mask != right) | (mask != below) | (mask != beyond)
