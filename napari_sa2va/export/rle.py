"""Masks as COCO writes them: run lengths and polygons, through pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.runs import ObjectRuns
from napari_sa2va.export.polygons import polygons


def run_lengths(runs: ObjectRuns) -> dict[str, Any]:
    """An object as a compressed run-length mask, ready for JSON."""
    height, width = runs.shape
    counted = {"counts": runs.counts, "size": [height, width]}
    encoded = coco_mask.frPyObjects(counted, height, width)
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


def coco_polygons(runs: ObjectRuns) -> list[list[int]]:
    """An object as polygons x0, y0, x1, y1, ... along the edges of its pixels.

    pycocotools decodes them to the pixel; holes are joined to the outline by cuts of no width.
    """
    y0, x0, _, _ = runs.box
    outlines = polygons(runs.crop(), "edges")
    return [(outline + np.array((y0, x0)))[:, ::-1].ravel().tolist() for outline in outlines]


def box_xywh(runs: ObjectRuns) -> list[int]:
    """The box of an object as COCO writes it."""
    y0, x0, y1, x1 = runs.box
    return [x0, y0, x1 - x0, y1 - y0]


def decode(segmentation: Any, height: int, width: int) -> npt.NDArray[np.bool_]:
    """A mask (H, W) from run lengths, compressed or not, or from polygons.

    Raises
    ------
    InputError
        It is damaged, or of another size.
    """
    if not segmentation:
        return np.zeros((height, width), bool)
    try:
        if isinstance(segmentation, list):
            parts = coco_mask.frPyObjects(segmentation, height, width)
            rle = coco_mask.merge(parts)
        elif isinstance(segmentation["counts"], list):
            rle = coco_mask.frPyObjects(segmentation, height, width)
        else:
            rle = segmentation
        if list(rle["size"]) == [height, width]:
            return np.asarray(coco_mask.decode(rle)).astype(bool)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"A mask cannot be decoded ({error}).", "Is the file complete?") from error
    raise InputError(
        f"A mask has the size {rle['size']}, its image {[height, width]}.", "Correct the file."
    )
