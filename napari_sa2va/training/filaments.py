"""Filaments: curved fibres and branching vessels as chains of thick segments."""

from __future__ import annotations

import numpy as np

from napari_sa2va.training.bodies import Array

Generator = np.random.Generator

STEPS = 14  # segments of a fibre
BRANCHES = 3  # generations of a vessel's tree


def draw_fibre(rng: Generator, width: float, bend: float = 0.22) -> Array:
    """Draw a curved fibre around its centre.

    Parameters
    ----------
    width : float
        Half of its thickness, in units of the half-length of its path.
    bend : float
        Standard deviation of the change of direction between segments, in radians.

    Returns
    -------
    (1, STEPS + 1, 3) array
        One chain of points (v, u, half thickness), no farther than 1 from the centre.
    """
    turns = np.cumsum(rng.normal(0, bend, STEPS) * 0.6 + rng.normal(0, bend * 0.4))
    return _fit([_chain(0.0, 0.0, turns, 2.0 / STEPS, width, width * rng.uniform(0.75, 1.1))])


def draw_vessel(rng: Generator, width: float) -> Array:
    """Draw a tree of vessels that thins with each branching; chains as in `draw_fibre`."""
    chains: list[Array] = []
    tips = [(0.0, -1.0, 0.0, width)]
    for generation in range(BRANCHES):
        grown: list[tuple[float, float, float, float]] = []
        for y, x, heading, half in tips:
            length = rng.uniform(0.5, 0.85) * 0.8**generation
            turns = heading + np.cumsum(rng.normal(0, 0.16, STEPS // 2))
            chain = _chain(y, x, turns, length / (STEPS // 2), half, half * 0.85)
            chains.append(chain)
            spread = rng.uniform(0.45, 0.8)
            for side in (-1, 1):
                if generation == 0 or rng.random() < 0.8:
                    thin = half * rng.uniform(0.6, 0.78)
                    fork = float(turns[-1]) + side * spread * rng.uniform(0.6, 1.2)
                    grown.append((float(chain[-1, 0]), float(chain[-1, 1]), fork, thin))
        tips = grown
    return _fit(chains)


def _chain(y: float, x: float, headings: Array, step: float, first: float, last: float) -> Array:
    """Points (P + 1, 3) from a start along headings, with widths from `first` to `last`."""
    ys = np.concatenate(([y], y + np.cumsum(np.sin(headings) * step)))
    xs = np.concatenate(([x], x + np.cumsum(np.cos(headings) * step)))
    return np.stack((ys, xs, np.linspace(first, last, len(ys))), 1)


def _fit(chains: list[Array]) -> Array:
    """Centre the chains and scale their points, not their widths, into the unit circle."""
    paths = np.stack(chains)
    middle = (paths[..., :2].max((0, 1)) + paths[..., :2].min((0, 1))) / 2
    paths[..., :2] -= middle
    paths[..., :2] /= np.hypot(paths[..., 0], paths[..., 1]).max()
    return paths.astype(np.float32)


def filament_distance(paths: Array, dy: Array, dx: Array, margin: float) -> Array:
    """Distance to the filament's outline, negative inside, no more than `margin`.

    Parameters
    ----------
    paths : (C, P, 3) array
        Chains of points (y, x, half thickness).
    dy, dx : (H, 1) and (1, W) arrays
        Evenly spaced coordinates in the units of the paths.
    margin : float
        Beyond it the distance is not measured: each segment is met in its own small window.
    """
    distance = np.full((dy.shape[0], dx.shape[1]), margin, np.float32)
    step = float(dy[1, 0] - dy[0, 0])
    starts, ends = paths[:, :-1].reshape(-1, 3), paths[:, 1:].reshape(-1, 3)
    reach = np.maximum(starts[:, 2:], ends[:, 2:]) + margin
    origin = np.array((dy[0, 0], dx[0, 0]))
    low = np.floor((np.minimum(starts, ends)[:, :2] - reach - origin) / step).astype(int)
    high = np.ceil((np.maximum(starts, ends)[:, :2] + reach - origin) / step).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, distance.shape)
    for (y0, x0), (y1, x1), a, b in zip(low, high, starts, ends, strict=True):
        if y1 <= y0 or x1 <= x0:
            continue
        y, x = dy[y0:y1] - a[0], dx[:, x0:x1] - a[1]
        along_y, along_x, wider = b - a
        share = (y * along_y + x * along_x) / max(along_y**2 + along_x**2, 1e-9)
        share = share.clip(0, 1)
        gap = np.sqrt((y - share * along_y) ** 2 + (x - share * along_x) ** 2)
        gap -= a[2] + share * wider
        view = distance[y0:y1, x0:x1]
        np.minimum(view, gap, out=view)
    return distance
