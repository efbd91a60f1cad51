"""The window that says what is exported: layers, format, frames, classes, split, images, target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Progress
from napari_sa2va.export.dataset import PARTS, Options, Split
from napari_sa2va.export.registry import FORMATS, Format

if TYPE_CHECKING:
    from napari.layers import Labels

_SPLITS = {"Not split": "", "By frame": "frame", "By object": "object", "By movie": "movie"}
_IMAGES = {"Written": "write", "Referenced": "reference", "Left out": "none"}
_DEPTHS = {"8-bit RGB, as shown": "rendered", "As stored, e.g. 16-bit": "kept"}
_SHARES = (80, 10, 10)


@dataclass(frozen=True)
class Offered:
    """A Labels layer that can be exported.

    Attributes
    ----------
    layer : Labels
        The layer.
    image : str
        The image that it belongs to; empty where there is none.
    frames : int
        How many there are.
    classes : tuple of str
        Those of its objects.
    """

    layer: Labels
    image: str
    frames: int
    classes: tuple[str, ...]


class ExportWindow(QDialog):
    """A form, and how far an export is.

    Signals
    -------
    shown
        The window came up: the layers may be others now.
    export_wanted, cancel_wanted
        The button was pressed.
    """

    shown = Signal()
    export_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._offered: list[Offered] = []
        self.setWindowTitle("Export labels")
        self.resize(560, 500)

        self.layers = QListWidget(self)
        self.layers.setToolTip("The Labels layers to export; each becomes a stack of its own")
        self.layers.setMaximumHeight(70)
        self.format = _choice({f.title: f.name for f in FORMATS.values()}, self)
        self.format.setToolTip("The format to write")
        self.first, self.last = QSpinBox(self), QSpinBox(self)
        self.first.setToolTip("The first frame to export")
        self.last.setToolTip("The last frame to export")
        for box in (self.first, self.last):
            box.setMaximum(0)
        self.total = QLabel(self)
        self.classes = QLineEdit(self)
        self.classes.setToolTip(
            "Only objects of these classes, parted by commas, and numbered in this order; "
            "empty: all"
        )
        self.split = _choice(_SPLITS, self)
        self.split.setToolTip(
            "Into training, validation and test: blocks of frames, objects (families stay "
            "together), or whole layers"
        )
        self.shares = [QSpinBox(self) for _ in PARTS]
        for box, part, share in zip(self.shares, PARTS, _SHARES, strict=True):
            box.setRange(0, 100)
            box.setSuffix(" %")
            box.setValue(share)
            box.setToolTip(f"Share of the {part} part")
        self.verified = QCheckBox("Only what a person confirmed", self)
        self.verified.setToolTip(
            "Only masks that are verified, and phrases that were found to fit; frames without a "
            "verified mask are left out"
        )
        self.images = _choice(_IMAGES, self)
        self.images.setToolTip(
            "Write image files, name those that are there (where each frame is one), or neither"
        )
        self.depth = _choice(_DEPTHS, self)
        self.depth.setToolTip("The values of the image files that are written")
        self.target = QLineEdit(self)
        self.target.setToolTip("Where to write; nothing has this name until all is written")
        self.browse = self._button("Choose…", "Choose a place and a name")
        self.bar = QProgressBar(self)
        self.bar.setAccessibleName("Progress")
        self.bar.setTextVisible(False)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # else the window jumps when an export starts
        self.bar.setSizePolicy(policy)
        self.message = QLabel(self)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setWordWrap(True)
        self.message.setMinimumHeight(3 * self.message.fontMetrics().lineSpacing())
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.export = self._button("&Export", "Write the export")
        self.cancel = self._button("&Cancel", "Stop the export; nothing of it is left")

        self._lay_out()
        self._connect()
        self.show_running(False)

    def offer(self, offered: Sequence[Offered]) -> None:
        """Offer these layers; those that were ticked stay so, else the first is."""
        ticked = self.chosen_layers
        self._offered = list(offered)
        with signals_blocked(self.layers):
            self.layers.clear()
            for number, one in enumerate(self._offered):
                on = f" on {one.image}" if one.image else ", without an image"
                item = QListWidgetItem(f"{one.layer.name}{on}", self.layers)
                known = any(one.layer is layer for layer in ticked)
                chosen = known or (not ticked and number == 0)
                item.setCheckState(Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)
        self._show_chosen()

    @property
    def chosen_layers(self) -> list[Labels]:
        """The layers that are ticked."""
        return [one.layer for one in self._chosen()]

    @property
    def chosen_format(self) -> Format:
        """The format that is chosen."""
        return FORMATS[self.format.currentData()]

    @property
    def chosen_target(self) -> Path:
        """Where to write. Raises InputError where nothing is said."""
        text = self.target.text().strip()
        if not text:
            raise InputError("It is not said where to write.", "Choose a folder or a file name.")
        return Path(text).expanduser().absolute()

    def options(self) -> Options:
        """What the form says. Raises InputError where it makes no sense."""
        classes = [name.strip() for name in self.classes.text().split(",") if name.strip()]
        split_by = self.split.currentData()
        shares = [box.value() / 100 for box in self.shares]
        whole = self.first.value() == 0 and self.last.value() == self.last.maximum()
        return Options(
            frames=None if whole else slice(self.first.value(), self.last.value() + 1),
            classes=classes or None,
            split=Split(*shares, by=split_by) if split_by else None,
            verified_only=self.verified.isChecked(),
            image_files=self.images.currentData() if self.images.isEnabled() else "none",
            depth=self.depth.currentData() if self.depth.isEnabled() else "rendered",
        )

    def say(self, text: str) -> None:
        """One sentence about how it went."""
        self.message.setText(text)

    def show_running(self, running: bool) -> None:
        """Whether an export, or anything else, is on its way."""
        self._form.setEnabled(not running)
        self.export.setEnabled(not running)
        self.cancel.setEnabled(running)
        self.bar.setVisible(running)
        self.bar.setRange(0, 0)

    def show_progress(self, progress: Progress) -> None:
        """How far the export is."""
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        self.say(f"{progress.what}: {progress.done} of {progress.total}")

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        super().showEvent(event)
        self.shown.emit()

    def _button(self, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tooltip)
        button.setAutoDefault(False)
        return button

    def _lay_out(self) -> None:
        self._form = QWidget(self)
        form = QFormLayout(self._form)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Labels", self.layers)
        form.addRow("Format", self.format)
        form.addRow("Frames", _row(self.first, QLabel("to", self), self.last, self.total))
        form.addRow("Classes", self.classes)
        form.addRow("Split", self.split)
        shares = [w for p, b in zip(PARTS, self.shares, strict=True) for w in (QLabel(p, self), b)]
        form.addRow("", _row(*shares))
        form.addRow("", self.verified)
        form.addRow("Images", self.images)
        form.addRow("Values", self.depth)
        form.addRow("Target", _row(self.target, self.browse))
        buttons = _row(self.export, self.cancel)
        layout = QVBoxLayout(self)
        layout.addWidget(self._form)
        layout.addWidget(self.bar)
        layout.addWidget(self.message, 1)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        self.layers.itemChanged.connect(lambda _: self._show_chosen())
        self.format.currentIndexChanged.connect(lambda _: self._show_possible())
        self.split.currentIndexChanged.connect(lambda _: self._show_possible())
        self.images.currentIndexChanged.connect(lambda _: self._show_possible())
        self.first.valueChanged.connect(lambda value: self.last.setMinimum(value))
        self.last.valueChanged.connect(lambda value: self.first.setMaximum(value))
        self.browse.clicked.connect(self._on_browse)
        self.export.clicked.connect(self.export_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)

    def _chosen(self) -> list[Offered]:
        ticked = Qt.CheckState.Checked
        return [
            one
            for row, one in enumerate(self._offered)
            if self.layers.item(row).checkState() == ticked
        ]

    def _show_chosen(self) -> None:
        """The frames and classes that the ticked layers have."""
        chosen = self._chosen()
        frames = max((one.frames for one in chosen), default=1)
        whole = self.last.value() == self.last.maximum()
        with signals_blocked(self.first), signals_blocked(self.last):
            self.last.setMaximum(frames - 1)
            if whole:
                self.last.setValue(frames - 1)
            self.first.setMaximum(self.last.value())
            self.last.setMinimum(self.first.value())
        self.total.setText(f"of {frames}")
        names = sorted({name for one in chosen for name in one.classes})
        self.classes.setPlaceholderText(f"all: {', '.join(names)}" if names else "all")
        self._show_possible()

    def _show_possible(self) -> None:
        """Offer only what the format has a place for."""
        chosen, format_ = self._chosen(), self.chosen_format
        possible = {
            "write": True,
            "reference": format_.refers,
            "none": format_.images != "required",
        }
        model = self.images.model()
        for row in range(self.images.count()):
            model.item(row).setEnabled(possible[self.images.itemData(row)])
        if not possible[self.images.currentData()]:
            self.images.setCurrentIndex(self.images.findData("write"))
        has_images = any(one.image for one in chosen) and format_.images != "never"
        self.images.setEnabled(has_images)
        self.depth.setEnabled(has_images and self.images.currentData() == "write")
        for box in self.shares:
            box.setEnabled(bool(self.split.currentData()))
        file = f", or a file that ends in {format_.suffix}" if format_.suffix else ""
        self.target.setPlaceholderText(f"A folder that will be{file}")

    def _on_browse(self) -> None:
        # The window itself asks about what is there: of a folder, this dialog would not.
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Export to",
            self.target.text(),
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if path:
            self.target.setText(path)


class OverwriteQuestion(QMessageBox):
    """Asks whether what is written takes the place of what is there; keeping it is the default.

    Signals
    -------
    confirmed
        It should.
    """

    confirmed = Signal()

    def __init__(self, taken: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setIcon(QMessageBox.Icon.Question)
        self.setWindowTitle("Overwrite")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(f"{taken.name} exists. Overwrite it?")
        self.setInformativeText(f"In {taken.parent}. It stays until the new one is complete.")
        self.yes = self.addButton("&Overwrite", QMessageBox.ButtonRole.AcceptRole)
        self.no = self.addButton("&Keep", QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(self.no)
        self.setEscapeButton(self.no)
        self.yes.clicked.connect(self.confirmed)


def _choice(choices: Mapping[str, str], parent: QWidget) -> QComboBox:
    box = QComboBox(parent)
    for text, value in choices.items():
        box.addItem(text, value)
    return box


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, 0 if isinstance(widget, (QLabel, QPushButton)) else 1)
    return row
