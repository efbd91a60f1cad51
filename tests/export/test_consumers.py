"""Exports as programs that others wrote read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from napari_sa2va import export
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.core.labelled import LabelledStack, LabelMasks, PixelMapping
from napari_sa2va.core.records import ObjectRecord
from tests.export.examples import blobs, images_of

LABELS = blobs(ids=(1, 2, 70_000))
IMAGES = images_of(LABELS)
RECORDS = {
    1: ObjectRecord(1, "the red one", category="cell", expressions=["das linke"]),
    2: ObjectRecord(2, "분열하는 세포", category="cell"),
    70_000: ObjectRecord(70_000, "dirt", category="debris"),
}


def stack(labels: np.ndarray = LABELS, **fields: Any) -> LabelledStack:
    return LabelledStack(labels, RECORDS, "cells", ArrayFrames(IMAGES), **fields)


def overlapping() -> tuple[LabelledStack, dict[int, np.ndarray]]:
    y, x = np.mgrid[:96, :96]
    masks = {i: ((y - 40) ** 2 + (x - 30 - 15 * i) ** 2 < 20**2)[None] for i in (1, 2, 3)}
    labels = LabelMasks((1, 96, 96), lambda frame: ((i, m[frame]) for i, m in masks.items()))
    return LabelledStack(labels, RECORDS, "cells"), masks


@pytest.mark.parametrize("name", ["coco", "coco-polygons"])
def test_pycocotools_reads_coco_to_the_pixel(name: str, tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    path = export.write(stack(), tmp_path / "out", name)
    coco = COCO(path / "annotations" / "instances_default.json")
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["cell", "debris"]
    assert len(coco.getImgIds()) == len(LABELS)
    for frame, image in enumerate(coco.loadImgs(coco.getImgIds())):
        found = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        assert len(found) == len(np.unique(LABELS[frame])) - 1
        for annotation in found:
            mask = LABELS[frame] == annotation["track_id"]
            np.testing.assert_array_equal(coco.annToMask(annotation), mask)
            assert annotation["area"] == mask.sum()
        with Image.open(path / "images" / "default" / image["file_name"]) as opened:
            assert opened.size == (image["width"], image["height"])


def test_overlapping_objects_keep_their_masks_in_coco(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    labelled, masks = overlapping()
    path = export.write(labelled, tmp_path / "out", "coco")
    coco = COCO(path / "annotations" / "instances_default.json")
    decoded = {a["track_id"]: coco.annToMask(a) for a in coco.loadAnns(coco.getAnnIds())}
    for object_id, mask in masks.items():
        np.testing.assert_array_equal(decoded[object_id], mask[0])


def test_supervision_reads_coco(tmp_path: Path) -> None:
    dataset = _supervision().DetectionDataset
    path = export.write(stack(), tmp_path / "out", "coco")
    read = dataset.from_coco(
        str(path / "images" / "default"), str(path / "annotations" / "instances_default.json")
    )
    assert read.classes == ["cell", "debris"]
    first = read.annotations[read.image_paths[0]]
    assert _as_sets(first.mask) == _as_sets(LABELS[0] == i for i in (1, 2, 70_000))


def test_supervision_reads_yolo_to_the_pixel(tmp_path: Path) -> None:
    path = export.write(stack(), tmp_path / "out", "yolo")
    read = _supervision().DetectionDataset.from_yolo(
        str(path / "images" / "train"), str(path / "labels" / "train"), str(path / "data.yaml")
    )
    assert read.classes == ["cell", "debris"]
    paths = sorted(read.image_paths)
    assert len(paths) == len(LABELS)
    for frame, image in enumerate(paths):
        found = read.annotations[image].mask
        wanted = [LABELS[frame] == i for i in np.unique(LABELS[frame]) if i]
        assert _as_sets(found if found is not None else []) == _as_sets(wanted)


def test_yolo_objects_in_pieces_lose_little(tmp_path: Path) -> None:
    """Two pieces, 64 pixels each way, are joined by a line."""
    labels = np.zeros((1, 200, 200), np.uint8)
    labels[0, 10:74, 10:74] = labels[0, 90:154, 40:104] = 5
    export.write(LabelledStack(labels, name="cells"), tmp_path / "out", "yolo")
    (back,) = export.read(tmp_path / "out")
    ours, theirs = labels[0] == 5, back.masks(0)[5]
    assert 0.99 <= (ours & theirs).sum() / (ours | theirs).sum() < 1


def test_yolo_splits_are_named_in_data_yaml(tmp_path: Path) -> None:
    split = export.Split(0.6, 0.2, 0.2)
    path = export.write(stack(), tmp_path / "out", "yolo", split=split)
    told = yaml.safe_load((path / "data.yaml").read_text("utf-8"))
    assert told["names"] == {0: "cell", 1: "debris"}
    counts = {part: len(list((path / told[part]).iterdir())) for part in ("train", "val", "test")}
    assert counts == {"train": 3, "val": 1, "test": 1}


@pytest.mark.filterwarnings("ignore:Empty frame 1")  # on purpose: all tracks have a gap there
def test_py_ctcmetrics_finds_the_tracks_valid_and_equal(tmp_path: Path) -> None:
    from ctc_metrics import evaluate_sequence, validate_sequence

    labels = blobs(ids=(1, 2, 3))  # all are gone in the second frame: tracks with a gap
    labels[3:][labels[3:] == 3] = 0
    labels[4, 80:90, 80:90] = 9
    records = {9: ObjectRecord(9, parent=3)}
    export.write(LabelledStack(labels, records, "cells"), tmp_path / "out", "ctc")
    tra = tmp_path / "out" / "01_GT" / "TRA"
    result = tmp_path / "01_RES"
    result.mkdir()
    for file in tra.iterdir():
        (
            result / file.name.replace("man_track", "mask", 1).replace("mask.txt", "res_track.txt")
        ).write_bytes(file.read_bytes())
    assert validate_sequence(str(result))["Valid"]
    scores = evaluate_sequence(str(result), str(tmp_path / "out" / "01_GT"), ["SEG", "TRA"])
    assert (scores["SEG"], scores["TRA"]) == (1, 1)
    rows = [
        list(map(int, line.split())) for line in (tra / "man_track.txt").read_text().splitlines()
    ]
    parents = {label: parent for label, _, _, parent in rows}
    spans = {label: (first, last) for label, first, last, _ in rows}
    assert spans[1] == (0, 0)
    assert parents[10] == 1
    assert spans[10] == (2, 4)
    assert parents[9] == next(label for label in spans if parents[label] == 3)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("with_images", [True, False])
def test_ome_zarr_is_valid(version: str, with_images: bool, tmp_path: Path) -> None:
    import yaozarrs
    import zarr

    name = "ome-zarr-0.4" if version == "0.4" else "ome-zarr"
    images = "write" if with_images else "none"
    path = export.write(stack(), tmp_path / "out.ome.zarr", name, image_files=images)
    root = yaozarrs.validate_zarr_store(path)
    assert root.ome_version() == version
    inside = path / "labels" / "objects" if with_images else path
    yaozarrs.validate_zarr_store(inside)
    group = zarr.open_group(inside, mode="r")
    np.testing.assert_array_equal(group["0"][:], LABELS)
    attributes = group.attrs["ome"] if version == "0.5" else group.attrs
    label = attributes["image-label"]
    assert [c["label-value"] for c in label["colors"]] == [1, 2, 70_000]
    assert [p["phrase"] for p in label["properties"]] == [r.phrase for r in RECORDS.values()]


@pytest.mark.parametrize("name", ["ome-zarr", "ome-zarr-0.4"])
def test_ome_zarr_has_pyramids(name: str, tmp_path: Path) -> None:
    import yaozarrs
    import zarr

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (2, 300, 601)).astype(np.uint8)
    images = rng.integers(0, 60_000, labels.shape).astype(np.uint16)
    mapping = PixelMapping(
        (2.0, 0.5, 0.25), (0.0, 1.0, 2.0), ("second", "micrometer", "micrometer")
    )
    labelled = LabelledStack(labels, images=ArrayFrames(images), mapping=mapping)
    path = export.write(labelled, tmp_path / "out.ome.zarr", name, depth="kept")
    yaozarrs.validate_zarr_store(path)
    root = zarr.open_group(path, mode="r")
    levels = [root[f"labels/objects/{level}"][:] for level in range(3)]
    np.testing.assert_array_equal(levels[2], labels[:, ::4, ::4])
    assert levels[2].shape == (2, 75, 151)
    assert "3" not in root
    np.testing.assert_array_equal(
        root["1"][:, :, :300], np.rint(images[:, :, :600].reshape(2, 150, 2, 300, 2).mean((2, 4)))
    )
    of_labels, of_images = (
        (group.attrs["ome"] if name == "ome-zarr" else group.attrs)["multiscales"][0]["datasets"]
        for group in (root["labels/objects"], root)
    )
    assert [t["scale"] for d in of_labels for t in d["coordinateTransformations"][:1]] == [
        [2.0, 0.5 * factor, 0.25 * factor] for factor in (1, 2, 4)
    ]
    assert of_labels[2]["coordinateTransformations"][1]["translation"] == [0.0, 1.0, 2.0]
    assert of_images[2]["coordinateTransformations"][1]["translation"] == [0.0, 1.75, 2.375]
    (back,) = export.read(path)
    assert back.mapping == mapping
    assert back.images is not None
    np.testing.assert_array_equal(back.planes(1)[0], labels[1])


def test_ome_zarr_models_reads_the_label_image(tmp_path: Path) -> None:
    """Of 0.5 alone: its models of 0.4 do not work with pydantic 2.14."""
    import zarr
    from ome_zarr_models import v05

    path = export.write(stack(), tmp_path / "out.ome.zarr", "ome-zarr")
    root = zarr.open_group(path, mode="r")
    assert v05.Image.from_zarr(root).labels is not None
    label = v05.ImageLabel.from_zarr(root["labels/objects"])
    colors = label.ome_attributes.image_label.colors
    assert {color.label_value for color in colors} == {1, 2, 70_000}


def test_tifffile_reads_ome_tiff(tmp_path: Path) -> None:
    path = export.write(stack(), tmp_path / "out.ome.tif", "ome-tiff")
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        assert tiff.series[0].axes == "TYX"
        np.testing.assert_array_equal(tiff.asarray(), LABELS)
        assert "분열하는 세포" in tiff.ome_metadata


def test_cellpose_pairs_are_found_by_its_rules(tmp_path: Path) -> None:
    """As cellpose.io's get_image_files and get_label_files find them."""
    path = export.write(stack(), tmp_path / "out", "cellpose", depth="kept")
    images = sorted(
        file for file in path.glob("*.tif") if not file.stem.endswith(("_masks", "_flows"))
    )
    assert len(images) == len(LABELS)
    for frame, image in enumerate(images):
        masks = tifffile.imread(image.with_name(f"{image.stem}_masks.tif"))
        np.testing.assert_array_equal(masks, LABELS[frame])
        np.testing.assert_array_equal(tifffile.imread(image), IMAGES[frame])


