"""Labels into the formats that train models, and back."""

from napari_sa2va.export.api import labelled_stacks, read, write, writing
from napari_sa2va.export.dataset import Options, Split
from napari_sa2va.export.registry import FORMATS, Format

__all__ = [
    "FORMATS",
    "Format",
    "Options",
    "Split",
    "labelled_stacks",
    "read",
    "write",
    "writing",
]
