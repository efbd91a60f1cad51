"""Fixtures and settings that all tests share."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.hub_mock import HubMock

REPOSITORY = Path(__file__).parents[1]

# Before torch and napari are imported, so here. As many threads as CI has cores: with more, sums
# run in another order, and processes would get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
# Threads that spin while they wait are 20 times slower than sleeping ones on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# An empty path: read no settings of the person who runs the tests, and write none.
os.environ["NAPARI_CONFIG"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"
# Nor models that the person downloaded: a folder that is not there holds no record.
os.environ["NAPARI_SA2VA_CONFIG"] = str(REPOSITORY / "build" / "no-settings")
# Sessions of images that came from no file are saved there.
_sessions = tempfile.TemporaryDirectory(prefix="sa2va-tests-")
os.environ["NAPARI_SA2VA_DATA"] = _sessions.name

# How long an example takes says nothing on a machine that is shared.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

_GUI_FIXTURES = {"make_napari_viewer", "make_napari_viewer_proxy", "qapp", "qtbot"}


def has_display() -> bool:
    """Whether there is a screen, real or virtual."""
    return sys.platform != "linux" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def _why_no_display() -> str:
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return (
            "QT_QPA_PLATFORM=offscreen has no OpenGL, and napari's canvas crashes on it: "
            "unset it, and use a screen or `make test`, which brings Xvfb"
        )
    if not has_display():
        return "there is no screen: use `make test`, which brings Xvfb"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = _why_no_display()
    if not reason:
        return
    for item in items:
        if _GUI_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Training and its evaluation set torch's threads for their process: not for later tests.

    With other threads sums run in another order, and masks are not equal to the bit.
    """
    yield
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """What is imported stays: garbage is not looked for there.

    napari collects garbage for each layer list that is cleared, at 0.3 s for all that is imported.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # libraries look at their end for what was not freed


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with golden packs and data, which lies beside the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder} with the golden packs and data")
    return folder


@pytest.fixture(scope="session")
def golden(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes the tiny official checkpoint of a golden pack, once."""

    @functools.cache
    def materialize(pack: str) -> Path:
        source = shared / "golden"
        checkpoint = tmp_path_factory.mktemp("golden") / pack
        subprocess.run(
            [sys.executable, source / "materialize.py", source / pack, checkpoint], check=True
        )
        # The official layout does not say how small the trunk of SAM 2 is; the pack does.
        shutil.copyfile(source / pack / "grounding.json", checkpoint / "grounding.json")
        return checkpoint

    return materialize


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of random weights, made here; do not change it."""
    import napari_sa2va.engine  # noqa: F401  (keeps triton out where a canvas was drawn before)
    from tests.tiny import write_checkpoint

    return write_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubMock]:
    """A Hub on loopback with one repository; the cache and the record are the test's own."""
    import huggingface_hub
    from huggingface_hub import constants

    from tests.hub_mock import REPOSITORY, HubMock, repository_files

    with HubMock().running() as hub:
        hub.repositories[REPOSITORY] = repository_files()
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("NAPARI_SA2VA_CONFIG", str(tmp_path / "settings"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        huggingface_hub.close_session()  # it may have been made in another environment
        yield hub
        huggingface_hub.close_session()
