"""The provenance and the data card that lie beside every export."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_sa2va
from napari_sa2va import export
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack, PixelMapping, layer_stack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.registry import FORMATS
from tests.export.examples import blobs, images_of

SCHEMA = json.loads(files("napari_sa2va.export").joinpath("provenance.schema.json").read_text())


def layer(labels: np.ndarray) -> SimpleNamespace:
    """As much of a napari layer as is read."""
    record = ObjectRecord(
        7,
        "the left one",
        prompts=[{"kind": "point", "frame": 2, "y": 4.0, "x": 5.0, "positive": True}],
        scores={0: 0.9, 2: 0.8},
        model="nano",
        verified_frames=[2],
        verifications=[{"frame": 2, "by": "Ada", "at": "2026-01-02T03:04:05+00:00"}],
    )
    return SimpleNamespace(
        data=labels,
        name="Sa2VA labels",
        features=pd.DataFrame({"index": [1, 7], "class": ["cell", "x"], "parent": [9, np.nan]}),
        metadata={"sa2va": {"image": "cells", "model": "nano", "objects": {7: vars(record)}}},
        scale=(2.0, 0.5, 0.5),
        translate=(0.0, 10.0, 20.0),
        units=("second", "micrometer", "micrometer"),
        source=SimpleNamespace(path=None),
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_export_tells_where_it_comes_from(name: str, tmp_path: Path) -> None:
    labels = blobs(ids=(1, 7))
    tifffile.imwrite(tmp_path / "cells.tif", images_of(labels), photometric="minisblack")
    path = export.write(
        layer(labels), tmp_path / "out", name, images=tmp_path / "cells.tif", frames=slice(1, 5)
    )
    told = json.loads((path / "provenance.json").read_text("utf-8"))
    jsonschema.validate(told, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert told["software"]["version"] == napari_sa2va.__version__
    (stack,) = told["stacks"]
    assert stack["source_frames"] == [1, 2, 3, 4]
    assert stack["model"] == {"id": "nano"}
    digest = hashlib.sha256((tmp_path / "cells.tif").read_bytes()).hexdigest()
    assert [s["sha256"] for s in stack["sources"]] == [digest]
    assert stack["pixel_mapping"]["units"] == ["second", "micrometer", "micrometer"]
    record = stack["objects"][1]
    assert record["verified_frames"] == [1]  # frames count as in the export
    assert record["verifications"][0] | {"by": "Ada", "frame": 1} == record["verifications"][0]
    assert record["prompts"][0]["frame"] == 1
    assert record["scores"] == {"1": 0.8}
    card = (path / "README.md").read_text("utf-8")
    assert "the left one" in card
    assert digest in card
    assert "Ada" in card


def test_records_features_and_mapping_of_a_layer_are_taken_up() -> None:
    stack = layer_stack(layer(blobs(ids=(1, 7))))
    assert stack.name == "cells"
    assert stack.record(1) == ObjectRecord(1, category="cell", parent=9)
    assert stack.record(7).phrase == "the left one"
    assert stack.mapping == PixelMapping(
        (2.0, 0.5, 0.5), (0.0, 10.0, 20.0), ("second", "micrometer", "micrometer")
    )


def test_a_file_has_its_provenance_beside_it(tmp_path: Path) -> None:
    path = export.write(layer(blobs(ids=(1, 7))), tmp_path / "out.tif", "tiff")
    assert {f.name for f in tmp_path.iterdir()} == {
        "out.tif", "out.tif.provenance.json", "out.tif.README.md"
    }  # fmt: skip
    (back,) = export.read(path)
    assert back.record(7).phrase == "the left one"
    assert back.mapping.scale == (2.0, 0.5, 0.5)
    assert back.model == {"id": "nano"}


def test_edits_of_the_export_win_over_the_provenance(tmp_path: Path) -> None:
    path = export.write(layer(blobs(ids=(1, 7))), tmp_path / "out", "coco")
    file = path / "annotations" / "instances_default.json"
    file.write_text(file.read_text("utf-8").replace("the left one", "the one"), "utf-8")
    (back,) = export.read(path)
    assert back.record(7).phrase == "the one"
    assert back.record(7).verified_frames == [2]


def test_edits_win_where_the_format_has_other_ids(tmp_path: Path) -> None:
    labels = blobs(ids=(3, 5, 7))  # none is in frame 1: in the format each is two tracks
    labels[:3][labels[:3] == 7] = 0
    labels[3:][labels[3:] == 5] = 0
    records = {3: ObjectRecord(3, "a", expressions=["b"]), 5: ObjectRecord(5, "b", scores={0: 0.5})}
    stack = LabelledStack(labels, records | {7: ObjectRecord(7, parent=5, verified_frames=[3])})
    path = export.write(stack, tmp_path / "ctc", "ctc")
    (back,) = export.read(path)
    assert [back.record(i).parent for i in (3, 5, 7)] == [0, 0, 5]
    file = path / "01_GT" / "TRA" / "man_track.txt"
    file.write_text(re.sub(r"^7 3 4 \d+$", "7 3 4 3", file.read_text(), flags=re.M))
    (back,) = export.read(path)
    assert [back.record(i).parent for i in (3, 5, 7)] == [0, 0, 3]
    assert back.record(7).verified_frames == [3]

    path = export.write(stack, tmp_path / "mevis", "mevis", images=images_of(labels))
    file = path / "meta_expressions.json"
    file.write_text(file.read_text("utf-8").replace('"b"', '"the left one"'), "utf-8")
    (back,) = export.read(path)
    assert [back.record(i).phrases for i in (3, 5)] == [["a", "the left one"], ["the left one"]]
    assert back.record(5).scores == {0: 0.5}


def test_nobody_edited_what_another_format_calls_an_object(tmp_path: Path) -> None:
    """MeViS has one order of all phrases, and calls an object without one by its class."""
    labels = blobs(ids=(1, 2, 7))
    records = {
        1: ObjectRecord(1, "a", expressions=["b"]),
        2: ObjectRecord(2, "b"),
        7: ObjectRecord(7),
    }
    records[2].set_phrases(["b", "a"])
    path = export.write(
        LabelledStack(labels, records), tmp_path / "out", "mevis", images=images_of(labels)
    )
    (back,) = export.read(path)
    assert [back.record(i).phrases for i in (1, 2, 7)] == [["a", "b"], ["b", "a"], []]


def test_a_damaged_provenance_is_named(tmp_path: Path) -> None:
    path = export.write(blobs(), tmp_path / "out", "coco")
    (path / "provenance.json").write_text('{"schema_version": 99}')
    with pytest.raises(InputError, match="later version"):
        export.read(path)
    (path / "provenance.json").write_text("{")
    with pytest.raises(InputError, match=r"provenance\.json"):
        export.read(path)
