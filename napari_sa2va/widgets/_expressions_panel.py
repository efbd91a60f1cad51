"""Expressions: what refers to each object, and whether a person finds that it fits its masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QHideEvent, QKeyEvent, QKeySequence, QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._expression_table import ExpressionTable, Pair

FITS_KEY, UNFIT_KEY, NEXT_KEY = "Shift+F", "Shift+D", "Shift+G"
PANEL_KEYS = {FITS_KEY: "fits", UNFIT_KEY: "unfit", NEXT_KEY: "next"}


class ExpressionsPanel(QWidget):
    """One phrase at a time to be judged, and an `ExpressionTable` in which phrases are edited.

    Signals
    -------
    chosen : int
        Show this object.
    judged : (int, str, bool)
        The user says whether this object's phrase fits its masks.
    phrases_changed : (int, list of str)
        From now on, these refer to the object; the first is its own.
    alone_wanted : bool
        Whether the masks of all other objects are to be hidden; never while the panel is.
    """

    chosen = Signal(int)
    judged = Signal(int, str, bool)
    phrases_changed = Signal(int, object)
    alone_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._records: Mapping[int, ObjectRecord] = {}

        self.phrase = QLabel(self)
        self.phrase.setTextFormat(Qt.TextFormat.PlainText)
        self.phrase.setWordWrap(True)
        self.phrase.setStyleSheet("font-size: 15pt; font-weight: bold")
        self.summary = QLabel(self)
        self.fits = self._button("Fits", f"The phrase fits the object's masks ({FITS_KEY})")
        self.unfit = self._button(
            "Does not fit",
            f"The phrase does not fit the object's masks: it is not exported ({UNFIT_KEY})",
        )
        self.next = self._button("Next ▶", f"Go to the next phrase not yet judged ({NEXT_KEY})")
        self.alone = QCheckBox("Show this object alone", self)
        self.alone.setToolTip("Hide the masks of all other objects while this panel is open")
        self.alone.setChecked(True)
        self.table = ExpressionTable(self)
        self.new = QLineEdit(self)
        self.new.setToolTip("Another phrase that refers to the selected object; Enter adds it")
        self.add = self._button("Add", "Let this phrase refer to the selected object, too")
        self.remove = self._button("Remove", "Take the selected phrase off its object (Del)")
        self.first = self._button("Make first", "Call the object by the selected phrase")

        self._lay_out()
        self.fits.clicked.connect(lambda: self._judge(True))
        self.unfit.clicked.connect(lambda: self._judge(False))
        self.next.clicked.connect(self.go_on)
        self.alone.toggled.connect(lambda _: self._tell_alone())
        self.table.pair_selected.connect(self._on_selected)
        self.table.remove_wanted.connect(self.remove.click)
        self.table.expressions.edited.connect(self._on_edited)
        self.new.returnPressed.connect(self.add.click)
        self.add.clicked.connect(self._on_add)
        self.remove.clicked.connect(self._on_remove)
        self.first.clicked.connect(self._on_first)
        self._show_selected()

    def show_records(
        self,
        records: Mapping[int, ObjectRecord],
        color: Callable[[int], tuple[float, float, float]],
    ) -> None:
        """Show the phrases of these objects."""
        self._records = dict(records)  # objects may be gone before this is told
        self.table.show_records(records, color)
        self._show_selected()

    def go_on(self) -> None:
        """Go to the next phrase that nobody judged, from the top again after the last."""
        following = self._next()
        if following is not None:
            self.table.select(following)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        pressed = None if event is None else QKeySequence(event.keyCombination()).toString()
        if pressed in PANEL_KEYS:
            getattr(self, PANEL_KEYS[pressed]).click()
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        super().showEvent(event)
        self._tell_alone()

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        super().hideEvent(event)
        self._tell_alone()

    def _button(self, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tooltip)
        return button

    def _lay_out(self) -> None:
        judging = QHBoxLayout()
        for widget in (self.fits, self.unfit, self.next, self.alone):
            judging.addWidget(widget)
        judging.addStretch(1)
        judging.addWidget(self.summary)
        editing = QHBoxLayout()
        editing.addWidget(self.new, 1)
        for widget in (self.add, self.remove, self.first):
            editing.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addWidget(self.phrase)
        layout.addLayout(judging)
        layout.addWidget(self.table, 1)
        layout.addLayout(editing)
        self.setMinimumHeight(190)

    def _judge(self, fits: bool) -> None:
        pair = self.table.selected
        if pair is None or not pair.expression:
            return
        following = self._next()
        self.judged.emit(*pair, fits)
        if following is not None:
            self.table.select(following)

    def _next(self) -> Pair | None:
        pairs, here = self.table.expressions.pairs, self.table.selected
        start = 0 if here is None else pairs.index(here) + 1
        ahead = [*pairs[start:], *pairs[: max(start - 1, 0)]]
        return next((pair for pair in ahead if pair.expression and not self._is_judged(pair)), None)

    def _is_judged(self, pair: Pair) -> bool:
        return self._records[pair.object_id].judgement(pair.expression) is not None

    def _on_selected(self) -> None:
        self._show_selected()
        pair = self.table.selected
        if pair is not None:
            self.chosen.emit(pair.object_id)

    def _on_edited(self, object_id: int, before: str, after: str) -> None:
        phrases = self._records[object_id].phrases
        changed = [after if phrase == before else phrase for phrase in phrases] or [after]
        self.phrases_changed.emit(object_id, changed)

    def _on_add(self) -> None:
        pair, phrase = self.table.selected, self.new.text().strip()
        if pair is not None and phrase:
            self.new.clear()
            phrases = self._records[pair.object_id].phrases
            self.phrases_changed.emit(pair.object_id, [*phrases, phrase])

    def _on_remove(self) -> None:
        pair = self.table.selected
        if pair is not None:
            phrases = self._records[pair.object_id].phrases
            left = [phrase for phrase in phrases if phrase != pair.expression]
            self.phrases_changed.emit(pair.object_id, left)

    def _on_first(self) -> None:
        pair = self.table.selected
        if pair is not None and pair.expression:
            phrases = self._records[pair.object_id].phrases
            self.phrases_changed.emit(pair.object_id, [pair.expression, *phrases])

    def _tell_alone(self) -> None:
        self.alone_wanted.emit(self.isVisible() and self.alone.isChecked())

    def _show_selected(self) -> None:
        pair, pairs = self.table.selected, self.table.expressions.pairs
        said = [p for p in pairs if p.expression]
        judged = sum(self._is_judged(p) for p in said)
        self.summary.setText(f"{judged} of {len(said)} judged" if said else "")
        shown = "" if pair is None else pair.expression or "no expression yet"
        self.phrase.setText("" if pair is None else f"Object {pair.object_id}: {shown}")
        self.new.setPlaceholderText(
            "" if pair is None else f"Another phrase for object {pair.object_id}"
        )
        has_phrase = pair is not None and bool(pair.expression)
        for button in (self.fits, self.unfit, self.remove, self.first):
            button.setEnabled(has_phrase)
        for widget in (self.new, self.add):
            widget.setEnabled(pair is not None)
        self.next.setEnabled(self._next() is not None)
