"""Stacks from files, a frame at a time; label stacks from and to files. Neither torch nor Qt."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sa2va.io.label_files import open_labels
    from napari_sa2va.io.labels import labels_dtype, write_labels
    from napari_sa2va.io.stack import open_stack

__all__ = ["labels_dtype", "open_labels", "open_stack", "write_labels"]

_HOMES = {
    "labels_dtype": "labels",
    "open_labels": "label_files",
    "open_stack": "stack",
    "write_labels": "labels",
}


def __getattr__(name: str) -> Any:
    # The dock needs a part of this room only, and at once: Zarr and the codecs can wait.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
