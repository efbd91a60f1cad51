"""What is exported and imported again is what it was."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_sa2va import export
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.core.labelled import LabelledStack, LabelMasks
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.registry import FORMATS
from tests.export.examples import IDS, blobs, images_of, labelled_stacks

WITH_OVERLAPS = (
    "coco",
    "coco-polygons",
    "youtube-vis",
    "sa2va",
    "mevis",
    "ome-zarr",
    "ome-zarr-0.4",
)
# A polygon of YOLO joins pieces that lie apart by lines.
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


@_SETTINGS
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 24), st.integers(1, 24)),
    filling=st.sampled_from([0.3, 0.6, 0.9]),
    seed=st.integers(0, 2**16),
    ids=st.lists(IDS, min_size=1, max_size=3, unique=True),
)
def test_yolo_is_the_identity_for_objects_in_one_piece(
    shape: tuple[int, int, int], filling: float, seed: int, ids: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    masks = {i: np.stack([_one_piece(rng.random(shape[1:]) < filling) for _ in range(shape[0])])
             for i in ids}  # fmt: skip
    stack = LabelledStack(
        LabelMasks(shape, lambda f: ((i, m[f]) for i, m in masks.items())),
        {i: ObjectRecord(i, "분열", category="세포") for i in ids},
        images=ArrayFrames(np.zeros((*shape, 3), np.uint8)),
    )
    with tempfile.TemporaryDirectory() as folder:
        (back,) = export.read(export.write(stack, Path(folder) / "out", "yolo"))
        assert_same(back, stack)


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.readable])
def test_masks_come_back_without_the_provenance_too(name: str, tmp_path: Path) -> None:
    """As from another program: ids may be others."""
    labels = blobs()
    stack = LabelledStack(labels, name="cells", images=ArrayFrames(images_of(labels)))
    path = export.write(stack, tmp_path / "out", name)
    for told in ("provenance.json", "README.md"):
        (path / told).unlink()
    if FORMATS[name].module == "plain":
        (path,) = path.iterdir()
    (back,) = export.read(path)
    assert back.shape == labels.shape
    for frame in range(len(labels)):
        ours = {mask.tobytes() for mask in stack.masks(frame).values()}
        assert {mask.tobytes() for mask in back.masks(frame).values()} == ours


def _one_piece(mask: np.ndarray) -> np.ndarray:
    """The first of the pieces that a mask consists of."""
    pieces, _ = ndimage.label(mask)
    return pieces == 1


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
