"""The planes of a labels array as a session's file counts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_sa2va.widgets._geometry import StackGeometry


def plane_axes(geometry: StackGeometry) -> tuple[int, int]:
    """The two axes of a frame, ascending."""
    first, second = sorted((geometry.rows, geometry.columns))
    return first, second


def plane_number(geometry: StackGeometry, frame: int) -> int:
    """Which plane a frame is: they count over all axes but those of a frame."""
    position = geometry.whole.position(frame)
    rest = [a for a in range(len(geometry.shape)) if a not in plane_axes(geometry)]
    if not rest:
        return 0
    at = tuple(position[a] for a in rest)
    return int(np.ravel_multi_index(at, tuple(geometry.shape[a] for a in rest)))


def plane_index(shape: Sequence[int], axes: Sequence[int], number: int) -> tuple[int | slice, ...]:
    """What indexes a plane in an array of a shape."""
    rest = [a for a in range(len(shape)) if a not in axes]
    index: list[Any] = [slice(None)] * len(shape)
    at = np.unravel_index(number, tuple(shape[a] for a in rest)) if rest else ()
    for axis, here in zip(rest, at, strict=True):
        index[axis] = int(here)
    return tuple(index)
