"""What is sent, held against what napari draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sa2va.widgets._frames import snapshot
from napari_sa2va.widgets._geometry import stack_geometry

SHAPE = (3, 40, 52)
ZOOM = 3  # canvas pixels per pixel: napari is asked in the middle of each


def smooth(seed: int, top: float, dtype: Any = np.float32) -> np.ndarray:
    """A stack whose values run over the whole range."""
    t, y, x = np.indices(SHAPE)
    wave = np.sin(0.11 * (seed + 1) * y + 0.3 * t) * np.cos(0.07 * (seed + 2) * x) / 2 + 0.5
    return (wave * top).astype(dtype)


def holed() -> np.ndarray:
    data = smooth(3, 1.0)
    data[:, 5:15, 5:15] = np.nan
    return data


def colored() -> np.ndarray:
    channels = [smooth(seed, 255, np.uint8) for seed in range(3)]
    return np.stack(channels, axis=-1)


LAYERS = {
    "8 bits, a colormap": [(smooth(0, 255, np.uint8), {"colormap": "viridis"})],
    "16 bits, limits, gamma": [
        (smooth(0, 40000, np.uint16), {"contrast_limits": (3000, 30000), "gamma": 0.6})
    ],
    "32 bits": [(smooth(1, 3e9, np.uint32), {"colormap": "magma", "contrast_limits": (0, 3e9)})],
    "float without numbers": [(holed(), {"colormap": "inferno", "contrast_limits": (0.1, 0.8)})],
    "RGB": [(colored(), {"rgb": True})],
    "additive channels": [
        (smooth(0, 4000, np.uint16), {"colormap": "red", "contrast_limits": (0, 4000)}),
        (smooth(1, 255, np.uint8), {"colormap": "green", "blending": "additive", "gamma": 1.4}),
        (smooth(2, 255, np.uint8), {"colormap": "blue", "blending": "additive", "opacity": 0.6}),
    ],
    "translucent": [
        (smooth(0, 255, np.uint8), {"colormap": "gray"}),
        (smooth(1, 255, np.uint8), {"colormap": "magenta", "opacity": 0.4}),
    ],
    "minimum": [
        (smooth(0, 255, np.uint8), {"colormap": "I Blue", "blending": "minimum"}),
        (smooth(1, 255, np.uint8), {"colormap": "I Orange", "blending": "minimum"}),
    ],
    "opaque": [
        (smooth(0, 255, np.uint8), {"colormap": "gray"}),
        (smooth(1, 255, np.uint8)[:, :20], {"colormap": "cyan", "blending": "opaque"}),
    ],
}


@pytest.fixture(scope="module")
def viewer(qapp):
    import napari

    viewer = napari.Viewer()  # what is not shown is not drawn
    qapp.processEvents()
    yield viewer
    viewer.close()


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_sent_is_what_napari_draws(viewer, name: str) -> None:
    viewer.layers.clear()
    for data, options in LAYERS[name]:
        limits = {} if "rgb" in options or data.dtype != np.uint8 else {"contrast_limits": (0, 255)}
        viewer.add_image(data, interpolation2d="nearest", **(limits | options))
    viewer.dims.set_current_step(0, 1)
    drawn = viewer.export_figure(scale_factor=ZOOM, flash=False)
    assert drawn.shape[:2] == (ZOOM * SHAPE[1], ZOOM * SHAPE[2])
    middle = drawn[ZOOM // 2 :: ZOOM, ZOOM // 2 :: ZOOM, :3].astype(int)
    images = list(viewer.layers)
    geometry = stack_geometry(viewer, images[0], 0)
    sent = snapshot(viewer, images[0], images, geometry).frame(1).astype(int)
    assert np.ptp(middle) > 50, "napari drew nothing to compare with"
    assert np.abs(sent - middle).mean() < 2
