"""The list of objects: a model over their records, and its view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QItemSelection, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QContextMenuEvent, QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCompleter,
    QHeaderView,
    QLineEdit,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._object_labels import present_frames

HEADERS = (
    "Object", "Phrase", "Class", "Show", "Lock", "State", "Score", "Worst", "Frames", "Prompts",
)  # fmt: skip
_ID, _PHRASE, _CLASS, _SHOW, _LOCK, _STATE, _SCORE, _WORST, _FRAMES, _PROMPTS = range(10)
_TOOLTIPS = (
    "The label value and colour of the object",
    "What the object is called; press F2 to rename it",
    "The object's class in a training set; press F2 to name it. Exports use it.",
    "Whether the object is drawn",
    "A locked object is changed by nothing: no run, no brush, no Clear",
    "proposed by the model, edited by a person, or verified in all its frames",
    "Mean predicted overlap (IoU) over the frames in which the object is present",
    "The lowest predicted overlap (IoU) in a frame in which the object is present",
    "The first and the last frame in which the object is present",
    "How the object was prompted",
)
_EDITED, _CHECKED = {_PHRASE: "phrase", _CLASS: "category"}, {_SHOW: "hidden", _LOCK: "locked"}
_MADE_BY = {"point": "clicked", "box": "boxed", "mask": "painted"}
_PHRASE_WIDTH = 110  # pixels
_NO_PARENT = QModelIndex()


class ObjectTableModel(QAbstractTableModel):
    """Objects by row. It shows the records it is given and keeps nothing of its own.

    Signals
    -------
    changed : (int, str, object)
        The user gave a field of an object's record, by its name, another value.
    """

    changed = Signal(int, str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[ObjectRecord] = []
        self._color: Callable[[int], tuple[float, float, float]] = lambda _: (0.5, 0.5, 0.5)

    def show_records(
        self,
        records: Mapping[int, ObjectRecord],
        color: Callable[[int], tuple[float, float, float]],
    ) -> None:
        """Show these objects. Rows are kept where the ids did not change."""
        rows = [records[object_id] for object_id in sorted(records)]
        same = [row.object_id for row in rows] == [row.object_id for row in self._rows]
        if not same:
            self.beginResetModel()
        self._rows, self._color = rows, color
        if not same:
            self.endResetModel()
        elif rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(HEADERS) - 1))

    def object_id(self, row: int) -> int:
        """The object in a row."""
        return self._rows[row].object_id

    @property
    def object_ids(self) -> list[int]:
        """The objects, row by row."""
        return [record.object_id for record in self._rows]

    @property
    def classes(self) -> list[str]:
        """The classes that are used, in order."""
        return sorted({record.category for record in self._rows} - {""})

    def name(self, object_id: int) -> str:
        """An object in words."""
        record = self._rows[self.object_ids.index(object_id)]
        return f"{object_id} {_text(record, _PHRASE)}".strip()

    def parent_of(self, object_id: int) -> int:
        """The object that one came from by division; 0 where there is none."""
        return self._rows[self.object_ids.index(object_id)].parent

    def row_of(self, object_id: int) -> int | None:
        """The row of an object."""
        ids = self.object_ids
        return ids.index(object_id) if object_id in ids else None

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
        record, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(record, column)
        if role == Qt.ItemDataRole.EditRole:
            return getattr(record, _EDITED.get(column, "phrase"))
        if role == Qt.ItemDataRole.CheckStateRole and column in _CHECKED:
            # A plain number: PySide takes no enum here.
            return 2 if getattr(record, _CHECKED[column]) == (column == _LOCK) else 0
        if role == Qt.ItemDataRole.DecorationRole and column == _ID:
            return QColor.fromRgbF(*self._color(record.object_id))
        if role == Qt.ItemDataRole.ForegroundRole and column == _PHRASE and not record.phrase:
            return QColor(128, 128, 128)
        if role == Qt.ItemDataRole.ToolTipRole:
            return record.phrase if column == _PHRASE else _TOOLTIPS[column]
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        flags = super().flags(index)
        if index.column() in _EDITED:
            return flags | Qt.ItemFlag.ItemIsEditable
        if index.column() in _CHECKED:
            return flags | Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        object_id, column = self.object_id(index.row()), index.column()
        if role == Qt.ItemDataRole.EditRole and column in _EDITED:
            self.changed.emit(object_id, _EDITED[column], str(value).strip())
        elif role == Qt.ItemDataRole.CheckStateRole and column in _CHECKED:
            checked = Qt.CheckState(value) == Qt.CheckState.Checked
            self.changed.emit(object_id, _CHECKED[column], checked == (column == _LOCK))
        else:
            return False
        return True


class ClassDelegate(QStyledItemDelegate):
    """Edits a class, and offers those that are used already."""

    def createEditor(  # noqa: N802
        self, parent: QWidget | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> QWidget | None:
        editor = super().createEditor(parent, option, index)
        if isinstance(editor, QLineEdit):
            completer = QCompleter(index.model().classes, editor)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            editor.setCompleter(completer)
        return editor


class ObjectTable(QTableView):
    """Shows an `ObjectTableModel`.

    Signals
    -------
    object_selected : int
        The user chose a row.
    object_opened : int
        The user double-clicked a row, to see the object.
    delete_wanted, split_wanted : int
        Delete this object; let it be another one from the frame shown on.
    merge_wanted : (int, int)
        Give the masks of the second object to the first.
    parent_wanted : (int, int)
        The first object came from the second by division; from none where that is 0.
    """

    object_selected = Signal(int)
    object_opened = Signal(int)
    delete_wanted = Signal(int)
    split_wanted = Signal(int)
    merge_wanted = Signal(int, int)
    parent_wanted = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.objects = ObjectTableModel(self)
        self.setModel(self.objects)
        self.setToolTip(
            "Click: select the object's label. Double-click: go to its first frame. F2: edit the "
            "phrase or the class. Right-click: rename, merge, split, divide or delete. Del: delete."
        )
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setTabKeyNavigation(False)
        self.setIconSize(QSize(12, 12))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setResizeContentsPrecision(0)  # of what is seen: there may be hundreds of objects
        header.setSectionResizeMode(_PHRASE, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(_PHRASE, _PHRASE_WIDTH)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setItemDelegateForColumn(_CLASS, ClassDelegate(self))
        header.setHighlightSections(False)
        self.selectionModel().selectionChanged.connect(self._on_selection)
        self.doubleClicked.connect(self._on_double_click)

    @property
    def selected_id(self) -> int | None:
        """The object of the selected row."""
        rows = self.selectionModel().selectedRows()
        return self.objects.object_id(rows[0].row()) if rows else None

    def select_object(self, object_id: int) -> None:
        """Select an object's row; a no-op where there is none."""
        row = self.objects.row_of(object_id)
        if row is not None:
            self.selectRow(row)

    def menu(self, object_id: int) -> QMenu:
        """What can be done with an object."""
        menu, row = QMenu(self), self.objects.row_of(object_id)
        menu.addAction("Rename", lambda: self.edit(self.objects.index(row, _PHRASE)))
        menu.addAction("Name the class", lambda: self.edit(self.objects.index(row, _CLASS)))
        menu.addAction(
            "Another object from this frame on", partial(self.split_wanted.emit, object_id)
        )
        others = [other for other in self.objects.object_ids if other != object_id]
        into = menu.addMenu("Merge with")
        into.setEnabled(bool(others))
        for other in others:
            into.addAction(
                self.objects.name(other), partial(self.merge_wanted.emit, object_id, other)
            )
        came = menu.addMenu("Came by division from")
        came.setEnabled(bool(others))
        for other in (0, *others):
            action = came.addAction(self.objects.name(other) if other else "no other object")
            action.setCheckable(True)
            action.setChecked(self.objects.parent_of(object_id) == other)
            action.triggered.connect(partial(self.parent_wanted.emit, object_id, other))
        menu.addAction("Delete", partial(self.delete_wanted.emit, object_id))
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:  # noqa: N802
        if event is not None and (index := self.indexAt(event.pos())).isValid():
            self.menu(self.objects.object_id(index.row())).exec(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        if event is not None and event.key() == Qt.Key.Key_Delete and self.selected_id is not None:
            self.delete_wanted.emit(self.selected_id)
        else:
            super().keyPressEvent(event)

    def _on_selection(self, selected: QItemSelection, _: QItemSelection) -> None:
        if selected.indexes():
            self.object_selected.emit(self.objects.object_id(selected.indexes()[0].row()))

    def _on_double_click(self, index: QModelIndex) -> None:
        self.object_opened.emit(self.objects.object_id(index.row()))


def _text(record: ObjectRecord, column: int) -> str:
    if column == _ID:
        return str(record.object_id)
    if column == _PHRASE:
        kinds = [_MADE_BY.get(prompt["kind"], "") for prompt in record.prompts[:1]]
        return record.phrase or "".join(kinds)
    if column == _PROMPTS:
        return _counted(prompt["kind"] for prompt in record.prompts)
    texts = {
        _CLASS: record.category,
        _STATE: record.state,
        _SCORE: f"{record.mean_score:.2f}",
        _WORST: f"{record.worst_score:.2f}",
    }
    if column in texts:
        return texts[column]
    return _ranges(present_frames(record)) if column == _FRAMES else ""


def _counted(kinds: Iterable[str]) -> str:
    """Kinds of prompts as a reader counts them: text, 2 point."""
    return ", ".join(f"{n} {kind}" if n > 1 else kind for kind, n in Counter(kinds).items())


def _ranges(frames: list[int]) -> str:
    """Frames as a reader writes them: 0–4, 7."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    shown = [f"{a}" if a == b else f"{a}–{b}" for a, b in runs[:3]]
    return ", ".join(shown) + (" …" if len(runs) > 3 else "")
