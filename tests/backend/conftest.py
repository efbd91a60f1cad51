from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va.backend.base import Backend
from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.connectors import ServerConnector
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.backend.process import ChildConnector, ChildSettings
from napari_sa2va.core.options import LoadOptions
from tests.backend.serving import TOKEN, Served, make_stack, running_server


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    return make_stack()


@pytest.fixture(scope="session")
def runtime() -> Iterator[Path]:
    """A folder for sockets whose path is short enough."""
    folder = Path(tempfile.mkdtemp(prefix="sa2va"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_SA2VA_RUNTIME", str(folder))
        yield folder
    shutil.rmtree(folder)


# Of a module: what still ran would be taken for a leak by the next one.
@pytest.fixture(scope="module")
def server(tiny_folder: Path) -> Iterator[Served]:
    with running_server(tiny_folder) as served:
        yield served


@pytest.fixture(scope="module")
def reference(tiny_folder: Path) -> Iterator[LocalBackend]:
    """What all places are compared with."""
    backend = LocalBackend(str(tiny_folder), LoadOptions("cpu", "float32"))
    yield backend
    backend.close()


@pytest.fixture(scope="module", params=["this process", "child process", "server"])
def backend(request: pytest.FixtureRequest, tiny_folder: Path) -> Iterator[Backend]:
    backend: Backend
    if request.param == "server":
        served = request.getfixturevalue("server")
        backend = RemoteBackend(ServerConnector(served.url, TOKEN), str(tiny_folder))
    elif request.param == "child process":
        request.getfixturevalue("runtime")
        settings = ChildSettings("cpu", "float32", linger_seconds=1.0)
        backend = RemoteBackend(ChildConnector(settings), str(tiny_folder))
    else:
        backend = LocalBackend(str(tiny_folder), LoadOptions("cpu", "float32"))
    yield backend
    backend.close()
