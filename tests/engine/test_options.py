"""Options of loading that save memory or time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import napari_sa2va
from napari_sa2va.core.errors import InputError
from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.offload import Offload


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"quantize": "int3"}, "quantize='int3' is not known"),
        ({"offload": "always"}, "offload='always' is not known"),
        ({"quantize": "int4", "offload": "tracking"}, "not go together with offload"),
        ({"offload": "tracking"}, "of no use on the device 'cpu'"),
    ],
)
def test_what_cannot_be_is_explained(tiny_folder: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        napari_sa2va.load(str(tiny_folder), device="cpu", **options)


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
