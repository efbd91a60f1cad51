"""Data sets in their published layouts, made by our exporters or by hand."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sa2va import export
from napari_sa2va.core.errors import InputError
from napari_sa2va.evaluation.dataset import Dataset, Sample
from napari_sa2va.evaluation.kinds import KINDS, kind_named
from tests.evaluation.examples import discs, run_lengths, stack, write_images, write_json

CLIP = discs(3, length=3, height=40, width=60)
PICTURES = [np.repeat(mask[..., None] * np.uint8(200), 3, axis=-1) for mask in CLIP]
NAMES = ["00000", "00005", "00010"]


def _truth(sample: Sample, target: int = 1) -> np.ndarray:
    return np.stack([sample.truth(f)[target] for f in range(sample.frames().shape[0])])


def _by_text(dataset: Dataset) -> dict[str, Sample]:
    return {sample.text: sample for sample in dataset.samples}


def test_mevis_as_our_export_writes_it(tmp_path: Path) -> None:
    labelled = stack()
    export.write(labelled, tmp_path / "out", "mevis")
    dataset = KINDS["mevis"].read(tmp_path / "out")
    assert dataset.split == ""  # no part of MeViS: its published figures do not belong beside it
    samples = _by_text(dataset)
    assert set(samples) == {"the upper left disc", "every disc", "the middle disc", "오른쪽 원"}
    labels = np.stack([labelled.planes(frame)[0] for frame in range(5)])
    np.testing.assert_array_equal(_truth(samples["the middle disc"]), labels == 2)
    np.testing.assert_array_equal(_truth(samples["every disc"]), labels > 0)
    assert samples["every disc"].frames().frame(0).shape == (96, 96, 3)
    assert len({sample.key for sample in dataset.samples}) == 4
    assert {sample.stack for sample in dataset.samples} == {"cells"}


def _meta(expression: dict) -> dict:
    video = {"frames": NAMES, "height": 40, "width": 60, "expressions": expression}
    return {"videos": {"v/1": video}}


@pytest.mark.parametrize(
    ("kind", "meta", "images"),
    [
        ("mevis", "valid_u/meta_expressions.json", "valid_u/JPEGImages"),
        ("revos", "meta_expressions_valid_.json", "JPEGImages"),
        ("revos", "meta_expressions_valid_.json", "."),
        ("ref-sav", "meta_expressions_valid.json", "videos"),
    ],
)
def test_run_lengths_beside_expressions(kind: str, meta: str, images: str, tmp_path: Path) -> None:
    expressions = {
        "0": {"exp": "the discs", "anno_id": [3, 4], "obj_id": [0], "type_id": 0},
        "1": {"exp": "Which is gone?", "anno_id": [4], "obj_id": [0], "type_id": 1},
        "2": {"exp": "a dog", "anno_id": [], "obj_id": [], "type_id": 2},
    }
    file = write_json(tmp_path / meta, _meta(expressions))
    left = np.arange(60) < 30
    tracks = {"3": run_lengths(CLIP & left), "4": run_lengths(CLIP & ~left)}
    write_json(file.parent / "mask_dict.json", tracks)
    write_images(tmp_path / images / "v" / "1", [f"{n}.jpg" for n in NAMES], PICTURES)
    dataset = KINDS[kind].read(tmp_path)
    samples = _by_text(dataset)
    np.testing.assert_array_equal(_truth(samples["the discs"]), CLIP)
    np.testing.assert_array_equal(_truth(samples["Which is gone?"]), CLIP & ~left)
    assert not _truth(samples["a dog"]).any()
    groups = [sample.group for sample in dataset.samples]
    if kind == "mevis":
        assert groups == ["", "", ""]
    else:
        assert groups == [*dataset.averaged, "other"]
        assert (
            dataset.averaged
            == {"revos": ("referring", "reasoning"), "ref-sav": ("long", "short")}[kind]
        )


def test_ref_sav_takes_frames_from_its_videos(tmp_path: Path) -> None:
    import av

    meta = _meta({"0": {"exp": "x", "anno_id": [1], "type_id": 0}})
    meta["videos"] = {"sav_000123": meta["videos"]["v/1"] | {"frames": ["00000", "00002"]}}
    write_json(tmp_path / "meta_expressions_valid.json", meta)
    write_json(tmp_path / "mask_dict.json", {"1": run_lengths(CLIP[[0, 2]])})
    folder = tmp_path / "videos" / "sav_000"
    folder.mkdir(parents=True)
    with av.open(folder / "sav_000123.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 60, 40, "yuv420p"
        for level in (0, 100, 250):
            frame = av.VideoFrame.from_ndarray(np.full((40, 60, 3), level, np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (sample,) = KINDS["ref-sav"].read(tmp_path).samples
    assert sample.frames().shape == (2, 40, 60)
    assert sample.frames().frame(1).mean() > 200  # the third frame of the video


@pytest.mark.parametrize(("kind", "split"), [("ref-davis", "valid"), ("ref-youtube-vos", "train")])
def test_indexed_images_and_expressions(kind: str, split: str, tmp_path: Path) -> None:
    expressions = {
        "0": {"exp": "the discs", "obj_id": "2"},
        "1": {"exp": "the rest", "obj_id": "1"},
    }
    write_json(tmp_path / "meta_expressions" / split / "meta_expressions.json", _meta(expressions))
    write_images(tmp_path / split / "JPEGImages/v/1", [f"{n}.jpg" for n in NAMES], PICTURES)
    folder = tmp_path / split / "Annotations/v/1"
    folder.mkdir(parents=True)
    for name, mask in zip(NAMES, CLIP, strict=True):
        image = Image.fromarray(np.where(mask, 2, 1).astype(np.uint8))
        image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
        image.save(folder / f"{name}.png")
    samples = _by_text(KINDS[kind].read(tmp_path))
    np.testing.assert_array_equal(_truth(samples["the discs"]), CLIP)
    np.testing.assert_array_equal(_truth(samples["the rest"]), ~CLIP)


def test_davis_as_our_export_writes_it(tmp_path: Path) -> None:
    labelled = stack()
    export.write(labelled, tmp_path / "out", "davis")
    (sample,) = KINDS["davis"].read(tmp_path / "out", "train").samples
    assert sample.prompts == {1: 0, 2: 0, 3: 0}
    assert sample.targets == [1, 2, 3]
    assert list(sample.scored(5)) == [1, 2, 3]  # the first is given, and DAVIS leaves out the last
    np.testing.assert_array_equal(_truth(sample, 3)[2], labelled.planes(2)[0] == 7)


def test_what_is_void_in_davis_does_not_count(tmp_path: Path) -> None:
    plane = np.zeros((3, 40, 60), np.uint8)
    plane[:, :20] = 1
    plane[1, :5] = 255
    folder = tmp_path / "Annotations/480p/bear"
    write_images(folder, [f"{n}.png" for n in NAMES], plane)
    write_images(tmp_path / "JPEGImages/480p/bear", [f"{n}.jpg" for n in NAMES], PICTURES)
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/val.txt").write_text("bear\n")
    (sample,) = KINDS["davis"].read(tmp_path).samples
    assert sample.targets == [1]
    assert sample.void is not None
    np.testing.assert_array_equal(sample.void(1), plane[1] == 255)
    assert sample.truth(1)[1].sum() == 15 * 60


def test_ctc_and_coco_as_our_export_writes_them(tmp_path: Path) -> None:
    labelled = stack()
    export.write(labelled, tmp_path / "ctc", "ctc")
    (sample,) = KINDS["ctc"].read(tmp_path / "ctc").samples
    # All are gone in the second frame: each comes back as a new track.
    assert sorted(sample.prompts.values()) == [0, 0, 0, 2, 2, 2]
    export.write(labelled, tmp_path / "coco", "coco", split=export.Split(0.6, 0.4, 0))
    dataset = KINDS["coco"].read(tmp_path / "coco")
    assert [s.text for s in dataset.samples] == ["all the object"] * 2
    np.testing.assert_array_equal(_truth(dataset.samples[0])[0], labelled.planes(3)[0] > 0)


@pytest.fixture
def refcoco(tmp_path: Path) -> Path:
    """gRefCOCO's layout: one object, two objects, and nothing."""
    path = tmp_path / "grefcoco"
    left, right = np.zeros((2, 30, 50), bool)
    left[5:20, 5:15] = True
    right[5:20, 30:45] = True
    annotations = [
        # A polygon, as COCO has most of them, and run lengths.
        {"id": 11, "image_id": 9, "segmentation": [[5, 5, 15, 5, 15, 20, 5, 20]], "iscrowd": 0},
        {"id": 12, "image_id": 9, "segmentation": run_lengths(right[None])[0], "iscrowd": 0},
    ]
    image = {"id": 9, "file_name": "COCO_train2014_9.jpg", "height": 30, "width": 50}
    write_json(path / "instances.json", {"images": [image], "annotations": annotations})
    references = [
        {"ref_id": i, "image_id": 9, "ann_id": ids, "split": split, "sentences": sentences}
        for i, (ids, split, sentences) in enumerate(
            [
                (
                    11,
                    "val",
                    [{"sent_id": 1, "sent": "left"}, {"sent_id": 2, "sent": "the left one"}],
                ),
                ([11, 12], "val", [{"sent_id": 3, "sent": "both"}]),
                ([-1], "val", [{"sent_id": 4, "sent": "the dog"}]),
                ([12], "testA", [{"sent_id": 5, "sent": "right"}]),
            ]
        )
    ]
    write_json(path / "grefs(unc).json", references)
    write_images(tmp_path / "images/train2014", [image["file_name"]], [np.zeros((30, 50, 3))])
    return path


