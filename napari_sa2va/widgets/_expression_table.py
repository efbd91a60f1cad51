"""The phrases of all objects, a row each: a model over their records, and its view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from qtpy.QtCore import QAbstractTableModel, QItemSelection, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget
from superqt.utils import signals_blocked

from napari_sa2va.core.records import ObjectRecord

HEADERS = ("Object", "Expression", "Judgement")
_ID, _EXPRESSION, _JUDGEMENT = range(3)
_TOOLTIPS = (
    "The label value and colour of the object",
    "A phrase that refers to the object; double-click or press F2 to change it",
    "Whether a person found that it fits the object's masks: who, and when",
)
_NO_PARENT = QModelIndex()


class Pair(NamedTuple):
    """An object and a phrase that refers to it; empty where there is none yet."""

    object_id: int
    expression: str


class ExpressionTableModel(QAbstractTableModel):
    """Pairs by row. It shows the records it is given and keeps nothing of its own.

    Signals
    -------
    edited : (int, str, str)
        Of this object, the user changed this phrase into that one.
    """

    edited = Signal(int, str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pairs: list[Pair] = []
        self._records: Mapping[int, ObjectRecord] = {}
        self._color: Callable[[int], tuple[float, float, float]] = lambda _: (0.5, 0.5, 0.5)

    def show_records(
        self,
        records: Mapping[int, ObjectRecord],
        color: Callable[[int], tuple[float, float, float]],
    ) -> None:
        """Show the phrases of these objects. Rows are kept where they did not change."""
        pairs = [
            Pair(label, phrase)
            for label, record in sorted(records.items())
            for phrase in record.phrases or [""]
        ]
        same = pairs == self.pairs
        if not same:
            self.beginResetModel()
        # A copy: an object may be gone before this is told.
        self.pairs, self._records, self._color = pairs, dict(records), color
        if not same:
            self.endResetModel()
        elif pairs:
            self.dataChanged.emit(self.index(0, 0), self.index(len(pairs) - 1, len(HEADERS) - 1))

    def rowCount(self, parent: QModelIndex = _NO_PARENT) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(self.pairs)

    def columnCount(self, parent: QModelIndex = _NO_PARENT) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(HEADERS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return HEADERS[section]
            if role == Qt.ItemDataRole.ToolTipRole:
                return _TOOLTIPS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        pair, column = self.pairs[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(pair, column)
        if role == Qt.ItemDataRole.EditRole:
            return pair.expression
        if role == Qt.ItemDataRole.DecorationRole and column == _ID:
            return QColor.fromRgbF(*self._color(pair.object_id))
        if role == Qt.ItemDataRole.ForegroundRole and column == _EXPRESSION and not pair.expression:
            return QColor(128, 128, 128)
        if role == Qt.ItemDataRole.ToolTipRole:
            return pair.expression if column == _EXPRESSION else _TOOLTIPS[column]
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == _EXPRESSION else flags

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        if role != Qt.ItemDataRole.EditRole or index.column() != _EXPRESSION:
            return False
        self.edited.emit(*self.pairs[index.row()], str(value).strip())
        return True

    def _text(self, pair: Pair, column: int) -> str:
        if column == _ID:
            return str(pair.object_id)
        if column == _EXPRESSION:
            return pair.expression or "no expression yet"
        told = self._records[pair.object_id].judgement(pair.expression)
        if told is None:
            return ""
        said = "fits" if told.get("fits", True) else "does not fit"
        return f"{said} ({told['by']}, {told['at'][:10]})"


class ExpressionTable(QTableView):
    """Shows an `ExpressionTableModel`.

    Signals
    -------
    pair_selected
        The user chose a row.
    remove_wanted
        The user wants the selected phrase gone.
    """

    pair_selected = Signal()
    remove_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.expressions = ExpressionTableModel(self)
        self.setModel(self.expressions)
        self.setToolTip("The phrases of all objects. Click: look at the object. F2: change. Del.")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.DoubleClicked
        )
        self.setTabKeyNavigation(False)
        self.setIconSize(QSize(12, 12))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_EXPRESSION, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.selectionModel().selectionChanged.connect(self._on_selection)

    @property
    def selected(self) -> Pair | None:
        """The pair of the selected row."""
        rows = self.selectionModel().selectedRows()
        return self.expressions.pairs[rows[0].row()] if rows else None

    def select(self, pair: Pair) -> None:
        """Select a pair's row, as the user would; a no-op where there is none."""
        if pair in self.expressions.pairs:
            self.selectRow(self.expressions.pairs.index(pair))

    def show_records(
        self,
        records: Mapping[int, ObjectRecord],
        color: Callable[[int], tuple[float, float, float]],
    ) -> None:
        """Show these objects; what was selected stays so, or the row that took its place."""
        rows = self.selectionModel().selectedRows()
        before, row = self.selected, rows[0].row() if rows else 0
        self.expressions.show_records(records, color)
        pairs = self.expressions.pairs
        if self.selected is None and pairs:
            if before in pairs:
                row = pairs.index(before)
            with signals_blocked(self):
                self.selectRow(min(row, len(pairs) - 1))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        if event is not None and event.key() == Qt.Key.Key_Delete:
            self.remove_wanted.emit()
        elif event is not None and event.text().strip():
            event.ignore()  # for the panel's keys; else Qt would look for a row with this letter
        else:
            super().keyPressEvent(event)

    def _on_selection(self, selected: QItemSelection, _: QItemSelection) -> None:
        if selected.indexes():
            self.pair_selected.emit()
