"""What a person paints in the Labels layer is their word: kept, and shown to the model."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from getpass import getuser
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._label_blocks import LabelPixels, holds
from napari_sa2va.widgets._stroke_changes import Stroke
from napari_sa2va.widgets._undo import PlaneChange

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.events import Event

# An object in a frame, and the stack that the frame belongs to.
Masks = dict[tuple[int, int], StackGeometry]


class Strokes(QObject):
    """Gathers what is painted in one layer, and what napari itself takes back of it.

    Signals
    -------
    painted : list of Stroke
        The strokes are in the layer's data now.
    undone, redone : Stroke
        napari took this stroke back (its own undo in the layer), or made it again.
    """

    painted = Signal(object)
    undone = Signal(object)
    redone = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self._strokes: list[Stroke] = []
        self._known: list[Stroke] = []
        self._ended = False
        # napari tells about a stroke before it writes it.
        self._timer = QTimer(self, interval=0, singleShot=True)
        self._timer.timeout.connect(self._tell)

    def watch(self, layer: Labels) -> None:
        """Gather the strokes of this layer from now on."""
        if self._ended:  # a run that was cancelled by the end may have made the layer
            return
        self._layer = layer
        self._known = _taken_back(layer)
        layer.events.paint.connect(self._on_paint)
        layer.events.set_data.connect(self._on_drawn)

    def end(self) -> None:
        """Gather nothing any more. Calls nothing of Qt."""
        self._ended, self._layer = True, None
        self._strokes.clear()

    def take_back(self, strokes: int) -> None:
        """Take back the last strokes, and tell nobody."""
        if self._layer is not None:
            with self._layer.events.set_data.blocker(self._on_drawn):
                for _ in range(strokes):
                    self._layer.undo()
            self._known = _taken_back(self._layer)

    def _on_paint(self, event: Event) -> None:
        if event.source is self._layer:
            self._strokes.append(list(event.value))
            self._known = []
            self._timer.start()

    def _tell(self) -> None:
        strokes, self._strokes = self._strokes, []
        self.painted.emit(strokes)

    def _on_drawn(self, event: Event) -> None:
        """What napari takes back it tells nobody, but it draws the layer anew."""
        if event.source is not self._layer:
            return
        known, self._known = self._known, _taken_back(self._layer)
        before, now = len(known), len(self._known)
        for stroke in self._known[before:]:
            self.undone.emit(stroke[::-1])
        if now < before and _was_made(self._layer, known[-1]):  # else a new stroke dropped them
            for stroke in reversed(known[now:]):
                self.redone.emit(stroke[::-1])


def _taken_back(layer: Labels) -> list[Stroke]:
    """The strokes that napari's redo would make again, the parts of each in reverse order."""
    return list(getattr(layer, "_redo_history", ()))  # napari has no public name for them


def _was_made(layer: Labels, stroke: Stroke) -> bool:
    made = getattr(layer, "_undo_history", ())
    return any(one and one[0] is stroke[-1] for one in made)


def take_up(
    changes: Iterable[PlaneChange], labels: LabelPixels, records: dict[int, ObjectRecord]
) -> None:
    """Note in the records what was painted.

    A painted or erased mask counts as confirmed. A label that was not there becomes an object.
    """
    changes = list(changes)
    painted = {(change.after, change.frame) for change in changes}
    for (object_id, frame), geometry in masks_of(changes).items():
        fresh = ObjectRecord(object_id, place=geometry.place)
        record = records.setdefault(object_id, fresh)
        present = (object_id, frame) in painted or holds(labels, geometry, frame, object_id)
        _confirm(record, frame, present)


def masks_of(changes: Iterable[PlaneChange]) -> Masks:
    """The masks that were changed."""
    return {
        (object_id, change.frame): change.geometry
        for change in changes
        for object_id in (change.before, change.after)
        if object_id
    }


def frames_of(changes: Iterable[PlaneChange]) -> dict[StackGeometry, set[int]]:
    """The frames that were changed, by the stack that they belong to."""
    frames: dict[StackGeometry, set[int]] = {}
    for change in changes:
        frames.setdefault(change.geometry.whole, set()).add(change.frame)
    return frames


def _confirm(record: ObjectRecord, frame: int, present: bool) -> None:
    record.scores[frame] = 1.0 if present else 0.0
    record.prompts.append({"kind": "mask", "frame": frame})
    record.verify(frame, *who_and_when())


def who_and_when() -> tuple[str, str]:
    """The user's name on this machine, and the time in UTC (ISO 8601)."""
    return getuser(), datetime.now(UTC).isoformat(timespec="seconds")
