"""Fixtures of the golden packs; a test module names its pack as PACK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import napari_sa2va
from napari_sa2va.engine.engine import Engine
from tests.models.golden import Case, read_case


@pytest.fixture(scope="module")
def golden_engine(
    request: pytest.FixtureRequest, golden: Callable[[str], Path]
) -> Iterator[Engine]:
    """The module's pack, loaded as a user loads a folder."""
    folder = golden(request.module.PACK)
    with napari_sa2va.load(str(folder), device="cpu", dtype="float32") as engine:
        yield engine


@pytest.fixture
def case(request: pytest.FixtureRequest, shared: Path) -> Case:
    """The case that a test is parametrized with, by its name."""
    return read_case(shared / "golden" / request.module.PACK, request.param)
