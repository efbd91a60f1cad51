"""Images larger than memory: what is read of them, how finely, and where masks go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from zarr.storage import MemoryStore, WrapperStore

from napari_sa2va.core.events import Mask
from napari_sa2va.core.masks import bounding_box
from napari_sa2va.core.prompts import BoxPrompt, FramePrompts, PointPrompt
from napari_sa2va.core.regions import enlarged, seen_from, step_for
from napari_sa2va.core.review import measure
from napari_sa2va.export import write
from napari_sa2va.io import label_store, open_labels
from napari_sa2va.io.label_store import LabelStore
from napari_sa2va.widgets._frames import ViewedFrames, snapshot
from napari_sa2va.widgets._geometry import StackGeometry, stack_geometry
from napari_sa2va.widgets._labels_writer import LabelsWriter, restore
from napari_sa2va.widgets._settings import PLUGIN
from napari_sa2va.widgets._undo import UndoStep
from tests.widgets.fake_backend import FakeSession
from tests.widgets.test_segmenting import click, labels_of

SIDE = 20_000


class Drawn:
    """A plane whose values tell where its pixels lie at full resolution; counts what is read."""

    def __init__(self, side: int, factor: int = 1, frames: int = 1) -> None:
        self.shape, self.dtype, self.ndim = (frames, side, side), np.dtype(np.uint8), 3
        self.factor = factor
        self.read: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __getitem__(self, index: Any) -> np.ndarray:
        y, x = (np.arange(size)[part] for size, part in zip(self.shape[1:], index[1:], strict=True))
        self.read.append((len(y), len(x)))
        middle = (self.factor - 1) / 2
        y, x = y * self.factor + middle, x * self.factor + middle
        plane = value_at(y[:, None], x[None]).astype(np.uint8)
        return plane[None] if isinstance(index[0], slice) else plane


def value_at(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return 100 * y / SIDE + 150 * x / SIDE


def frames_of(levels: tuple[Drawn, ...], region: Any = None) -> ViewedFrames:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((1, 8, 8), np.uint8), contrast_limits=(0, 255))
    frames = snapshot(viewer, image, [image], stack_geometry(viewer, image, 0))
    layer = type(frames._layers[0])(**(vars(frames._layers[0]) | {"levels": levels}))
    geometry = StackGeometry(levels[0].shape, 0, 1, 2, (0, 0, 0)).within(region)
    return ViewedFrames([layer], geometry)


@pytest.mark.parametrize(
    ("region", "sent", "level"),
    [
        (None, 2222, 3),  # a step of 9: the level of 8 has enough
        ((4000, 2000, 10000, 8000), 3000, 1),
        ((4003, 2001, 8003, 6001), 4000, 0),
        ((5000, 5000, 5600, 5500), 600, 0),
    ],
)
def test_a_pyramid_is_read_where_it_is_as_fine_as_the_model(region, sent, level) -> None:
    levels = tuple(Drawn(SIDE // 2**n, 2**n) for n in range(5))
    frames = frames_of(levels, region)
    seen = frames.frame(0)[..., 0]
    assert seen.shape[0] == sent
    assert [len(drawn.read) for drawn in levels] == [int(n == level) for n in range(5)]
    assert max(levels[level].read[0]) <= sent * 1.15, "more was read than was asked for"
    y0, x0, *_ = region or (0, 0, SIDE, SIDE)
    step = frames.geometry.step
    y, x = (
        start + np.arange(size) * step + (step - 1) / 2
        for start, size in zip((y0, x0), seen.shape, strict=True)
    )
    assert np.abs(seen - value_at(y[:, None], x[None])).max() <= 1.1


def test_without_a_pyramid_every_nth_pixel_is_read() -> None:
    drawn = Drawn(SIDE)
    seen = frames_of((drawn,)).frame(0)
    assert seen.shape == (2222, 2222, 3)
    assert drawn.read == [(2222, 2222)]
    assert seen[100, 50, 0] == int(value_at(np.array(904), np.array(454)))
    stored = zarr.create_array(MemoryStore(), shape=(40, 50), chunks=(16, 16), dtype=np.uint8)
    stored[:] = np.arange(2000).reshape(40, 50) % 251
    geometry = StackGeometry((40, 50), None, 0, 1, (0, 0)).within((3, 5, 38, 49), step=3)
    viewer = ViewerModel()
    image = viewer.add_image(stored, contrast_limits=(0, 255))
    seen = snapshot(viewer, image, [image], geometry).frame(0)[..., 0]
    assert seen.shape == (11, 14)
    assert np.array_equal(seen, stored[3:38, 5:49][1::3, 1::3][:11, :14])


class CountingStore(WrapperStore):
    """Notes which chunks are read."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.read: list[str] = []

    async def get(self, key: str, *args: Any, **options: Any) -> Any:
        if "/c/" in f"/{key}":
            self.read.append(key)
        return await self._store.get(key, *args, **options)