def test_references_to_one_several_and_nothing(refcoco: Path) -> None:
    dataset = KINDS["refcoco"].read(refcoco)
    samples = _by_text(dataset)
    assert list(samples) == ["left", "the left one", "both", "the dog"]
    assert samples["left"].truth(0)[1].sum() == 150
    assert samples["both"].truth(0)[1].sum() == 150 + 225
    assert not samples["the dog"].truth(0)[1].any()
    assert [s.group for s in dataset.samples] == ["", "", "", "no target"]
    assert dataset.name == "grefcoco"
    (right,) = KINDS["refcoco"].read(refcoco, "testA").samples
    assert right.frames().shape == (1, 30, 50)


def test_converted_references_are_read(refcoco: Path) -> None:
    instances = json.loads((refcoco / "instances.json").read_text())
    image = instances["images"][0] | {"id": 1, "caption": "right"}
    annotation = instances["annotations"][1] | {"id": 1, "image_id": 1}
    path = refcoco.parent / "refcoco+"
    write_json(
        path / "instances_refcoco+_val.json", {"images": [image], "annotations": [annotation]}
    )
    (sample,) = KINDS["refcoco"].read(path).samples
    assert (sample.text, int(sample.truth(0)[1].sum())) == ("right", 225)


def test_a_pickle_is_refused_with_a_way_out(refcoco: Path) -> None:
    references = json.loads((refcoco / "grefs(unc).json").read_text())
    (refcoco / "grefs(unc).json").unlink()
    (refcoco / "grefs(unc).p").write_bytes(pickle.dumps(references))
    with pytest.raises(InputError, match="pickle, which can run any code") as refused:
        KINDS["refcoco"].read(refcoco)
    assert "grefs(unc).json" in refused.value.hint


