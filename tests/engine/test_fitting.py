"""What happens where the device has no memory left; torch's error is injected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_sa2va
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.core.errors import DeviceMemoryError
from napari_sa2va.core.events import Failed, Finished, Mask
from napari_sa2va.core.options import LoadOptions
from napari_sa2va.engine import engine as engine_module
from napari_sa2va.engine import memory
from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.fitting import Fitting
from napari_sa2va.engine.session import Session

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nAdvice ...")
HALF_OPEN = (5, 5, 30, 30)


class Device:
    """Has room for so many at a time."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.tried: list[int] = []

    def take(self, count: int) -> None:
        self.tried.append(count)
        if count > self.room:
            raise torch.OutOfMemoryError(str(FULL))


@pytest.fixture
def device() -> Device:
    return Device(10**9)


def fitting(free: Callable[[], None] = lambda: None) -> Fitting:
    return Fitting(torch.device("cpu"), free)


def test_a_step_that_does_not_fit_is_tried_once_more_one_by_one(device: Device) -> None:
    freed: list[int] = []
    fits, device.room = fitting(lambda: freed.append(len(device.tried))), 3
    steps = [fits.run(lambda: device.take(fits.size(8))) for _ in range(4)]
    assert steps == [None] * 4
    # Then half of what did not fit: 8, then 4, then 2, which fits and stays.
    assert device.tried == [8, 1, 4, 1, 2, 2]
    assert freed == [1, 3]


def test_a_second_failure_is_one_clear_error(device: Device) -> None:
    fits, device.room = fitting(), 0
    with pytest.raises(DeviceMemoryError) as error:
        fits.run(lambda: device.take(fits.size(8)))
    assert device.tried == [8, 1]
    assert error.value.remedy == "use less memory"
    assert "cpu has no memory left: CUDA out of memory" in error.value.message
    assert "Advice" not in str(error.value)
    assert fits.size(8) == 1


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_other_errors_are_not_tried_again(error: Exception, is_memory: bool) -> None:
    calls: list[int] = []

    def step() -> None:
        calls.append(1)
        raise error

    with pytest.raises(DeviceMemoryError if is_memory else type(error)):
        fitting().run(step)
    assert len(calls) == (2 if is_memory else 1)


@pytest.fixture
def tracked(engine: Engine, stack: np.ndarray) -> Iterator[Session]:
    with engine.open(stack) as session:
        for object_id in range(1, 5):
            session.segment(object_id, 0, box=HALF_OPEN)
        yield session


def limit_attention(patch: pytest.MonkeyPatch, device: Device) -> None:
    attend = memory.attend

    def limited(sam2: Any, top: Any, views: list[Any]) -> Any:
        device.take(len(views))
        return attend(sam2, top, views)

    patch.setattr(memory, "attend", limited)


def test_objects_are_tracked_in_smaller_batches(
    tracked: Session, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = dict(tracked.propagate())
    limit_attention(monkeypatch, device)
    device.room = 2
    tracked.free_memory()
    parts = dict(tracked.propagate())
    assert parts.keys() == whole.keys()
    assert max(device.tried[6:]) == 2
    for frame, masks in whole.items():
        assert masks.keys() == parts[frame].keys()
        for object_id, mask in masks.items():
            assert (mask != parts[frame][object_id]).mean() < 0.001


def test_the_memory_of_other_sessions_is_freed_first(
    engine: Engine,
    tracked: Session,
    stack: np.ndarray,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with engine.open(stack) as other:
        other.segment(1, 0, box=HALF_OPEN)
        assert other.embedding_bytes > 0
        limit_attention(monkeypatch, device)
        device.room = 1
        next(tracked.propagate(start=1))
        assert other.embedding_bytes == 0
        before = other.encoded_frames
        assert len(dict(other.propagate(start=1))) == len(stack) - 1
        assert other.encoded_frames > before


def test_frames_are_looked_at_in_smaller_batches(
    engine: Engine, stack: np.ndarray, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    language = engine._runtime.model.language
    with engine.open(stack) as session:
        whole = session._looking.look((0, 1, 2), [])
    embed = language.embed_images

    def limited(pixels: torch.Tensor) -> torch.Tensor:
        device.take(len(pixels))
        tokens: torch.Tensor = embed(pixels)
        return tokens

    monkeypatch.setattr(language, "embed_images", limited)
    device.room = 1
    with engine.open(stack) as session:
        parts = session._looking.look((0, 1, 2), [])
    assert device.tried == [3, 1, 1, 1]
    assert parts.text == whole.text
    torch.testing.assert_close(parts.embeddings, whole.embeddings, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fails_at", [0, 3])
def test_an_answer_goes_on_where_it_did_not_fit(
    engine: Engine, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    def write() -> list[int]:
        with engine.open(stack) as session:
            visual = session._looking.look((0,), [])
            ids = session._chat.prompt(visual, [], "What is this?")
            return [step.token for step in session._chat.stream(ids, visual, 6)]

    expected = write()
    layers = engine._runtime.model.language.decoder.layers
    forward, calls = layers[-1].forward, []

    def failing(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == fails_at + 1:  # the layers before it have taken the token in
            raise torch.OutOfMemoryError(str(FULL))
        return forward(*arguments, **named)

    monkeypatch.setattr(layers[-1], "forward", failing)
    assert write() == expected
    assert len(calls) > fails_at + 1


def test_what_was_done_is_kept_and_can_be_gone_on_with(
    tiny_folder: Path, stack: np.ndarray, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend(str(tiny_folder), LoadOptions("cpu", "float32"))
    session = backend.open(stack)
    list(session.segment(1, 0, box=HALF_OPEN))
    expected = [event for event in session.propagate() if isinstance(event, Mask)]
    limit_attention(monkeypatch, device)
    events = session.propagate()
    seen = [next(events), next(events), next(events)]
    device.room = 0
    seen += list(events)
    failed = seen.pop()
    assert isinstance(failed, Failed)
    assert failed.remedy == "use less memory"
    device.room = 1
    seen += list(session.resume())
    assert isinstance(seen[-1], Finished)
    masks = [event for event in seen if isinstance(event, Mask)]
    assert [mask.frame for mask in masks] == [mask.frame for mask in expected]
    for ours, theirs in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(ours.mask, theirs.mask)
    backend.close()


def test_a_model_that_does_not_fit_says_so(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise FULL

    monkeypatch.setattr(engine_module, "load_model", full)
    with pytest.raises(DeviceMemoryError, match="no memory left") as error:
        napari_sa2va.load(str(tiny_folder), device="cpu")
    assert error.value.remedy == "use less memory"
