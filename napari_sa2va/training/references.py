"""Every way to refer to objects of a scene; each maker returns None where it finds none."""

from __future__ import annotations

from napari_sa2va.training.absence import absent
from napari_sa2va.training.attributes import (
    by_attribute,
    by_brightness,
    by_motion,
    by_size,
    everything,
    matching,
    pick,
    several,
)
from napari_sa2va.training.meaning import Reference
from napari_sa2va.training.places import by_position, by_relation

__all__ = [
    "Reference",
    "absent",
    "by_attribute",
    "by_brightness",
    "by_motion",
    "by_position",
    "by_relation",
    "by_size",
    "everything",
    "matching",
    "pick",
    "several",
]
