"""The arrows of the design: what may import what, and when."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_sa2va

REPOSITORY = Path(__file__).parents[1]
MANIFEST = REPOSITORY / "napari.yaml"
QT = {"qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6"}
HEAVY = {"torch", "torchvision", "transformers", "sam2"}


def test_the_rooms_import_downwards_only() -> None:
    # Not in this process, whose loggers it would silence for all later tests.
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_importing_the_package_brings_neither_torch_nor_qt() -> None:
    loaded = _loaded_by("import napari_sa2va")
    assert not loaded & (HEAVY | QT | {"napari"})


def test_the_command_line_starts_without_torch() -> None:
    assert not _loaded_by("import napari_sa2va.cli") & (HEAVY | QT)


@pytest.mark.parametrize("room", ["core", "io", "batch", "export", "evaluation"])
def test_a_room_without_networks_needs_no_torch(room: str) -> None:
    folder = REPOSITORY / "napari_sa2va" / room
    if not folder.is_dir():
        pytest.skip(f"the room {room} is not built yet")
    modules = [f"napari_sa2va.{room}.{file.stem}" for file in sorted(folder.glob("[!_]*.py"))]
    assert not _loaded_by("\n".join(f"import {module}" for module in modules)) & (HEAVY | QT)


def test_what_the_manifest_names_is_there_and_needs_no_torch() -> None:
    names = [command.python_name for command in _manifest().contributions.commands or ()]
    assert names
    lines = ["from npe2.manifest.utils import import_python_name"]
    lines += [f"assert callable(import_python_name({name!r})), {name!r}" for name in names]
    assert not _loaded_by("\n".join(lines)) & HEAVY


def test_the_manifest_is_one_file() -> None:
    assert MANIFEST.is_symlink()
    assert MANIFEST.readlink() == Path("napari_sa2va/napari.yaml")


def test_npe2_accepts_the_manifest() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", MANIFEST, "--imports"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_napari_finds_the_installed_plugin() -> None:
    manifest = PluginManifest.from_distribution("napari-sa2va")
    assert manifest.name == _manifest().name == "napari-sa2va"
    assert manifest.package_version == napari_sa2va.__version__


@pytest.mark.slow
@pytest.mark.usefixtures("qapp")
def test_the_engine_loads_after_the_canvas_is_drawn() -> None:
    code = (
        "import napari; viewer = napari.Viewer(); viewer.screenshot()\n"
        "from napari_sa2va.engine.engine import Engine; import os; os._exit(0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _manifest() -> PluginManifest:
    return PluginManifest.from_file(MANIFEST)


def _loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after some code."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return {name.partition(".")[0] for name in run.stdout.split()}
