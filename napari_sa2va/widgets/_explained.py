"""Buttons that say why they are off."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget


def enable(widget: QWidget, tip: str, *whys: str) -> None:
    """Enable a widget unless one of these reasons, empty where it does not hold, is against it.

    Its tooltip is `tip`, and below it, where the widget is off, the first reason that holds.
    """
    why = next(filter(None, whys), "")
    widget.setEnabled(not why)
    widget.setToolTip(f"{tip}\nOff now: {why}" if why else tip)
