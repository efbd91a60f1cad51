"""Which model, where it runs, how it is, and what room there is."""

from __future__ import annotations

import time

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QWidget,
)

from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.core.units import readable_size, readable_time
from napari_sa2va.models.known import BUNDLED
from napari_sa2va.widgets._model_card import CardDialog, find_card
from napari_sa2va.widgets._place import place_text

_BUNDLED_TEXT = "nano (bundled)"
_OPEN_FOLDER = "Open folder…"
_COLORS = {
    "idle": "#9e9e9e",
    "connecting": "#f0a30a",
    "loading": "#f0a30a",
    "ready": "#2ca02c",
    "lost": "#d62728",
    "failed": "#d62728",
}
_IN_WORDS = {
    "idle": "The model is not loaded: it will be at its first use",
    "connecting": "On the way to where the model runs",
    "loading": "The model is being loaded",
    "ready": "The model is loaded and waits",
    "busy": "The model works",
    "lost": "The model cannot be reached",
    "failed": "The model cannot be loaded",
}
_BUSY_COLOR = "#1f77b4"


def _room(info: BackendInfo) -> str:
    """Memory and queue, where the place tells them; what it told before it was lost is past."""
    if info.state in ("idle", "connecting", "lost"):
        return ""
    said = []
    if info.memory_total:
        free = info.memory_total - info.memory_used
        said.append(f"{readable_size(info.memory_used)} used, {readable_size(free)} free")
    if info.waiting:
        said.append(f"{info.waiting} waiting")
    if info.sessions > 1:
        said.append(f"{info.sessions} sessions")
    return " · ".join(said)


class StateLight(QWidget):
    """A light whose colour tells the state; its tooltip says it in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = ""
        self.setFixedSize(12, 12)

    def set_state(self, state: str, trouble: str = "") -> None:
        """Show "busy" or a state of `BackendInfo`, and what the trouble is."""
        self.setToolTip(f"{_IN_WORDS[state]}{f': {trouble}' if trouble else ''}")
        if state != self.state:
            self.state = state
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(_COLORS.get(self.state, _BUSY_COLOR)))
        painter.drawEllipse(self.rect().adjusted(1, 1, -1, -1))


class BackendLine(QWidget):
    """Shows the backend, and lets the user choose another model.

    Signals
    -------
    model_chosen : str
        "nano", a folder, or an id on the Hugging Face Hub.
    list_wanted
        The user wants to see all models.
    place_wanted
        The user wants to choose where the model runs.
    """

    model_chosen = Signal(str)
    list_wanted = Signal()
    place_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = BUNDLED
        self._loading_since: float | None = None

        self.light = StateLight(self)
        self.model = QComboBox(self)
        self.model.setEditable(True)
        self.model.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.model.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.model.setMinimumContentsLength(12)
        self.model.addItems([_BUNDLED_TEXT, _OPEN_FOLDER])
        self.model.setToolTip(
            "The model: the bundled one, a folder with a checkpoint, or the id of one on the "
            "Hugging Face Hub (type it, then Enter)"
        )
        self.model.setAccessibleName("Model")
        self.place = QPushButton(self)
        self.place.setAccessibleName("Where the model runs")
        self.status = QLabel(self)
        self.status.setToolTip("State of the model · device · precision")
        self.room = QLabel(self)
        self.room.setToolTip("Memory of the device that the model is on, and who else uses it")
        self.room.setWordWrap(True)
        self.all = QToolButton(self)
        self.all.setText("…")
        self.all.setToolTip("All models: what each needs and what is here; download, remove")
        self.all.setAccessibleName("All models")
        self.about = QToolButton(self)
        self.about.setText("?")
        self.about.setAccessibleName("About this model")
        self._show_whether_it_has_a_card()

        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.light, 0, 0)
        layout.addWidget(self.model, 0, 1)
        layout.addWidget(self.all, 0, 2)
        layout.addWidget(self.about, 0, 3)
        second = QHBoxLayout()
        second.addWidget(self.place)
        second.addWidget(self.status, 1)
        layout.addLayout(second, 1, 1, 1, 3)
        layout.addWidget(self.room, 2, 1, 1, 3)
        layout.setColumnStretch(1, 1)

        self.model.activated.connect(self._on_activated)
        self.model.lineEdit().returnPressed.connect(self._on_typed)
        self.all.clicked.connect(self.list_wanted)
        self.place.clicked.connect(self.place_wanted)
        self.about.clicked.connect(self.show_card)

    def show_info(self, info: BackendInfo, busy: bool) -> None:
        """Show what the backend says; `busy` while a request is on its way."""
        state = "busy" if busy and info.state == "ready" else info.state
        self.light.set_state(state, info.trouble)
        facts = [info.device, info.dtype] if info.state == "ready" else []
        if state != "loading":
            self._loading_since = None
        elif self._loading_since is None:
            self._loading_since = time.monotonic()
        else:
            facts = [readable_time(time.monotonic() - self._loading_since)]
        self.status.setText(" · ".join([state, *filter(None, facts)]))
        self.place.setText(f"{place_text(info.place)}…")
        self.place.setToolTip(f"The model runs in: {info.place}. Press to choose another place.")
        self.room.setText(_room(info))
        self.room.setVisible(bool(self.room.text()))

    def show_model(self, model: str) -> None:
        """Show a model as the chosen one."""
        self._model = model
        text = _BUNDLED_TEXT if model == BUNDLED else model
        if self.model.findText(text) < 0:
            self.model.insertItem(1, text)
        self.model.setCurrentText(text)
        self._show_whether_it_has_a_card()

    def show_card(self) -> None:
        """Open the card of the chosen model in a window."""
        card = find_card(self._model)
        if card is None:  # it went since the model was chosen
            self._show_whether_it_has_a_card()
            return
        CardDialog(self._model, card, self).show()

    def _show_whether_it_has_a_card(self) -> None:
        has_card = find_card(self._model) is not None
        self.about.setEnabled(has_card)
        self.about.setToolTip(
            "About this model: what it knows, how it was measured, and where it fails"
            if has_card
            else "This model has no card: there is no README.md with it on this machine"
        )

    def _on_activated(self, index: int) -> None:
        text = self.model.itemText(index)
        if text == _OPEN_FOLDER:
            text = QFileDialog.getExistingDirectory(self, "Folder with a checkpoint")
        self._choose(text)

    def _on_typed(self) -> None:
        self._choose(self.model.currentText().strip())

    def _choose(self, text: str) -> None:
        model = BUNDLED if text == _BUNDLED_TEXT else text
        changed = bool(model) and model not in (self._model, _OPEN_FOLDER)
        self.show_model(model if changed else self._model)
        if changed:
            self.model_chosen.emit(model)
