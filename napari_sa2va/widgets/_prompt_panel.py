"""Say it, click it or box it."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

POLARITY_KEY = "X"


class PromptPanel(QWidget):
    """The description, and what the next click or box is.

    Signals
    -------
    submitted
        Enter in the description.
    points_wanted, boxes_wanted
        The user wants to click, or to draw boxes.
    new_object_wanted
        The next prompts are for an object that is not there yet.
    next_changed
        Another object, or another polarity, is chosen for the next prompt.
    """

    submitted = Signal()
    points_wanted = Signal()
    boxes_wanted = Signal()
    new_object_wanted = Signal()
    next_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._last_text = ""

        self.text = QLineEdit(self)
        self.text.setPlaceholderText("Describe the object: e.g. the largest cell")
        self.text.setToolTip(
            "What to segment in the frame shown; Enter segments. A description is sent as "
            '"Please segment …"; a sentence that ends with . or ? or ! is sent as it stands. '
            "Several descriptions, set apart by semicolons, are several objects. "
            "The same words again correct the same object. Arrow up brings the last words back."
        )
        self.text.setAccessibleName("Description of the object")
        self.text.installEventFilter(self)
        self.instances = QCheckBox("One object each", self)
        self.instances.setToolTip(
            "What a description finds becomes one object for each separate piece, as for counting "
            "and tracking cells one by one. Else it is one object."
        )
        self.preview = QCheckBox("Preview points", self)
        self.preview.setChecked(True)
        self.preview.setToolTip(
            "Where the cursor rests in the points layer, the mask that a click would give is "
            "shown, once the model is loaded and where it is quick enough"
        )
        self.points = QPushButton("Points", self)
        self.points.setToolTip("Click on the object: opens the points layer of the image")
        self.boxes = QPushButton("Boxes", self)
        self.boxes.setToolTip("Draw a box around the object: opens the boxes layer of the image")
        self.negative = QCheckBox("Next point is negative", self)
        self.negative.setToolTip(
            "Clicks say what does not belong to the object (red). "
            f"Key {POLARITY_KEY} in the points layer switches."
        )
        self.object_id = QSpinBox(self)
        self.object_id.setRange(1, 65535)
        self.object_id.setToolTip("The object that the next clicks and boxes are for")
        self.object_id.setAccessibleName("Current object")
        self.new_object = QPushButton("New object", self)
        self.new_object.setToolTip("The next clicks and boxes are for another object")

        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text, 0, 0, 1, 6)
        layout.addWidget(self.instances, 1, 0, 1, 4)
        layout.addWidget(self.preview, 1, 4, 1, 2)
        layout.addWidget(self.points, 2, 0, 1, 2)
        layout.addWidget(self.boxes, 2, 2, 1, 2)
        layout.addWidget(self.negative, 2, 4, 1, 2)
        layout.addWidget(QLabel("Object", self), 3, 0)
        layout.addWidget(self.object_id, 3, 1, 1, 3)
        layout.addWidget(self.new_object, 3, 4)
        for column in (1, 3):
            layout.setColumnStretch(column, 1)

        self.text.returnPressed.connect(self.submitted)
        self.points.clicked.connect(self.points_wanted)
        self.boxes.clicked.connect(self.boxes_wanted)
        self.new_object.clicked.connect(self.new_object_wanted)
        self.negative.toggled.connect(self.next_changed)
        self.object_id.valueChanged.connect(self.next_changed)

    def sentences(self) -> list[tuple[str, str]]:
        """The descriptions, set apart by semicolons, and how each is put to the model."""
        texts = [text.strip() for text in self.text.text().split(";")]
        return [
            (text, text if text[-1] in ".?!" else f"Please segment {text}.")
            for text in texts
            if text
        ]

    def text_is_done(self) -> None:
        """Empty the line: the words were understood. Arrow up brings them back."""
        self._last_text = self.text.text()
        self.text.clear()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        pressed = isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress
        if pressed and event.key() == Qt.Key.Key_Up and self._last_text:
            self.text.setText(self._last_text)
            return True
        return super().eventFilter(watched, event)
