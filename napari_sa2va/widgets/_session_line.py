"""Where the session is saved, and a way back into others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QWidget,
)
from superqt import QElidingLabel

from napari_sa2va.io.session_file import SUFFIX
from napari_sa2va.widgets._keys import KeysButton
from napari_sa2va.widgets._menu_button import MenuButton


class SessionLine(QWidget):
    """Tells where the session is saved; its button reopens one.

    Signals
    -------
    reopen_wanted : Path
        The user chose a session.
    """

    reopen_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder = ""
        self.saved = QElidingLabel(self)
        self.saved.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.reopen = MenuButton(
            "Reopen",
            "Open a session that was saved: its images, objects, prompts and conversation",
            self,
        )
        self.menu = self.reopen.menu()

        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(QLabel("Session", self))
        layout.addWidget(self.saved, 1)
        layout.addWidget(self.reopen)
        layout.addWidget(KeysButton(self))
        self.show_saved(None, "")

    def show_saved(self, path: Path | None, problem: str) -> None:
        """Where the session is saved, None where it is not yet; or why it cannot be."""
        self.problem = problem
        if problem:
            self.saved.setText("not saved!")
            self.saved.setToolTip(f"Nothing can be saved: {problem}")
        elif path is None:
            self.saved.setText("nothing to save yet")
            self.saved.setToolTip(
                "What you do is saved by itself, beside the image or in your own folder"
            )
        else:
            self.saved.setText(path.name)
            self.saved.setToolTip(f"All is saved in {path}")

    def show_sessions(self, paths: Sequence[Path], folder: Path) -> None:
        """Offer these sessions, and others from a folder."""
        self.menu.clear()
        for path in paths:
            when = datetime.fromtimestamp(path.stat().st_mtime).strftime("%d %b %Y, %H:%M")
            action = self.menu.addAction(f"{path.name}  ({when})")
            action.triggered.connect(lambda _, chosen=path: self.reopen_wanted.emit(chosen))
        if paths:
            self.menu.addSeparator()
        self.menu.addAction("Choose a file…").triggered.connect(self._choose)
        self._folder = str(folder)

    def _choose(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Reopen a session", self._folder, f"Sessions (*{SUFFIX})"
        )
        if chosen:
            self.reopen_wanted.emit(Path(chosen))
