from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.core.events import Failed, Finished, Mask
from napari_sa2va.core.options import LoadOptions

STACK = np.random.default_rng(0).integers(0, 255, (4, 40, 50)).astype(np.uint8)


@pytest.fixture
def backend(tiny_folder: Path) -> LocalBackend:
    return LocalBackend(str(tiny_folder), LoadOptions("cpu", "float32"))


def test_the_state_follows_the_model(backend: LocalBackend) -> None:
    assert backend.info.state == "idle"
    session = backend.open(STACK)
    assert (backend.info.state, backend.info.device, backend.info.dtype) == (
        "ready",
        "cpu",
        "float32",
    )
    session.close()
    backend.close()
    assert backend.info.state == "idle"


def test_what_a_loaded_model_holds_counts_as_free(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = psutil.virtual_memory()._replace(total=10**9, available=10**8)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    before = backend.memory()
    assert before == DeviceMemory("cpu", "this computer", "float32", 10**8, 10**9)
    assert backend.info.state == "idle"
    session = backend.open(STACK)
    weights = sum(path.stat().st_size for path in Path(backend.info.model).glob("*.safetensors"))
    assert backend.memory().free - before.free == pytest.approx(weights, rel=0.05)
    session.close()
    backend.close()
    assert backend.memory() == before


def test_a_model_that_cannot_be_loaded_is_a_failed_state(tmp_path: Path) -> None:
    backend = LocalBackend(str(tmp_path))
    with pytest.raises(CheckpointError):
        backend.open(STACK)
    assert backend.info.state == "failed"


def test_requests_end_with_finished(backend: LocalBackend) -> None:
    session = backend.open(STACK)
    first, last = session.segment(1, 0, points=[(5, 5, True)])
    assert isinstance(first, Mask)
    assert isinstance(last, Finished)
    *_, last = session.propagate()
    assert isinstance(last, Finished)


def test_errors_become_events(backend: LocalBackend) -> None:
    session = backend.open(STACK)
    for events in (session.segment(1, 0), session.propagate(), session.ask(" ")):
        (failed,) = events
        assert isinstance(failed, Failed)
        assert failed.message
        assert failed.hint


def test_requests_of_two_threads_do_not_mix(backend: LocalBackend) -> None:
    sessions = {name: backend.open(STACK) for name in ("a", "b")}
    masks: dict[str, list[np.ndarray]] = {"a": [], "b": []}

    def work(name: str) -> None:
        list(sessions[name].segment(1, 0, box=(5, 5, 30, 30)))
        events = sessions[name].propagate()
        masks[name] = [event.mask for event in events if isinstance(event, Mask)]

    threads = [threading.Thread(target=work, args=(name,)) for name in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(masks["a"]) == len(STACK)
    np.testing.assert_array_equal(masks["a"], masks["b"])
