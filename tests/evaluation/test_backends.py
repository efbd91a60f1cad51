"""A run gives the same on a backend here and on a server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_sa2va import export
from napari_sa2va.backend.base import Backend
from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.connectors import ServerConnector
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.core.labelled import LabelArray, LabelledStack
from napari_sa2va.core.options import LoadOptions
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.evaluation.kinds import KINDS
from napari_sa2va.evaluation.results import Result, Results
from napari_sa2va.evaluation.run import run, settings_of
from tests.backend.serving import TOKEN, running_server
from tests.export.examples import blobs, images_of


@pytest.mark.slow  # loads a tiny checkpoint twice
@pytest.mark.parametrize("kind", ["davis", "mevis"])
def test_a_server_gives_what_this_process_gives(
    kind: str, tiny_folder: Path, tmp_path: Path
) -> None:
    labels = blobs(length=3, ids=(1, 2))[[0, 2]]
    records = {i: ObjectRecord(i, phrase) for i, phrase in {1: "the left", 2: "the right"}.items()}
    images = ArrayFrames(images_of(labels))
    labelled = LabelledStack(LabelArray(labels), records, "cells", images=images)
    export.write(labelled, tmp_path / "d", kind)
    dataset = KINDS[kind].read(tmp_path / "d", "train" if kind == "davis" else "")

    def lines(backend: Backend, name: str) -> list[Result]:
        results = Results(tmp_path / name, settings_of(dataset, {"model": "tiny"}))
        list(run(dataset, backend.open, results))
        backend.close()
        return [replace(result, seconds=0) for result in results.done.values()]

    here = lines(LocalBackend(str(tiny_folder), LoadOptions("cpu", "float32")), "here")
    with running_server(tiny_folder) as served:
        remote = RemoteBackend(ServerConnector(served.url, TOKEN), str(tiny_folder))
        there = lines(remote, "there")
    assert here == there
    assert len(here) == (1 if kind == "davis" else 2)
