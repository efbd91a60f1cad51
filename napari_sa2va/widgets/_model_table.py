"""The list of models: a model over the store's entries, and its view."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QItemSelection, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_sa2va.models.catalog import Entry
from napari_sa2va.widgets._model_facts import (
    FITS,
    NOT_HERE,
    NOT_NOW,
    TOO_LARGE,
    UNKNOWN,
    fit,
    fit_sentence,
    here,
    sizes,
)
from napari_sa2va.widgets._model_store import ModelStore

HEADERS = (
    "Model",
    "Parameters",
    "Download",
    "Memory, bfloat16",
    "Memory, float32",
    "This device",
    "Licence",
    "Languages",
    "Here",
)
_NAME, _PARAMETERS, _DOWNLOAD, _HALF, _FULL, FIT, _LICENCE, _LANGUAGES, HERE = range(9)
_TOOLTIPS = (
    "The id on the Hugging Face Hub, or a folder",
    "How many numbers the weights are",
    "How much is downloaded in all; unknown (?) until the Hub is asked",
    "Memory of the weights in bfloat16 or float16, with SAM 2 in float32",
    "Memory of the weights in float32",
    "Whether the weights fit the memory of this device",
    "As the model's page says",
    "As the model's page says",
    "What of it is on this machine",
)
_COLORS = {FITS: "#2ca02c", NOT_NOW: "#f0a30a", TOO_LARGE: "#d62728"}
_FAINT = (UNKNOWN, NOT_HERE)
_NUMBERS = (_PARAMETERS, _DOWNLOAD, _HALF, _FULL)
_NO_PARENT = QModelIndex()


class ModelTableModel(QAbstractTableModel):
    """Models by row. It shows what the store holds and keeps nothing of its own.

    Parameters
    ----------
    store : ModelStore
        Where the models are.

    Attributes
    ----------
    in_use : str
        The model that is chosen in the dock.
    """

    def __init__(self, store: ModelStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._rows: list[str] = []
        self.in_use = ""
        store.listed.connect(self._on_listed)
        store.changed.connect(self._on_changed)
        self._on_listed()

    def name(self, row: int) -> str:
        """The model in a row."""
        return self._rows[row]

    def row_of(self, name: str) -> int | None:
        """The row of a model."""
        return self._rows.index(name) if name in self._rows else None

    def show_in_use(self, name: str) -> None:
        """Say that this model is chosen in the dock."""
        self.in_use = name
        self._on_changed("")

    def rowCount(self, parent: QModelIndex = _NO_PARENT) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(self._rows)

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
        entry, column = self._store.entry(self._rows[index.row()]), index.column()
        if entry is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(entry, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tooltip(entry, column)
        if role == Qt.ItemDataRole.DecorationRole and column == FIT:
            color = _COLORS.get(fit(entry, self._store.memory))
            return None if color is None else QColor(color)
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole and self._text(entry, column) in _FAINT:
            return QColor(128, 128, 128)
        return None

    def _text(self, entry: Entry, column: int) -> str:
        known = entry.known
        if column == _NAME:
            return known.name
        if column in _NUMBERS:
            return sizes(entry)[column - _PARAMETERS]
        if column == FIT:
            return fit(entry, self._store.memory)
        if column == _LICENCE:
            return known.licence or UNKNOWN
        if column == _LANGUAGES:
            return ", ".join(known.languages) or UNKNOWN
        job = self._store.jobs.get(known.name)
        if job is not None:
            return job.text
        return f"{here(entry)}, in use" if known.name == self.in_use else here(entry)

    def _tooltip(self, entry: Entry, column: int) -> str:
        if column == _NAME:
            return entry.known.name
        if column == FIT:
            return fit_sentence(entry, self._store.memory)
        if column == HERE and entry.problem:
            return entry.problem
        return _TOOLTIPS[column]

    def _on_listed(self) -> None:
        rows = [entry.known.name for entry in self._store.entries]
        if rows == self._rows:
            self._on_changed("")
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def _on_changed(self, name: str) -> None:
        rows = [self.row_of(name)] if name else [0, len(self._rows) - 1]
        if self._rows and rows[0] is not None:
            self.dataChanged.emit(self.index(rows[0], 0), self.index(rows[-1], len(HEADERS) - 1))


class ModelTable(QTableView):
    """Shows a `ModelTableModel`; keeps the chosen model when the list changes.

    Signals
    -------
    model_selected : str
        The user went to a row.
    model_opened : str
        The user double-clicked a row or pressed Enter on it.
    """

    model_selected = Signal(str)
    model_opened = Signal(str)

    def __init__(self, store: ModelStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.models = ModelTableModel(store, self)
        self._selected = ""
        self.setModel(self.models)
        self.setAccessibleName("Models")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        # Without the frame around one cell: the whole row is what is chosen.
        self.setStyleSheet("QTableView { outline: 0 } QTableView::item { padding: 0 6px }")
        self.setIconSize(QSize(10, 10))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(60)
        header.setHighlightSections(False)
        self.selectionModel().selectionChanged.connect(self._on_selection)
        self.models.modelReset.connect(self._on_reset)
        self.activated.connect(lambda index: self.model_opened.emit(self.models.name(index.row())))

    @property
    def selected(self) -> str:
        """The model of the selected row; empty if there is none."""
        rows = self.selectionModel().selectedRows()
        return self.models.name(rows[0].row()) if rows else ""

    def select(self, name: str) -> None:
        """Go to a model's row; once it is listed, where it is not yet."""
        self._selected = name
        row = self.models.row_of(name)
        if row is not None:
            self.selectRow(row)
            self.scrollTo(self.models.index(row, 0))

    def _on_reset(self) -> None:
        wanted = self._selected
        self.select(wanted)
        if not self.selected and self.models.rowCount():
            self.selectRow(0)
            self._selected = wanted  # it may come with the next list

    def _on_selection(self, selected: QItemSelection, _: QItemSelection) -> None:
        if selected.indexes():
            self._selected = self.selected
        self.model_selected.emit(self.selected)
