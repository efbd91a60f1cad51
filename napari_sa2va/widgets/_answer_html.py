"""Answers as rich text: what is grounded is drawn in the object's colour and can be clicked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape

from napari_sa2va.core.answers import plain_text
from napari_sa2va.core.events import ObjectFound

OBJECT_LINK, REASONING_LINK = "object:", "reasoning:"
_QUIET = "color:#808080;text-decoration:none"
_SEG = "[SEG]"

Color = Callable[[int], tuple[float, float, float]]


@dataclass
class Message:
    """One message of the conversation.

    Attributes
    ----------
    role : str
        "user", "model", "note", or "measured": numbers from the masks, not from the model.
    text : str
        The model's text is raw, special tokens included: spans count in it.
    found : list of ObjectFound
        What the text points at.
    reasoning : str
        What the model thought before, raw, too.
    is_open : bool
        Whether the reasoning is shown, or only that there is one.
    """

    role: str
    text: str = ""
    found: list[ObjectFound] = field(default_factory=list)
    reasoning: str = ""
    is_open: bool = False

    def html(self, color: Color) -> str:
        """The message as rich text."""
        if self.role == "model":
            return answer_html(self.text, self.found, color)
        return _lines(escape(self.text))


def reasoning_html(message: Message, number: int) -> str:
    """A message's reasoning as quiet rich text that a click opens and closes; empty without one."""
    if not message.reasoning:
        return ""
    sign, more = "▾" if message.is_open else "▸", "" if message.text else "…"
    link = f'<a href="{REASONING_LINK}{number}" style="{_QUIET}">{sign} Reasoning{more}</a><br>'
    if not message.is_open:
        return link
    text = _between(message.reasoning, keep_seg=False).strip()
    return f'{link}<span style="{_QUIET}"><i>{_lines(text)}</i></span><br>'


def answer_html(raw: str, found: Iterable[ObjectFound], color: Color) -> str:
    """An answer as rich text.

    Parameters
    ----------
    raw : str
        As the model wrote it.
    found : iterable of ObjectFound
        What it points at; spans count in `raw`.
    color : callable
        Gives an object's colour as RGB from 0 to 1.
    """
    pieces: list[str] = []
    end = 0
    for event in sorted(found, key=lambda event: event.span):
        start, stop = event.span
        if start < end:
            continue
        shown = _shown(raw[start:stop])
        pieces += [
            _between(raw[end:start], keep_seg=False),
            _chip(event, shown, color),
        ]
        end = stop
        # The token that follows a phrase says nothing more to a reader.
        if shown != _SEG:
            rest = raw[end:]
            seg = rest.find(_SEG)
            if seg >= 0 and not _shown(rest[:seg]).strip():
                end += seg + len(_SEG)
    pieces.append(_between(raw[end:], keep_seg=True))
    return _lines("".join(pieces).strip())


def _chip(event: ObjectFound, shown: str, color: Color) -> str:
    text = f"{event.phrase or 'object'} · {event.object_id}" if shown == _SEG else shown
    red, green, blue = color(event.object_id)
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
    background = "#{:02x}{:02x}{:02x}".format(*(round(255 * c) for c in (red, green, blue)))
    style = f"background-color:{background};color:{'#ffffff' if dark else '#000000'}"
    link = f"{OBJECT_LINK}{event.object_id}"
    # Hard spaces pad the chip: rich text of Qt knows no padding inline.
    return (
        f'<a href="{link}" style="text-decoration:none">'
        f'<span style="{style}">&nbsp;{escape(text)}&nbsp;</span></a>'
    )


def _between(raw: str, keep_seg: bool) -> str:
    text = _shown(raw)
    return escape(text if keep_seg else text.replace(_SEG, ""))


def _shown(raw: str) -> str:
    """Plain text that keeps the space around it: it stands between other pieces."""
    return plain_text(f"|{raw}|")[1:-1]


def _lines(html: str) -> str:
    return html.replace("\n", "<br>")
