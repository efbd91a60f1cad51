"""napari's readers and writers of exports, through npe2."""

from __future__ import annotations

from pathlib import Path

import npe2
import numpy as np
import pytest
from napari.layers import Labels

from napari_sa2va import export
from napari_sa2va.core.labelled import LabelledStack, LabelMasks
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.layers import get_reader, read_layers
from napari_sa2va.export.registry import FORMATS
from napari_sa2va.export.staging import provenance_path
from tests.export.examples import blobs, images_of

LABELS = blobs()
MANIFEST = npe2.PluginManifest.from_file(Path(__file__).parents[2] / "napari.yaml")


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.readable])
def test_a_data_set_opens_as_layers(name: str, tmp_path: Path) -> None:
    records = {7: ObjectRecord(7, "the right one", verified_frames=[2])}
    stack = LabelledStack(
        LABELS, records, "cells", export.labelled_stacks(LABELS, images_of(LABELS))[0].images
    )
    path = str(export.write(stack, tmp_path / "out", name))
    reader = get_reader(path)
    assert reader is not None
    *images, (data, options, kind) = reader(path)
    assert kind == "labels"
    layer = Labels(data, **options)
    np.testing.assert_array_equal(layer.data, LABELS)
    assert "the right one" in list(layer.features["phrase"])
    assert layer.metadata["sa2va"]["objects"][7]["verified_frames"] == [2]
    assert len(images) == (FORMATS[name].images != "never")
    for shown, _, _ in images:
        assert shown.shape == (*LABELS.shape, 3)
        assert np.asarray(shown[4]).max() == 255


def test_masks_that_nobody_scored_count_as_painted_ones(tmp_path: Path) -> None:
    records = {7: ObjectRecord(7, scores={0: 0.5, 1: 0.0})}
    path = export.write(LabelledStack(LABELS, records), tmp_path / "out", "coco")
    provenance_path(path).unlink()  # another program wrote it
    ((_, options, _),) = read_layers(str(path))
    known = options["metadata"]["sa2va"]["objects"]
    ones = {0: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}
    scores = {object_id: values["scores"] for object_id, values in known.items()}
    assert list(scores.values()) == [ones, ones, ones | {0: 0.5}]
    assert not any(values["verified_frames"] for values in known.values()), "nobody saw them here"
    assert options["features"]["first_frame"] == [0, 0, 0]


def test_overlapping_objects_become_several_layers(tmp_path: Path) -> None:
    masks = {3: np.zeros((4, 6), bool), 1: np.zeros((4, 6), bool)}
    masks[3][:, :4] = masks[1][:, 2:] = True
    stack = LabelledStack(LabelMasks((1, 4, 6), lambda _: masks.items()))
    layers = read_layers(str(export.write(stack, tmp_path / "out", "coco")))
    assert [int((data > 0).sum()) for data, _, _ in layers] == [16, 16]
    assert list(layers[1][1]["metadata"]["sa2va"]["objects"]) == [3]


def test_a_folder_of_images_is_left_to_napari(tmp_path: Path) -> None:
    export.write(LABELS, tmp_path / "out", "png")
    assert get_reader(str(tmp_path / "out" / "labels")) is None
    assert get_reader([str(tmp_path)]) is None


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".csv", ".coco", ".ctc"])
def test_a_labels_layer_is_saved(suffix: str, tmp_path: Path) -> None:
    layer = Labels(LABELS, name="cells", features={"index": [7], "phrase": ["the right one"]})
    (writer,) = [w for w in MANIFEST.contributions.writers or () if suffix in w.filename_extensions]
    (command,) = [c for c in MANIFEST.contributions.commands or () if c.id == writer.command]
    write = npe2.manifest.utils.import_python_name(command.python_name)
    (path,) = write(str(tmp_path / f"out{suffix}"), *layer.as_layer_data_tuple()[:2])
    assert Path(path).exists()
    if suffix != ".csv":
        (back,) = export.read(path)
        np.testing.assert_array_equal(back.planes(4)[0], LABELS[4])
        assert back.record(7).phrase == "the right one"
