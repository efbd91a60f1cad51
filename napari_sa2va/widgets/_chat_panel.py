"""Ask the model, and read answers that point at objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QTextBlockFormat, QTextCursor
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLineEdit,
    QPushButton,
    QTextBrowser,
    QWidget,
)

from napari_sa2va.core.events import ObjectFound
from napari_sa2va.widgets._answer_html import (
    OBJECT_LINK,
    REASONING_LINK,
    Color,
    Message,
    reasoning_html,
)
from napari_sa2va.widgets._menu_button import ChoiceButton
from napari_sa2va.widgets._sent import LOOKS

_WELCOME = "Answers point at objects: click them."
_NAMES = {"user": "You", "model": "Sa2VA", "measured": "Measured"}
MEASURE, MEASURE_AND_SEND, NO_MEASURES = MEASURES = (
    "Measured facts below each answer",
    "Below each answer, and sent to the model",
    "No measured facts",
)
_FACTS_TIP = (
    "What the objects measure (how long they are there, how far they move, their area) is told "
    "below each answer, marked as measured: of those the answer points at, else of the selected "
    "one, else of the first few. It can be sent to the model before the question, too: large "
    "models answer with it, nano does not understand it."
)


class ChatPanel(QWidget):
    """The conversation.

    Signals
    -------
    sent : str
        The user asks.
    stop_requested
        The user has read enough.
    object_clicked : int
        The user clicked a phrase that points at an object.
    """

    sent = Signal(str)
    stop_requested = Signal()
    object_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._messages: list[Message] = []
        self._color: Color = lambda _: (0.5, 0.5, 0.5)
        self._last_begins = 0

        self.transcript = QTextBrowser(self)
        self.transcript.setOpenLinks(False)
        self.transcript.setPlaceholderText(_WELCOME)
        self.transcript.setToolTip("The conversation. Click a coloured phrase to see its object.")
        self.transcript.setAccessibleName("Conversation")
        self.input = QLineEdit(self)
        self.input.setPlaceholderText("Ask: e.g. how many cells divide?")
        self.input.setToolTip("A question about the images. Enter sends it.")
        self.input.setAccessibleName("Question")
        self.look_at = QComboBox(self)
        self.look_at.addItems(LOOKS)
        self.look_at.setToolTip(
            "The frames that the model looks at to answer: five from the one shown, that one "
            "alone, or five spread over the range. What it finds is followed through all frames."
        )
        self.look_at.setAccessibleName("Frames to look at")
        self.measures = ChoiceButton("Facts", _FACTS_TIP, MEASURES, self)
        self.send = QPushButton("Send", self)
        self.send.setToolTip("Ask the question (Enter)")
        self.stop = QPushButton("Stop", self)
        self.stop.setToolTip("Stop the answer; what is written and segmented so far stays")
        self.stop.setEnabled(False)

        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.transcript, 0, 0, 1, 4)
        layout.addWidget(self.input, 1, 0, 1, 4)
        layout.addWidget(self.look_at, 2, 0)
        layout.addWidget(self.measures, 2, 1)
        layout.setColumnStretch(0, 1)
        layout.addWidget(self.send, 2, 2)
        layout.addWidget(self.stop, 2, 3)

        self.input.returnPressed.connect(self._on_send)
        self.send.clicked.connect(self._on_send)
        self.stop.clicked.connect(self.stop_requested)
        self.transcript.anchorClicked.connect(self._on_anchor)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation so far."""
        return tuple(self._messages)

    def begin_answer(self, question: str) -> None:
        """The question is sent; what the model writes follows."""
        self.input.clear()
        self.add_message("user", question)
        self.add_message("model")

    def begin_anew(self) -> None:
        """The question on its way is the first that the model knows of."""
        question, answer = self._messages[-2:]
        if len(self._messages) > 2:
            del self._messages[-2:]
            note = "The images or the model changed: a new conversation begins."
            self._messages += [Message("note", note), question, answer]
            self.redraw()

    def set_color(self, color: Callable[[int], tuple[float, float, float]]) -> None:
        """Draw objects in these colours from now on."""
        self._color = color

    def set_running(self, running: bool, answering: bool) -> None:
        """While a run is on its way nothing can be sent; an answer can be stopped."""
        self.send.setEnabled(not running)
        self.stop.setEnabled(running and answering)

    def add_message(self, role: str, text: str = "") -> None:
        """Begin a message of "user", "model", "note" or "measured"."""
        self._messages.append(Message(role, text))
        self._last_begins = self._end().position()
        self._draw_last()

    def grow_answer(self, text: str) -> None:
        """The model wrote more."""
        self._messages[-1].text += text
        self._draw_last()

    def grow_reasoning(self, text: str) -> None:
        """The model thought more, before its answer."""
        self._messages[-1].reasoning += text
        self._draw_last()

    def ground_answer(self, found: ObjectFound) -> None:
        """Part of the last answer points at an object."""
        self._messages[-1].found.append(found)
        self._draw_last()

    def rename_object(self, object_id: int, known_as: int) -> None:
        """What the last answer points at is an object that was there before."""
        message = self._messages[-1]
        message.found = [
            replace(found, object_id=known_as) if found.object_id == object_id else found
            for found in message.found
        ]
        self._draw_last()

    def show_messages(self, messages: Iterable[Message]) -> None:
        """Show a conversation in place of this one."""
        self._messages = list(messages)
        self.redraw()

    def clear(self) -> None:
        """Forget the conversation."""
        self._messages.clear()
        self.redraw()

    def redraw(self) -> None:
        """Draw all messages anew: the colours of objects, or the theme, changed."""
        messages, self._messages = self._messages, []
        self.transcript.clear()
        for message in messages:
            self._messages.append(message)
            self._last_begins = self._end().position()
            self._draw_last()

    def _draw_last(self) -> None:
        """Replace the last message only: a long conversation costs a token nothing."""
        message = self._messages[-1]
        bar = self.transcript.verticalScrollBar()
        follow = bar.value() >= bar.maximum() - 4
        cursor = self._end()
        cursor.setPosition(self._last_begins, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        spaced = QTextBlockFormat()
        spaced.setBottomMargin(6)
        if self._last_begins:
            cursor.insertBlock(spaced)
        else:
            cursor.setBlockFormat(spaced)
        cursor.insertHtml(self._html(message))
        if follow:
            bar.setValue(bar.maximum())

    def _html(self, message: Message) -> str:
        body = message.html(self._color)
        if message.role == "note":
            return f"<i>{body}</i>"
        thoughts = reasoning_html(message, len(self._messages) - 1)
        told = f"<b>{_NAMES[message.role]}</b>&nbsp; {thoughts}{body}"
        return f"<small>{told}</small>" if message.role == "measured" else told

    def _end(self) -> QTextCursor:
        cursor = QTextCursor(self.transcript.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        return cursor

    def _on_send(self) -> None:
        text = self.input.text().strip()
        if self.send.isEnabled():
            self.sent.emit(text)

    def _on_anchor(self, url: QUrl) -> None:
        link = url.toString()
        if link.startswith(OBJECT_LINK):
            self.object_clicked.emit(int(link.removeprefix(OBJECT_LINK)))
        elif link.startswith(REASONING_LINK):
            message = self._messages[int(link.removeprefix(REASONING_LINK))]
            message.is_open = not message.is_open
            bar = self.transcript.verticalScrollBar()
            place = bar.value()
            self.redraw()
            bar.setValue(place)
