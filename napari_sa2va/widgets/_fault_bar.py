"""What went wrong, in one sentence, with the button that does something about it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QToolButton, QWidget

from napari_sa2va.widgets._updates import Interrupted

_LABELS = {
    "resume": ("&Resume", "Go on where it was cut off; what is done stays"),
    "restart": ("&Try again", "Start the model anew, and do what was asked"),
    "use less memory": ("&Use less memory…", "Choose a smaller model, or options that need less"),
}
_GO_ON = ("&Go on", "Go on where it was cut off, with the model that is chosen now")


class FaultBar(QFrame):
    """Shown while a run stands still.

    Signals
    -------
    go_on_wanted, less_memory_wanted, dismissed
        The user pressed the button.
    """

    go_on_wanted = Signal()
    less_memory_wanted = Signal()
    dismissed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chooses = False
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setObjectName("sa2va_fault")
        # Red on the edge alone: text keeps the theme's colours.
        self.setStyleSheet("#sa2va_fault { border: 1px solid #d62728; border-radius: 3px; }")

        self.message = QLabel(self)
        self.message.setTextFormat(Qt.TextFormat.PlainText)  # it may come from a server
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.message.setAccessibleName("What went wrong")
        self.act = QPushButton(self)
        self.dismiss = QToolButton(self)
        self.dismiss.setText("✕")
        self.dismiss.setAutoRaise(True)
        self.dismiss.setToolTip("Let it be; what is done stays")
        self.dismiss.setAccessibleName("Dismiss")

        layout = QGridLayout(self)
        layout.setContentsMargins(6, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.message, 0, 0, 1, 2)
        layout.addWidget(self.dismiss, 0, 2, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.act, 1, 1, 1, 2)
        layout.setColumnStretch(0, 1)

        self.act.clicked.connect(self._on_act)
        self.dismiss.clicked.connect(self.dismissed)
        self.show_why(None)

    def show_why(self, why: Interrupted | None) -> None:
        """Say why the run stands still; nothing where none does."""
        self.setVisible(why is not None)
        self._chooses = why is not None and why.remedy == "use less memory"
        if why is None:
            self.act.setToolTip("There is nothing to go on with")
            return
        self.message.setText(f"{why.message} {why.hint}".strip())
        self._label(*_LABELS[why.remedy])

    def _on_act(self) -> None:
        if self._chooses:
            self._chooses = False
            self._label(*_GO_ON)
            self.less_memory_wanted.emit()
        else:
            self.go_on_wanted.emit()

    def _label(self, text: str, tooltip: str) -> None:
        self.act.setText(text)
        self.act.setToolTip(tooltip)
