"""The card of a model: what it knows, how it was measured, and where it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QImage, QTextDocument
from qtpy.QtWidgets import QDialog, QTextBrowser, QVBoxLayout, QWidget

from napari_sa2va.core.events import Failed
from napari_sa2va.models.known import BUNDLED
from napari_sa2va.widgets._runner import Runner

_NAME = "README.md"
_PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Card:
    """A card that was read: Markdown, and its pictures by the names that it calls them."""

    text: str
    pictures: dict[str, QImage] = field(default_factory=dict)


def find_card(model: str) -> Path | None:
    """The card of a model that is on this machine; None where it has none."""
    folder = Path(model).expanduser()
    if model == BUNDLED:
        folder = Path(str(resources.files("napari_sa2va"))) / "models" / BUNDLED
    card = folder / _NAME
    return card if card.is_file() else None


def read_card(path: Path) -> Iterator[Card]:
    """Read a card with its pictures; only those that lie in its folder."""
    text, folder = path.read_text("utf-8"), path.parent.resolve()
    pictures = {}
    for name in _PICTURE.findall(text):
        file = (folder / name).resolve()
        if file.is_relative_to(folder) and file.is_file():
            pictures[name] = QImage.fromData(file.read_bytes())
    yield Card(text, pictures)


class CardDialog(QDialog):
    """A window with a card; it reads in a thread of its own."""

    def __init__(self, model: str, path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"About {model}")
        self.setSizeGripEnabled(True)
        self.resize(760, 820)
        self.browser = _Browser(self)
        self.runner = Runner(self)
        layout = QVBoxLayout(self)
        layout.addWidget(self.browser)
        self.browser.setPlainText("Reading the card…")
        self.runner.updated.connect(self._on_update)
        self.runner.start("Read the model's card", read_card(path), lambda: None)

    def done(self, result: int) -> None:
        super().done(result)
        # Not before the reading has ended: its progress bar would stay.
        if self.runner.is_running:
            self.runner.stopped.connect(self.deleteLater)
        else:
            self.deleteLater()

    def _on_update(self, update: object) -> None:
        if isinstance(update, Card):
            self.browser.show_card(update)
        elif isinstance(update, Failed):
            self.browser.setPlainText(f"The card cannot be read. {update.message}")


class _Browser(QTextBrowser):
    """Shows Markdown; pictures are those that were read with it, and nothing else is fetched."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._pictures: dict[str, QImage] = {}
        self.setOpenLinks(False)
        self.setToolTip("What the model knows, how it was measured, and where it fails")

    def show_card(self, card: Card) -> None:
        """Show a card from its top."""
        self._pictures = card.pictures
        self.setMarkdown(card.text)

    def loadResource(self, kind: int, url: QUrl) -> Any:  # noqa: N802
        if kind == QTextDocument.ResourceType.ImageResource:
            return self._pictures.get(url.toString(), QImage())
        return None
