import weakref

import numpy as np
import pytest
import tifffile

from napari_sa2va.core.errors import InputError
from napari_sa2va.io import labels_dtype, write_labels

SHAPE = (3, 20, 30)


def frames(shape=SHAPE, largest=3):
    rng = np.random.default_rng(0)
    return [rng.integers(0, largest + 1, shape[1:]) for _ in range(shape[0])]


@pytest.mark.parametrize(
    ("largest", "dtype"),
    [
        (0, np.uint8),
        (255, np.uint8),
        (256, np.uint16),
        (65535, np.uint16),
        (65536, np.uint32),
        (2**32 - 1, np.uint32),
    ],
)
def test_the_smallest_dtype_is_chosen(largest, dtype):
    assert labels_dtype(largest) == dtype


@pytest.mark.parametrize("largest", [-1, 2**32])
def test_ids_beyond_all_dtypes(largest):
    with pytest.raises(InputError, match=str(largest)):
        labels_dtype(largest)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_labels_come_back(tmp_path, dtype):
    path = write_labels(tmp_path / "labels.tif", iter(frames()), SHAPE, dtype)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        series = tiff.series[0]
        assert (series.axes, series.shape, series.dtype) == ("TYX", SHAPE, dtype)
        assert series.keyframe.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        np.testing.assert_array_equal(series.asarray(), frames())


def test_one_frame(tmp_path):
    shape = (1, 20, 30)
    path = write_labels(tmp_path / "labels.tif", frames(shape), shape)
    np.testing.assert_array_equal(tifffile.imread(path).reshape(shape), frames(shape))


def test_only_a_few_frames_are_held_at_a_time(tmp_path):
    produced, most_alive = [], []

    def produce():
        for number in range(200):
            frame = np.full((64, 64), number, np.uint8)
            produced.append(weakref.ref(frame))
            most_alive.append(sum(reference() is not None for reference in produced))
            yield frame

    path = write_labels(tmp_path / "labels.tif", produce(), (200, 64, 64), np.uint8)
    assert max(most_alive) <= 4
    assert path.stat().st_size < 200 * 64 * 64 / 10


def test_an_existing_file_is_kept_unless_told(tmp_path):
    path = tmp_path / "labels.tif"
    path.write_text("years of work")
    with pytest.raises(InputError, match=r"labels\.tif exists"):
        write_labels(path, frames(), SHAPE)
    assert path.read_text() == "years of work"
    write_labels(path, frames(), SHAPE, overwrite=True)
    assert tifffile.imread(path).shape == SHAPE


def failing_frames():
    yield frames()[0]
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("produced", "error"),
    [
        (failing_frames, KeyboardInterrupt),
        (lambda: frames()[:2], InputError),
        (lambda: frames() + frames(), InputError),
        (list, InputError),
        (lambda: frames((3, 20, 31)), InputError),
        (lambda: frames(largest=300), InputError),
        (lambda: [frame - 2 for frame in frames()], InputError),
    ],
    ids=["interrupt", "too few", "too many", "none", "wrong size", "too large ids", "negative"],
)
def test_a_failure_harms_nothing(tmp_path, produced, error):
    path = tmp_path / "labels.tif"
    path.write_text("years of work")
    with pytest.raises(error):
        write_labels(path, produced(), SHAPE, np.uint8, overwrite=True)
    assert path.read_text() == "years of work"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["labels.png", "nowhere/labels.tif"])
def test_a_path_that_cannot_be_written(tmp_path, name):
    with pytest.raises(InputError):
        write_labels(tmp_path / name, frames(), SHAPE)