def counted(kind: str, stack: np.ndarray) -> tuple[Any, list[Any]]:
    """The stack as an array of a kind, and a list of the frames that are read of it."""
    if kind == "dask":
        read: list[Any] = []

        def block(block_info: Any = None) -> np.ndarray:
            frame = block_info[None]["chunk-location"][0]
            read.append(frame)
            return stack[frame : frame + 1]

        chunks = ((1,) * len(stack), *((size,) for size in stack.shape[1:]))
        empty = np.empty((0, 0, 0), stack.dtype)
        return da.map_blocks(block, chunks=chunks, dtype=stack.dtype, meta=empty), read
    store = CountingStore(MemoryStore())
    group = zarr.open_group(store, mode="w")
    levels = [stack, stack[:, ::2, ::2]]
    for level, data in enumerate(levels):
        group.create_array(str(level), data=data, chunks=(1, *data.shape[1:]))
    if kind == "zarr":
        return group["0"], store.read
    return [group["0"], group["1"]], store.read


def frames_read(read: list[Any]) -> set[int]:
    return {int(key.split("/c/")[1].split("/")[0]) if isinstance(key, str) else key for key in read}


@pytest.mark.parametrize("kind", ["dask", "zarr", "OME-Zarr"])
def test_only_needed_frames_are_read(dock, stack, run, monkeypatch, kind) -> None:
    """From the dock down: the frame shown, the frame prompted, the frames followed through."""
    data, read = counted(kind, stack)
    followed = FakeSession._propagate

    def reading(self, objects, frames, reverse):
        for frame in frames:
            self.frames.frame(frame)
        yield from followed(self, objects, frames, reverse)

    monkeypatch.setattr(FakeSession, "_propagate", reading)
    options = {"multiscale": True} if kind == "OME-Zarr" else {}
    widget = dock(data, contrast_limits=(100, 4000), **options)
    widget._viewer.dims.set_current_step(0, 4)
    click(widget, (4, 28, 44))
    read.clear()
    run(widget, widget.segment)
    assert frames_read(read) == {4}
    widget.picker.first.setValue(2)
    widget.picker.last.setValue(6)
    run(widget, lambda: widget.propagate("both"))
    assert frames_read(read) == {2, 3, 4, 5, 6}
    assert (labels_of(widget).data[6, 24:32, 42:50] == 1).all()
    read.clear()
    run(widget, widget.workbench.undo)
    widget.table.select_object(1)
    widget.reviewing.open()
    assert frames_read(read) <= {4}, "what needs no image has read some"


def test_masks_of_a_coarse_region_are_written_at_full_resolution_in_it() -> None:
    labels = np.zeros((2, 3000, 4100), np.uint16)
    labels[1, 500:510, 500:510] = 2
    geometry = StackGeometry(labels.shape, 0, 1, 2, (0, 0, 0)).within((301, 200, 2801, 4004), 5)
    step = UndoStep("test", labels, {})
    writer = LabelsWriter(labels, geometry, step)
    y, x = np.ogrid[: geometry.stack_shape[1], : geometry.stack_shape[2]]
    disc = (y - 250) ** 2 + (x - 380) ** 2 < 100**2
    writer.write(Mask(1, 1, disc, 0.9))
    inside = labels[1] == 1
    assert inside.sum() == pytest.approx(np.pi * 500**2, rel=0.01)
    y, x = np.nonzero(inside)
    facts = measure(disc, geometry.box[:2], geometry.step)
    assert (y.mean(), x.mean()) == pytest.approx((facts.y, facts.x), abs=0.5)
    assert facts.area == pytest.approx(inside.sum(), rel=0.01)
    steps = np.abs(np.diff(inside[:, facts_column(inside)].astype(int))).sum()
    assert steps == 2, "the mask has holes"
    assert np.array_equal(writer.mask_of(1, 1), disc)
    assert writer.twin(Mask(1, 7, disc, 0.9)) == 1
    writer.write(Mask(1, 3, np.ones_like(disc), 0.9))
    assert (labels[1, 500:510, 500:510] == 2).all(), "another object was overwritten"
    assert bounding_box(labels[1] > 0) == (301, 200, 2801, 4004)
    restore(step)
    assert (labels > 0).sum() == 100
    assert step.nbytes < 50_000


def facts_column(mask: np.ndarray) -> int:
    return int(np.flatnonzero(mask.any(0)).mean())


def test_coarse_masks_keep_their_straight_edges() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:10, 8:20] = True
    full = enlarged(mask, 4, (0, 0, 80, 120))
    assert bounding_box(full) == (20, 32, 40, 80)
    assert full[20:40, 32:80].mean() > 0.98, "only its corners are smoothed"
    assert np.array_equal(enlarged(mask, 4, (17, 30, 41, 77)), full[17:41, 30:77])
    assert [step_for(*size) for size in ((600, 500), (2048, 2048), (4095, 10), (SIDE, 9))] == [
        1,
        1,
        1,
        9,
    ]


def test_prompts_are_seen_where_they_lie_in_coarse_frames() -> None:
    given = FramePrompts((PointPrompt(104, 202, True),), BoxPrompt(100, 200, 120, 240))
    seen = seen_from(given, (80, 100, 400, 500), 4)
    assert seen.points[0] == PointPrompt(5.625, 25.125, True)
    assert seen.box == BoxPrompt(5, 25, 10, 35)


