"""Buttons that open a menu."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtGui import QActionGroup
from qtpy.QtWidgets import QMenu, QToolButton, QWidget


class MenuButton(QToolButton):
    """A button with a menu: its arrow is part of its text, as napari's own covers it."""

    def __init__(self, text: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(f"{text} ▾")
        self.setToolTip(tip)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.setMenu(QMenu(self))


class ChoiceButton(MenuButton):
    """One of several choices, in a menu."""

    def __init__(
        self, text: str, tip: str, choices: Iterable[str], parent: QWidget | None = None
    ) -> None:
        super().__init__(text, tip, parent)
        self._group = QActionGroup(self)
        for choice in choices:
            action = self.menu().addAction(choice)
            action.setCheckable(True)
            self._group.addAction(action)
        self._group.actions()[0].setChecked(True)

    def currentText(self) -> str:  # noqa: N802 - as in a combo box
        """The choice."""
        return self._group.checkedAction().text()

    def setCurrentText(self, text: str) -> None:  # noqa: N802
        """Choose; what is no choice changes nothing."""
        for action in self._group.actions():
            if action.text() == text:
                action.setChecked(True)
