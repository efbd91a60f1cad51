from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_sa2va
from napari_sa2va.engine.chat import Chat, Step
from napari_sa2va.engine.engine import Engine
from napari_sa2va.models.language import Visual


@pytest.fixture(scope="session")
def engine(tiny_folder: Path) -> Iterator[Engine]:
    with napari_sa2va.load(str(tiny_folder), device="cpu", dtype="float32") as engine:
        yield engine


def hidden_state(n: int) -> torch.Tensor:
    """What the `n`-th token that `writes` made the model write is to mean."""
    return torch.randn(32, generator=torch.Generator().manual_seed(n))


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> list[str]:
    """Make the random model write what a test puts into this list, answer by answer."""
    answers: list[str] = []
    tokens = engine._runtime.tokens

    def stream(self: Chat, ids: Sequence[int], visual: Visual) -> Iterator[Step]:
        for n, token in enumerate(tokens.encode_markup(answers.pop(0))):
            stops = token in self.stop_ids
            yield Step(token, torch.zeros(1), None if stops else hidden_state(n))

    monkeypatch.setattr(Chat, "stream", stream)
    return answers


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    """Two bright discs that move apart over noise: (T, H, W) uint8."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 60, (12, 90, 110)).astype(np.uint8)
    y, x = np.mgrid[:90, :110]
    for t, frame in enumerate(frames):
        frame[(y - 30 - t) ** 2 + (x - 40 - 2 * t) ** 2 < 200] = 220
        frame[(y - 60) ** 2 + (x - 60 + 2 * t) ** 2 < 150] = 160
    return frames


class CountingStack:
    """An array that counts which frames are read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.read: list[int] = []

    def __getitem__(self, index: int) -> np.ndarray:
        self.read.append(index)
        return self.array[index]


@pytest.fixture
def counting_stack(stack: np.ndarray) -> CountingStack:
    return CountingStack(stack)