def test_davis_annotations_are_indexed_and_listed(tmp_path: Path) -> None:
    path = export.write(stack(), tmp_path / "out", "davis")
    assert (path / "ImageSets" / "2017" / "train.txt").read_text("utf-8").split() == ["cells"]
    annotations = sorted((path / "Annotations" / "Full-Resolution" / "cells").iterdir())
    images = sorted((path / "JPEGImages" / "Full-Resolution" / "cells").iterdir())
    assert [a.stem for a in annotations] == [i.stem for i in images]
    with Image.open(annotations[0]) as image:
        assert image.mode == "P"
        assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
        indices = np.array(image)
    np.testing.assert_array_equal(indices == 3, LABELS[0] == 70_000)


def test_pycocotools_decodes_youtube_vis_and_mevis(tmp_path: Path) -> None:
    from pycocotools import mask as coco_mask

    path = export.write(stack(), tmp_path / "vis", "youtube-vis")
    document = json.loads((path / "instances.json").read_text("utf-8"))
    assert (path / "JPEGImages" / document["videos"][0]["file_names"][4]).is_file()
    for annotation in document["annotations"]:
        _assert_track(annotation["segmentations"], annotation["track_id"], coco_mask)

    path = export.write(stack(), tmp_path / "mevis", "mevis")
    video = json.loads((path / "meta_expressions.json").read_text("utf-8"))["videos"]["cells"]
    tracks = json.loads((path / "mask_dict.json").read_text("utf-8"))
    assert len(video["frames"]) == len(LABELS)
    said = {e["exp"]: (e["obj_id"], e["anno_id"]) for e in video["expressions"].values()}
    assert set(said) == {"the red one", "das linke", "분열하는 세포", "dirt"}
    for object_ids, numbers in said.values():
        for object_id, number in zip(object_ids, numbers, strict=True):
            _assert_track(tracks[str(number)], object_id, coco_mask)


