"""Average precision of instances, as COCO defines it, through pycocotools."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage

from napari_sa2va.core.masks import BoolMask
from napari_sa2va.evaluation.results import encode_mask

_TOUCHING = np.ones((3, 3), bool)  # pixels that meet at a corner belong together
# Where COCOeval's summary has them.
_PLACES = {"AP": 0, "AP50": 1, "AP75": 2, "AP small": 3, "AP medium": 4, "AP large": 5}


def average_precision(
    truth: Path, detections: Sequence[Mapping[str, Any]], images: Collection[Any]
) -> dict[str, float]:
    """AP over IoU 0.50 to 0.95, AP50, AP75, and AP by size, of what was detected in `images`.

    Parameters
    ----------
    truth : Path
        ``instances_<split>.json``.
    detections : sequence of dict
        As COCO's results: image_id, category_id, segmentation (run lengths), score.
    images : collection
        Ids of the images that count.

    Returns
    -------
    dict of str to float
        Only what can be told: where there is no object of a size, there is no figure.
    """
    with redirect_stdout(io.StringIO()):  # pycocotools tells its steps
        coco = COCO(str(truth))
        if detections:
            found = coco.loadRes([dict(detection) for detection in detections])
        else:
            found = COCO()
            found.dataset = coco.dataset | {"annotations": []}
            found.createIndex()
        evaluation = COCOeval(coco, found, "segm")
        evaluation.params.imgIds = sorted(images)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = {name: float(evaluation.stats[place]) for name, place in _PLACES.items()}
    return {name: value for name, value in values.items() if value >= 0}


def pieces(mask: BoolMask, score: float, image: Any, category: int) -> Iterator[dict[str, Any]]:
    """Each connected piece of a mask (H, W) as a detection; all have the mask's score."""
    labels, count = ndimage.label(mask, _TOUCHING)
    for number in range(1, count + 1):
        yield {
            "image_id": image,
            "category_id": category,
            "segmentation": encode_mask(labels == number),
            "score": score,
        }
