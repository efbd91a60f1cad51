"""Segment, propagate, cancel, undo; and what is going on."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
    QWidgetAction,
)

from napari_sa2va.core.events import Progress
from napari_sa2va.core.losing import LossRule
from napari_sa2va.widgets._explained import enable
from napari_sa2va.widgets._menu_button import MenuButton
from napari_sa2va.widgets._sent import BACKWARD, BOTH, FORWARD

# Letters with Shift: napari and its layers have all others. Q, W and E lie as the buttons do.
SEGMENT_KEY, CANCEL_KEY, UNDO_KEY, REDO_KEY = "Shift+S", "Shift+C", "Shift+Z", "Shift+R"
BACKWARD_KEY, BOTH_KEY, FORWARD_KEY = "Shift+Q", "Shift+W", "Shift+E"
PANEL_KEYS = {
    SEGMENT_KEY: "segment",
    BACKWARD_KEY: "backward",
    BOTH_KEY: "both",
    FORWARD_KEY: "forward",
    CANCEL_KEY: "cancel",
    UNDO_KEY: "undo",
    REDO_KEY: "redo",
}


class RunPanel(QWidget):
    """Buttons that start and end runs.

    Signals
    -------
    segment_wanted, cancel_wanted, undo_wanted, redo_wanted, clear_wanted
        The button was pressed.
    propagate_wanted : str
        "backward", "both" or "forward".
    """

    segment_wanted = Signal()
    propagate_wanted = Signal(str)
    cancel_wanted = Signal()
    undo_wanted = Signal()
    redo_wanted = Signal()
    clear_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._has_frames = self._has_objects = self._running = False
        self._undo_title = self._redo_title = ""

        self.segment = QPushButton("Segment this frame", self)
        self.backward = QPushButton("◀ Backward", self)
        self.both = QPushButton("◀ Both ▶", self)
        self.forward = QPushButton("Forward ▶", self)
        self.only_selected = QCheckBox("Selected object only", self)
        rule = LossRule()
        self.lost_score = QDoubleSpinBox(self)
        self.lost_score.setRange(0, 1)
        self.lost_score.setSingleStep(0.05)
        self.lost_score.setValue(rule.score)
        self.lost_score.setToolTip(
            "A mask whose predicted overlap (IoU) is lower than this counts as lost"
        )
        self.lost_score.setAccessibleName("Score below which an object is lost")
        self.lost_frames = QSpinBox(self)
        self.lost_frames.setRange(0, 9999)
        self.lost_frames.setSpecialValueText("never")
        self.lost_frames.setValue(rule.frames)
        self.lost_frames.setToolTip(
            "An object that is lost in so many frames in a row is followed no further. "
            "You are told where, and its masks up to there stay."
        )
        self.lost_frames.setAccessibleName("Frames after which a lost object is given up")
        self.if_lost = MenuButton("If lost", "When an object is followed no further", self)
        settings = QWidgetAction(self.if_lost)
        settings.setDefaultWidget(self._lost_settings())
        self.if_lost.menu().addAction(settings)
        self.cancel = QPushButton("Cancel", self)
        self.undo = QPushButton("Undo", self)
        self.redo = QPushButton("Redo", self)
        self.clear = QPushButton("Clear objects", self)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.message = QLabel(self)
        self.message.setToolTip("What is going on")

        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.segment, 0, 0, 1, 4)
        layout.addWidget(self.cancel, 0, 4, 1, 2)
        for column, button in enumerate((self.backward, self.both, self.forward)):
            layout.addWidget(button, 1, 2 * column, 1, 2)
        layout.addWidget(self.only_selected, 2, 0, 1, 4)
        layout.addWidget(self.if_lost, 2, 4, 1, 2)
        for column, button in enumerate((self.undo, self.redo, self.clear)):
            layout.addWidget(button, 3, 2 * column, 1, 2)
        layout.addWidget(self.bar, 4, 0, 1, 6)
        layout.addWidget(self.message, 5, 0, 1, 6)

        self.segment.clicked.connect(self.segment_wanted)
        self.backward.clicked.connect(lambda: self.propagate_wanted.emit(BACKWARD))
        self.both.clicked.connect(lambda: self.propagate_wanted.emit(BOTH))
        self.forward.clicked.connect(lambda: self.propagate_wanted.emit(FORWARD))
        self.cancel.clicked.connect(self.cancel_wanted)
        self.undo.clicked.connect(self.undo_wanted)
        self.redo.clicked.connect(self.redo_wanted)
        self.clear.clicked.connect(self.clear_wanted)
        self.set_running(False)
        self.set_possible(has_frames=False, has_objects=False, undo_title="", redo_title="")
        self.show_message("")

    @property
    def loss_rule(self) -> LossRule:
        """When an object that is followed counts as lost."""
        return LossRule(self.lost_frames.value(), self.lost_score.value())

    def _lost_settings(self) -> QWidget:
        settings = QWidget(self)
        row = QHBoxLayout(settings)
        row.addWidget(QLabel("Give up an object below", settings))
        row.addWidget(self.lost_score)
        row.addWidget(QLabel("for", settings))
        row.addWidget(self.lost_frames)
        row.addWidget(QLabel("frames", settings))
        return settings

    def set_possible(
        self, has_frames: bool, has_objects: bool, undo_title: str, redo_title: str
    ) -> None:
        """What can be done: follow objects through frames, clear them, undo or redo a run."""
        self._has_frames, self._has_objects = has_frames, has_objects
        self._undo_title, self._redo_title = undo_title, redo_title
        self._enable()

    def set_running(self, running: bool) -> None:
        """While a run is on its way, it can only be cancelled."""
        self._running = running
        self.bar.setRange(0, 0)
        self.bar.setVisible(running)
        self._enable()

    def show_progress(self, progress: Progress) -> None:
        """How far the run is."""
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        count = f" {progress.done} of {progress.total}" if progress.total else "…"
        self.show_message(progress.what.capitalize() + count)

    def show_message(self, text: str) -> None:
        """Say what is going on."""
        self.message.setText(text)

    def _enable(self) -> None:
        running = _RUNNING if self._running else ""
        one_frame = "" if self._has_frames else "there is only one frame"
        no_objects = "" if self._has_objects else "there are no objects yet"
        enable(self.segment, _SEGMENT_TIP, running)
        for button, tip in _WAYS.items():
            enable(getattr(self, button), tip, running, one_frame, no_objects)
        enable(self.only_selected, _ONLY_TIP, running, one_frame)
        enable(self.cancel, _CANCEL_TIP, "" if self._running else "nothing is running")
        undo, redo = self._undo_title, self._redo_title
        undo_tip, redo_tip = f"Undo: {undo}".rstrip(": "), f"Redo: {redo}".rstrip(": ")
        enable(self.undo, f"{undo_tip} ({UNDO_KEY})", running, _none(undo, "undo"))
        enable(self.redo, f"{redo_tip} ({REDO_KEY})", running, _none(redo, "redo"))
        enable(self.clear, _CLEAR_TIP, running, no_objects)


_RUNNING = "something is running; wait for it, or cancel it"
_SEGMENT_TIP = (
    "Segment what is described, clicked and boxed in the frame shown. Prompts that did "
    f"not change since they were used are left out, unless none did. ({SEGMENT_KEY})"
)
_UP_TO = "each up to its next verified frame"
_WAYS = {
    "backward": f"Follow the objects from this frame to the first of the range, {_UP_TO} "
    f"({BACKWARD_KEY})",
    "both": f"Follow the objects from this frame in both directions, {_UP_TO} ({BOTH_KEY})",
    "forward": f"Follow the objects from this frame to the last of the range, {_UP_TO} "
    f"({FORWARD_KEY})",
}
_ONLY_TIP = "Follow the object selected in the list, not all"
_CANCEL_TIP = f"Stop; frames that are done stay ({CANCEL_KEY})"
_CLEAR_TIP = "Erase all objects in the list that are not locked; Undo brings them back"


def _none(title: str, what: str) -> str:
    return "" if title else f"there is nothing to {what}"
