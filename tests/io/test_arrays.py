from pathlib import Path

import numpy as np
import pytest

from napari_sa2va.io.arrays import FrameView, stack_name, time_axis


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ("TYX", (5, 8, 9), "T"),
        ("ZTCYX", (3, 5, 2, 8, 9), "T"),
        ("TZYX", (1, 3, 8, 9), "Z"),
        ("QYX", (5, 8, 9), "Q"),
        ("PCYX", (5, 2, 8, 9), "P"),
        ("CYX", (4, 8, 9), None),
        ("YXS", (8, 9, 3), None),
        ("YX", (8, 9), None),
    ],
)
def test_the_time_axis_is_t_then_z_then_the_first_other(axes, shape, expected):
    assert time_axis(axes, shape) == expected


@pytest.mark.parametrize(
    ("axes", "shape", "plane", "frames"),
    [
        ("TYX", (5, 8, 9), lambda a, t: a[t], 5),
        ("TCZYX", (5, 2, 3, 8, 9), lambda a, t: a[t, 0, 0], 5),
        ("XYZ", (9, 8, 4), lambda a, t: a[:, :, t].T, 4),
        ("SYX", (3, 8, 9), lambda a, t: np.moveaxis(a, 0, -1), 1),
        ("TYXS", (5, 8, 9, 4), lambda a, t: a[t], 5),
        ("TYXS", (5, 8, 9, 2), lambda a, t: a[t, :, :, 0], 5),
        ("CYX", (4, 8, 9), lambda a, t: a[0], 1),
    ],
)
def test_a_view_picks_time_and_takes_other_axes_at_zero(axes, shape, plane, frames):
    array = np.arange(np.prod(shape)).reshape(shape)
    view = FrameView(array, axes)
    assert view.shape[0] == frames
    for index in range(frames):
        np.testing.assert_array_equal(view[index], plane(array, index))
        assert view[index].shape == view.shape[1:]


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/cells.ome.tif", "cells"), ("run.1.tif", "run.1"), ("x.OME.zarr", "x"), ("v.mp4", "v")],
)
def test_names_have_no_suffix(path, name):
    assert stack_name(Path(path)) == name
