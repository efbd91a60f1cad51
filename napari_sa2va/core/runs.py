"""The objects of a label image as runs of pixels: one pass over the pixels serves them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class ObjectRuns:
    """The pixels of one object in one frame, down the columns as COCO counts them.

    Attributes
    ----------
    shape : tuple of int
        (H, W) of the frame.
    starts, stops : (N,) int arrays
        Half-open ranges of ``x * H + y``, ascending; no two touch.
    """

    shape: tuple[int, int]
    starts: Integers
    stops: Integers

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int((self.stops - self.starts).sum())

    @property
    def counts(self) -> list[int]:
        """COCO's uncompressed run lengths: of background and object in turn, background first."""
        edges = np.empty(2 * len(self.starts) + 1, np.int64)
        edges[0] = 0
        edges[1::2], edges[2::2] = self.starts, self.stops
        counts = np.diff(edges)
        rest = self.shape[0] * self.shape[1] - int(edges[-1])
        return [*counts.tolist(), rest] if rest else counts.tolist()

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The half-open box (y0, x0, y1, x1)."""
        height = self.shape[0]
        last = self.stops - 1
        left, right = self.starts // height, last // height
        # A run that goes on in the next column touches the upper and the lower edge.
        within = left == right
        top = np.where(within, self.starts % height, 0).min()
        bottom = np.where(within, last % height, height - 1).max()
        return int(top), int(left[0]), int(bottom) + 1, int(right[-1]) + 1

    @property
    def centroid(self) -> tuple[float, float]:
        """The mean (y, x) of its pixels."""
        pixels = self.pixels()
        height = self.shape[0]
        return float((pixels % height).mean()), float((pixels // height).mean())

    def pixels(self) -> Integers:
        """``x * H + y`` of every pixel, ascending."""
        lengths = self.stops - self.starts
        before = np.cumsum(lengths) - lengths
        return np.arange(lengths.sum()) + np.repeat(self.starts - before, lengths)

    def mask(self) -> npt.NDArray[np.bool_]:
        """The object's mask, (H, W)."""
        height, width = self.shape
        columns = np.zeros((width, height), bool)
        columns.ravel()[self.pixels()] = True
        return columns.T

    def crop(self) -> npt.NDArray[np.bool_]:
        """The mask within `box` alone."""
        y0, x0, y1, x1 = self.box
        height = self.shape[0]
        pixels = self.pixels()
        crop = np.zeros((y1 - y0, x1 - x0), bool)
        crop[pixels % height - y0, pixels // height - x0] = True
        return crop


def object_runs(labels: Labels) -> dict[int, ObjectRuns]:
    """The objects of a label image (H, W), 0 being background, in the order of their ids."""
    height, width = labels.shape
    if not labels.any():  # most frames of a long stack, and far quicker told than searched
        return {}
    columns = np.ravel(labels, order="F")
    starts = np.concatenate(([0], np.flatnonzero(columns[1:] != columns[:-1]) + 1))
    stops = np.append(starts[1:], columns.size)
    ids = columns[starts]
    kept = ids != 0
    starts, stops, ids = starts[kept], stops[kept], ids[kept]
    order = np.argsort(ids, kind="stable")
    found, first = np.unique(ids[order], return_index=True)
    groups = np.split(order, first[1:])
    return {
        int(object_id): ObjectRuns((height, width), starts[group], stops[group])
        for object_id, group in zip(found, groups, strict=bool(len(found)))
    }


def pack_planes(
    masks: Iterator[tuple[int, npt.NDArray[np.bool_]]], shape: tuple[int, int]
) -> list[npt.NDArray[np.int64]]:
    """Masks (H, W) by object id as label images: as few as hold what overlaps, at least one."""
    planes = [np.zeros(shape, np.int64)]
    for object_id, mask in masks:
        for plane in planes:
            if not plane[mask].any():
                break
        else:
            plane = np.zeros(shape, np.int64)
            planes.append(plane)
        plane[mask] = object_id
    return planes
