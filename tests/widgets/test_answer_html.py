"""Spans of the raw text become what a reader sees."""

from __future__ import annotations

import re

import pytest

from napari_sa2va.core.events import ObjectFound
from napari_sa2va.widgets._answer_html import Message, answer_html, reasoning_html


def white(_: int) -> tuple[float, float, float]:
    return 1.0, 1.0, 1.0


def shown(html: str) -> str:
    text = re.sub(r"<br>", "\n", html)
    return re.sub(r"<[^>]+>", "", text).replace("&nbsp;", "|")


def links(html: str) -> list[tuple[str, str]]:
    found = re.findall(r'<a href="([^"]+)"[^>]*><span[^>]*>(.*?)</span></a>', html)
    return [(href, text.replace("&nbsp;", "")) for href, text in found]


def found(raw: str, object_id: int, phrase: str, nth: int = 0) -> ObjectFound:
    start = [m.start() for m in re.finditer(re.escape(phrase), raw)][nth]
    return ObjectFound(object_id, phrase, (start, start + len(phrase)))


def test_phrases_are_links_and_their_tokens_are_gone() -> None:
    raw = "I see <p>a cell</p> [SEG] and <p>a dot</p>[SEG].<|im_end|>"
    html = answer_html(raw, [found(raw, 1, "a cell"), found(raw, 7, "a dot")], white)
    assert links(html) == [("object:1", "a cell"), ("object:7", "a dot")]
    assert shown(html) == "I see |a cell| and |a dot|."


def test_a_token_without_phrase_is_a_chip() -> None:
    raw = "Sure, [SEG]."
    event = ObjectFound(3, "the largest cell", (6, 11))
    assert links(answer_html(raw, [event], white)) == [("object:3", "the largest cell · 3")]
    assert shown(answer_html(raw, [event], white)) == "Sure, |the largest cell · 3|."


def test_the_same_phrase_twice_points_at_two_objects() -> None:
    raw = "<p>a cell</p> [SEG], <p>a cell</p> [SEG]"
    both = [found(raw, 1, "a cell", 0), found(raw, 2, "a cell", 1)]
    assert [href for href, _ in links(answer_html(raw, both[::-1], white))] == [
        "object:1",
        "object:2",
    ]


def test_text_is_escaped() -> None:
    raw = "<p><b>&</p> [SEG] <script>x</script>"
    event = ObjectFound(1, "<b>&", (3, 7))
    html = answer_html(raw, [event], white)
    assert "<script>" not in html
    assert links(html) == [("object:1", "&lt;b&gt;&amp;")]
    assert Message("user", "<i>hi</i>\nyou").html(white) == "&lt;i&gt;hi&lt;/i&gt;<br>you"


@pytest.mark.parametrize(("level", "text"), [(0.1, "#ffffff"), (0.9, "#000000")])
def test_text_can_be_read_on_every_colour(level: float, text: str) -> None:
    event = ObjectFound(1, "x", (0, 1))
    assert f"color:{text}" in answer_html("x", [event], lambda _: (level,) * 3)


def test_half_an_answer_is_shown_as_it_grows() -> None:
    raw = "I see <p>a cell</p> [SEG] and <p>a dot</p> [SEG]"
    event = found(raw, 1, "a cell")
    for end in range(event.span[1] + len("</p> [SEG]"), len(raw)):
        assert links(answer_html(raw[:end], [event], white))[0] == ("object:1", "a cell")


def test_reasoning_is_quiet_and_closed_until_it_is_clicked() -> None:
    message = Message("model", reasoning="Is <b>it</b> [SEG]?\n<p>No</p>.")
    assert shown(reasoning_html(message, 3)) == "▸ Reasoning…\n"
    message.text = "Yes."
    closed = reasoning_html(message, 3)
    assert shown(closed) == "▸ Reasoning\n"
    assert 'href="reasoning:3"' in closed
    message.is_open = True
    assert "Is &lt;b&gt;it&lt;/b&gt; ?<br>No." in reasoning_html(message, 3)
    assert reasoning_html(Message("model", "Yes."), 3) == ""
