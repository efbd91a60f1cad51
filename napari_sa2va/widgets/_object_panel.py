"""The list of objects, and what a person says about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._object_table import ObjectTable


class ObjectPanel(QWidget):
    """An `ObjectTable`, and whether the selected object's mask is verified in the frame shown.

    Signals
    -------
    verified : (int, bool)
        The user confirmed the object's mask in the frame shown, or took that back.
    """

    verified = Signal(int, bool)

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
        self.verify = QCheckBox("Mask is right in this frame", self)
        self.verify.setToolTip(
            "The selected object's mask in the frame shown is verified. "
            "Verified masks are never changed by propagation, and they guide it. "
            "Masks that you paint count as verified."
        )

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table)
        layout.addWidget(self.verify)
        below = QHBoxLayout()
        for button in (self.review, self.expressions, self.export):
            below.addWidget(button)
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
            self.verify.setEnabled(record is not None and self._frame in record.scores)
            self.verify.setChecked(record is not None and self._frame in record.verified_frames)

    def _on_verify(self, checked: bool) -> None:
        selected = self.table.selected_id
        if selected is not None:
            self.verified.emit(selected, checked)
