"""Nothing half-written, nothing overwritten, and what the options leave."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sa2va import export
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.core.labelled import LabelledStack, LabelMasks
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.registry import FORMATS
from napari_sa2va.io import open_stack
from tests.export.examples import blobs, images_of

LABELS = blobs()


def stack(**fields: Any) -> LabelledStack:
    return LabelledStack(LABELS, images=ArrayFrames(images_of(LABELS)), **fields)


@pytest.mark.parametrize("name", FORMATS)
def test_a_cancelled_export_leaves_nothing(name: str, tmp_path: Path) -> None:
    steps = export.writing([stack()], tmp_path / "out", name)
    for progress in steps:
        if progress.done == progress.total - 1:
            break
    steps.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_an_existing_export_is_refused_and_stays(name: str, tmp_path: Path) -> None:
    for target in {tmp_path / "out", tmp_path / f"out{FORMATS[name].suffix}"}:
        export.write(stack(), target, name)
        before = contents(tmp_path)
        with pytest.raises(InputError, match="exists"):
            export.write(stack(name="other"), target, name)
        steps = export.writing([stack(name="other")], target, name, overwrite=True)
        for progress in steps:
            if progress.done == progress.total - 1:
                break
        steps.close()  # cancelled
        assert contents(tmp_path) == before


def test_an_existing_export_is_replaced_on_purpose(tmp_path: Path) -> None:
    path = export.write(stack(), tmp_path / "out", "coco")
    export.write(stack(name="other"), path, "yolo", overwrite=True)
    assert (path / "data.yaml").is_file()
    assert not (path / "annotations").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["provenance.json", "README.md"])
def test_what_lies_beside_a_file_is_not_overwritten_unasked(name: str, tmp_path: Path) -> None:
    mine = tmp_path / f"out.tif.{name}"
    mine.write_text("mine")
    with pytest.raises(InputError, match=f"{mine.name} exists"):
        export.write(stack(), tmp_path / "out.tif", "tiff")
    assert mine.read_text() == "mine"
    export.write(stack(), tmp_path / "out.tif", "tiff", overwrite=True)
    assert mine.read_text("utf-8") != "mine"


@pytest.mark.parametrize("name", ["out", "out.tif", "out.ome.zarr"])
def test_an_export_that_cannot_take_its_place_leaves_the_old_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    format_name = {"out": "coco", "out.tif": "tiff", "out.ome.zarr": "ome-zarr"}[name]
    export.write(stack(), tmp_path / name, format_name)
    before = contents(tmp_path)
    move = {"out.tif": "replace"}.get(name, "rename")
    original = getattr(Path, move)

    def refuse(self: Path, target: Path) -> Path:
        if Path(target).name == name and not self.name.endswith(".old"):
            raise PermissionError(errno.EACCES, "held by another program")
        return original(self, target)

    monkeypatch.setattr(Path, move, refuse)
    with pytest.raises(InputError, match="held by another program"):
        export.write(stack(name="other"), tmp_path / name, format_name, overwrite=True)
    assert contents(tmp_path) == before


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="no export"):
        export.write(stack(), tmp_path / "mine", "coco", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_failed_overwrite_leaves_the_old_export(tmp_path: Path) -> None:
    path = export.write(stack(), tmp_path / "out", "coco")
    before = {f: f.read_bytes() for f in path.rglob("*") if f.is_file()}
    broken = LabelMasks(LABELS.shape, _fails_in_the_second_pass())
    with pytest.raises(InputError, match="cut off"):
        export.write(LabelledStack(broken), path, "coco", overwrite=True)
    assert {f: f.read_bytes() for f in path.rglob("*") if f.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "no space"), (errno.EROFS, "cannot be written")]
)
def test_a_full_or_read_only_disk_is_said(
    number: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *args: Any, **kwargs: Any) -> int:
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(InputError, match=message):
        export.write(stack(), tmp_path / "out", "coco")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_a_disk_that_fills_up_while_any_format_is_written(tmp_path: Path) -> None:
    code = (
        "import json, resource, sys, numpy as np\n"
        "from napari_sa2va import export\n"
        "from napari_sa2va.core.errors import InputError\n"
        "labels = np.random.default_rng(0).integers(0, 9, (3, 99, 99)).astype(np.uint8)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))\n"
        "said = {}\n"
        "for format in export.FORMATS.values():\n"
        "    for name in {'out', f'out{format.suffix}'}:\n"
        "        try:\n"
        "            export.write(labels, f'{sys.argv[1]}/{name}', format.name, images=labels)\n"
        "        except InputError as error:\n"
        "            said[f'{format.name} as {name}'] = str(error)\n"
        "print(json.dumps(said))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    files = [f for f in FORMATS.values() if f.suffix]
    assert len(said) == len(FORMATS) + len(files)
    assert {what for what, error in said.items() if "no space left" not in error} == set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/sys is where even root may not write")
@pytest.mark.parametrize("name", FORMATS)
def test_a_read_only_folder_is_named(name: str) -> None:
    target = Path("/sys") / f"out{FORMATS[name].suffix}"
    with pytest.raises(InputError, match=f"{target} cannot be written") as told:
        export.write(stack(), target, name)
    assert "Choose a folder that you may write to" in str(told.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        export.write(stack(), tmp_path / "a" / "b", "coco")


def test_overlaps_are_refused_or_the_first_wins(tmp_path: Path) -> None:
    masks = {3: np.zeros((4, 6), bool), 1: np.zeros((4, 6), bool)}
    masks[3][:, :4] = masks[1][:, 2:] = True
    labels = LabelledStack(LabelMasks((1, 4, 6), lambda _: masks.items()))
    with pytest.raises(InputError, match="1, 3 overlap in frame 0"):
        export.write(labels, tmp_path / "out.npy", "npy")
    path = export.write(labels, tmp_path / "out.npy", "npy", overlaps="first")
    np.testing.assert_array_equal(np.load(path)[0, 0], [3, 3, 1, 1, 1, 1])


def test_classes_are_numbered_as_they_are_given(tmp_path: Path) -> None:
    records = {1: ObjectRecord(1, category="a"), 2: ObjectRecord(2, category="b")}
    path = export.write(stack(objects=records), tmp_path / "out", "coco", classes=["b", "a"])
    document = json.loads((path / "annotations" / "instances_default.json").read_text("utf-8"))
    assert [c["name"] for c in document["categories"]] == ["b", "a"]
    assert {(a["track_id"], a["category_id"]) for a in document["annotations"]} == {(1, 2), (2, 1)}
    with pytest.raises(InputError, match="no object of the classes c"):
        export.write(stack(objects=records), tmp_path / "none", "coco", classes=["c"])


def test_verified_only_leaves_verified_masks_of_their_frames(tmp_path: Path) -> None:
    records = {1: ObjectRecord(1, verified_frames=[2, 3]), 2: ObjectRecord(2, verified_frames=[3])}
    path = export.write(stack(objects=records), tmp_path / "out.npy", "npy", verified_only=True)
    array = np.load(path)
    assert array.shape[0] == 2
    np.testing.assert_array_equal(array[0], np.where(LABELS[2] == 1, 1, 0))
    np.testing.assert_array_equal(array[1], np.where(LABELS[3] < 3, LABELS[3], 0))
    with pytest.raises(InputError, match="No frame is left"):
        export.write(stack(), tmp_path / "none", "coco", verified_only=True)


def judged_stack() -> LabelledStack:
    """All masks are confirmed; of the phrases one is, one is refused, two were not looked at."""
    frames = list(range(len(LABELS)))
    records = {
        1: ObjectRecord(1, "wrong", expressions=["right", "new"], verified_frames=frames),
        2: ObjectRecord(2, "unseen", category="cell", verified_frames=frames),
        7: ObjectRecord(7, category="cell", verified_frames=frames),
    }
    records[1].judge("wrong", False, "Ada", "2026-01-02T03:04:05+00:00")
    records[1].judge("right", True, "Ada", "2026-01-02T03:04:05+00:00")
    return stack(objects=records)


def texts_of(path: Path, name: str) -> set[str]:
    match name:
        case "sa2va":
            items = json.loads((path / "annotations.json").read_text("utf-8"))
            return {text for item in items for text in item["text"]}
        case "mevis":
            videos = json.loads((path / "meta_expressions.json").read_text("utf-8"))["videos"]
            return {e["exp"] for video in videos.values() for e in video["expressions"].values()}
    file = "annotations/instances_default.json" if name == "coco" else "instances.json"
    annotations = json.loads((path / file).read_text("utf-8"))["annotations"]
    return {phrase for a in annotations for phrase in a.get("phrases", ())}


@pytest.mark.parametrize("name", ["sa2va", "mevis", "coco", "youtube-vis"])
def test_texts_are_those_that_nobody_refused_or_only_confirmed_ones(
    name: str, tmp_path: Path
) -> None:
    labelled = judged_stack()
    path = export.write(labelled, tmp_path / "all", name)
    by_class = {"cell"} if name in ("sa2va", "mevis") else set()
    assert texts_of(path, name) == {"right", "new", "unseen", *by_class}
    (back,) = export.read(path)
    assert {i: back.record(i) for i in (1, 2)} == {i: labelled.record(i) for i in (1, 2)}
    path = export.write(labelled, tmp_path / "verified", name, verified_only=True)
    assert texts_of(path, name) == {"right"}
    (back,) = export.read(path)
    np.testing.assert_array_equal(back.masks(0)[1], LABELS[0] == 1)
    assert back.record(1).phrases == ["wrong", "right", "new"]
    card = (path / "README.md").read_text("utf-8")
    assert "| 1 | object | wrong | right |" in card


@pytest.mark.parametrize("name", ["sa2va", "mevis"])
def test_texts_need_a_confirmed_phrase_where_only_those_count(name: str, tmp_path: Path) -> None:
    records = {1: ObjectRecord(1, "unseen", verified_frames=[0])}
    with pytest.raises(InputError, match="No phrase was confirmed"):
        export.write(stack(objects=records), tmp_path / "out", name, verified_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_split_by_frame_takes_blocks_in_time(tmp_path: Path) -> None:
    path = export.write(stack(), tmp_path / "out", "coco", split=export.Split(3, 1, 1))
    parts = {s.part: s for s in export.read(path)}
    assert {part: s.shape[0] for part, s in parts.items()} == {"train": 3, "val": 1, "test": 1}
    np.testing.assert_array_equal(parts["val"].planes(0)[0], LABELS[3])
    assert {p.name for p in (path / "images").iterdir()} == {"train", "val", "test"}


def test_a_split_by_object_keeps_families_together(tmp_path: Path) -> None:
    records = {2: ObjectRecord(2, parent=1)}
    split = export.Split(1, 1, 0, by="object")
    path = export.write(stack(objects=records), tmp_path / "out", "mevis", split=split)
    ids = {s.part: set(s.object_ids) for s in export.read(path)}
    assert sorted(map(sorted, ids.values())) == [[1, 2], [7]]


def test_a_split_by_movie_takes_whole_stacks(tmp_path: Path) -> None:
    movies = [stack(name="same") for _ in range(4)]
    split = export.Split(2, 1, 1, by="movie")
    path = export.write(movies, tmp_path / "out", "davis", split=split)
    back = export.read(path)
    assert sorted(s.part for s in back) == ["test", "train", "train", "val"]
    with pytest.raises(InputError, match="cannot be split"):
        export.write(movies[:2], tmp_path / "few", "davis", split=split)


def test_images_are_referenced_where_each_is_a_file(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "frames").mkdir()
    for frame, labels in enumerate(LABELS):
        Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "frames" / f"{frame}.png")
    images = open_stack(tmp_path / "frames")
    path = export.write(LABELS, tmp_path / "out", "coco", images=images, image_files="reference")
    document = json.loads((path / "annotations" / "instances_default.json").read_text("utf-8"))
    names = [image["file_name"] for image in document["images"]]
    assert names == [str(tmp_path / "frames" / f"{frame}.png") for frame in range(len(LABELS))]
    assert not (path / "images").exists()
    with pytest.raises(InputError, match="not one file a frame"):
        export.write(stack(), tmp_path / "no", "coco", image_files="reference")


def test_sixteen_bits_are_kept_or_rendered(tmp_path: Path) -> None:
    kept = export.write(stack(), tmp_path / "kept", "coco", depth="kept")
    rendered = export.write(stack(), tmp_path / "rendered", "coco")
    (back,), (seen,) = export.read(kept), export.read(rendered)
    np.testing.assert_array_equal(back.images.values(0), images_of(LABELS)[0])
    np.testing.assert_array_equal(seen.images.frame(2), stack().images.frame(2))
    with pytest.raises(InputError, match="cannot be kept as JPG"):
        export.write(stack(), tmp_path / "no", "davis", depth="kept")


@pytest.mark.parametrize("name", ["ome-zarr", "ome-zarr-0.4"])
def test_colours_come_back_from_ome_zarr(name: str, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (*LABELS.shape, 3)).astype(np.uint8)
    labelled = LabelledStack(LABELS, images=ArrayFrames(colours))
    (back,) = export.read(export.write(labelled, tmp_path / "out.ome.zarr", name))
    np.testing.assert_array_equal(back.images.frame(2), colours[2])


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no format 'coko'"):
        export.write(stack(), tmp_path / "out", "coko")
    with pytest.raises(InputError, match="image_files"):
        export.write(stack(), tmp_path / "out", "coco", image_files="maybe")
    with pytest.raises(InputError, match="cannot do without images"):
        export.write(LABELS, tmp_path / "out", "cellpose")
    with pytest.raises(InputError, match="no part of"):
        export.write(stack(), tmp_path / "out", "coco", frames=slice(9, 12))
    with pytest.raises(InputError, match="Labels are integers"):
        export.write(LABELS.astype(float), tmp_path / "out", "coco")
    records = {1: ObjectRecord(1, parent=7)}
    with pytest.raises(InputError, match="its parent 7"):
        export.write(stack(objects=records), tmp_path / "out", "ctc")
    assert list(tmp_path.iterdir()) == []


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _fails_in_the_second_pass() -> Any:
    reads: list[int] = []

    def masks(frame: int) -> Any:
        reads.append(frame)
        if len(reads) > len(LABELS) + 2:
            raise InputError("The file is cut off.", "Copy it again.")
        return [(1, LABELS[frame] == 1)]

    return masks
