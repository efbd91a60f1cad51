"""Options of loading that save memory or time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters
from torch._inductor import config as inductor

import napari_sa2va
from napari_sa2va.core.errors import InputError
from napari_sa2va.engine import acceleration
from napari_sa2va.engine.acceleration import check_compiler
from napari_sa2va.engine.chat import Chat, Step
from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.fitting import Fitting
from napari_sa2va.engine.offload import Offload
from napari_sa2va.models.checkpoint import load_model
from napari_sa2va.models.language import Visual
from napari_sa2va.models.tokens import Tokens


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"quantize": "int3"}, "quantize='int3' is not known"),
        ({"offload": "always"}, "offload='always' is not known"),
        ({"quantize": "int4", "offload": "tracking"}, "not go together with offload"),
        ({"offload": "tracking"}, "of no use on the device 'cpu'"),
        ({"compile": True, "quantize": "int4"}, "not go together with quantised weights"),
        ({"compile": True, "offload": "tracking"}, "not go together with offload"),
        ({"attention": "magic"}, "attention='magic' is not known"),
        ({"attention": "flash_attention_2"}, "runs on CUDA in bfloat16 or float16, not on cpu"),
        ({"grounding": "sa3va"}, "grounding='sa3va' is not known"),
    ],
)
def test_what_cannot_be_is_explained(tiny_folder: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        napari_sa2va.load(str(tiny_folder), device="cpu", **options)


def test_flash_attention_is_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    monkeypatch.setattr(acceleration, "is_flash_attn_2_available", lambda: False)
    with pytest.raises(InputError, match="pip install flash-attn"):
        acceleration.check_attention("flash_attention_2", cuda, torch.bfloat16)
    with pytest.raises(InputError, match="not on cuda in float32"):
        acceleration.check_attention("flash_attention_2", cuda, torch.float32)
    monkeypatch.setattr(acceleration, "is_flash_attn_2_available", lambda: True)
    acceleration.check_attention("flash_attention_2", cuda, torch.bfloat16)
    acceleration.check_attention("sdpa", torch.device("cpu"), torch.float32)


@torch.inference_mode()
def test_the_llm_alone_takes_another_attention(tiny_folder: Path) -> None:
    # Flash attention runs on GPUs only: transformers' own stands for it.
    model, other = load_model(tiny_folder), load_model(tiny_folder, attention="eager")
    embeddings = torch.randn(20, model.language.hidden_size, generator=torch.manual_seed(0))
    read = [
        language.read(embeddings, torch.arange(20)[None], language.new_cache())
        for language in (model.language, other.language)
    ]
    torch.testing.assert_close(*read)
    assert model.language.decoder.config._attn_implementation == "sdpa"
    assert other.language.decoder.config._attn_implementation == "eager"
    assert other.language.vision.config._attn_implementation == "sdpa"


def test_without_a_compiler_the_way_out_is_named(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("No working C++ compiler found in: CXX\n a long list")

    monkeypatch.setattr(torch, "compile", lambda _: fail)
    with pytest.raises(InputError, match=r"No working C\+\+ compiler found.*\n?.*g\+\+") as caught:
        napari_sa2va.load(str(tiny_folder), device="cpu", compile=True)
    assert "a long list" not in str(caught.value)


@pytest.mark.slow  # what is traced is traced for half a minute
def test_compiled_gives_what_eager_gives(
    tiny_folder: Path, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Traced and run as it is traced: C++ for the image encoder would take minutes.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    written, masks, graphs = [], [], []
    for how in (False, True):
        torch._dynamo.reset()
        counters.clear()
        engine = napari_sa2va.load(str(tiny_folder), device="cpu", compile=how)
        with engine, engine.open(stack) as session:
            seen = session._looking.look((0, 1), [])
            steps: list[Step] = []
            for text in ("What is there?", "And what else could one say of it?"):
                steps += session._chat.stream(session._chat.prompt(seen, [], text), seen, limit=6)
            written.append(steps)
            masks.append(session.segment(1, points=[(30, 40, True)]).mask)
        graphs.append(counters["stats"]["unique_graphs"])
    check_equal(*written)
    assert (masks[0] != masks[1]).mean() < 1e-3
    # The trifle, the image encoder, the step: not one for each length of the conversation.
    assert graphs == [0, 3]


@pytest.mark.slow  # compiles C++ for half a minute
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_a_compiled_step_gives_what_eager_gives(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inductor, "compile_threads", 1)  # else it starts processes of its own
    torch._dynamo.reset()
    model, tokens = load_model(tiny_folder), Tokens(tiny_folder)
    written = []
    for how in (False, True):
        if how:
            check_compiler(torch.device("cpu"))
            model.language.compile_step()
        chat = Chat(model, tokens, nullcontext, Fitting(torch.device("cpu"), lambda: None))
        nothing = Visual("", torch.zeros(0, model.language.hidden_size))
        written.append(list(chat.stream(chat.prompt(nothing, [], "Hello?"), nothing, limit=6)))
    check_equal(*written)


def check_equal(steps: list[Step], others: list[Step]) -> None:
    assert [step.token for step in others] == [step.token for step in steps]
    logits = [torch.stack([step.logits for step in one]) for one in (steps, others)]
    torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)


class Recorder(nn.Module):
    """Stands for a language side of which one hears where it is moved."""

    def __init__(self, language: nn.Module, log: list[str]) -> None:
        super().__init__()
        self.log = log
        language.decoder.register_forward_hook(lambda *_: log.append("read"))
        language.vision.register_forward_hook(lambda *_: log.append("look"))

    def to(self, device: torch.device) -> None:  # type: ignore[override]
        self.log.append(f"to {device.type}")


@pytest.fixture
def moves(tiny_folder: Path) -> Iterator[tuple[Engine, list[str]]]:
    """An engine whose language side is said to be on a GPU, and what happens in which order."""
    log: list[str] = []
    with napari_sa2va.load(str(tiny_folder), device="cpu") as engine:
        model = engine._runtime.model
        model.grounding.memory_encoder.register_forward_hook(lambda *_: log.append("track"))
        offload = Offload(Recorder(model.language, log), torch.device("cuda"))
        engine._runtime = replace(engine._runtime, offload=offload)
        yield engine, log


def test_the_llm_is_away_while_objects_are_tracked(
    moves: tuple[Engine, list[str]], stack: np.ndarray
) -> None:
    engine, log = moves
    with engine.open(stack) as session:
        session.segment(1, points=[(30, 40, True)])
        for _ in session.propagate(stop=3):
            pass
        for _ in session.propagate(stop=3):
            pass
        events = session.ask("What is there?", remember=False)
        next(event for event in events if type(event).__name__ == "Token")
        for _ in session.propagate(stop=3):  # before the answer is finished
            pass
        next(event for event in events if type(event).__name__ == "Token")
    runs = [what for what, _ in groupby(log)]
    there = [["to cuda", "look", "read"], ["to cuda", "read"]]
    assert runs == ["to cpu", "track", *there[0], "to cpu", "track", *there[1]]
    assert log.count("to cpu") == 2


def test_one_image_moves_nothing(moves: tuple[Engine, list[str]], stack: np.ndarray) -> None:
    engine, log = moves
    with engine.open(stack[0]) as session:
        session.segment(1, points=[(30, 40, True)])
        session.ask("What is there?").close()
    assert not [what for what in log if what.startswith("to")]