def test_sa2va_annotations_decode_as_the_official_data_set_does(tmp_path: Path) -> None:
    from pycocotools import mask as coco_mask

    path = export.write(stack(), tmp_path / "out", "sa2va")
    items = json.loads((path / "annotations.json").read_text("utf-8"))
    assert len(items) == len(LABELS) - 1  # one frame is empty
    masks, texts = items[0]["mask"], items[0]["text"]
    assert texts == ["the red one", "das linke", "분열하는 세포", "dirt"]
    with Image.open(path / "images" / items[0]["image"]) as image:
        width, height = image.size
    for outlines, object_id in zip(masks, (1, 1, 2, 70_000), strict=True):
        mask = np.zeros((height, width), np.uint8)
        for outline in outlines:
            mask += coco_mask.decode(coco_mask.frPyObjects([outline], height, width)).squeeze()
        np.testing.assert_array_equal(mask, LABELS[0] == object_id)


def test_measurements_are_those_of_scikit_image(tmp_path: Path) -> None:
    import pandas as pd
    from skimage.measure import regionprops

    table = pd.read_csv(export.write(stack(), tmp_path / "cells.csv", "csv"))
    for _, row in table.iterrows():
        (region,) = regionprops((LABELS[row.frame] == row.object_id).astype(np.uint8))
        assert row.area_pixels == region.area
        assert (row.box_y0, row.box_x0, row.box_y1, row.box_x1) == region.bbox
        assert (row.centroid_y, row.centroid_x) == pytest.approx(region.centroid, abs=1e-3)
    assert len(table) == 12


def _assert_track(segmentations: list[Any], object_id: int, coco_mask: Any) -> None:
    assert len(segmentations) == len(LABELS)
    for frame, segmentation in enumerate(segmentations):
        mask = LABELS[frame] == object_id
        if segmentation is None:
            assert not mask.any()
        else:
            np.testing.assert_array_equal(coco_mask.decode(segmentation), mask)


def _as_sets(masks: Any) -> set[bytes]:
    return {np.asarray(mask, bool).tobytes() for mask in masks}


def _supervision() -> Any:
    with pytest.warns(UserWarning, match="OpenCV") if _first_import() else _nothing():
        import supervision
    return supervision


def _first_import() -> bool:
    import importlib.util
    import sys

    return "supervision" not in sys.modules and importlib.util.find_spec("cv2") is None


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()
