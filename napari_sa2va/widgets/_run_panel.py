"""Segment, propagate, cancel, undo; and what is going on."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QProgressBar, QPushButton, QWidget

from napari_sa2va.core.events import Progress
from napari_sa2va.widgets._sent import BACKWARD, BOTH, FORWARD


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
        self.segment.setToolTip(
            "Segment what is described, clicked and boxed in the frame shown. Prompts that did "
            "not change since they were used are left out, unless none did."
        )
        self.backward = QPushButton("◀ Backward", self)
        self.backward.setToolTip("Follow the objects from this frame to the first of the range")
        self.both = QPushButton("◀ Both ▶", self)
        self.both.setToolTip("Follow the objects from this frame in both directions")
        self.forward = QPushButton("Forward ▶", self)
        self.forward.setToolTip("Follow the objects from this frame to the last of the range")
        self.only_selected = QCheckBox("Selected object only", self)
        self.only_selected.setToolTip("Follow the object selected in the list, not all")
        self.cancel = QPushButton("Cancel", self)
        self.cancel.setToolTip("Stop; frames that are done stay")
        self.undo = QPushButton("Undo", self)
        self.redo = QPushButton("Redo", self)
        self.clear = QPushButton("Clear objects", self)
        self.clear.setToolTip("Erase all objects of this image; Undo brings them back")
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
        layout.addWidget(self.only_selected, 2, 0, 1, 6)
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

    def set_possible(
        self, has_frames: bool, has_objects: bool, undo_title: str, redo_title: str
    ) -> None:
        """What can be done: follow objects through frames, clear them, undo or redo a run."""
        self._has_frames, self._has_objects = has_frames, has_objects
        self._undo_title, self._redo_title = undo_title, redo_title
        self.undo.setToolTip(f"Undo: {undo_title}" if undo_title else "There is nothing to undo")
        self.redo.setToolTip(f"Redo: {redo_title}" if redo_title else "There is nothing to redo")
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
        idle = not self._running
        self.segment.setEnabled(idle)
        for button in (self.backward, self.both, self.forward):
            button.setEnabled(idle and self._has_frames and self._has_objects)
        self.only_selected.setEnabled(idle and self._has_frames)
        self.cancel.setEnabled(self._running)
        self.undo.setEnabled(idle and bool(self._undo_title))
        self.redo.setEnabled(idle and bool(self._redo_title))
        self.clear.setEnabled(idle and self._has_objects)
