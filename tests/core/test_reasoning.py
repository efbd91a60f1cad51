from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sa2va.core.reasoning import split_reasoning


@pytest.mark.parametrize(
    ("text", "opened", "expected"),
    [
        ("A cell.", False, ("", "A cell.")),
        ("<think>\nHm.\n</think>\n\nA cell.", False, ("Hm.", "A cell.")),
        ("Hm.\n</think>\n\nA cell.", True, ("Hm.", "A cell.")),
        ("<think>\nHm.</think>A cell.", True, ("Hm.", "A cell.")),
        ("<think>\n\n</think>\n\nA cell.", False, ("", "A cell.")),
        ("<think>Hm, and", False, ("Hm, and", "")),  # cut at the most tokens there may be
        ("Write <think>so</think>.", False, ("", "Write <think>so</think>.")),
        ("</think> alone", False, ("", "</think> alone")),
        ("<p>a cell</p> [SEG]", False, ("", "<p>a cell</p> [SEG]")),
    ],
)
def test_reasoning_stands_before_the_answer(
    text: str, opened: bool, expected: tuple[str, str]
) -> None:
    assert split_reasoning(text, opened) == expected


pieces = st.lists(st.sampled_from(["<think>", "</think>", "<", "/", "th", " ", "\n", "a", ">"]))


@given(pieces.map("".join), st.booleans())
def test_what_was_shown_is_never_taken_back(text: str, opened: bool) -> None:
    shown = "", ""
    for length in range(len(text) + 1):
        now = split_reasoning(text[:length], opened, growing=True)
        assert all(new.startswith(old) for new, old in zip(now, shown, strict=True))
        shown = now
    whole = split_reasoning(text, opened)
    assert all(new.startswith(old) for new, old in zip(whole, shown, strict=True))
