"""Ask, read while it is written, click what is pointed at."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
import pytest
from qtpy.QtCore import Qt, QUrl

from napari_sa2va.core.events import Finished, Progress, Reasoning, Token
from napari_sa2va.widgets._runner import guarded
from tests.widgets.test_segmenting import click, labels_of


def ask(widget, qtbot, question: str) -> None:
    qtbot.keyClicks(widget.chat.input, question)
    qtbot.keyClick(widget.chat.input, Qt.Key.Key_Return)


def test_an_answer_points_at_objects(dock, stack, run, qtbot, backend) -> None:
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, 5)
    assert run(widget, lambda: ask(widget, qtbot, "what is there?")) == "done"
    call = backend.sessions[0].calls[0]
    assert call == ("ask", "what is there?", [5, 6, 7, 8, 9], False, True)
    text = widget.chat.transcript.toPlainText().replace("\xa0", " ")
    assert "what is there?" in text
    answer, measured = " ".join(text.split()).split(" Measured ")
    assert answer.endswith("I see a cell and a dot .")
    assert "Object 1 (a cell): in 12 frames, 0 to 11; moved 11 pixel" in measured
    assert "[SEG]" not in text
    assert (labels_of(widget).data == 2).any((1, 2)).all()
    assert widget.workbench.records[2].phrase == "a dot"


def test_clicking_a_phrase_selects_the_object_and_goes_there(dock, stack, run, qtbot) -> None:
    widget = dock(stack)
    run(widget, lambda: ask(widget, qtbot, "what is there?"))
    widget._viewer.dims.set_current_step(0, 9)
    assert 'href="object:2"' in widget.chat.transcript.toHtml()
    widget.chat.transcript.anchorClicked.emit(QUrl("object:2"))
    assert labels_of(widget).selected_label == 2
    assert widget._viewer.dims.current_step[0] == 0
    assert widget.table.selected_id == 2
    assert widget.prompts.object_id.value() == 2


def test_phrases_have_the_colours_of_their_labels(dock, stack, run, qtbot) -> None:
    widget = dock(stack)
    run(widget, lambda: ask(widget, qtbot, "what is there?"))

    def colours() -> list[str]:
        layer = labels_of(widget)
        rgb = [np.round(layer.get_color(i)[:3] * 255).astype(int) for i in (1, 2)]
        return ["#{:02x}{:02x}{:02x}".format(*c) for c in rgb]

    assert all(colour in widget.chat.transcript.toHtml() for colour in colours())
    before = colours()
    labels_of(widget).new_colormap(seed=5)
    assert colours() != before
    assert all(colour in widget.chat.transcript.toHtml() for colour in colours())


def test_an_answer_grows_while_it_is_written(dock, stack, run, qtbot, backend) -> None:
    backend.delay = 0.02
    seen: list[str] = []
    widget = dock(stack)
    widget.workbench.answer_grew.connect(
        lambda _: seen.append(widget.chat.transcript.toPlainText())
    )
    run(widget, lambda: widget.ask("hello"))
    assert len(seen) > 3
    assert all(late.startswith(early[:8]) for early, late in pairwise(seen))
    assert len(seen[0]) < len(seen[-1])


def test_a_token_without_phrase_is_shown_with_the_users_words(dock, stack, run, backend) -> None:
    backend.answer = "It is [SEG]."
    widget = dock(stack)
    run(widget, lambda: widget.ask("the largest cell"))
    assert "the largest cell · 1" in widget.chat.transcript.toPlainText().replace("\xa0", " ")


def test_what_users_and_models_write_is_text(dock, stack, run, backend) -> None:
    backend.answer = "<b>x</b> & <img src='y'>"
    widget = dock(stack)
    run(widget, lambda: widget.ask("<h1>big</h1> [SEG]"))
    text = widget.chat.transcript.toPlainText()
    assert "<h1>big</h1> [SEG]" in text
    assert "<b>x</b> & <img src='y'>" in text


@pytest.mark.parametrize(
    ("look", "at", "frames"),
    [
        (0, 3, [3, 4, 5, 6, 7]),
        (0, 11, [7, 8, 9, 10, 11]),
        (1, 7, [7]),
        (2, 7, [0, 3, 6, 8, 11]),
    ],
)
def test_what_the_model_looks_at(dock, stack, run, backend, look, at, frames) -> None:
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, at)
    widget.chat.look_at.setCurrentIndex(look)
    run(widget, lambda: widget.ask("hm?"))
    assert backend.sessions[0].calls[0][2] == frames


def test_other_settings_begin_another_conversation(dock, stack, run, backend) -> None:
    widget = dock(stack)
    run(widget, lambda: widget.ask("first"))
    run(widget, lambda: widget.ask("second"))
    assert [m.role for m in widget.chat.messages] == ["user", "model", "measured"] * 2
    widget._viewer.layers["movie"].gamma = 0.5
    run(widget, lambda: widget.ask("third"))
    assert [m.role for m in widget.chat.messages[6:]] == ["note", "user", "model", "measured"]
    assert widget.chat.messages[-2].text == backend.answer


def test_what_is_found_is_followed_through_the_range_only(dock, stack, run, backend) -> None:
    widget = dock(stack)
    widget.picker.first.setValue(2)
    widget.picker.last.setValue(5)
    run(widget, lambda: widget.ask("hm?"))
    calls = backend.sessions[0].calls
    assert calls[0][2:4] == ([2, 3, 4, 5], False)
    assert calls[1] == ("propagate", [1, 2], 2, 6, False)
    assert np.flatnonzero(labels_of(widget).data.any((1, 2))).tolist() == [2, 3, 4, 5]


def test_an_answer_about_a_known_object_points_at_it(dock, stack, run, backend) -> None:
    backend.answer = "It is <p>a square</p> [SEG]."
    widget = dock(stack)
    widget.prompts.object_id.setValue(4)
    click(widget, (0, 8, 8))
    run(widget, widget.segment)
    before = labels_of(widget).data.copy()
    run(widget, lambda: widget.ask("what is this?"))
    assert 'href="object:4"' in widget.chat.transcript.toHtml()
    assert np.array_equal(labels_of(widget).data, before)
    assert sorted(widget.workbench.records) == [4]


def test_stop_keeps_what_was_written(dock, stack, run, qtbot, backend) -> None:
    backend.delay = 0.03
    widget = dock(stack)
    with qtbot.waitSignal(widget.workbench.stopped, timeout=20_000) as blocker:
        with qtbot.waitSignal(widget.workbench.answer_grew, timeout=20_000):
            widget.ask("tell me")
        assert widget.chat.stop.isEnabled()
        assert not widget.chat.send.isEnabled()
        qtbot.mouseClick(widget.chat.stop, Qt.MouseButton.LeftButton)
    assert blocker.args == ["cancelled"]
    text = widget.chat.transcript.toPlainText()
    assert "I see"[:1] in text
    assert "cancelled" in text
    assert widget.chat.send.isEnabled()
    assert backend.sessions[0].open_iterators == 0


def test_reasoning_is_shown_apart_and_opened_by_a_click(dock, stack, run, backend) -> None:
    backend.reasoning = "There was <p>a dot</p> [SEG] once."
    widget = dock(stack)
    run(widget, lambda: widget.ask("what is there?"))
    chat = widget.chat

    def shown() -> str:
        return " ".join(chat.transcript.toPlainText().replace("\xa0", " ").split())

    assert "▸ Reasoning I see a cell and a dot . Measured" in shown()
    assert sorted(widget.workbench.records) == [1, 2]
    chat.transcript.anchorClicked.emit(QUrl("reasoning:1"))
    assert "▾ Reasoning There was a dot once. I see" in shown()
    assert chat.messages[1].text == backend.answer
    chat.transcript.anchorClicked.emit(QUrl("reasoning:1"))
    assert "once" not in shown()


def test_pieces_come_in_batches_that_keep_their_order() -> None:
    pieces = [Reasoning("a"), Reasoning("b"), Token("c"), Token("d"), Progress(1, 1, "frames")]
    *told, last = guarded(iter([*pieces, Token("e")]), lambda: None)
    assert last == Finished()
    joined = [
        "".join(event.text for event in told if isinstance(event, kind))
        for kind in (Reasoning, Token)
    ]
    assert joined == ["ab", "cde"]
    kinds = [kind for kind, _ in groupby(map(type, told))]
    assert kinds == [Reasoning, Token, Progress, Token]
