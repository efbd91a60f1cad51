"""What a person paints in the Labels layer is their word: kept, and shown to the model."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from getpass import getuser
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._label_blocks import LabelPixels, holds

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.events import Event

# One stroke of napari's brush: where (slices or index arrays by axis), perhaps a mask, the labels
# that were there, the label painted.
Stroke = tuple[Any, ...]


class Strokes(QObject):
    """Gathers what is painted in one layer.

    Signals
    -------
    painted : list of Stroke
        The strokes are in the layer's data now.
    """

    painted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self._strokes: list[Stroke] = []
        # napari tells about a stroke before it writes it.
        self._timer = QTimer(self, interval=0, singleShot=True)
        self._timer.timeout.connect(self._tell)

    def watch(self, layer: Labels) -> None:
        """Gather the strokes of this layer from now on."""
        self._layer = layer
        layer.events.paint.connect(self._on_paint)

    def _on_paint(self, event: Event) -> None:
        if event.source is self._layer:
            self._strokes += event.value
            self._timer.start()

    def _tell(self) -> None:
        strokes, self._strokes = self._strokes, []
        self.painted.emit(strokes)


def take_up(
    strokes: Iterable[Stroke],
    labels: LabelPixels,
    geometry: StackGeometry,
    records: dict[int, ObjectRecord],
) -> set[int]:
    """Note in the records what was painted; the objects that it concerns.

    A painted or erased mask counts as confirmed. A label that was not there becomes an object.
    """
    concerned: set[int] = set()
    for stroke in strokes:
        where, ids = stroke[0], touched([stroke])
        for object_id in ids:
            record = records.setdefault(object_id, ObjectRecord(object_id))
            for frame in _frames(where, geometry):
                _confirm(record, frame, holds(labels, geometry, frame, object_id))
        concerned |= ids
    return concerned


def touched(strokes: Iterable[Stroke]) -> set[int]:
    """The objects whose pixels strokes gave or took."""
    values = [np.unique(value) for *_, before, after in strokes for value in (before, after)]
    return {int(i) for found in values for i in found} - {0}


def painted_frames(strokes: Iterable[Stroke], geometry: StackGeometry) -> set[int]:
    """The frames that strokes lie in."""
    return {frame for where, *_ in strokes for frame in _frames(where, geometry)}


def _frames(where: tuple[Any, ...], geometry: StackGeometry) -> list[int]:
    if geometry.time_axis is None:
        return [0]
    along = where[geometry.time_axis]
    if isinstance(along, slice):
        return list(range(*along.indices(geometry.stack_shape[0])))
    return [int(frame) for frame in np.unique(along)]


def _confirm(record: ObjectRecord, frame: int, present: bool) -> None:
    record.scores[frame] = 1.0 if present else 0.0
    record.prompts.append({"kind": "mask", "frame": frame})
    record.verify(frame, *who_and_when())


def who_and_when() -> tuple[str, str]:
    """The user's name on this machine, and the time in UTC (ISO 8601)."""
    return getuser(), datetime.now(UTC).isoformat(timespec="seconds")
