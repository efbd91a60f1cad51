import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_sa2va
from napari_sa2va import sample_data
from napari_sa2va.core.frames import as_frames
from napari_sa2va.core.masks import bounding_box

MANIFEST = Path(napari_sa2va.__file__).with_name("napari.yaml")
DRAW = {
    "dividing_cells": sample_data.draw_dividing_cells,
    "moving_shapes": sample_data.draw_moving_shapes,
}


@pytest.fixture(scope="module", params=DRAW)
def sample(request):
    return DRAW[request.param]()


@pytest.mark.parametrize("name", DRAW)
def test_samples_are_drawn_alike_every_time(name):
    first, second = DRAW[name](), DRAW[name]()
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.labels, second.labels)


def test_a_sample_is_a_stack_with_its_labels(sample):
    source = as_frames(sample.frames)
    assert source.shape == sample.labels.shape == (24, 256, 256)
    assert source.frame(23).dtype == np.uint8
    assert set(np.unique(sample.labels)) - {0} == set(sample.phrases)


def test_objects_are_large_enough_for_a_small_model(sample):
    for object_id in sample.phrases:
        areas = (sample.labels == object_id).sum((1, 2))
        radii = np.sqrt(areas[areas > 0] / np.pi)
        assert radii.min() > 14
        assert radii.max() < 40


def test_objects_stay_inside_the_frame(sample):
    for labels in sample.labels:
        y0, x0, y1, x1 = bounding_box(labels > 0)
        assert min(y0, x0) > 0
        assert max(y1, x1) < 256


def test_cells_differ_from_their_background():
    sample = sample_data.draw_dividing_cells()
    for frame, labels in zip(sample.frames, sample.labels, strict=True):
        background = np.percentile(frame[labels == 0], 90)
        dimmest = min(np.median(frame[labels == i]) for i in np.unique(labels) if i)
        assert dimmest > 1.5 * background


def test_one_cell_divides_half_way():
    sample = sample_data.draw_dividing_cells()
    present = {i: np.flatnonzero((sample.labels == i).any((1, 2))) for i in sample.phrases}
    (mother,) = [i for i, phrase in sample.phrases.items() if phrase == "the mother cell"]
    daughters = [i for i, phrase in sample.phrases.items() if phrase == "a daughter"]
    assert present[mother].tolist() == list(range(12))
    assert [present[i].tolist() for i in daughters] == [list(range(12, 24))] * 2
    # The daughters begin where the mother ended.
    last, first = sample.labels[11] == mother, np.isin(sample.labels[12], daughters)
    assert (last & first).sum() > 0.5 * last.sum()


def test_the_circle_is_hidden_in_part_once():
    sample = sample_data.draw_moving_shapes()
    areas = (sample.labels == 1).sum((1, 2))
    hidden = areas < 0.99 * areas.max()
    assert np.count_nonzero(np.diff(hidden.astype(int)) == 1) == 1
    assert not hidden[[0, -1]].any()


@pytest.mark.parametrize("name", DRAW)
def test_napari_gets_one_image_layer_without_being_imported(name):
    code = (
        f"import sys; from napari_sa2va.sample_data import {name};"
        f"((data, options, kind),) = {name}(); print(data.shape[:3], options['name'], kind);"
        "assert not {'napari', 'torch', 'scipy'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"(24, 256, 256) {name.replace('_', ' ')} image"


def test_the_manifest_offers_both():
    contributions = PluginManifest.from_file(MANIFEST).contributions
    commands = {command.id: command.python_name for command in contributions.commands}
    offered = {commands[sample.command] for sample in contributions.sample_data}
    assert offered == {f"napari_sa2va.sample_data:{name}" for name in DRAW}
