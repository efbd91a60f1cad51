"""What is exported and imported again is what it was."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_sa2va import export
from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.export.registry import FORMATS
from tests.export.examples import labelled_stacks

WITH_OVERLAPS = (
    "coco",
    "coco-polygons",
    "youtube-vis",
    "sa2va",
    "mevis",
    "ome-zarr",
    "ome-zarr-0.4",
)
# A polygon of YOLO joins pieces that lie apart by lines: see test_yolo.
EXACT = [n for n, f in FORMATS.items() if f.readable and n != "yolo"]

_SETTINGS = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", EXACT)
@_SETTINGS
@given(data=st.data())
def test_export_then_import_is_the_identity(name: str, data: st.DataObject) -> None:
    stack = data.draw(labelled_stacks(overlaps=name in WITH_OVERLAPS))
    with tempfile.TemporaryDirectory() as folder:
        path = export.write(stack, Path(folder) / "out", name)
        (back,) = export.read(path)
        assert_same(back, stack)
        assert name == "png" or FORMATS[name].load().recognizes(path)


@pytest.mark.parametrize("name", [n for n in EXACT if FORMATS[n].suffix])
@_SETTINGS
@given(stack=labelled_stacks())
def test_one_file_comes_back_too(name: str, stack: LabelledStack) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = export.write(stack, Path(folder) / f"out{FORMATS[name].suffix}", name)
        (back,) = export.read(path)
        assert_same(back, stack)


def assert_same(back: LabelledStack, stack: LabelledStack) -> None:
    assert back.shape == stack.shape
    for frame in range(stack.shape[0]):
        ours, theirs = stack.masks(frame), back.masks(frame)
        assert list(theirs) == list(ours)
        for object_id, mask in ours.items():
            np.testing.assert_array_equal(theirs[object_id], mask)
    for object_id in stack.object_ids:
        record, told = stack.record(object_id), back.record(object_id)
        # Sa2VA and MeViS call an object without a phrase by its class.
        assert told.phrases in (record.phrases, [record.category or "object"])
        assert told.category == record.category
        assert (told.scores, told.verified_frames) == (record.scores, record.verified_frames)
