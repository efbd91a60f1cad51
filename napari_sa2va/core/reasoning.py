"""What a model thinks before it answers, apart from the answer."""

from __future__ import annotations

THINK_START, THINK_END = "<think>", "</think>"


def split_reasoning(text: str, opened: bool, growing: bool = False) -> tuple[str, str]:
    """The reasoning and the answer in what a model wrote.

    Reasoning stands before the answer, between ``<think>`` and ``</think>``; the tags anywhere else
    are text. Where the second one is missing, all is reasoning.

    Parameters
    ----------
    text : str
        All that was written.
    opened : bool
        The prompt has written ``<think>`` already.
    growing : bool
        More may follow: what may be the begin of a tag is held back.

    Returns
    -------
    reasoning, answer : str
        Without the tags and the space around them.
    """
    text = text.lstrip()
    if growing and len(text) < len(THINK_START) and THINK_START.startswith(text):
        return "", ""
    if text.startswith(THINK_START):
        text = text.removeprefix(THINK_START)
    elif not opened:
        return "", text
    reasoning, closed, answer = text.partition(THINK_END)
    if growing and not closed:
        reasoning = _without_begun_tag(reasoning)
    return reasoning.strip(), answer.lstrip()


def _without_begun_tag(text: str) -> str:
    begun = next(n for n in range(len(THINK_END), -1, -1) if text.endswith(THINK_END[:n]))
    return text[: len(text) - begun]