@pytest.mark.slow  # napari draws 8192 x 8192 labels
def test_a_region_of_a_huge_image_from_the_dock(dock, run, backend, monkeypatch) -> None:
    monkeypatch.setattr(label_store, "IN_MEMORY", 0)
    levels = [Drawn(side, factor) for side, factor in ((8192, 1), (2048, 4), (512, 16))]
    widget = dock(levels, multiscale=True, contrast_limits=(0, 255))
    widget.picker.region.setCurrentText("Drawn rectangle")
    layer = widget.picker.region.open_layer(widget.picker.image)
    corners = [[0, 1000, 500], [0, 1000, 7500], [0, 8000, 7500], [0, 8000, 500]]
    layer.add_rectangles(np.array(corners, float) - (0, 0.5, 0.5))
    click(widget, (0, 5000, 4000))
    for level in levels:
        level.read.clear()
    assert run(widget, widget.segment) == "done"
    session = backend.sessions[0]
    assert session.frames.shape == (1, 2333, 2333)  # every third pixel
    assert not levels[1].read, "a coarser level than is sent was read"
    assert levels[0].read == [(2333, 2333)]
    labels = labels_of(widget).data
    assert isinstance(labels, LabelStore)
    around = labels[0, 4900:5100, 3900:4100]
    assert (around > 0).sum() == pytest.approx((8 * 3) ** 2, abs=8)
    assert around[100, 100] == 1


def annotate(widget, run) -> list[np.ndarray]:
    """What a user does to objects, and the labels after each step."""
    seen = []

    def look() -> None:
        seen.append(np.array(labels_of(widget).data))

    click(widget, (4, 28, 44))
    widget._viewer.dims.set_current_step(0, 4)
    run(widget, widget.segment)
    widget.new_object()
    click(widget, (4, 8, 12))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("both"))
    look()
    layer = labels_of(widget)
    layer.selected_label = 1
    layer.brush_size = 5
    layer.paint((4, 20, 20), 1)
    layer.fill((4, 28, 44), 3)
    look()
    layer.undo()
    look()
    for action in (
        lambda: widget.merge_objects(1, 2),
        lambda: widget.split_object(1),
        lambda: widget.delete_object(1),
        widget.workbench.undo,
        widget.workbench.undo,
        widget.workbench.redo,
        widget.clear_objects,
        widget.workbench.undo,
    ):
        run(widget, action)
        look()
    return seen


def test_labels_on_disk_are_worked_with_as_those_in_memory(
    dock, stack, run, monkeypatch, tmp_path
) -> None:
    expected = annotate(dock(stack), run)
    monkeypatch.setattr(label_store, "IN_MEMORY", 0)
    widget = dock(stack)
    seen = annotate(widget, run)
    layer = labels_of(widget)
    assert isinstance(layer.data, LabelStore)
    for step, (here, there) in enumerate(zip(seen, expected, strict=True)):
        assert np.array_equal(here, there), step
    layer.data.flush()
    written = open_labels(write(layer, tmp_path / "labels.ome.zarr", "ome-zarr"))
    for frame in range(len(stack)):
        assert np.array_equal(written.planes(frame)[0], seen[-1][frame])


def test_large_labels_are_kept_in_a_folder_of_the_users_choice(
    plugin: Path, dock, stack, run, monkeypatch, tmp_path
) -> None:
    from napari.settings import get_plugin_settings

    monkeypatch.setattr(label_store, "IN_MEMORY", 0)
    folder = tmp_path / "kept"
    get_plugin_settings(PLUGIN).labels.folder = str(folder)
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    layer = labels_of(widget)
    layer.data.flush()
    (kept,) = folder.glob("movie labels *.zarr")
    assert np.array_equal(LabelStore.open(kept)[0], layer.data[0])
    assert np.array_equal(zarr.open_array(kept)[0], layer.data[0])


def test_limits_can_be_measured_in_each_frame_and_are_told(dock, run, backend) -> None:
    fading = np.linspace(0, 1, 48 * 64).reshape(48, 64) * np.array([4000, 400, 40])[:, None, None]
    widget = dock(fading.astype(np.float32), contrast_limits=(0, 4000))
    as_shown = widget.picker.sent().frames
    widget.picker.auto_contrast.setChecked(True)
    measured = widget.picker.sent().frames
    assert as_shown.frame(2).max() < 5
    for frame in range(3):
        assert measured.frame(frame).max() == 255
        assert np.abs(measured.frame(frame).astype(int) - as_shown.frame(0)).max() <= 2
    assert as_shown.key != measured.key
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    widget.picker.auto_contrast.setChecked(False)
    run(widget, widget.segment)
    run(widget, widget.segment)
    told = labels_of(widget).metadata["sa2va"]["sent"]
    assert [sent["layers"][0]["contrast_limits"] for sent in told] == [
        "percentiles 0.1 and 99.9 of each frame",
        [0.0, 4000.0],
    ]
    assert told[0]["layers"][0]["layer"] == "movie"
    assert told[0]["region"] == [0, 0, 48, 64]
    assert told[0]["since"] <= told[1]["since"]
