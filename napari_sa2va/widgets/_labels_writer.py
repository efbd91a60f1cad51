"""Masks into a labels array, off the Qt thread, so that they can be undone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.events import Mask
from napari_sa2va.core.masks import BoolMask, bounding_box
from napari_sa2va.core.regions import Region, enlarged, shifted
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._label_blocks import Block, LabelPixels, blocks_of, free_label, settle
from napari_sa2va.widgets._undo import PlaneChange, UndoStep

# Intersection over union of two masks of one object; two prompts for it seldom differ more.
_SAME_OBJECT = 0.7


class LabelsWriter:
    """Writes the masks of one run.

    It is used in the worker thread and writes the array in place, a block at a time; the Qt thread
    only refreshes what it shows. Masks may be coarser than the labels: see `StackGeometry.step`.

    Parameters
    ----------
    labels : array or LabelStore
        Of the image's shape; its values are object ids.
    geometry : StackGeometry
        How the array is read as a stack.
    step : UndoStep
        Where the changes are kept.
    """

    def __init__(self, labels: LabelPixels, geometry: StackGeometry, step: UndoStep) -> None:
        self._labels = labels
        self._geometry = geometry
        self._step = step
        self.seen: dict[int, int] = {}
        self.written: dict[int, int] = {}

    def within(self, region: Region, step: int | None = None) -> LabelsWriter:
        """Writes the same run, masks of a region."""
        part = copy(self)  # what was seen and written stays one account
        part._geometry = self._geometry.within(region, step)
        return part

    def free_label(self, taken: Collection[int]) -> int:
        """The id of a new object. Raises InputError where there is none."""
        return free_label(self._labels, taken)

    def plane(self, frame: int) -> npt.NDArray[Any]:
        """The labels of a frame as finely as its masks come, (H, W)."""
        step, (y0, x0, _, _) = self._geometry.step, self._geometry.box
        plane = np.zeros(self._geometry.stack_shape[1:], self._labels.dtype)
        for block in self._blocks(frame):
            if block.is_empty:
                continue
            # Of each step, the pixel in its middle.
            top, left = block.box[0] - y0, block.box[1] - x0
            rows, columns = ((step // 2 - start) % step for start in (top, left))
            row, column = (top + rows) // step, (left + columns) // step
            there = plane[row:, column:]
            seen = block.read()[rows::step, columns::step][: there.shape[0], : there.shape[1]]
            there[: seen.shape[0], : seen.shape[1]] = seen
        return plane

    def mask_of(self, object_id: int, frame: int) -> BoolMask:
        """Where an object is in a frame, as finely as its masks come."""
        return np.asarray(self.plane(frame) == object_id)

    def write(self, mask: Mask) -> None:
        """Replace the object's pixels in its frame; pixels of other objects are theirs."""
        object_id, step, (y0, x0, _, _) = mask.object_id, self._geometry.step, self._geometry.box
        top, left, bottom, right = bounding_box(mask.mask) or (0, 0, 0, 0)
        seen = written = 0
        for block in self._blocks(mask.frame):
            part = shifted(block.box, -y0, -x0)
            # Half a step beyond its box, a mask still counts where it is smoothed.
            touches = (
                part[0] < (bottom + 1) * step
                and part[2] > (top - 1) * step
                and part[1] < (right + 1) * step
                and part[3] > (left - 1) * step
            )
            if not touches and block.is_empty:
                continue
            plane = block.read()
            own = plane == object_id
            if touches:
                claimed = enlarged(mask.mask, step, part)
                wanted = claimed & (own | (plane == 0))
                seen += int(np.count_nonzero(claimed))
                written += int(np.count_nonzero(wanted))
                self._set(block, wanted & ~own, 0, object_id)
                self._set(block, own & ~wanted, object_id, 0)
            else:
                self._set(block, own, object_id, 0)
        self.seen[object_id] = self.seen.get(object_id, 0) + seen
        self.written[object_id] = self.written.get(object_id, 0) + written
        settle(self._labels)

    def twin(self, mask: Mask) -> int | None:
        """The object whose mask in the frame is nearly the same."""
        plane = self.plane(mask.frame)
        owners = plane[mask.mask]
        owners = owners[owners > 0]
        if len(owners) == 0:
            return None
        most = int(np.bincount(owners).argmax())
        own = plane == most
        overlap = (own & mask.mask).sum() / (own | mask.mask).sum()
        return most if overlap >= _SAME_OBJECT else None

    def erase(self, object_ids: Iterable[int], frame: int) -> None:
        """Clear the pixels of objects in a frame."""
        for object_id in object_ids:
            self.relabel(object_id, 0, frame)

    def relabel(self, object_id: int, becomes: int, frame: int) -> None:
        """Give the pixels of an object in a frame to another one."""
        for block in self._blocks(frame):
            if not block.is_empty:
                self._set(block, block.read() == object_id, object_id, becomes)
        settle(self._labels)

    @property
    def hidden(self) -> list[int]:
        """Objects of which every pixel belongs to others."""
        return [id_ for id_, seen in self.seen.items() if seen and not self.written[id_]]

    def _blocks(self, frame: int) -> Iterator[Block]:
        return blocks_of(self._labels, self._geometry, frame)

    def _set(self, block: Block, where: BoolMask, before: int, after: int) -> None:
        change = PlaneChange.of(block, where, before, after)
        if change is not None:
            block.assign(where, after)
            self._step.changes.append(change)


def restore(step: UndoStep) -> list[int]:
    """Undo a run in its array; the frames that changed."""
    for change in reversed(step.changes):
        change.revert(step.labels)
        settle(step.labels)
    return sorted({change.frame for change in step.changes})


def repeat(step: UndoStep) -> list[int]:
    """Do a run in its array again; the frames that changed."""
    for change in step.changes:
        change.repeat(step.labels)
        settle(step.labels)
    return sorted({change.frame for change in step.changes})
