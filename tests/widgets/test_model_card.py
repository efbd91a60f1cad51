"""The card of the model opens from the dock, and shows nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import QUrl
from qtpy.QtGui import QColor, QImage, QTextDocument

from napari_sa2va.widgets._model_card import CardDialog

IMAGE = QTextDocument.ResourceType.ImageResource


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "my-model"
    (folder / "images").mkdir(parents=True)
    picture = QImage(40, 30, QImage.Format.Format_RGB32)
    picture.fill(QColor("orange"))
    assert picture.save(str(folder / "images" / "one.png"))
    assert picture.save(str(tmp_path / "outside.png"))
    (folder / "README.md").write_text(
        "# my-model\n\n| what | mean |\n| --- | --- |\n| click | 0.9 |\n\n`빨간 원`\n\n"
        "![in](images/one.png) ![out](../outside.png) ![far](https://example.org/a.png)\n",
        encoding="utf-8",
    )
    return folder


def test_the_card_opens_from_the_dock(dock, stack, model, qtbot, artifacts) -> None:
    widget = dock(stack, show=True)
    line = widget.backend_line
    line.show_model(str(model))
    assert line.about.isEnabled()
    line.about.click()
    (dialog,) = line.findChildren(CardDialog)
    qtbot.waitUntil(lambda: "0.9" in dialog.browser.toPlainText(), timeout=20_000)
    qtbot.waitUntil(lambda: not dialog.runner.is_running, timeout=20_000)
    assert "빨간 원" in dialog.browser.toPlainText()
    sizes = {
        name: dialog.browser.loadResource(IMAGE, QUrl(name)).width()
        for name in ("images/one.png", "../outside.png", "https://example.org/a.png")
    }
    assert sizes == {"images/one.png": 40, "../outside.png": 0, "https://example.org/a.png": 0}
    dialog.grab().save(str(artifacts / "model-card.png"))
    dialog.close()


def test_a_model_without_a_card_says_so(dock, stack, tmp_path) -> None:
    line = dock(stack).backend_line
    assert not line.about.isEnabled()  # the fake backend's model has no folder
    line.show_model(str(tmp_path))
    assert not line.about.isEnabled()
    assert "no card" in line.about.toolTip()
    line.show_model("nano")
    assert line.about.isEnabled()
