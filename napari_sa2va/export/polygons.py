"""Outlines of masks, exact to the pixel, holes included.

Contour tracers such as OpenCV's walk through the centres of pixels, which shrinks what COCO's tools
decode by half a pixel on every side. These here walk along the edges of pixels, where COCO's
coordinates are; the centres beside them serve the formats whose readers fill through centres.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.masks import BoolMask

Points = npt.NDArray[np.int64]

# Directions along a pixel's edges, the object on the right: east, south, west, north.
_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])
# From an edge's start to the pixel of the object beside it, by direction.
_INSIDE = np.array([(0, 0), (0, -1), (-1, -1), (-1, 0)])
_WEST, _NORTH = 2, 3


class _Edges(NamedTuple):
    starts: Points  # (E, 2) y, x of the corner where an edge begins
    ways: npt.NDArray[np.int64]  # (E,) direction
    following: list[int]  # the edge after it


def polygons(mask: BoolMask, through: Literal["edges", "centres"]) -> list[Points]:
    """The outlines of a mask, (N, 2) each, as (y, x); first point not repeated.

    Pixels that touch at a corner belong together. Each hole is joined to its outline by a cut
    that is walked there and back, so that filling by the even-odd rule leaves it out.

    Parameters
    ----------
    mask : (H, W) bool
        The object.
    through : str
        ``edges``: corners of pixels, where pixel (y, x) reaches from y to y + 1. ``centres``:
        the outermost pixels of the object themselves.
    """
    edges = _edges(mask)
    loops = _loops(edges.following)
    outer = [_is_outer(edges, loop) for loop in loops]
    doors = _doors(mask, edges, [loop for loop, out in zip(loops, outer, strict=True) if not out])
    corner = edges.starts if through == "edges" else edges.starts + _INSIDE[edges.ways]
    return [
        _corners(corner[_walk(loop, doors, through)])
        for loop, out in zip(loops, outer, strict=True)
        if out
    ]


def one_polygon(outlines: list[Points]) -> Points:
    """Several outlines as one: joined there and back where they are nearest."""
    joined, *others = sorted(outlines, key=len, reverse=True)
    nearest = [_nearest(joined, other) for other in others]
    while others:
        number = min(range(len(others)), key=lambda n: nearest[n][0])
        _, here, there = nearest.pop(number)
        added = np.roll(others.pop(number), -there, axis=0)
        joined = np.concatenate((joined[: here + 1], added, added[:1], joined[here:]))
        # Nothing can be nearer now but what was added: all others are measured against it alone.
        for n, other in enumerate(others):
            distance, at, own = nearest[n]
            known = distance, at if at <= here else at + len(added) + 2, own
            distance, at, own = _nearest(added, other)
            nearest[n] = min(known, (distance, here + 1 + at, own))
    return joined


def filled(points: Points, shape: tuple[int, int]) -> BoolMask:
    """What a polygon through the centres of pixels covers: all on it, and all within, even-odd.

    OpenCV's fillPoly, which YOLO's and other tools read polygons with, does the same.
    """
    mask = np.zeros(shape, bool)
    following = np.roll(points, -1, axis=0)
    for (y0, x0), (y1, x1) in zip(points, following, strict=True):
        steps = max(abs(y1 - y0), abs(x1 - x0), 1)
        along = np.arange(steps + 1) / steps
        ys = np.floor(y0 + (y1 - y0) * along + 0.5).astype(int)
        xs = np.floor(x0 + (x1 - x0) * along + 0.5).astype(int)
        on = (ys >= 0) & (ys < shape[0]) & (xs >= 0) & (xs < shape[1])
        mask[ys[on], xs[on]] = True
    crossed = np.zeros((shape[0], shape[1] + 1), bool)
    for (y0, x0), (y1, x1) in zip(points, following, strict=True):
        if y0 == y1:
            continue
        (top, from_x), (bottom, to_x) = sorted(((y0, x0), (y1, x1)))
        rows = np.arange(max(top, 0), min(bottom, shape[0]))
        # An edge owns its upper end alone, so that every row is crossed an even number of times.
        xs = np.ceil(from_x + (to_x - from_x) * (rows - top) / (bottom - top)).astype(int)
        crossed[rows, np.clip(xs, 0, shape[1])] ^= True
    return mask | np.logical_xor.accumulate(crossed, axis=1)[:, :-1]


def _edges(mask: BoolMask) -> _Edges:
    """All edges between object and background, and which follows which."""
    height, width = mask.shape
    padded = np.pad(mask, 1)
    core = padded[1:-1, 1:-1]
    beside = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    pixels = [np.argwhere(core & ~neighbour) for neighbour in beside]
    ways = np.repeat(np.arange(4), [len(of_way) for of_way in pixels])
    starts = np.concatenate(pixels) - _INSIDE[ways]
    leaving = np.full((height + 1, width + 1, 4), -1)
    leaving[starts[:, 0], starts[:, 1], ways] = np.arange(len(starts))
    ends = starts + _STEPS[ways]
    # Left first: where two pixels meet at a corner only, the walk goes on to the other one.
    following = np.full(len(starts), -1)
    for turn in (3, 0, 1):
        candidate = leaving[ends[:, 0], ends[:, 1], (ways + turn) % 4]
        following = np.where(following < 0, candidate, following)
    return _Edges(starts, ways, following.tolist())


def _loops(following: list[int]) -> list[list[int]]:
    loops: list[list[int]] = []
    seen = [False] * len(following)
    for first in range(len(following)):
        loop, edge = [], first
        while not seen[edge]:
            seen[edge] = True
            loop.append(edge)
            edge = following[edge]
        if loop:
            loops.append(loop)
    return loops


def _is_outer(edges: _Edges, loop: list[int]) -> bool:
    ys, xs = edges.starts[loop].T
    return bool((xs * np.roll(ys, -1) - np.roll(xs, -1) * ys).sum() > 0)


def _doors(mask: BoolMask, edges: _Edges, holes: list[list[int]]) -> dict[int, list[list[int]]]:
    """The edge from which each hole is entered, and the hole's own edges in walking order.

    From above a hole's topmost leftmost edge, the row is followed to the left up to the next edge;
    that one belongs to the outline, or to a hole further left. All pixels on the way are the
    object's, so that a cut that is drawn as a line changes nothing either.
    """
    west_side = np.full(mask.shape, -1)
    north = np.flatnonzero(edges.ways == _NORTH)
    inside = edges.starts[north] + _INSIDE[_NORTH]
    west_side[inside[:, 0], inside[:, 1]] = north
    doors: dict[int, list[list[int]]] = {}
    for hole in holes:
        tops = [edge for edge in hole if edges.ways[edge] == _WEST]
        top = min(tops, key=lambda edge: tuple(edges.starts[edge]))
        y, x = edges.starts[top] + _INSIDE[_WEST]
        left = x - int(np.argmax(west_side[y, x::-1] >= 0))
        place = hole.index(top) + 1
        doors.setdefault(int(west_side[y, left]), []).append([*hole[place:], *hole[:place]])
    return doors


def _walk(loop: list[int], doors: dict[int, list[list[int]]], through: str) -> list[int]:
    """The edges whose points an outline passes, its holes and theirs included."""
    walk: list[int] = []
    ahead = loop[::-1]  # the next edge is the last
    while ahead:
        edge = ahead.pop()
        holes = doors.pop(edge, None)
        if holes is None:
            walk.append(edge)
            continue
        ahead.append(edge)
        for hole in holes:
            first, last = ([], hole[:1]) if through == "edges" else (hole[-1:], [])
            # A hole's own doors lead on from here: those of its first edge are met once.
            ahead.extend([*reversed(last), *reversed(hole), *reversed(first), edge])
    return walk


def _corners(points: Points) -> Points:
    """The points at which the way turns; those on a straight way are left out."""
    moved = (points != np.roll(points, 1, axis=0)).any(1)
    if not moved.any():  # a single pixel
        return points[:1]
    points = points[moved]
    arriving = points - np.roll(points, 1, axis=0)
    leaving = np.roll(points, -1, axis=0) - points
    cross = arriving[:, 0] * leaving[:, 1] - arriving[:, 1] * leaving[:, 0]
    straight = (cross == 0) & ((arriving * leaving).sum(1) > 0)
    return points[~straight]


def _nearest(a: Points, b: Points) -> tuple[int, int, int]:
    """The squared distance of two outlines, and the points at which they are nearest."""
    distances = ((a[:, None] - b[None]) ** 2).sum(-1)
    here, there = np.unravel_index(int(distances.argmin()), distances.shape)
    return int(distances[here, there]), int(here), int(there)
