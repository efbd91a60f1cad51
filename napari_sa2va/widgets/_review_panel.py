"""Review: the timeline of the objects, and from one doubtful mask to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts, next_doubt
from napari_sa2va.widgets._explained import enable
from napari_sa2va.widgets._timeline import Row, Timeline

NEXT_KEY, BEFORE_KEY, ACCEPT_KEY, REJECT_KEY = "Shift+N", "Shift+B", "Shift+Y", "Shift+X"
PANEL_KEYS = {NEXT_KEY: "next", BEFORE_KEY: "before", ACCEPT_KEY: "accept", REJECT_KEY: "reject"}

_NOTHING: Mapping[int, MaskFacts] = MappingProxyType({})  # one and the same, as rows compare it


class ReviewPanel(QWidget):
    """A `Timeline` with buttons.

    Signals
    -------
    chosen : (int, int)
        Go to this object in this frame.
    accepted, rejected : (int, int)
        The user says that the object's mask in the frame is right, or wrong.
    """

    chosen = Signal(int, int)
    accepted = Signal(int, int)
    rejected = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[int, tuple[tuple[object, ...], Row]] = {}
        self._place: tuple[int | None, int] = (None, 0)

        self.timeline = Timeline(self)
        self.before = QPushButton("◀ Doubtful", self)
        self.next = QPushButton("Doubtful ▶", self)
        self.accept = QPushButton("Right", self)
        self.reject = QPushButton("Wrong", self)
        self.summary = QLabel(self)
        for button, slot in (
            (self.before, self.go_back),
            (self.next, self.go_on),
            (self.accept, self.accept_mask),
            (self.reject, self.reject_mask),
        ):
            button.clicked.connect(slot)

        scroll = QScrollArea(self)
        scroll.setWidget(self.timeline)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setToolTip(
            "A row for each object, a cell for each frame: from dark (low score) to yellow (high), "
            "grey where it is absent. On top: red is doubtful, orange prompted; white below: "
            "verified. Click or use the arrow keys to go there."
        )
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for widget in (self.before, self.next, self.accept, self.reject, self.summary):
            buttons.addWidget(widget)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addLayout(buttons)
        layout.addWidget(scroll)
        self.setMinimumHeight(90)

        self.timeline.chosen.connect(self.chosen)
        self._enable()

    def show_records(
        self,
        records: Mapping[int, ObjectRecord],
        facts: Mapping[int, Mapping[int, MaskFacts]],
        frames: int,
        color: Callable[[int], tuple[float, float, float]],
    ) -> None:
        """Show these objects of a stack of so many frames, and what their masks measure.

        Rows of objects of which nothing is new stay; `touch` tells about single masks.
        """
        rows = {}
        for label, record in sorted(records.items()):
            known = facts.get(label, _NOTHING)
            state = (id(record), id(known), frames, record.phrase)
            state += (len(record.prompts), len(record.scores), len(record.verified_frames))
            before = self._rows.get(label)
            fresh = before is None or before[0] != state
            rows[label] = (state, Row(record, known, frames)) if fresh else before
        self._rows = rows
        self.timeline.show_rows([row for _, row in rows.values()], frames, color)
        self._show_doubts()

    def touch(self, masks: Iterable[tuple[int, int]]) -> None:
        """These masks (object, frame) have changed."""
        for label, frame in masks:
            if label in self._rows:
                self._rows[label][1].touch(frame)
        self.timeline.redraw()
        self._show_doubts()

    def show_place(self, object_id: int | None, frame: int) -> None:
        """The viewer stands at this frame, and this object is selected; an only one always is."""
        if object_id is None and len(self._rows) == 1:
            object_id = next(iter(self._rows))
        self._place = (object_id, frame)
        self.timeline.show_place(object_id, frame)
        self._enable()

    def go_on(self) -> None:
        """Go to the next doubtful mask."""
        self._go(1)

    def go_back(self) -> None:
        """Go to the doubtful mask before this one."""
        self._go(-1)

    def accept_mask(self) -> None:
        """Verify the selected object's mask in this frame, and go on."""
        self._judge(self.accepted)

    def reject_mask(self) -> None:
        """Erase the selected object's mask in this frame, and go on."""
        self._judge(self.rejected)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        pressed = None if event is None else QKeySequence(event.keyCombination()).toString()
        if pressed in PANEL_KEYS:
            getattr(self, PANEL_KEYS[pressed]).click()
        else:
            super().keyPressEvent(event)

    def _judge(self, signal: Signal) -> None:
        label, frame = self._place
        if label is None or not self._has_mask():
            return
        following = self._next(1)
        signal.emit(label, frame)
        if following is not None:
            self.chosen.emit(*following)

    def _go(self, step: int) -> None:
        place = self._next(step)
        if place is not None:
            self.chosen.emit(*place)

    def _has_mask(self) -> bool:
        label, frame = self._place
        row = self._rows.get(label or 0)
        return row is not None and row[1].record.scores.get(frame, 0) > 0

    def _next(self, step: int) -> tuple[int, int] | None:
        doubtful = {label: row.doubtful for label, (_, row) in self._rows.items()}
        return next_doubt(doubtful, *self._place, step)

    def _show_doubts(self) -> None:
        left = sum(len(row.doubts) for _, row in self._rows.values())
        self.summary.setText(f"{left} doubtful" if self._rows else "")
        self._enable()

    def _enable(self) -> None:
        none = "no mask is doubtful there"
        enable(
            self.next, f"Go to the next doubtful mask ({NEXT_KEY})", "" if self._next(1) else none
        )
        enable(
            self.before,
            f"Go to the doubtful mask before this one ({BEFORE_KEY})",
            "" if self._next(-1) else none,
        )
        here = "" if self._has_mask() else "the selected object has no mask in this frame"
        mask = "The selected object's mask in this frame is"
        enable(self.accept, f"{mask} right: verify it, and go on ({ACCEPT_KEY})", here)
        enable(self.reject, f"{mask} wrong: erase it, and go on ({REJECT_KEY})", here)
