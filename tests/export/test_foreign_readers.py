"""Exports as the programs read them that need other versions than this environment has.

Each is installed into a folder of its own, which comes first on the path of one child process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va import export
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.core.records import ObjectRecord
from tests.export.examples import blobs, images_of

pytestmark = pytest.mark.slow  # downloads and installs the programs

FOLDER = Path(__file__).parents[1] / "consumers"
LABELS = blobs(ids=(1, 2, 300))
IMAGES = images_of(LABELS)
RECORDS = {
    1: ObjectRecord(1, "the red one", category="cell"),
    2: ObjectRecord(2, "분열하는 세포", category="cell"),
    300: ObjectRecord(300, "dirt", category="debris"),
}

Read = Callable[[str, Path], "dict[str, np.ndarray]"]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Reads a path with a program; gives what its script found."""

    folders: dict[str, Path] = {}

    def run(program: str, path: Path) -> dict[str, np.ndarray]:
        if program not in folders:
            folders[program] = tmp_path_factory.mktemp(program)
            _install(program, folders[program] / "packages")
        folder = folders[program]
        out = folder / "found.npz"
        script = FOLDER / f"read_with_{program}.py"
        variables = {
            "PYTHONPATH": str(folder / "packages"),
            "YOLO_CONFIG_DIR": str(folder),
            "YOLO_OFFLINE": "true",
            "YOLO_AUTOINSTALL": "false",
            "CELLPOSE_LOCAL_MODELS_PATH": str(folder),
        }
        done = subprocess.run(
            [sys.executable, str(script), str(path), str(out)],
            env=os.environ | variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        with np.load(out) as found:
            return dict(found)

    return run


def _install(program: str, target: Path) -> None:
    """Install what a program needs beyond our pinned environment; skip where that cannot be."""
    uv = shutil.which("uv")
    tool = [uv, "pip", "install", "--python", sys.executable] if uv else _pip()
    requirements = str(FOLDER / f"{program}.txt")
    command = [*tool, "--quiet", "--no-deps", "--target", str(target), "-r", requirements]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{program} cannot be installed here: {done.stderr.strip()[-300:]}")


def _pip() -> list[str]:
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]


def stack() -> LabelledStack:
    return LabelledStack(LABELS, RECORDS, "cells", ArrayFrames(IMAGES))


@pytest.mark.parametrize("name", ["coco", "coco-polygons"])
def test_datumaro_reads_coco_to_the_pixel(name: str, read: Read, tmp_path: Path) -> None:
    assert_same_masks(read("datumaro", export.write(stack(), tmp_path / "out", name)))


def test_ultralytics_reads_yolo_to_the_pixel(read: Read, tmp_path: Path) -> None:
    """datumaro reads boxes only of YOLO."""
    assert_same_masks(read("ultralytics", export.write(stack(), tmp_path / "out", "yolo")))


def test_traccuracy_reads_the_lineage(read: Read, tmp_path: Path) -> None:
    labels = blobs(ids=(1, 2))  # both are gone in the second frame
    labels[3:][labels[3:] == 2] = 0
    labels[3, 80:90, 80:90] = 9
    records = {9: ObjectRecord(9, parent=2)}
    export.write(
        LabelledStack(labels, records, "cells", ArrayFrames(IMAGES)), tmp_path / "out", "ctc"
    )
    found = read("traccuracy", tmp_path / "out" / "01_GT")
    assert found["scores"].tolist() == [1, 1]
    # Object 1 comes back as track 10, object 2 as 11, which object 9 descends from.
    expected = labels.copy()
    expected[2:][labels[2:] == 1] = 10
    expected[2:][labels[2:] == 2] = 11
    np.testing.assert_array_equal(found["labels"], expected)
    assert found["edges"].tolist() == [[1, 10, 2], [2, 11, 2], [10, 10, 3], [10, 10, 4], [11, 9, 3]]


@pytest.mark.parametrize("name", ["ome-zarr", "ome-zarr-0.4"])
def test_ome_zarr_and_its_models_read_the_group(name: str, read: Read, tmp_path: Path) -> None:
    found = read("ome_zarr", export.write(stack(), tmp_path / "out.ome.zarr", name))
    np.testing.assert_array_equal(found["labels0"], LABELS)
    rendered = np.stack([ArrayFrames(IMAGES).frame(f) for f in range(len(IMAGES))])
    np.testing.assert_array_equal(found["images0"], rendered.transpose(0, 3, 1, 2))
    assert found["colored"].tolist() == found["validated"].tolist() == [1, 2, 300]
    assert found["phrases"].tolist() == [record.phrase for record in RECORDS.values()]
    assert found["listed"]
    assert found["labels_scales"].tolist() == [[1, 1, 1]]


def test_cellpose_loads_the_pairs(read: Read, tmp_path: Path) -> None:
    path = export.write(stack(), tmp_path / "out", "cellpose", depth="kept")
    found = read("cellpose", path)
    np.testing.assert_array_equal(found["labels"], LABELS)
    np.testing.assert_array_equal(found["images"], IMAGES)


def assert_same_masks(found: dict[str, np.ndarray]) -> None:
    theirs = {
        (int(frame), str(name), mask.tobytes())
        for frame, name, mask in zip(found["frames"], found["classes"], found["masks"], strict=True)
    }
    ours = {
        (frame, RECORDS[object_id].category, (LABELS[frame] == object_id).tobytes())
        for frame in range(len(LABELS))
        for object_id in np.unique(LABELS[frame]).tolist()
        if object_id
    }
    assert theirs == ours
    assert len(found["masks"]) == len(ours)
