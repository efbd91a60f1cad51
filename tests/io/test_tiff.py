import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.io import open_stack

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 60000, (6, 40, 50)).astype(np.uint16)


def expected_frames(stack):
    source = ArrayFrames(stack)
    return np.stack([source.frame(index) for index in range(source.shape[0])])


def assert_frames(path, stack):
    source = open_stack(path)
    expected = expected_frames(stack)
    assert source.shape == expected.shape[:3]
    for index, frame in enumerate(expected):
        read = source.frame(index)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, frame)


@pytest.mark.parametrize(
    "stack",
    [
        STACK,
        (STACK // 256).astype(np.uint8),
        STACK.astype(np.float32) / 7,
        STACK.astype(np.uint32) * 1000,
        STACK.astype(np.int16),
        STACK > 30000,
        STACK[0],
        RNG.integers(0, 255, (4, 20, 30, 3), dtype=np.uint8),
        RNG.integers(0, 255, (20, 30, 3), dtype=np.uint8),
    ],
    ids=lambda stack: f"{stack.dtype}-{'x'.join(map(str, stack.shape))}",
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_kind_of_value_reads_as_its_array(tmp_path, stack, compression):
    colour = "rgb" if stack.shape[-1] == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric=colour, compression=compression)
    assert_frames(tmp_path / "a.tif", stack)


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"tile": (16, 16), "compression": "zlib"},
        {"truncate": True},
        {"byteorder": ">", "bigtiff": True},
        {"compression": "zlib", "metadata": None},
    ],
    ids=["imagej", "tiled", "one page record", "big endian", "bare pages"],
)
def test_every_layout_reads_alike(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", STACK, **options)
    assert_frames(tmp_path / "a.tif", STACK)


def test_a_stack_written_frame_by_frame_is_one_stack(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for frame in STACK:
            writer.write(frame, contiguous=False)
    assert_frames(tmp_path / "a.tif", STACK)


@pytest.mark.parametrize(
    ("axes", "shape", "frames"),
    [
        ("TCYX", (3, 2, 40, 50), lambda a: a[:, 0]),
        ("ZTYX", (2, 3, 40, 50), lambda a: a[0]),
        ("ZYX", (6, 40, 50), lambda a: a),
    ],
)
def test_ome_axes_are_heeded(tmp_path, axes, shape, frames):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK.reshape(shape), metadata={"axes": axes}, compression="zlib")
    assert_frames(path, frames(STACK.reshape(shape)))
    assert open_stack(path).name == "a"


def test_separate_colour_planes(tmp_path):
    planes = RNG.integers(0, 255, (3, 20, 30), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(
        open_stack(tmp_path / "a.tif").frame(0), np.moveaxis(planes, 0, -1)
    )


def test_only_the_frame_that_is_asked_for_is_read(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", (STACK // 256).astype(np.uint8), compression="zlib")
    read = []
    asarray = tifffile.TiffPage.asarray
    frame_asarray = tifffile.TiffFrame.asarray

    def count(method):
        def counted(page, *args, **kwargs):
            read.append(page.index)
            return method(page, *args, **kwargs)

        return counted

    monkeypatch.setattr(tifffile.TiffPage, "asarray", count(asarray))
    monkeypatch.setattr(tifffile.TiffFrame, "asarray", count(frame_asarray))
    source = open_stack(tmp_path / "a.tif")
    assert read == []
    source.frame(4)
    assert set(read) == {4}


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.9])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"imagej": True},
        {"ome": True},
        {"truncate": True},
        {"tile": (16, 16), "compression": "zlib", "metadata": None},
    ],
    ids=["plain", "zlib", "imagej", "ome", "one page record", "tiled"],
)
def test_a_truncated_file_is_refused(tmp_path, options, kept):
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, STACK, **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InputError, match=r"cut\.tif") as caught:
        open_stack(path)
    assert "again" in caught.value.hint


def test_damaged_data_are_named_by_frame(tmp_path):
    path = tmp_path / "damaged.tif"
    tifffile.imwrite(path, STACK, compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages[3].dataoffsets[0]
    whole = bytearray(path.read_bytes())
    whole[start : start + 100] = bytes(100)
    path.write_bytes(whole)
    source = open_stack(path)
    with pytest.raises(InputError, match=r"Frame 3 of .*damaged\.tif"):
        source.frame(3)


@pytest.mark.parametrize("content", [b"", b"II", b"Not a picture, but a text."])
def test_a_text_file_named_tif_is_refused(tmp_path, content):
    (tmp_path / "note.tif").write_bytes(content)
    with pytest.raises(InputError, match=r"note\.tif cannot be read"):
        open_stack(tmp_path / "note.tif")


@pytest.mark.parametrize("compression", ["lzw", "zstd"])
def test_a_codec_that_is_not_installed_is_named(tmp_path, compression):
    pytest.importorskip("imagecodecs", reason="writing the file needs imagecodecs")
    tifffile.imwrite(tmp_path / "a.tif", STACK, compression=compression)
    code = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from napari_sa2va.core.errors import InputError; from napari_sa2va.io import open_stack\n"
        "try: open_stack(sys.argv[1]).frame(0)\n"
        "except InputError as error: print(error.hint)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.tif")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "pip install imagecodecs" in run.stdout
