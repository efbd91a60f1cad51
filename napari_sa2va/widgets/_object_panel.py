"""The list of objects, and what a person says about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.registry import FORMATS
from napari_sa2va.export.staging import existing
from napari_sa2va.widgets._explained import enable
from napari_sa2va.widgets._export_window import OverwriteQuestion
from napari_sa2va.widgets._menu_button import MenuButton
from napari_sa2va.widgets._object_table import ObjectTable

_VERIFY_TIP = (
    "The selected object's mask in the frame shown is verified. Verified masks are never changed "
    "by propagation, and they guide it. Masks that you paint count as verified."
)


class ObjectPanel(QWidget):
    """An `ObjectTable`, and whether the selected object's mask is verified in the frame shown.

    Signals
    -------
    verified : (int, bool)
        The user confirmed the object's mask in the frame shown, or took that back.
    tracks_wanted
        Show the ways of the objects as a layer.
    table_wanted : (Path, bool)
        Write what the objects measure into this file; in the place of what is there if true.
    """

    verified = Signal(int, bool)
    tracks_wanted = Signal()
    table_wanted = Signal(object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._records: Mapping[int, ObjectRecord] = {}
        self._frame = 0

        self.table = ObjectTable(self)
        self.review = QPushButton("Review…", self)
        self.review.setToolTip(
            "Open the timeline of the objects under the viewer, and go from one doubtful mask to "
            "the next"
        )
        self.expressions = QPushButton("Expressions…", self)
        self.expressions.setToolTip(
            "Open the phrases that refer to the objects: edit them, and say of each whether it "
            "fits its object's masks"
        )
        self.export = QPushButton("Export…", self)
        self.export.setToolTip("Write Labels layers in a format that models are trained from")
        self.measure = MenuButton(
            "Measure", "Tracks of the objects as a layer, or all that they measure as CSV", self
        )
        self.measure.menu().addAction("Tracks layer", self.tracks_wanted.emit)
        self.measure.menu().addAction("Save table…", self._choose_table)
        self.verify = QCheckBox("Mask is right here", self)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table)
        above, below = QHBoxLayout(), QHBoxLayout()
        above.addWidget(self.verify, 1)
        above.addWidget(self.measure)
        for button in (self.review, self.expressions, self.export):
            below.addWidget(button)
        layout.addLayout(above)
        layout.addLayout(below)

        self.table.object_selected.connect(self._show_verified)
        self.verify.clicked.connect(self._on_verify)
        self._show_verified()

    def show_records(
        self,
        records: Mapping[int, ObjectRecord],
        color: Callable[[int], tuple[float, float, float]],
    ) -> None:
        """Show these objects."""
        self._records = records
        self.table.objects.show_records(records, color)
        self._show_verified()

    def show_frame(self, frame: int) -> None:
        """The viewer stands at this frame."""
        self._frame = frame
        self._show_verified()

    def _show_verified(self, _: object = None) -> None:
        record = self._records.get(self.table.selected_id or 0)
        with signals_blocked(self.verify):
            has_mask = record is not None and self._frame in record.scores
            enable(
                self.verify,
                _VERIFY_TIP,
                "" if record is not None else "select an object in the list",
                "" if has_mask else "the object was not looked for in this frame",
            )
            self.verify.setChecked(record is not None and self._frame in record.verified_frames)

    def _choose_table(self) -> None:
        # The dialog would ask about the name as it was typed, perhaps without its suffix.
        chosen, _ = QFileDialog.getSaveFileName(
            self,
            "Save what the objects measure",
            "objects.csv",
            "Tables (*.csv)",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if not chosen:
            return
        target = Path(chosen)
        if not FORMATS["csv"].is_file(target):
            target = target.with_name(f"{target.name}.csv")
        taken = existing(target, single=True)
        if taken is None:
            self.table_wanted.emit(target, False)
            return
        question = OverwriteQuestion(taken, self)
        question.confirmed.connect(lambda: self.table_wanted.emit(target, True))
        question.open()

    def _on_verify(self, checked: bool) -> None:
        selected = self.table.selected_id
        if selected is not None:
            self.verified.emit(selected, checked)
