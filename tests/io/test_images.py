import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sa2va.core.errors import InputError
from napari_sa2va.io import open_stack
from napari_sa2va.io.images import natural_key

RNG = np.random.default_rng(0)


def write_folder(folder, numbers, suffix=".png", size=(12, 10)):
    folder.mkdir()
    for number in numbers:
        pixels = np.full((*size, 3), number, np.uint8)
        Image.fromarray(pixels).save(folder / f"frame{number}{suffix}")


@pytest.mark.parametrize(
    ("mode", "dtype", "shape"),
    [
        ("L", np.uint8, (12, 10)),
        ("RGB", np.uint8, (12, 10, 3)),
        ("RGBA", np.uint8, (12, 10, 4)),
        ("I;16", np.uint16, (12, 10)),
        ("1", bool, (12, 10)),
    ],
)
def test_a_single_image_is_a_stack_of_one_frame(tmp_path, mode, dtype, shape):
    pixels = RNG.integers(0, 2 if dtype is bool else 255, shape).astype(dtype)
    image = Image.fromarray(pixels)
    assert image.mode == mode
    image.save(tmp_path / "a.png")
    source = open_stack(tmp_path / "a.png")
    frame = source.frame(0)
    assert source.shape == (1, 12, 10)
    assert frame.shape == (12, 10, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.writeable
    if dtype == np.uint8 and mode != "L":
        np.testing.assert_array_equal(frame, pixels[..., :3])


def test_a_palette_image_is_read_in_its_colours(tmp_path):
    pixels = np.zeros((12, 10, 3), np.uint8)
    pixels[:6] = (255, 0, 0)
    Image.fromarray(pixels).quantize(4).save(tmp_path / "a.png")
    np.testing.assert_array_equal(open_stack(tmp_path / "a.png").frame(0), pixels)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_a_folder_is_read_in_natural_order(tmp_path, suffix):
    write_folder(tmp_path / "run", [1, 2, 10, 9, 100], suffix)
    (tmp_path / "run" / "notes.txt").write_text("not a frame")
    (tmp_path / "run" / ".hidden.png").write_text("not a frame")
    source = open_stack(tmp_path / "run")
    assert source.shape == (5, 12, 10)
    assert source.name == "run"
    assert [int(source.frame(i)[0, 0, 0]) for i in range(5)] == [1, 2, 9, 10, 100]


def test_a_folder_of_16_bit_tiffs_is_scaled_as_one_stack(tmp_path):
    for number in range(3):
        tifffile.imwrite(tmp_path / f"t{number}.tif", np.full((8, 9), number * 1000, np.uint16))
    source = open_stack(tmp_path)
    assert [int(source.frame(i)[0, 0, 0]) for i in range(3)] == [0, 127, 255]


def test_a_pattern_picks_the_frames(tmp_path):
    write_folder(tmp_path / "run", [1, 2])
    Image.new("RGB", (10, 12)).save(tmp_path / "run" / "mask1.jpg")
    assert open_stack(tmp_path / "run" / "*.png").shape == (2, 12, 10)
    with pytest.raises(InputError, match=r"2 \.png and 1 \.jpg") as caught:
        open_stack(tmp_path / "run")
    assert "*.png" in caught.value.hint


def test_frames_are_read_when_asked_for(tmp_path):
    write_folder(tmp_path / "run", [0, 1, 2])
    source = open_stack(tmp_path / "run")
    (tmp_path / "run" / "frame1.png").unlink()
    assert source.frame(2)[0, 0, 0] == 2
    with pytest.raises(InputError, match="Frame 1 of"):
        source.frame(1)


def test_mixed_sizes_are_refused(tmp_path):
    write_folder(tmp_path / "run", [1, 2])
    Image.new("RGB", (11, 12)).save(tmp_path / "run" / "frame3.png")
    with pytest.raises(InputError, match=r"frame3\.png is 12 x 11 x 3 uint8"):
        open_stack(tmp_path / "run")


@pytest.mark.parametrize("name", ["", "*.png"])
def test_no_images(tmp_path, name):
    (tmp_path / "readme.txt").write_text("nothing here")
    with pytest.raises(InputError, match="No images are found"):
        open_stack(tmp_path / name)


def test_a_text_file_named_png_is_refused(tmp_path):
    (tmp_path / "note.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"note\.png"):
        open_stack(tmp_path / "note.png")


def test_a_truncated_png_is_named_by_frame(tmp_path):
    noise = RNG.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.png"):
        open_stack(tmp_path / "a.png").frame(0)


def test_natural_order_mixes_text_and_numbers(tmp_path):
    names = ["a1b10.png", "a1b9.png", "b.png", "7.png", "a.png", "10.png"]
    ordered = sorted((tmp_path / name for name in names), key=natural_key)
    assert [path.name for path in ordered] == [
        "7.png", "10.png", "a1b9.png", "a1b10.png", "a.png", "b.png"
    ]  # fmt: skip
