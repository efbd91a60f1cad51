"""Choose where the model runs, and test it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari.qt.threading import create_worker
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.core.errors import Sa2VAError
from napari_sa2va.widgets._place import Place, known_token, place_text, travels_open
from napari_sa2va.widgets._settings import IN_NAPARI, ON_SERVER, OWN_PROCESS, Settings

_CHOICES = {
    OWN_PROCESS: (
        "This computer, in a &process of its own",
        "Shared by all windows; it survives what happens to napari, and napari what happens to it",
    ),
    IN_NAPARI: (
        "This computer, &inside napari",
        "Nothing is started beside napari, but a crash of the model is a crash of napari",
    ),
    ON_SERVER: ("A &server", "Where `napari-sa2va serve` runs, on a computer with a GPU"),
}
_TOKEN = "What the server was given or printed"
_OPEN = (
    "Images and token travel unencrypted to this address. Use wss://, or connect through SSH: "
    "ssh -L 8765:localhost:8765 SERVER, then ws://localhost:8765."
)


class ConnectDialog(QDialog):
    """Shows a place, and lets the user choose another.

    Signals
    -------
    chosen : Place
        The user wants the model there.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Where the model runs")
        self._settings = Settings()
        self._model = ""
        self._test: object = None

        self._group = QButtonGroup(self)
        self.places: dict[str, QRadioButton] = {}
        for place, (text, tooltip) in _CHOICES.items():
            button = self.places[place] = QRadioButton(text, self)
            button.setToolTip(tooltip)
            self._group.addButton(button)
        self.server = self._line("Such as wss://gpu:8765", "Address of the server")
        self.token = self._line(_TOKEN, "Token")
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.token.setToolTip("Kept until napari is closed, never written to a file or a log")
        self.token_file = self._line("Instead of the token: a file that holds it", "Token file")
        self.certificate = self._line("Only for a certificate of your own", "Certificate")
        self.certificate.setToolTip(
            "A PEM file: the server's certificate, or its authority's, where this computer does "
            "not know it"
        )
        self.open = QLabel(_OPEN, self)
        self.test = QPushButton("&Test", self)
        self.test.setToolTip("Connect, and say what answers")
        self.result = QLabel(self)
        for label in (self.open, self.result):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.result.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.result.setMinimumHeight(3 * self.result.fontMetrics().lineSpacing())  # else it jumps
        self.result.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.buttons = QDialogButtonBox(self)
        self.use = self.buttons.addButton("&Use it", QDialogButtonBox.ButtonRole.AcceptRole)
        self.use.setToolTip("From now on; it is remembered in napari's preferences")
        self.cancel = self.buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self.cancel.setToolTip("Leave it as it is")

        self._lay_out()
        self._group.buttonToggled.connect(self._on_changed)
        for line in (self.server, self.token, self.token_file, self.certificate):
            line.textChanged.connect(self._on_changed)
        self.test.clicked.connect(self.test_it)
        self.buttons.accepted.connect(self._on_accepted)
        self.buttons.rejected.connect(self.reject)
        self.show_place(Place(self._settings), "")

    @property
    def place(self) -> Place:
        """What the user has entered."""
        where = next(place for place, button in self.places.items() if button.isChecked())
        server = self.server.text().strip()
        settings = replace(
            self._settings,
            place=where,
            server=server,
            token_file=self.token_file.text().strip(),
            certificate=self.certificate.text().strip(),
        )
        return Place(settings, self.token.text().strip() or known_token(server))

    def show_place(self, place: Place, model: str) -> None:
        """Show a place as the one that is chosen; `model` is what a test asks for."""
        self._settings, self._model = place.settings, model
        self.places[place.settings.place].setChecked(True)
        self.server.setText(place.settings.server)
        self.token.clear()
        known = "Known until napari is closed"
        self.token.setPlaceholderText(known if place.token else _TOKEN)
        self.token_file.setText(place.settings.token_file)
        self.certificate.setText(place.settings.certificate)
        self._on_changed()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        super().showEvent(event)
        self.places[self.place.settings.place].setFocus()

    def test_it(self) -> None:
        """Connect in a thread, and say what came of it."""
        self.test.setEnabled(False)
        self.result.setText("Connecting…")
        worker = create_worker(try_out, self.place, self._model, _start_thread=False)
        self._test = worker
        worker.returned.connect(lambda said: self._on_tested(worker, said))
        worker.start()

    def _on_tested(self, worker: object, said: str) -> None:
        if worker is self._test:  # else what is entered is no longer what was tested
            self.result.setText(said)
            self._test = None
            self.test.setEnabled(True)

    def _on_changed(self, *_: object) -> None:
        place = self.place
        on_server = place.settings.place == ON_SERVER
        self._form.setEnabled(on_server)
        self.open.setVisible(on_server and travels_open(place.settings.server))
        self._test = None
        self.test.setEnabled(place.settings.place != IN_NAPARI)
        self.result.setText("" if self.test.isEnabled() else "There is nothing to connect to.")
        self.use.setEnabled(not on_server or bool(place.settings.server))

    def _on_accepted(self) -> None:
        self.accept()
        self.chosen.emit(self.place)

    def _line(self, hint: str, name: str) -> QLineEdit:
        line = QLineEdit(self)
        line.setPlaceholderText(hint)
        line.setToolTip(hint)
        line.setAccessibleName(name)
        return line

    def _lay_out(self) -> None:
        self._form = QWidget(self)
        form = QFormLayout(self._form)
        form.setContentsMargins(24, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("&Address", self.server)
        form.addRow("T&oken", self.token)
        form.addRow("Token &file", self._with_chooser(self.token_file, "File with the token"))
        form.addRow("&Certificate", self._with_chooser(self.certificate, "Certificate (PEM)"))
        testing = QHBoxLayout()
        testing.addWidget(self.test, 0, Qt.AlignmentFlag.AlignTop)
        testing.addWidget(self.result, 1)
        layout = QVBoxLayout(self)
        for button in self.places.values():
            layout.addWidget(button)
        layout.addWidget(self._form)
        layout.addWidget(self.open)
        layout.addSpacing(6)
        layout.addLayout(testing)
        layout.addStretch(1)
        layout.addWidget(self.buttons)
        self.setMinimumWidth(520)

    def _with_chooser(self, line: QLineEdit, title: str) -> QWidget:
        button = QPushButton("…", self)
        button.setToolTip(f"Choose the file: {title}")
        button.setAutoDefault(False)
        button.setMaximumWidth(32)
        button.clicked.connect(lambda: self._choose_file(line, title))
        row = QWidget(self)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(line, 1)
        layout.addWidget(button)
        return row

    def _choose_file(self, line: QLineEdit, title: str) -> None:
        start = str(Path(line.text()).expanduser().parent) if line.text() else ""
        file, _ = QFileDialog.getOpenFileName(self, title, start)
        if file:
            line.setText(file)


def try_out(place: Place, model: str) -> str:
    """Connect to a place; one sentence of what came of it. Not for the Qt thread."""
    try:
        backend = place.make_backend(model)
        try:
            info = backend.check()
        finally:
            backend.close()
    except Sa2VAError as error:
        return f"✗ {error}"
    return f"✓ {_answered(info)}"


def _answered(info: BackendInfo) -> str:
    said = [f"{place_text(info.place)} answers"]
    if info.state == "ready":
        said.append(f"the model is loaded ({info.device}, {info.dtype})")
    if info.sessions:
        said.append(f"{info.sessions} {'session' if info.sessions == 1 else 'sessions'} open")
    return "; ".join(said) + "."
