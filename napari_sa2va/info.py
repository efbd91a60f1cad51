"""What is installed: versions, devices, the bundled model."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from napari_sa2va import __version__

_PACKAGES = ("torch", "transformers", "sam2", "napari", "numpy", "tifffile", "zarr", "av")


def describe_environment() -> Iterator[tuple[str, str]]:
    """Names with what there is to say of each, for a report to the developers."""
    yield "napari-sa2va", __version__
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for package in _PACKAGES:
        yield package, _version(package)
    yield "devices", ", ".join(_devices())
    yield "bundled model", _bundled_model()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _devices() -> Iterator[str]:
    import torch

    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield f"cuda:{index} ({properties.name}, {properties.total_memory / 2**30:.0f} GiB)"
    if torch.backends.mps.is_available():
        yield "mps"
    yield f"cpu ({torch.get_num_threads()} threads)"


def _bundled_model() -> str:
    from napari_sa2va.models.catalog import BUNDLED, find_model

    folder = find_model(BUNDLED)
    weights, card = folder / "model.safetensors", folder / "README.md"
    if not weights.is_file():
        return f"{BUNDLED} (missing)"
    lines = card.read_text("utf-8").splitlines() if card.is_file() else []
    figures = [line for line in lines if line.startswith("Figures:")]
    return ". ".join([f"{BUNDLED}, {weights.stat().st_size / 1e6:.1f} MB", *figures])
