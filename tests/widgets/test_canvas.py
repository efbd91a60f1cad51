"""What is sent, held against what napari draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sa2va.widgets._frames import ViewedFrames, snapshot
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


def colored(top: float = 255, dtype: Any = np.uint8, channels: int = 3) -> np.ndarray:
    return np.stack([smooth(seed, top, dtype) for seed in range(channels)], axis=-1)


def pyramid() -> list[np.ndarray]:
    fine = smooth(0, 255, np.uint8)
    return [fine, fine[:, ::2, ::2], fine[:, ::4, ::4]]


LAYERS = {
    "8 bits, a colormap": [(smooth(0, 255, np.uint8), {"colormap": "viridis"})],
    "16 bits, limits, gamma": [
        (smooth(0, 40000, np.uint16), {"contrast_limits": (3000, 30000), "gamma": 0.6})
    ],
    "32 bits": [(smooth(1, 3e9, np.uint32), {"colormap": "magma", "contrast_limits": (0, 3e9)})],
    "float without numbers": [(holed(), {"colormap": "inferno", "contrast_limits": (0.1, 0.8)})],
    "multiscale": [(pyramid(), {"multiscale": True, "colormap": "viridis"})],
    "a colour for what is no number": [(holed(), {"colormap": "nan", "contrast_limits": (0, 1)})],
    "RGB": [(colored(), {"rgb": True})],
    "RGB of 16 bits": [(colored(60000, np.uint16), {"rgb": True})],
    "RGB of floats": [(colored(7.5, np.float32), {"rgb": True})],
    "RGB with gamma": [(colored(), {"rgb": True, "gamma": 0.4})],
    "RGB with limits": [(colored(), {"rgb": True, "contrast_limits": (60, 180)})],
    "RGB half opaque": [(colored(), {"rgb": True, "opacity": 0.4})],
    "RGBA": [(colored(channels=4), {"rgb": True})],
    "RGBA of 16 bits": [(colored(60000, np.uint16, 4), {"rgb": True, "opacity": 0.7})],
    "RGB with gamma on a channel": [
        (smooth(0, 255, np.uint8), {"colormap": "gray"}),
        (colored(), {"rgb": True, "gamma": 2.2, "blending": "additive", "opacity": 0.8}),
    ],
    "half opaque": [(smooth(0, 255, np.uint8), {"colormap": "viridis", "opacity": 0.5})],
    "too bright, then darkened": [
        (smooth(0, 255, np.uint8), {"colormap": "gray"}),
        (smooth(1, 255, np.uint8), {"colormap": "gray", "blending": "additive"}),
        (smooth(2, 255, np.uint8), {"colormap": "gray", "blending": "multiplicative"}),
    ],
    "a thin layer below one that shines": [
        (smooth(0, 255, np.uint8), {"colormap": "gray"}),
        (smooth(1, 255, np.uint8), {"colormap": "I Blue", "blending": "minimum", "opacity": 0.3}),
        (smooth(2, 255, np.uint8), {"colormap": "green", "blending": "additive"}),
    ],
    "a small layer below": [
        (smooth(0, 255, np.uint8)[:, :20], {"colormap": "gray", "blending": "additive"}),
        (smooth(1, 255, np.uint8), {"colormap": "red", "opacity": 0.6}),
    ],
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


DARK = ("8 bits, a colormap", "RGBA", "half opaque", "additive channels", "minimum")


@pytest.mark.parametrize(
    ("name", "theme"), [(n, "light") for n in LAYERS] + [(n, "dark") for n in DARK]
)
def test_what_is_sent_is_what_napari_draws(viewer, name: str, theme: str) -> None:
    viewer.theme = theme
    show(viewer, name)
    middle = drawn(viewer)
    assert np.ptp(middle) > 50, "napari drew nothing to compare with"
    assert np.abs(sent(viewer).frame(1) - middle).mean() < 2


def test_the_canvas_may_have_a_colour_of_its_own(viewer) -> None:
    viewer.theme = "dark"
    viewer.canvas.background_color_override = (0.2, 0.6, 0.4)
    try:
        show(viewer, "float without numbers")
        assert np.abs(sent(viewer).frame(1) - drawn(viewer)).mean() < 2
        assert sent(viewer).mapping["background"] == [51, 153, 102]
    finally:
        viewer.canvas.background_color_override = None


def show(viewer, name: str) -> None:
    viewer.layers.clear()
    for data, options in LAYERS[name]:
        gray = "rgb" not in options and getattr(data, "dtype", np.uint8) == np.uint8
        limits = {"contrast_limits": (0, 255)} if gray else {}
        viewer.add_image(data, interpolation2d="nearest", **(limits | options))
    viewer.dims.set_current_step(0, 1)


def drawn(viewer) -> np.ndarray:
    """What napari draws in the middle of each pixel of the largest layer."""
    figure = viewer.export_figure(scale_factor=ZOOM, flash=False)
    assert figure.shape[:2] == (ZOOM * SHAPE[1], ZOOM * SHAPE[2])
    return figure[ZOOM // 2 :: ZOOM, ZOOM // 2 :: ZOOM, :3].astype(int)


def sent(viewer) -> ViewedFrames:
    images = list(viewer.layers)
    largest = max(images, key=lambda image: image.extent.data[1].prod())
    return snapshot(viewer, largest, images, stack_geometry(viewer, largest, 0))
