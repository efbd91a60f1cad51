"""The dock of napari; the only room that knows Qt and napari."""

from __future__ import annotations

from napari_sa2va.widgets._demo import open_demo
from napari_sa2va.widgets._sa2va_widget import Sa2VAWidget

__all__ = ["Sa2VAWidget", "open_demo"]
