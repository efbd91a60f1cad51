"""Stacks from files, a frame at a time; label stacks from and to files. Neither torch nor Qt."""

from napari_sa2va.io.label_files import open_labels
from napari_sa2va.io.labels import labels_dtype, write_labels
from napari_sa2va.io.stack import open_stack

__all__ = ["labels_dtype", "open_labels", "open_stack", "write_labels"]
