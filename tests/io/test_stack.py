import subprocess
import sys

import pytest
from PIL import Image

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import FrameSource
from napari_sa2va.io import open_stack


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*nothing\.tif"):
        open_stack(tmp_path / "nothing.tif")


def test_an_unknown_kind_names_the_known_ones(tmp_path):
    (tmp_path / "table.csv").write_text("a,b")
    with pytest.raises(InputError, match=r"table\.csv is of an unknown kind") as caught:
        open_stack(tmp_path / "table.csv")
    assert "OME-Zarr" in caught.value.hint


def test_a_path_may_be_a_string_and_hold_brackets_and_capitals(tmp_path):
    Image.new("RGB", (10, 12)).save(tmp_path / "ein Bild [1].PNG")
    source = open_stack(str(tmp_path / "ein Bild [1].PNG"))
    assert isinstance(source, FrameSource)
    assert source.name == "ein Bild [1]"


def test_a_frame_beyond_the_end(tmp_path):
    Image.new("RGB", (10, 12)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="no frame 1"):
        open_stack(tmp_path / "a.png").frame(1)


def test_reading_needs_neither_torch_nor_napari():
    code = (
        "import sys, napari_sa2va.io;"
        "print({'torch', 'napari', 'qtpy', 'magicgui'} & {m.split('.')[0] for m in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