def _broken(path: Path, file: str, change: object) -> None:
    content = json.loads((path / file).read_text("utf-8"))
    if callable(change):
        change(content)
    (path / file).write_text(json.dumps(content), "utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda refs: refs[0].pop("ann_id"), "reference 0 has no field 'ann_id'"),
        (lambda refs: refs[0].pop("split"), "reference 0 has no field 'split'"),
        (lambda refs: refs[1].update(ann_id=[99]), "'ann_id': 99 is not in instances.json"),
        (lambda refs: refs[0]["sentences"][0].pop("sent"), "no field 'sent'"),
        (lambda refs: [r.update(split="train") for r in refs], "no split 'val'"),
    ],
)
def test_errors_name_file_and_field(change: object, message: str, refcoco: Path) -> None:
    _broken(refcoco, "grefs(unc).json", change)
    with pytest.raises(InputError, match=r"grefs\(unc\).json") as error:
        KINDS["refcoco"].read(refcoco)
    assert message in error.value.message


@pytest.mark.parametrize(
    ("expression", "masks", "message"),
    [
        ({"exp": "x"}, {}, "expression 0 has no field 'anno_id'"),
        ({"anno_id": [1]}, {}, "expression 0 has no field 'exp'"),
        ({"exp": " ", "anno_id": [1]}, {}, "empty 'exp'"),
        ({"exp": "x", "anno_id": 5}, {}, "expression 0, field 'anno_id' cannot be read"),
        ({"exp": "x", "anno_id": [1]}, {}, "no field '1'"),
        ({"exp": "x", "anno_id": [1]}, {"1": [None]}, "1 masks, the video v/1 3 frames"),
    ],
)
def test_errors_name_the_expression(
    expression: dict, masks: dict, message: str, tmp_path: Path
) -> None:
    write_json(tmp_path / "meta_expressions.json", _meta({"0": expression}))
    write_json(tmp_path / "mask_dict.json", masks)
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(InputError, match=str(tmp_path)) as error:
        KINDS["mevis"].read(tmp_path)
    assert message in error.value.message


