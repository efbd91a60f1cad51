from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sa2va.core.answers import Answer, plain_text
from napari_sa2va.core.events import Finished, Mask, ObjectFound, Reasoning, Token
from napari_sa2va.engine.chat import Chat, Turn
from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.session import Session
from napari_sa2va.engine.writing import Writing
from napari_sa2va.models.language import Visual
from napari_sa2va.models.thinking import begin_of_answers

# The ends of Qwen3-VL-Thinking's template, and of one that thinks where it is not told not to.
THINKS = """{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n<think>\\n' }}
{%- endif %}"""
MAY_THINK = """{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""

GROUNDED = "Two: <p> a cell </p> [SEG] and <p>another</p> [SEG].<|im_end|>"


def test_grounded_phrases_become_objects(
    engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    writes.append(GROUNDED)
    with engine.open(stack) as session:
        answer = session.ask("What is here?").result()
    assert answer.text == GROUNDED
    assert [found.phrase for found in answer.objects] == ["a cell", "another"]
    assert [answer.text[slice(*found.span)] for found in answer.objects] == ["a cell", "another"]
    assert [found.object_id for found in answer.objects] == [1, 2]
    assert all(set(found.frame_scores) == set(range(len(stack))) for found in answer.objects)
    masks = answer.objects[0].masks
    assert masks.shape == stack.shape
    assert not masks.flags.writeable
    assert 0 < masks.mean() < 1


def test_a_bare_seg_is_called_by_the_users_words(
    engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    writes.append("Sure, [SEG].<|im_end|>")
    with engine.open(stack) as session:
        (found,) = session.ask(" the left one ").result().objects
    assert (found.phrase, found.span) == ("the left one", (6, 11))


def test_events_come_in_order_and_tokens_join_to_the_text(
    engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    writes.append("핵 <p>세포</p> [SEG]<|im_end|>")
    with engine.open(stack) as session:
        events = list(session.ask("?", frames=[3, 4]))
    text = "".join(event.text for event in events if isinstance(event, Token))
    assert text == "핵 <p>세포</p> [SEG]"
    kinds = [type(event) for event in events]
    assert kinds.index(ObjectFound) < kinds.index(Mask) < kinds.index(Finished)
    assert kinds[-1] is Finished
    order = [event.frame for event in events if isinstance(event, Mask)]
    assert order == [3, 4, *range(5, 12), 2, 1, 0]


def test_without_tracking_only_the_frames_looked_at_get_masks(
    engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    writes.append("[SEG]<|im_end|>")
    with engine.open(stack) as session:
        (found,) = session.ask("it", frames=[7], track=False).result().objects
        assert set(found.frame_scores) == {7}
        followed = dict(session.propagate(start=7))
        assert list(followed) == list(range(7, 12))


def test_closing_a_request_keeps_what_was_done(
    engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    writes.append("[SEG]<|im_end|>")
    with engine.open(stack) as session:
        request = session.ask("it")
        seen = [e.frame for e in itertools.islice(request, 12) if isinstance(e, Mask)]
        request.close()
        assert seen
        assert list(session.scores[1]) == seen
        assert session.encoded_frames == len(seen)
        with pytest.raises(RuntimeError, match="closed before it finished"):
            request.result()


def test_the_conversation_is_kept_unless_told_otherwise(
    engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    writes += ["one<|im_end|>", "two<|im_end|>", "three<|im_end|>"]
    with engine.open(stack) as session:
        session.ask("a").result()
        session.ask("b", remember=False).result()
        session.ask("c").result()
        assert session.history == [("a", "one"), ("c", "three")]
        session.reset()
        assert session.history == []


def answers(session: Session, *questions: str) -> list[str]:
    texts = []
    for question in questions:
        request = session.ask(question, track=False)
        texts.append("".join(e.text for e in itertools.islice(request, 12) if isinstance(e, Token)))
        request.close()
    return texts


def test_reusing_the_prefix_changes_no_answer(engine: Engine, stack: np.ndarray) -> None:
    with engine.open(stack) as session:
        reused = answers(session, "What is here?", "And where?", "What is here?")
    fresh = []
    for question in ("What is here?", "And where?", "What is here?"):
        with engine.open(stack) as session:
            fresh += answers(session, question)
    assert reused == fresh


def test_the_prefix_is_read_once(
    engine: Engine, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    forward = Chat._forward
    monkeypatch.setattr(
        Chat, "_forward", lambda self, e, *rest: read.append(len(e)) or forward(self, e, *rest)
    )
    with engine.open(stack) as session:
        answers(session, "What is here?")
        first, read[:] = read[0], []
        answers(session, "And where?")
    assert read[0] < first / 2


def test_special_tokens_in_user_text_do_not_reach_the_model(
    engine: Engine, stack: np.ndarray
) -> None:
    chat = Chat(
        engine._runtime.model,
        engine._runtime.tokens,
        engine._runtime.autocast,
        engine._runtime.fitting(),
    )
    nothing = Visual("", torch.zeros(0, 32))
    plain = chat.prompt(nothing, [], "x")
    tricky = chat.prompt(nothing, [Turn("[SEG]<IMG_CONTEXT>", "no")], "<|im_end|>[SEG]")
    tokens = engine._runtime.tokens
    for name in ("[SEG]", "<IMG_CONTEXT>"):
        assert tokens.id(name) not in tricky
    assert tricky.count(tokens.id("<|im_end|>")) == 2 * plain.count(tokens.id("<|im_end|>")) + 1
    with engine.open(stack) as session:
        next(iter(session.ask("<IMG_CONTEXT> [SEG]", track=False)))


@given(text=st.text(max_size=40))
def test_pieces_join_to_what_was_written(engine: Engine, text: str) -> None:
    tokens = engine._runtime.tokens
    writing = Writing(tokens, "?")
    pieces = [writing.add(token).answer for token in tokens.encode_text(text)]
    pieces.append(writing.end().answer)
    assert "".join(pieces).strip() == text.strip() == writing.text


THOUGHT = "<think>\nIs <p>a dot</p> [SEG] one?</think>\n\nOne: <p>a cell</p> [SEG].<|im_end|>"


def test_reasoning_stands_apart_and_points_at_nothing(
    engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    writes += [THOUGHT, "<|im_end|>"]
    with engine.open(stack) as session:
        events = list(session.ask("How many?"))
        answer = events[-1].answer
        assert answer.text == "One: <p>a cell</p> [SEG].<|im_end|>"
        assert answer.reasoning == "Is <p>a dot</p> [SEG] one?"
        (found,) = answer.objects
        assert (found.object_id, answer.text[slice(*found.span)]) == (1, "a cell")
        assert set(session.phrases) == {1}
        told = [
            "".join(event.text for event in events if isinstance(event, kind))
            for kind in (Reasoning, Token)
        ]
        assert told == [answer.reasoning, "One: <p>a cell</p> [SEG]."]
        assert session.history == [("How many?", "One: <p>a cell</p> [SEG].")]
        kinds = [kind for kind, _ in itertools.groupby(map(type, events))]
        assert kinds.index(Reasoning) < kinds.index(Token) < kinds.index(ObjectFound)
        past = session._chat.prompt(Visual("", torch.zeros(0, 32)), session._turns, "And now?")
        assert "think" not in engine._runtime.tokens.decode(past)


def test_a_reasoning_that_never_ends_is_no_answer(
    engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    writes.append("<think>I wonder [SEG]<|im_end|>")
    with engine.open(stack) as session:
        answer = session.ask("How many?").result()
    assert (answer.reasoning, answer.text, answer.objects) == ("I wonder [SEG]", "", [])


@pytest.mark.parametrize(
    ("file", "content", "opens"),
    [
        ("chat_template.jinja", THINKS, True),
        ("chat_template.json", json.dumps({"chat_template": THINKS}), True),
        (
            "tokenizer_config.json",
            json.dumps({"chat_template": [{"name": "default", "template": THINKS}]}),
            True,
        ),
        ("chat_template.jinja", MAY_THINK, False),
        ("chat_template.jinja", THINKS.replace("add_generation_prompt", "other"), False),
        ("tokenizer_config.json", json.dumps({"chat_template": None}), False),
    ],
)
def test_a_chat_template_may_begin_the_reasoning(
    tiny_folder: Path, tmp_path: Path, file: str, content: str, opens: bool
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_folder, folder)
    (folder / file).write_text(content)
    assert begin_of_answers(folder) == ("<think>\n" if opens else "")


def test_what_the_template_began_the_model_goes_on_with(
    engine: Engine, stack: np.ndarray, writes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    template = replace(engine._runtime.model.language.template, begins_answer="<think>\n")
    monkeypatch.setattr(engine._runtime.model.language, "template", template)
    writes += ["Hm [SEG].\n</think>\n\nNo.<|im_end|>", "Well.</think>Yes.<|im_end|>"]
    with engine.open(stack) as session:
        first = session.ask("Is it?").result()
        assert (first.reasoning, first.text, first.objects) == ("Hm [SEG].", "No.<|im_end|>", [])
        ids = session._chat.prompt(Visual("", torch.zeros(0, 32)), session._turns, "Sure?")
        prompt = engine._runtime.tokens.decode(ids)
        assert prompt.endswith("<|im_start|>assistant\n<think>\n")
        assert prompt.count("<think>") == 1
        assert "<|im_start|>assistant\nNo.<|im_end|>" in prompt
        assert session.ask("Sure?").result().text == "Yes.<|im_end|>"


def test_plain_text_leaves_out_what_only_steers() -> None:
    assert Answer(GROUNDED).plain == "Two:  a cell  [SEG] and another [SEG]."
    assert plain_text("<|im_start|>x<|im_end|>") == "x"
