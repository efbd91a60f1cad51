from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import ArrayFrames, as_frames, to_uint8


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((6, 7), (1, 6, 7)),
        ((6, 7, 3), (1, 6, 7)),
        ((6, 7, 4), (1, 6, 7)),
        ((5, 6, 7), (5, 6, 7)),
        ((5, 6, 7, 3), (5, 6, 7)),
    ],
)
def test_shapes(shape: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    frames = ArrayFrames(np.zeros(shape, np.uint8))
    assert frames.shape == expected
    assert frames.frame(expected[0] - 1).shape == (6, 7, 3)


def test_8_bit_passes_unchanged() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (2, 6, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(ArrayFrames(rgb).frame(1), rgb[1])
    gray = rgb[..., 0]
    np.testing.assert_array_equal(ArrayFrames(gray).frame(1)[..., 2], gray[1])


def test_limits_hold_for_the_whole_stack() -> None:
    stack = np.zeros((3, 10, 10), np.uint16)
    stack[0], stack[1], stack[2, :5] = 1000, 1500, 2000
    stack[2, 5:] = 1000
    frames = ArrayFrames(stack)
    assert frames.frame(0).max() == 0
    assert frames.frame(1).max() == pytest.approx(127, abs=1)
    assert frames.frame(2).max() == 255


def test_given_limits_are_used() -> None:
    frames = ArrayFrames(np.array([[0.0, 5.0, 10.0]]), contrast_limits=(0, 20))
    assert frames.frame(0)[0, :, 0].tolist() == [0, 63, 127]


@given(
    values=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int16, np.uint16, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
    )
)
def test_any_real_values_become_an_image(values: np.ndarray) -> None:
    frame = ArrayFrames(values).frame(0)
    assert frame.shape == (*values.shape, 3)
    assert frame.dtype == np.uint8


def test_nan_and_infinity_are_shown_as_darkest_and_brightest() -> None:
    values = np.array([np.nan, -np.inf, 0.0, 1.0, np.inf])
    assert to_uint8(values, 0, 1).tolist() == [0, 0, 0, 255, 255]


def test_a_frame_source_passes_through() -> None:
    frames = ArrayFrames(np.zeros((2, 3, 4), np.uint8))
    assert as_frames(frames) is frames


def test_a_missing_frame_is_named() -> None:
    with pytest.raises(InputError, match="no frame 2: the stack has 2 frames"):
        ArrayFrames(np.zeros((2, 3, 5), np.uint8)).frame(2)
