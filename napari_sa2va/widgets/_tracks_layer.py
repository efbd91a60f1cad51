"""The ways of objects as a Tracks layer."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts
from napari_sa2va.core.trajectories import Way, way
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._measuring import pixel_mapping
from napari_sa2va.widgets._prompt_layers import KEY

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Tracks

TRACKS_NAME = "Sa2VA tracks"


def check_tracks(geometry: StackGeometry) -> int:
    """The time axis. Raises InputError where napari could not show tracks along it."""
    time = geometry.time_axis
    if time is None:
        raise InputError("A single frame has no tracks.", "Open a stack of frames.")
    if time > min(geometry.rows, geometry.columns):
        raise InputError(
            "napari shows tracks only where time comes before the axes of the frame.",
            "Reorder the axes of the image.",
        )
    return time


def show_tracks(
    viewer: napari.Viewer,
    image: Image,
    geometry: StackGeometry,
    records: Mapping[int, ObjectRecord],
    facts: Mapping[int, Mapping[int, MaskFacts]],
) -> Tracks:
    """Show the ways of objects, in place of those shown before.

    A vertex is a centroid, its features are area and speed, in the image's units, and the score.
    An object that came from another one by division is joined to it.
    """
    first = check_tracks(geometry)
    mapping = pixel_mapping(image, geometry)
    vertices, features = [], []
    for label, masks in sorted(facts.items()):
        moved = way(masks, mapping)
        speeds = _speeds(moved)
        for frame, area in zip(moved.frames, moved.areas, strict=True):
            position = list(geometry.whole.position(frame))
            position[geometry.rows] = masks[frame].y
            position[geometry.columns] = masks[frame].x
            vertices.append((label, *position[first:]))
            score = records[label].scores.get(frame, np.nan)
            features.append((area, speeds[frame], score))
    if not vertices:
        raise InputError("There are no masks to follow.", "Segment and propagate first.")
    there = {vertex[0] for vertex in vertices}
    graph = {
        label: [record.parent]
        for label, record in records.items()
        if label in there and record.parent in there
    }
    _remove(viewer, image)
    return viewer.add_tracks(
        np.array(vertices, float),
        features=dict(zip(("area", "speed", "score"), np.array(features, float).T, strict=True)),
        graph=graph,
        name=TRACKS_NAME,
        metadata={KEY: ("tracks", image.name)},
        **_place(image, first),
    )


def _speeds(moved: Way) -> dict[int, float]:
    """By frame: length per unit of time since the object was seen last; 0 in its first frame."""
    speeds = dict.fromkeys(moved.frames[:1], 0.0)
    for before, frame in pairwise(moved.frames):
        share = (frame - before) / (moved.frames[-1] - moved.frames[0])
        speeds[frame] = moved.steps[frame] / (share * moved.duration)
    return speeds


def _place(image: Image, first: int) -> dict[str, Any]:
    """Where the image is, from its time axis on."""
    place = {
        "scale": image.scale[first:],
        "translate": image.translate[first:],
        "units": image.units[first:],
        "axis_labels": image.axis_labels[first:],
    }
    if first == 0:
        place |= {"rotate": image.rotate, "shear": image.shear, "affine": image.affine}
    return place


def _remove(viewer: napari.Viewer, image: Image) -> None:
    for layer in list(viewer.layers):
        if layer.metadata.get(KEY) == ("tracks", image.name):
            viewer.layers.remove(layer)
