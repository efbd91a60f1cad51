"""The memory of a device that no model is on yet."""

from __future__ import annotations

from importlib import import_module

import psutil
import pytest

from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.backend.room import Room
from napari_sa2va.core.options import LoadOptions
from tests.backend.serving import wait_for

IDLE = BackendInfo("", "idle")


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """On a busy machine that alone takes longer than a test waits."""
    import_module("napari_sa2va.engine.device_memory")


def test_it_is_told_as_soon_as_it_is_known() -> None:
    room = Room(LoadOptions("cpu", "float32"))
    room.fill_in(IDLE)  # does not wait
    wait_for(lambda: room.fill_in(IDLE).memory_total)
    told = room.fill_in(IDLE)
    assert told.memory_total == psutil.virtual_memory().total
    assert 0 < told.memory_used < told.memory_total
    assert (told.state, told.device, told.dtype) == ("idle", "cpu", "float32")


def test_a_device_that_is_not_here_is_not_made_up(caplog: pytest.LogCaptureFixture) -> None:
    room = Room(LoadOptions("no such device"))
    room.fill_in(IDLE)
    wait_for(lambda: "cannot be read" in caplog.text)
    assert room.fill_in(IDLE) == IDLE