def test_a_split_without_masks_is_told_so(tmp_path: Path) -> None:
    write_json(tmp_path / "meta_expressions.json", _meta({"0": {"exp": "x"}}))
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(InputError, match="no masks to compare with"):
        KINDS["mevis"].read(tmp_path)
    (tmp_path / "mask_dict.pkl").write_bytes(b"")
    with pytest.raises(InputError, match="is a pickle"):
        KINDS["mevis"].read(tmp_path)
    write_json(tmp_path / "meta_expressions/valid/meta_expressions.json", _meta({}))
    with pytest.raises(InputError, match="no masks to compare with"):
        KINDS["ref-youtube-vos"].read(tmp_path, "valid")


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_something_else_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        KINDS[kind].read(tmp_path)
    with pytest.raises(InputError, match="There is no folder"):
        KINDS[kind].read(tmp_path / "nowhere")


def test_json_of_another_shape_is_damaged(refcoco: Path, tmp_path: Path) -> None:
    write_json(refcoco / "grefs(unc).json", {"a": 1})
    with pytest.raises(InputError, match="grefcoco cannot be read"):
        KINDS["refcoco"].read(refcoco)
    write_json(tmp_path / "annotations/instances_val.json", {"categories": [[]]})
    (tmp_path / "images/val").mkdir()
    with pytest.raises(InputError, match="category has no field 'id'"):
        KINDS["coco"].read(tmp_path)


def test_an_unknown_kind_names_all() -> None:
    with pytest.raises(InputError, match="no kind") as error:
        kind_named("imagenet")
    assert "ref-davis" in error.value.hint


def test_an_image_that_is_missing_is_named_when_it_is_opened(refcoco: Path) -> None:
    (refcoco.parent / "images/train2014/COCO_train2014_9.jpg").unlink()
    dataset = KINDS["refcoco"].read(refcoco)
    with pytest.raises(InputError, match="COCO_train2014_9"):
        dataset.samples[0].frames()
