"""What is declared, pinned and packed."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import napari_sa2va

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "napari_sa2va"
QT_BINDINGS = {"pyqt5", "pyqt6", "pyside2", "pyside6"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def requirements(project: dict[str, Any]) -> dict[str, Requirement]:
    return {canonicalize_name(r.name): r for r in map(Requirement, project["dependencies"])}


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    """The constraints that hold for this Python and platform."""
    lines = (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    environment: Any = default_environment()
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate(environment)
    }


def test_the_version_is_told_once(project: dict[str, Any]) -> None:
    assert napari_sa2va.__version__ == version("napari-sa2va") == project["version"]
    assert project["version"] in (REPOSITORY / "CHANGELOG.md").read_text("utf-8")


def test_qt_is_the_choice_of_the_user(requirements: dict[str, Requirement]) -> None:
    assert not QT_BINDINGS & set(requirements)
    assert not requirements["napari"].extras


def test_every_import_is_a_declared_dependency(
    project: dict[str, Any], requirements: dict[str, Requirement]
) -> None:
    extra_of = {"training": "train", "evaluation": "evaluate", "quantization.py": "quantize"}
    optional = {
        part: {canonicalize_name(Requirement(r).name) for r in project["optional-dependencies"][of]}
        for part, of in extra_of.items()
    }
    distributions = packages_distributions()
    known = {*sys.stdlib_module_names, "napari_sa2va"}
    undeclared = {
        name: file.name
        for file in PACKAGE.rglob("*.py")
        for name in _imported(file) - known
        if not {canonicalize_name(d) for d in distributions.get(name, ())}
        & set(requirements).union(*(optional.get(part, ()) for part in file.parts))
    }
    assert not undeclared


def test_every_requirement_is_pinned_within_its_bounds(
    project: dict[str, Any], requirements: dict[str, Requirement], pins: dict[str, str]
) -> None:
    optional = [
        Requirement(r) for extra in project["optional-dependencies"].values() for r in extra
    ]
    for requirement in [*requirements.values(), *optional]:
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{requirement} is pinned to {pin}"


def test_no_pin_names_a_place(pins: dict[str, str]) -> None:
    text = (REPOSITORY / "constraints.txt").read_text("utf-8")
    assert not re.search(r"://|\s@\s|^-", text, re.MULTILINE)
    assert not [name for name in pins if name.startswith(("nvidia-", "triton"))]


def test_the_wheel_has_the_plugin_and_no_tests(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(PACKAGE, source / "napari_sa2va", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source / name)
    (source / "tests").mkdir()
    (source / "tests" / "__init__.py").touch()
    code = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=source, check=True)

    (wheel,) = tmp_path.glob("*.whl")
    packed = set(ZipFile(wheel).namelist())
    wanted = {f.relative_to(source).as_posix() for f in source.glob("napari_sa2va/**/*.py")}
    nano = (source / "napari_sa2va" / "models" / "nano").rglob("*")
    wanted |= {f.relative_to(source).as_posix() for f in nano if f.is_file()}
    wanted |= {"napari_sa2va/napari.yaml", "napari_sa2va/py.typed"}
    wanted |= {"napari_sa2va/export/provenance.schema.json"}
    assert wanted <= packed
    metadata = {name for name in packed if ".dist-info/" in name}
    assert packed - metadata <= wanted
    assert any(name.endswith("licenses/LICENSE") for name in metadata)


def _imported(file: Path) -> set[str]:
    """Top-level packages that a file imports, outside ``if TYPE_CHECKING``, too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names
