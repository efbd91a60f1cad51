"""Korean, typed as an input method types it: syllables grow before they are committed."""

from __future__ import annotations

import unicodedata

from qtpy.QtCore import Qt
from qtpy.QtGui import QInputMethodEvent
from qtpy.QtWidgets import QApplication, QLineEdit

from tests.widgets.test_segmenting import labels_of


def compose(line: QLineEdit, text: str) -> None:
    """Type a text: each syllable is shown while it grows (ㅅ, 세, 셒), then committed."""
    for syllable in text:
        before, jamo = line.text(), unicodedata.normalize("NFD", syllable)
        for end in range(1, len(jamo) + 1):
            growing = unicodedata.normalize("NFC", jamo[:end])
            QApplication.sendEvent(line, QInputMethodEvent(growing, []))
            assert line.text() == before, "what still grows is no text yet"
        done = QInputMethodEvent()
        done.setCommitString(syllable)
        QApplication.sendEvent(line, done)
    assert line.text().endswith(text)


def shown_in(widget) -> str:
    return widget.chat.transcript.toPlainText().replace("\xa0", " ")


def phrases_in(widget) -> list[str]:
    """What the list of objects shows."""
    model = widget.table.model()
    cells = (model.index(r, c) for r in range(model.rowCount()) for c in range(model.columnCount()))
    return [cell.data() for cell in cells if isinstance(cell.data(), str)]


def test_korean_is_typed_and_shown(dock, stack, run, qtbot, backend, artifacts) -> None:
    widget = dock(stack, show=True)
    backend.answer = "<p>가장 큰 세포</p> [SEG]"
    compose(widget.prompts.text, "가장 큰 세포")
    press = lambda line: qtbot.keyClick(line, Qt.Key.Key_Return)  # noqa: E731
    assert run(widget, lambda: press(widget.prompts.text)) == "done"
    assert backend.sessions[0].calls[0][1] == "Please segment 가장 큰 세포."
    assert "가장 큰 세포" in phrases_in(widget)
    assert labels_of(widget).features["phrase"].tolist() == ["가장 큰 세포"]

    backend.answer = "<p>움직이는 점</p> [SEG] 하나가 보입니다."
    compose(widget.chat.input, "무엇이 움직입니까?")
    assert run(widget, lambda: press(widget.chat.input)) == "done"
    assert backend.sessions[0].calls[-1][1] == "무엇이 움직입니까?"
    assert "You  무엇이 움직입니까?" in shown_in(widget)
    assert "움직이는 점  하나가 보입니다." in shown_in(widget)
    widget.grab().save(str(artifacts / "korean.png"))
