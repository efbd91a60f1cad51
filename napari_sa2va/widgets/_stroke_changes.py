"""What a stroke in a Labels layer changed, as our steps keep it: plane by plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.regions import BLOCK, Region, blocks, shifted
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._label_blocks import Block, LabelPixels
from napari_sa2va.widgets._undo import PlaneChange

# One stroke of napari's brush, in parts: where (slices, or index arrays by axis), perhaps a mask,
# the labels that were there, the label painted.
Part = tuple[Any, ...]
Stroke = list[Part]

_Pixels = npt.NDArray[Any]
# A box of a plane: which of its pixels were painted, their old and new labels.
_Painted = tuple[Region, _Pixels, _Pixels, _Pixels]


def changes_of(stroke: Stroke, labels: LabelPixels, geometry: StackGeometry) -> list[PlaneChange]:
    """The changes of planes that a stroke made: of each pixel, one from the first to the last.

    Parameters
    ----------
    stroke : Stroke
        As napari's event tells it.
    labels : array or LabelStore
        What was painted in.
    geometry : StackGeometry
        Which axes are those of the frames; where it stands on others does not matter.
    """
    # A drag of the mouse has hundreds of parts: what lies in one block becomes one change.
    blockwise: dict[tuple[int, ...], list[_Painted]] = {}
    for part in stroke:
        for place, (box, *planes) in _planes(part, geometry):
            for piece in blocks(box):
                at = _within(piece, box)
                key = (*place, piece[0] // BLOCK, piece[1] // BLOCK)
                blockwise.setdefault(key, []).append((piece, *(plane[at] for plane in planes)))
    changes = []
    for (*place, _, _), painted in blockwise.items():
        box, where, old, new = painted[0] if len(painted) == 1 else _together(painted)
        frame = 0 if geometry.time_axis is None else place[geometry.time_axis]
        block = Block(labels, replace(geometry.whole, fixed=_fixed(place, geometry)), frame, box)
        pairs = _pairs(old[where], new[where])
        for was, becomes in pairs:
            these = where if len(pairs) == 1 else where & (old == was) & (new == becomes)
            if was != becomes and (change := PlaneChange.of(block, these, was, becomes)):
                changes.append(change)
    return changes


def _together(painted: list[_Painted]) -> _Painted:
    """Boxes that were painted one after the other, as one."""
    boxes = np.array([box for box, *_ in painted])
    whole = (*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist())
    shape = whole[2] - whole[0], whole[3] - whole[1]
    seen, old, new = (np.zeros(shape, plane.dtype) for plane in painted[0][1:])
    for box, where, was, becomes in painted:
        at = _within(box, whole)
        np.copyto(old[at], was, where=where & ~seen[at])
        np.copyto(new[at], becomes, where=where, casting="unsafe")
        seen[at] |= where
    return whole, seen, old, new


def _planes(part: Part, geometry: StackGeometry) -> Iterator[tuple[tuple[int, ...], _Painted]]:
    """Of each plane: where it is, without regard to rows and columns, and what was painted."""
    where, *mask, before, after = part
    if all(isinstance(along, slice) for along in where):
        yield from _planes_of_box(where, mask[0] if mask else None, before, after, geometry)
    else:
        yield from _planes_of_pixels(where, before, after, geometry)


def _planes_of_box(
    where: tuple[slice, ...], mask: _Pixels | None, before: Any, after: Any, geometry: StackGeometry
) -> Iterator[tuple[tuple[int, ...], _Painted]]:
    ranges = [
        range(*along.indices(size)) for along, size in zip(where, geometry.shape, strict=True)
    ]
    shape = tuple(map(len, ranges))
    mask = np.ones(shape, bool) if mask is None else mask
    old = np.zeros(shape, np.asarray(before).dtype)
    old[mask] = np.ravel(before)
    new = np.broadcast_to(np.asarray(after, old.dtype), shape)
    rows, columns = geometry.rows, geometry.columns
    box = (ranges[rows].start, ranges[columns].start, ranges[rows].stop, ranges[columns].stop)
    others = [range(1) if axis in (rows, columns) else range(n) for axis, n in enumerate(shape)]
    for at in product(*others):
        index = tuple(
            slice(None) if axis in (rows, columns) else at[axis] for axis in range(len(shape))
        )
        place = tuple(
            0 if axis in (rows, columns) else ranges[axis][i] for axis, i in enumerate(at)
        )
        planes = (geometry.upright(pixels[index]) for pixels in (mask, old, new))
        yield place, (box, *planes)


def _planes_of_pixels(
    where: tuple[Any, ...], before: Any, after: Any, geometry: StackGeometry
) -> Iterator[tuple[tuple[int, ...], _Painted]]:
    positions = np.stack(np.broadcast_arrays(*where)).reshape(len(where), -1)
    old = np.broadcast_to(np.ravel(before), positions.shape[1])
    new = np.broadcast_to(np.ravel(after), positions.shape[1])
    elsewhere = positions.copy()
    elsewhere[[geometry.rows, geometry.columns]] = 0
    places, of = np.unique(elsewhere, axis=1, return_inverse=True)
    for number, place in enumerate(places.T.tolist()):
        mine = of.ravel() == number
        ys, xs = positions[geometry.rows, mine], positions[geometry.columns, mine]
        box = (int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1)
        at = ys - box[0], xs - box[1]
        mask, *planes = (
            np.zeros((box[2] - box[0], box[3] - box[1]), dtype)
            for dtype in (bool, old.dtype, new.dtype)
        )
        mask[at], planes[0][at], planes[1][at] = True, old[mine], new[mine]
        yield tuple(place), (box, mask, *planes)


def _fixed(place: Sequence[int], geometry: StackGeometry) -> tuple[int, ...]:
    """Where a stack lies on the axes that are none of its own."""
    own = (geometry.rows, geometry.columns, geometry.time_axis)
    return tuple(0 if axis in own else int(at) for axis, at in enumerate(place))


def _within(piece: Region, box: Region) -> tuple[slice, slice]:
    y0, x0, y1, x1 = shifted(piece, -box[0], -box[1])
    return slice(y0, y1), slice(x0, x1)


def _pairs(old: _Pixels, new: _Pixels) -> list[tuple[int, int]]:
    """The old and the new labels that pixels had, together."""
    if old.size == 0:
        return []
    if (old == old[0]).all() and (new == new[0]).all():  # far quicker than to sort them
        return [(int(old[0]), int(new[0]))]
    both = np.unique(np.stack([old.astype(np.int64), new.astype(np.int64)]), axis=1)
    return [(was, becomes) for was, becomes in both.T.tolist()]
