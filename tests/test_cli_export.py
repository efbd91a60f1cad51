"""`napari-sa2va export` and `import`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va import cli, export
from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.core.records import ObjectRecord
from tests.export.examples import blobs, images_of

LABELS = blobs()


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "cells.tif", images_of(LABELS), photometric="minisblack")
    tifffile.imwrite(tmp_path / "labels.tif", LABELS, photometric="minisblack")
    return tmp_path / "labels.tif"


def test_labels_go_into_a_data_set_and_come_back(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "objects.csv").write_text(
        "id,phrase,class\n7,the right one; 오른쪽,cell\n", "utf-8"
    )
    command = f"export {labels} --images {tmp_path / 'cells.tif'} --format yolo -o {tmp_path / 'd'}"
    options = f"--objects {tmp_path / 'objects.csv'} --frames 2: --split 2,1"
    assert cli.main(f"{command} {options}".split()) == 0
    train, val = sorted(export.read(tmp_path / "d"), key=lambda stack: stack.part)
    assert (train.part, train.shape[0], val.part, val.shape[0]) == ("train", 2, "val", 1)
    assert train.record(7).phrases == ["the right one", "오른쪽"]
    assert train.record(7).category == "cell"
    assert (tmp_path / "d" / "images" / "val" / "labels_00000.png").is_file()

    capsys.readouterr()
    assert cli.main(f"import {tmp_path / 'd'} --to tiff -o {tmp_path / 'back'}".split()) == 0
    assert "labels (train): 2 frames of 96 x 96, 3 objects" in capsys.readouterr().out
    back = tifffile.imread(tmp_path / "back" / "train" / "labels.tif")
    np.testing.assert_array_equal(back, LABELS[2:4])


def test_a_table_leaves_what_it_does_not_tell(tmp_path: Path) -> None:
    known = ObjectRecord(
        7,
        "a cell",
        [{"kind": "text", "frame": 0, "text": "a cell"}],
        {0: 0.9},
        verified_frames=[0],
        verifications=[{"frame": 0, "by": "Ada", "at": "2026-01-02T03:04:05+00:00"}],
        expressions=["the right one"],
        parent=1,
    )
    export.write(LabelledStack(LABELS, {7: known}), tmp_path / "known", "tiff")
    table = tmp_path / "objects.csv"
    command = f"export {tmp_path / 'known'} --format tiff --overwrite -o {tmp_path / 'd'}".split()

    def exported(text: str) -> ObjectRecord:
        table.write_text(text)
        assert cli.main([*command, "--objects", str(table)]) == 0
        return export.read(tmp_path / "d")[0].record(7)

    assert exported("id,class\n7,nucleus\n") == replace(known, category="nucleus")
    assert exported("id,phrase,parent\n7,,0\n") == replace(known, parent=0)
    assert exported("id,phrase\n7,this; that\n").phrases == ["this", "that"]


def test_an_export_that_is_there_is_refused(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"export {labels} --format coco -o {tmp_path / 'd'}".split()
    assert cli.main(command) == 0
    assert cli.main(command) == cli.ERROR
    assert "exists" in capsys.readouterr().err
    assert cli.main([*command, "--overwrite"]) == 0


def test_help_names_all_formats() -> None:
    assert tuple(export.FORMATS) == cli._FORMATS


@pytest.mark.parametrize("table", ["name,phrase\n1,x\n", "id\nx\n"])
def test_a_wrong_table_of_objects_is_named(
    table: str, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "objects.csv").write_text(table)
    command = f"export {labels} --format coco -o {tmp_path / 'd'}"
    assert cli.main(f"{command} --objects {tmp_path / 'objects.csv'}".split()) == cli.ERROR
    assert "objects.csv cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["1", "a,b,c", "0,0,0", "-1,1,1"])
def test_a_wrong_split_is_refused(split: str, labels: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        cli.main(f"export {labels} --format coco -o {tmp_path / 'd'} --split={split}".split())
