"""Masks into a labels array, off the Qt thread, so that they can be undone."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.events import Mask
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.regions import Region
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._undo import PlaneChange, UndoStep

# Intersection over union of two masks of one object; two prompts for it seldom differ more.
_SAME_OBJECT = 0.7


class LabelsWriter:
    """Writes the masks of one run.

    It is used in the worker thread and writes the array in place; the Qt thread only refreshes
    what it shows.

    Parameters
    ----------
    labels : array
        Of the image's shape; its values are object ids.
    geometry : StackGeometry
        How the array is read as a stack.
    step : UndoStep
        Where the changes are kept.
    """

    def __init__(self, labels: npt.NDArray[Any], geometry: StackGeometry, step: UndoStep) -> None:
        self._labels = labels
        self._geometry = geometry
        self._step = step
        self.seen: dict[int, int] = {}
        self.written: dict[int, int] = {}

    def within(self, region: Region) -> LabelsWriter:
        """Writes the same run, masks of a region."""
        part = copy(self)  # what was seen and written stays one account
        part._geometry = self._geometry.within(region)
        return part

    def plane(self, frame: int) -> npt.NDArray[Any]:
        """The labels of a frame, (H, W)."""
        return self._geometry.plane(self._labels, frame)

    def mask_of(self, object_id: int, frame: int) -> BoolMask:
        """Where an object is in a frame."""
        return np.asarray(self.plane(frame) == object_id)

    def write(self, mask: Mask) -> None:
        """Replace the object's pixels in its frame; pixels of other objects are theirs."""
        plane = self.plane(mask.frame)
        own = plane == mask.object_id
        wanted = mask.mask & (own | (plane == 0))
        self.seen[mask.object_id] = self.seen.get(mask.object_id, 0) + int(mask.mask.sum())
        self.written[mask.object_id] = self.written.get(mask.object_id, 0) + int(wanted.sum())
        self._set(mask.frame, np.flatnonzero(wanted & ~own), 0, mask.object_id)
        self._set(mask.frame, np.flatnonzero(own & ~wanted), mask.object_id, 0)

    def twin(self, mask: Mask) -> int | None:
        """The object whose mask in the frame is nearly the same."""
        owners = self.plane(mask.frame)[mask.mask]
        owners = owners[owners > 0]
        if len(owners) == 0:
            return None
        most = int(np.bincount(owners).argmax())
        own = self.mask_of(most, mask.frame)
        overlap = (own & mask.mask).sum() / (own | mask.mask).sum()
        return most if overlap >= _SAME_OBJECT else None

    def erase(self, object_ids: Iterable[int], frame: int) -> None:
        """Clear the pixels of objects in a frame."""
        plane = self.plane(frame)
        for object_id in object_ids:
            self._set(frame, np.flatnonzero(plane == object_id), object_id, 0)

    def relabel(self, object_id: int, becomes: int, frame: int) -> None:
        """Give the pixels of an object in a frame to another one."""
        self._set(frame, np.flatnonzero(self.plane(frame) == object_id), object_id, becomes)

    @property
    def hidden(self) -> list[int]:
        """Objects of which every pixel belongs to others."""
        return [id_ for id_, seen in self.seen.items() if seen and not self.written[id_]]

    def _set(self, frame: int, pixels: npt.NDArray[np.intp], before: int, after: int) -> None:
        if len(pixels) == 0:
            return
        plane = self.plane(frame)
        plane[np.unravel_index(pixels, plane.shape)] = after
        compact = pixels.astype(np.min_scalar_type(plane.size))
        self._step.changes.append(PlaneChange(self._geometry, frame, compact, before, after))


def restore(step: UndoStep) -> list[int]:
    """Undo a run in its array; the frames that changed."""
    for change in reversed(step.changes):
        change.revert(step.labels)
    return sorted({change.frame for change in step.changes})


def repeat(step: UndoStep) -> list[int]:
    """Do a run in its array again; the frames that changed."""
    for change in step.changes:
        change.repeat(step.labels)
    return sorted({change.frame for change in step.changes})
