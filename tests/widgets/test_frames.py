"""What is sent is what is seen."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sa2va.widgets._frames import ViewedFrames, snapshot
from napari_sa2va.widgets._geometry import stack_geometry


def frames_of(viewer: ViewerModel, time_axis: int | None = 0) -> ViewedFrames:
    images = [layer for layer in viewer.layers if layer.visible]
    first = max(images, key=lambda image: image.ndim)
    geometry = stack_geometry(viewer, first, time_axis)
    return snapshot(viewer, first, images, geometry)


def gray(viewer: ViewerModel, data: Any, **options: Any) -> None:
    viewer.add_image(data, colormap="gray", **options)


def test_opaque_8_bit_rgb_alone_passes_through_untouched() -> None:
    movie = np.random.default_rng(0).integers(0, 255, (3, 5, 7, 3), np.uint8)
    viewer = ViewerModel()
    viewer.add_image(movie, rgb=True)
    assert frames_of(viewer).shape == (3, 5, 7)
    assert np.array_equal(frames_of(viewer).frame(2), movie[2])
    viewer.layers[0].opacity = 0.5
    assert np.abs(frames_of(viewer).frame(2) - movie[2] / 2).max() <= 1


def test_layers_lie_on_the_canvas_background() -> None:
    viewer = ViewerModel()
    viewer.theme = "light"
    gray(viewer, np.zeros((2, 4, 4), np.uint8), contrast_limits=(0, 255), opacity=0.4)
    seen = frames_of(viewer)
    assert seen.frame(0)[0, 0].tolist() == [153] * 3
    assert seen.mapping["background"] == [255] * 3
    viewer.theme = "dark"
    assert frames_of(viewer).frame(0)[0, 0].tolist() == [0] * 3
    assert frames_of(viewer).key != seen.key


def test_contrast_limits_and_gamma_are_applied() -> None:
    movie = np.array([0, 100, 150, 200, 900], np.uint16).reshape(1, 1, 5).repeat(2, 0)
    viewer = ViewerModel()
    gray(viewer, movie, contrast_limits=(100, 200))
    assert frames_of(viewer).frame(0)[0, :, 0].tolist() == [0, 0, 127, 255, 255]
    viewer.layers[0].gamma = 2
    assert frames_of(viewer).frame(0)[0, :, 0].tolist() == [0, 0, 63, 255, 255]


def test_nan_and_constant_images_are_black() -> None:
    movie = np.full((2, 3, 3), np.nan, np.float32)
    movie[1] = 7
    viewer = ViewerModel()
    gray(viewer, movie, contrast_limits=(0, 1))
    assert not frames_of(viewer).frame(0).any()
    assert (frames_of(viewer).frame(1) == 255).all()


def test_additive_channels_mix() -> None:
    viewer = ViewerModel()
    full = np.full((2, 4, 4), 255, np.uint8)
    viewer.add_image(full, colormap="red", contrast_limits=(0, 255), blending="additive")
    viewer.add_image(full, colormap="green", contrast_limits=(0, 255), blending="additive")
    assert frames_of(viewer).frame(0)[0, 0].tolist() == [255, 255, 0]
    viewer.layers[1].opacity = 0.4
    assert frames_of(viewer).frame(0)[0, 0].tolist() == [255, 102, 0]
    viewer.layers[1].visible = False
    assert frames_of(viewer).frame(0)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("blending", "seen"),
    [("translucent", 160), ("opaque", 200), ("minimum", 80), ("multiplicative", 63)],
)
def test_blending_of_two_layers(blending: str, seen: int) -> None:
    viewer = ViewerModel()
    gray(viewer, np.full((2, 4, 4), 80, np.uint8), contrast_limits=(0, 255))
    gray(viewer, np.full((2, 4, 4), 200, np.uint8), contrast_limits=(0, 255))
    viewer.layers[1].blending = blending
    if blending == "translucent":
        viewer.layers[1].opacity = 2 / 3
    assert frames_of(viewer).frame(0)[0, 0, 0] == pytest.approx(seen, abs=1)


def test_a_still_image_lies_over_every_frame() -> None:
    viewer = ViewerModel()
    gray(viewer, np.zeros((3, 4, 4), np.uint8), contrast_limits=(0, 255))
    gray(viewer, np.full((4, 4), 9, np.uint8), contrast_limits=(0, 255), blending="additive")
    assert (frames_of(viewer).frame(2) == 9).all()


def test_layers_of_another_scale_and_unit_are_drawn_where_they_lie() -> None:
    viewer = ViewerModel()
    gray(viewer, np.zeros((2, 4, 4), np.uint8), contrast_limits=(0, 255), units=("s", "um", "um"))
    coarse = np.zeros((2, 2), np.uint8)
    coarse[1, 1] = 255
    gray(
        viewer,
        coarse,
        contrast_limits=(0, 255),
        scale=(2000, 2000),
        translate=(500, 500),
        units=("nm", "nm"),
        blending="additive",
    )
    seen = frames_of(viewer).frame(1)[..., 0]
    assert (seen[2:, 2:] == 255).all()
    assert seen.sum() == 4 * 255


def test_a_layer_that_does_not_reach_a_frame_is_not_drawn_there() -> None:
    viewer = ViewerModel()
    gray(viewer, np.zeros((4, 3, 3), np.uint8), contrast_limits=(0, 255))
    short = np.full((2, 3, 3), 50, np.uint8)
    gray(viewer, short, contrast_limits=(0, 255), blending="additive")
    assert (frames_of(viewer).frame(1) == 50).all()
    assert not frames_of(viewer).frame(3).any()


def test_other_axes_are_taken_where_their_sliders_stand() -> None:
    movie = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    viewer = ViewerModel()
    gray(viewer, movie, contrast_limits=(0, 255))
    viewer.dims.set_current_step(1, 2)
    assert np.array_equal(frames_of(viewer, 0).frame(1)[..., 0], movie[1, 2])
    viewer.dims.set_current_step(0, 0)
    assert np.array_equal(frames_of(viewer, 1).frame(1)[..., 0], movie[0, 1])


def test_transposed_axes_are_sent_as_seen() -> None:
    movie = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    viewer = ViewerModel()
    gray(viewer, movie, contrast_limits=(0, 255))
    viewer.dims.order = (0, 2, 1)
    assert np.array_equal(frames_of(viewer).frame(1)[..., 0], movie[1].T)
    viewer.dims.order = (1, 0, 2)
    assert np.array_equal(frames_of(viewer, 1).frame(1)[..., 0], movie[:, 1])


def test_frames_are_read_lazily_and_at_full_resolution() -> None:
    read: list[int] = []

    def block(block_info: Any = None) -> np.ndarray:
        read.append(block_info[None]["chunk-location"][0])
        return np.full((1, 8, 8), 5, np.uint8)

    lazy = da.map_blocks(block, chunks=((1,) * 6, (8,), (8,)), dtype=np.uint8, meta=np.zeros((0,)))
    viewer = ViewerModel()
    gray(viewer, [lazy, lazy[:, ::2, ::2]], contrast_limits=(0, 255), multiscale=True)
    frames = frames_of(viewer)
    read.clear()
    assert frames.frame(4).shape == (8, 8, 3)
    assert set(read) == {4}


def test_the_key_tells_whether_frames_look_the_same() -> None:
    viewer = ViewerModel()
    gray(viewer, np.zeros((2, 4, 4), np.uint8), contrast_limits=(0, 255))
    before = frames_of(viewer).key
    viewer.dims.set_current_step(0, 1)
    assert frames_of(viewer).key == before
    viewer.layers[0].contrast_limits = (0, 100)
    assert frames_of(viewer).key != before


def test_the_data_are_never_written() -> None:
    movie = np.random.default_rng(0).integers(0, 255, (2, 4, 4), np.uint8)
    movie.setflags(write=False)
    viewer = ViewerModel()
    gray(viewer, movie, contrast_limits=(0, 255))
    gray(viewer, movie, contrast_limits=(0, 255), blending="additive")
    frames_of(viewer).frame(1)


def test_where_there_is_no_number_the_layer_below_is_seen() -> None:
    viewer = ViewerModel()
    gray(viewer, np.full((2, 2, 2), 80, np.uint8), contrast_limits=(0, 255))
    over = np.full((2, 2, 2), 1.0, np.float32)
    over[0, 0, 0] = np.nan
    gray(viewer, over, contrast_limits=(0, 1))
    assert frames_of(viewer).frame(0)[..., 0].tolist() == [[80, 255], [255, 255]]
