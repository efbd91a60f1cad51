"""The objects of a session, read off the Qt thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Progress
from napari_sa2va.io.session_file import SessionFile
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._planes import plane_index
from napari_sa2va.widgets._updates import FramesChanged, Restored, Update


def restored_objects(
    file: SessionFile, labels: Any, geometry: StackGeometry | None
) -> Iterator[Update]:
    """Write the masks of a session into labels, and give its objects.

    Parameters
    ----------
    file : SessionFile
        The session.
    labels : array
        Of background, as the image's objects have it.
    geometry : StackGeometry
        How it is read as a stack.
    """
    kept, planes = file.section("labels"), file.planes
    if kept is not None and tuple(kept["shape"]) != tuple(labels.shape):
        raise InputError(
            f"The labels of {file.path} have the shape {tuple(kept['shape'])}, those here "
            f"{tuple(labels.shape)}.",
            "Open the image that they belong to.",
        )
    for done, plane in enumerate(planes):
        yield Progress(done, len(planes), "frames")
        index = plane_index(labels.shape, kept["axes"], plane)
        pixels = np.zeros([labels.shape[axis] for axis in kept["axes"]], kept["dtype"])
        file.read_plane(plane, pixels)
        labels[index] = pixels
    if planes and geometry is not None:
        yield FramesChanged(tuple(range(geometry.stack_shape[0])))
    yield Restored(*file.objects())
