"""Masks that a person changed are measured again, off the Qt thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sa2va.core.review import MaskFacts, measure
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._label_blocks import LabelPixels, blocks_of
from napari_sa2va.widgets._strokes import Masks


class Remeasuring(QObject):
    """Measures masks in a thread of its own; of a mask that changed meanwhile, only as it is last.

    Signals
    -------
    measured : (int, int, MaskFacts or None)
        What an object's mask in a frame measures; None where it is empty.
    """

    measured = Signal(int, int, object)
    _done = Signal(int, int, int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sa2va-measure")
        self._numbers = count()
        self._wanted: dict[tuple[int, int], int] = {}
        self._done.connect(self._on_done)

    def begin(self, labels: LabelPixels, masks: Masks) -> None:
        """Measure these masks, soon."""
        for (object_id, frame), geometry in masks.items():
            number = self._wanted[object_id, frame] = next(self._numbers)
            self._executor.submit(self._measure, number, labels, geometry, object_id, frame)

    @property
    def is_busy(self) -> bool:
        """Whether there is something to measure."""
        return bool(self._wanted)

    def drop(self, *masks: tuple[int, int]) -> None:
        """These masks are no longer what was to be measured."""
        for mask in masks:
            self._wanted.pop(mask, None)

    def end(self) -> None:
        """Measure nothing any more. Calls nothing of Qt."""
        self._wanted.clear()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _measure(
        self,
        number: int,
        labels: LabelPixels,
        geometry: StackGeometry,
        object_id: int,
        frame: int,
    ) -> None:
        if self._wanted.get((object_id, frame)) == number:
            facts = mask_facts(labels, geometry, object_id, frame)
            if (object_id, frame) in self._wanted:  # else this object may be gone
                self._done.emit(number, object_id, frame, facts)

    def _on_done(self, number: int, object_id: int, frame: int, facts: MaskFacts | None) -> None:
        if self._wanted.get((object_id, frame)) == number:
            del self._wanted[object_id, frame]
            self.measured.emit(object_id, frame, facts)


def mask_facts(
    labels: LabelPixels, geometry: StackGeometry, object_id: int, frame: int
) -> MaskFacts | None:
    """What an object's mask in a frame measures; None where it is empty."""
    _, height, width = geometry.whole.stack_shape
    found = None
    for block in blocks_of(labels, geometry.whole, frame):
        if not block.is_empty:
            facts = measure(np.asarray(block.read() == object_id), block.box[:2])
            found = joined(found, facts)
    return found and replace(found, share=found.area / (height * width))


def joined(one: MaskFacts | None, other: MaskFacts | None) -> MaskFacts | None:
    """What two masks that share no pixel measure together."""
    if one is None or other is None:
        return one or other
    area = one.area + other.area
    y, x = ((a * one.area + b * other.area) / area for a, b in ((one.y, other.y), (one.x, other.x)))
    parts = [(it.area / area, it, it.y - y, it.x - x) for it in (one, other)]
    return MaskFacts(
        area,
        y,
        x,
        one.share + other.share,
        yy=sum(weight * (it.yy + down**2) for weight, it, down, _ in parts),
        yx=sum(weight * (it.yx + down * across) for weight, it, down, across in parts),
        xx=sum(weight * (it.xx + across**2) for weight, it, _, across in parts),
    )
