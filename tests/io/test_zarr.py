import numpy as np
import pytest
import zarr

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.io import open_stack

STACK = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 20, 30), dtype=np.uint8)  # TCZYX


def write_ome(folder, version, axes="tczyx", stack=STACK):
    """A pyramid of two levels as the version of the specification lays it out."""
    zarr_format = 3 if version == "0.5" else 2
    group = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    for level, array in enumerate((stack, stack[..., ::2, ::2])):
        chunks = (1,) * (array.ndim - 2) + array.shape[-2:]
        group.create_array(f"s{level}", data=array, chunks=chunks)
    image = {
        "axes": [{"name": name} for name in axes],
        "datasets": [{"path": "s0"}, {"path": "s1"}],
    }
    if version == "0.5":
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    else:
        group.attrs["multiscales"] = [{"version": "0.4", **image}]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_is_read_at_its_highest_resolution(tmp_path, version):
    write_ome(tmp_path / "a.ome.zarr", version)
    source = open_stack(tmp_path / "a.ome.zarr")
    assert source.shape == (2, 20, 30)
    assert source.name == "a"
    np.testing.assert_array_equal(source.frame(1)[..., 0], STACK[1, 0, 0])


def test_axes_come_from_the_metadata(tmp_path):
    write_ome(tmp_path / "a.zarr", "0.5", "czyx", STACK[0])
    source = open_stack(tmp_path / "a.zarr")
    assert source.shape == (4, 20, 30)
    np.testing.assert_array_equal(source.frame(3)[..., 0], STACK[0, 0, 3])


def test_the_first_image_of_a_collection(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    write_ome(tmp_path / "a.zarr" / "0", "0.4")
    assert open_stack(tmp_path / "a.zarr").shape == (2, 20, 30)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    "stack",
    [
        STACK[0, 0],
        STACK[0, 0, 0],
        STACK[:, 0],
        np.moveaxis(STACK[0], 0, -1),
        STACK[0, 0].astype(np.float32),
    ],
    ids=["tyx", "yx", "tzyx", "tyxs", "float"],
)
def test_plain_arrays_read_as_their_numpy_twin(tmp_path, stack, zarr_format):
    zarr.save_array(tmp_path / "a.zarr", stack, zarr_format=zarr_format)
    source = open_stack(tmp_path / "a.zarr")
    colour = stack.shape[-1] == 3
    twin = ArrayFrames(stack if colour or stack.ndim < 4 else stack[:, 0])
    assert source.shape == twin.shape
    for index in range(twin.shape[0]):
        np.testing.assert_array_equal(source.frame(index), twin.frame(index))


def test_named_dimensions_are_heeded(tmp_path):
    names = ["channel", "time", "y", "x"]
    array = zarr.create_array(tmp_path / "a.zarr", data=STACK[0], dimension_names=names)
    source = open_stack(tmp_path / "a.zarr")
    np.testing.assert_array_equal(source.frame(2)[..., 0], array[0, 2])


def test_a_group_of_one_array_is_that_array(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("image", data=STACK[0, 0])
    assert open_stack(tmp_path / "a.zarr").shape == (4, 20, 30)


def test_only_the_chunks_of_the_frame_are_read(tmp_path):
    write_ome(tmp_path / "a.zarr", "0.4")
    source = open_stack(tmp_path / "a.zarr")
    # Zarr 2 names the chunks by their place: damage all of the first time step.
    for chunk in (tmp_path / "a.zarr" / "s0").rglob("0.*"):
        chunk.write_bytes(b"damaged")
    np.testing.assert_array_equal(source.frame(1)[..., 0], STACK[1, 0, 0])
    with pytest.raises(InputError, match=r"Frame 0 of .*a\.zarr"):
        source.frame(0)


def test_a_group_without_arrays_is_refused(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_group("empty")
    with pytest.raises(InputError, match="holds no array"):
        open_stack(tmp_path / "a.zarr")


def test_several_arrays_are_named(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name in ("left", "right"):
        group.create_array(name, data=STACK[0, 0])
    with pytest.raises(InputError, match="left, right"):
        open_stack(tmp_path / "a.zarr")


@pytest.mark.parametrize("attributes", [{}, {"multiscales": [{"datasets": [{"path": "s0"}]}]}])
def test_damaged_metadata_are_refused(tmp_path, attributes):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.attrs.update(attributes)
    if not attributes:
        (tmp_path / "a.zarr" / "zarr.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.zarr"):
        open_stack(tmp_path / "a.zarr")


def test_a_folder_that_only_is_named_zarr_is_refused(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError, match=r"a\.zarr cannot be read"):
        open_stack(tmp_path / "a.zarr")


def test_six_unnamed_axes_are_refused(tmp_path):
    zarr.save_array(tmp_path / "a.zarr", np.zeros((1, 1, 1, 1, 8, 8), np.uint8))
    with pytest.raises(InputError, match="6 axes"):
        open_stack(tmp_path / "a.zarr")
