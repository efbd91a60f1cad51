"""What a stroke in a Labels layer changed, as our steps keep it: plane by plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.regions import Region, blocks, shifted
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._label_blocks import Block, LabelPixels
from napari_sa2va.widgets._undo import PlaneChange

# One stroke of napari's brush, in parts: where (slices, or index arrays by axis), perhaps a mask,
# the labels that were there, the label painted.
Part = tuple[Any, ...]
Stroke = list[Part]

_Pixels = npt.NDArray[Any]


def changes_of(stroke: Stroke, labels: LabelPixels, geometry: StackGeometry) -> list[PlaneChange]:
    """The changes of planes that a stroke made, in their order.

    Parameters
    ----------
    stroke : Stroke
        As napari's event tells it.
    labels : array or LabelStore
        What was painted in.
    geometry : StackGeometry
        Which axes are those of the frames; where it stands on others does not matter.
    """
    changes = []
    for part in stroke:
        for place, box, mask, before, after in _planes(part, geometry):
            frame = 0 if geometry.time_axis is None else place[geometry.time_axis]
            whole = replace(geometry.whole, fixed=_fixed(place, geometry))
            for piece in blocks(box):
                rows, columns = _within(piece, box)
                block = Block(labels, whole, frame, piece)
                where, old, new = (it[rows, columns] for it in (mask, before, after))
                for was, becomes in _pairs(old[where], new[where]):
                    change = PlaneChange.of(
                        block, where & (old == was) & (new == becomes), was, becomes
                    )
                    if change is not None:
                        changes.append(change)
    return changes


def _planes(
    part: Part, geometry: StackGeometry
) -> Iterator[tuple[tuple[int, ...], Region, _Pixels, _Pixels, _Pixels]]:
    """Of each plane: where it is, the box painted in, which of its pixels, old and new labels."""
    where, *mask, before, after = part
    if all(isinstance(along, slice) for along in where):
        yield from _planes_of_box(where, mask[0] if mask else None, before, after, geometry)
    else:
        yield from _planes_of_pixels(where, before, after, geometry)


def _planes_of_box(
    where: tuple[slice, ...], mask: _Pixels | None, before: Any, after: Any, geometry: StackGeometry
) -> Iterator[tuple[tuple[int, ...], Region, _Pixels, _Pixels, _Pixels]]:
    ranges = [
        range(*along.indices(size)) for along, size in zip(where, geometry.shape, strict=True)
    ]
    shape = tuple(map(len, ranges))
    mask = np.ones(shape, bool) if mask is None else mask
    old = np.zeros(shape, np.asarray(before).dtype)
    old[mask] = np.ravel(before)
    new = np.broadcast_to(np.asarray(after), shape)
    rows, columns = geometry.rows, geometry.columns
    box = (ranges[rows].start, ranges[columns].start, ranges[rows].stop, ranges[columns].stop)
    others = [range(1) if axis in (rows, columns) else range(n) for axis, n in enumerate(shape)]
    for at in product(*others):
        index = tuple(
            slice(None) if axis in (rows, columns) else at[axis] for axis in range(len(shape))
        )
        place = tuple(along[i] for along, i in zip(ranges, at, strict=True))
        planes = (geometry.upright(pixels[index]) for pixels in (mask, old, new))
        yield place, box, *planes


def _planes_of_pixels(
    where: tuple[Any, ...], before: Any, after: Any, geometry: StackGeometry
) -> Iterator[tuple[tuple[int, ...], Region, _Pixels, _Pixels, _Pixels]]:
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
        yield tuple(place), box, mask, *planes


def _fixed(place: tuple[int, ...], geometry: StackGeometry) -> tuple[int, ...]:
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
    return [(was, becomes) for was, becomes in both.T.tolist() if was != becomes]
