"""The bundled model through the whole house."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sa2va import sample_data
from napari_sa2va.cli import main
from napari_sa2va.core.masks import PackedMasks
from napari_sa2va.demo import best_match
from napari_sa2va.headless import TrackedObject


@pytest.mark.slow
def test_the_demo_finds_what_was_drawn(tmp_path, capsys):
    assert main(["demo", "--headless", "--sample", "moving_shapes", "--output", str(tmp_path)]) == 0
    truth = sample_data.draw_moving_shapes().labels
    labels = tifffile.imread(tmp_path / "labels.tif")
    assert labels.shape == truth.shape
    said, clicked = (labels == 1, truth == 1), (labels == 2, truth == 4)
    for found, drawn in (said, clicked):
        assert (found & drawn).sum() / (found | drawn).sum() > 0.7
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("1  the red circle")
    assert out[-1].endswith("contact_sheet.png")
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        assert sheet.width > 1000


def test_a_folder_that_cannot_be_created(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["demo", "--headless", "--output", str(tmp_path / "file" / "folder")]) == 2
    assert "cannot be created" in capsys.readouterr().err


def test_daughters_count_as_their_mother():
    sample = sample_data.draw_dividing_cells()
    (mother,) = set(sample.mothers.values())
    family = np.isin(sample.labels, [mother, *sample.mothers])
    masks = PackedMasks(family.shape)
    for frame, mask in enumerate(family):
        masks[frame] = mask
    assert best_match(TrackedObject("", masks), sample) == (mother, 1.0)
