"""The window with all models: what each needs, what is here, download, verify, remove, use."""

from __future__ import annotations

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices, QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.units import readable_size
from napari_sa2va.models.catalog import Entry, page_url
from napari_sa2va.models.known import SAM2
from napari_sa2va.widgets._load_options import LoadOptionsPanel
from napari_sa2va.widgets._model_facts import (
    details,
    device_line,
    is_on_hub,
    is_removable,
    transfer_line,
)
from napari_sa2va.widgets._model_store import Job, ModelStore
from napari_sa2va.widgets._model_table import ModelTable

_OFFLINE = "HF_HUB_OFFLINE is set: nothing is downloaded. Unset it and start napari again to do so."


class ModelsWindow(QDialog):
    """Lists the models of a store, and does with them what the user wants.

    Parameters
    ----------
    store : ModelStore
        Where the models are. It outlives the window's being closed, and so do downloads.

    Signals
    -------
    model_wanted : str
        The user wants this model in the dock.
    """

    model_wanted = Signal(str)

    def __init__(self, store: ModelStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.store = store
        self._usable = True
        self.setWindowTitle("Sa2VA models")
        self.resize(1120, 760)

        self.name = QLineEdit(self)
        self.name.setPlaceholderText("owner/name on the Hugging Face Hub, or a folder")
        self.name.setToolTip("A model of your own: its id on the Hugging Face Hub, or its folder")
        self.name.setAccessibleName("Model to add")
        self.add = self._button("&Add", "Add this id or folder to the list")
        self.folder = self._button("&Folder…", "Choose a folder with a checkpoint")
        self.refused = _text_label(self)
        self.table = ModelTable(store, self)
        self.device = _text_label(self)
        self.options = LoadOptionsPanel(self)
        self.title = QLabel(self)
        self.title.setStyleSheet("font-weight: bold")
        self.facts = _text_label(self)
        self.facts.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.facts.setMinimumHeight(6 * self.facts.fontMetrics().lineSpacing())  # else it jumps
        self.bar = QProgressBar(self)
        self.bar.setAccessibleName("Progress")
        self.bar.setTextVisible(False)
        self.progress = QLabel(self)
        for widget in (self.bar, self.progress):
            policy = widget.sizePolicy()
            policy.setRetainSizeWhenHidden(True)  # else the table jumps when a job starts
            widget.setSizePolicy(policy)
        self.note = _text_label(self)
        self.use = self._button("&Use in the dock", "From now on the dock works with this model")
        self.download = self._button("&Download", "Download the model; it can be cancelled")
        self.cancel = self._button("&Cancel", "Stop this; what has arrived is kept")
        self.verify = self._button("&Verify", "Compare its files with the Hub's checksums")
        self.remove = self._button("&Remove…", "Delete its files, or take it off the list (Del)")
        self.ask = self._button("As&k the Hub", "Ask for its licence, languages and sizes")
        self.page = self._button("&Open page", "Open the model's page on the Hub in a browser")

        self._lay_out()
        self._connect()
        self._say_refused("")
        self._show_all()

    def set_usable(self, usable: bool) -> None:
        """Whether the dock takes another model now."""
        if usable != self._usable:
            self._usable = usable
            self.options.set_usable(usable)
            self._show_selected()

    def show_in_use(self, name: str) -> None:
        """Say that this model is chosen in the dock."""
        self.table.models.show_in_use(name)
        self._show_selected()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        super().showEvent(event)
        self.store.refresh()
        if not self.table.selected:
            self.table.select(self.table.models.in_use)
        self.table.setFocus()

    def _button(self, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tooltip)
        button.setAutoDefault(False)  # Enter is for the list and the line
        return button

    def _lay_out(self) -> None:
        adding = QHBoxLayout()
        label = QLabel("Add a &model", self)
        label.setBuddy(self.name)
        for widget in (label, self.name, self.add, self.folder):
            adding.addWidget(widget)
        moving = QHBoxLayout()
        moving.addWidget(self.bar, 1)
        moving.addWidget(self.progress, 2)
        doing = QHBoxLayout()
        for button in (self.use, self.download, self.cancel, self.verify, self.remove):
            doing.addWidget(button)
        doing.addStretch(1)
        for button in (self.ask, self.page):
            doing.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addLayout(adding)
        layout.addWidget(self.refused)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.device)
        layout.addWidget(self.options)
        layout.addSpacing(6)
        for widget in (self.title, self.facts):
            layout.addWidget(widget)
        layout.addLayout(moving)
        layout.addWidget(self.note)
        layout.addLayout(doing)

    def _connect(self) -> None:
        self.name.returnPressed.connect(self._on_add)
        self.add.clicked.connect(self._on_add)
        self.folder.clicked.connect(self._on_folder)
        self.table.model_selected.connect(self._show_selected)
        self.table.model_opened.connect(lambda _: self.use.click())
        self.use.clicked.connect(lambda: self.model_wanted.emit(self.table.selected))
        self.download.clicked.connect(lambda: self.store.download(self.table.selected))
        self.cancel.clicked.connect(lambda: self.store.cancel(self.table.selected))
        self.verify.clicked.connect(lambda: self.store.verify(self.table.selected))
        self.remove.clicked.connect(self._on_remove)
        self.ask.clicked.connect(self._on_ask)
        self.page.clicked.connect(self._on_page)
        self.store.listed.connect(self._show_all)
        self.store.listed.connect(lambda: self.options.show_prompt_models(self.store.entries))
        self.store.changed.connect(self._on_changed)
        self.store.ended.connect(self._on_ended)
        self.store.added.connect(self._on_added)
        delete = QShortcut(QKeySequence(Qt.Key.Key_Delete), self.table)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        delete.activated.connect(self.remove.click)

    def _on_add(self) -> None:
        name = self.name.text().strip()
        self._say_refused("")
        if name:
            self.store.add(name)

    def _on_added(self, name: str) -> None:
        self.name.clear()
        self.table.select(name)
        self.table.setFocus()

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder with a checkpoint")
        if folder:
            self.name.setText(folder)
            self._on_add()

    def _on_remove(self) -> None:
        entry = self.store.entry(self.table.selected)
        if entry is not None:
            question = _Question(entry, self)
            question.confirmed.connect(lambda: self.store.remove(entry.known.name))
            question.open()

    def _on_ask(self) -> None:
        entry = self.store.entry(self.table.selected)
        if entry is not None:
            self.store.ask(entry)

    def _on_page(self) -> None:
        QDesktopServices.openUrl(QUrl(page_url(self.table.selected)))

    def _on_changed(self, name: str) -> None:
        if not name:
            self._show_all()
        elif name == self.table.selected:
            self._show_selected()

    def _on_ended(self, name: str, outcome: str) -> None:
        note = self.store.notes.get(name, "")
        if self.store.entry(name) is None and outcome == "failed":
            self._say_refused(note)  # it could not be added: there is no row that could say so
        if not self.isVisible() and note:
            show = show_warning if outcome == "failed" else show_info
            show(f"{name}: {note}")

    def _say_refused(self, why: str) -> None:
        self.refused.setText(why)
        self.refused.setVisible(bool(why))

    def _show_all(self) -> None:
        memory = self.store.memory
        if memory is None:
            device = self.store.memory_problem or "Reading the memory of this device…"
        else:
            device = device_line(memory)
        offline = _OFFLINE if self.store.offline else ""
        self.device.setText("\n".join(filter(None, (device, offline, self.store.problem))))
        self._show_selected()

    def _show_selected(self, _: str = "") -> None:
        entry = self.store.entry(self.table.selected)
        job = None if entry is None else self.store.jobs.get(entry.known.name)
        self._show_job(job)
        self._allow(entry, job)
        if entry is None:
            reading = not (self.store.entries or self.store.problem)
            self.title.setText("Reading the models…" if reading else "")
            self.facts.clear()
            self.note.clear()
            return
        self.title.setText(entry.known.name)
        self.facts.setText("\n".join(details(entry, self.store.memory)))
        self.note.setText(self.store.notes.get(entry.known.name, ""))

    def _show_job(self, job: Job | None) -> None:
        self.bar.setVisible(job is not None)
        self.progress.setVisible(job is not None)
        if job is None:
            return
        told = job.progress
        self.bar.setRange(0, 0 if told is None else told.total)
        self.bar.setValue(0 if told is None else told.done)
        moving = job.transfer is not None and not job.cancelled
        self.progress.setText(transfer_line(job.transfer) if moving else f"{job.text}…")

    def _allow(self, entry: Entry | None, job: Job | None) -> None:
        """Enable what can be done with a model now."""
        idle = entry is not None and job is None
        on_hub = idle and is_on_hub(entry)
        in_use = idle and entry.known.name == self.table.models.in_use
        damaged = idle and entry.known.name in self.store.damaged
        complete = idle and entry.folder is not None
        # A SAM 2 alone takes clicks beside a Sa2VA: it is no model to work with.
        whole = entry is not None and entry.known.kind != SAM2
        self.use.setEnabled(complete and whole and self._usable and not in_use)
        self.download.setEnabled(on_hub and (damaged or not complete))
        self.download.setText(
            "&Repair" if damaged else "Resume &download" if idle and entry.arrived else "&Download"
        )
        self.cancel.setEnabled(job is not None and not job.cancelled)
        self.verify.setEnabled(idle and entry.pin is not None and bool(complete or entry.problem))
        self.remove.setEnabled(idle and is_removable(entry) and not in_use)
        self.ask.setEnabled(on_hub and entry.folder is None)
        self.page.setEnabled(entry is not None and is_on_hub(entry))


class _Question(QMessageBox):
    """Asks whether a model should really be removed; keeping it is the default.

    Signals
    -------
    confirmed
        It should.
    """

    confirmed = Signal()

    def __init__(self, entry: Entry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        name = entry.known.name
        self.setIcon(QMessageBox.Icon.Question)
        self.setWindowTitle("Remove")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(f"Remove {name}?")
        self.setInformativeText(
            f"{readable_size(entry.arrived)} are deleted from the Hugging Face cache, for other "
            "programs, too."
            if is_on_hub(entry)
            else "It goes off the list; its files stay."
        )
        self.yes = self.addButton("&Remove", QMessageBox.ButtonRole.AcceptRole)
        self.no = self.addButton("&Keep", QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(self.no)
        self.setEscapeButton(self.no)
        self.yes.clicked.connect(self.confirmed)


def _text_label(parent: QWidget) -> QLabel:
    """A label for text that comes from elsewhere: wrapped, never read as HTML, to be copied."""
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse
        | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    return label
