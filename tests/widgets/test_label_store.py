"""Labels on disk: like a numpy array, from any thread, in bounded memory."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Mask
from napari_sa2va.core.regions import BLOCK
from napari_sa2va.io import label_store
from napari_sa2va.io.label_store import LabelStore, new_labels
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._labels_writer import LabelsWriter, repeat, restore
from napari_sa2va.widgets._undo import UndoStep

SHAPE = (4, BLOCK + 40, BLOCK + 70)
BESIDE = BLOCK - 3  # a box from here on lies in four tiles


@pytest.fixture
def store(tmp_path) -> LabelStore:
    return LabelStore(SHAPE, np.uint16, tmp_path / "labels.zarr")


def test_it_is_indexed_like_numpy(store) -> None:
    rng = np.random.default_rng(0)
    plain = np.zeros(SHAPE, np.uint16)
    places = [
        np.s_[1, 5:9, BESIDE : BESIDE + 6],
        np.s_[2:4, BESIDE : BESIDE + 6, BESIDE : BESIDE + 6],
        np.s_[..., -1],
        np.s_[0],
        (np.array([1, 3, 3]), np.array([0, BESIDE, -1]), np.array([2, BLOCK, 4])),
        (np.int64(3), 7, 8),
    ]
    for place in places:
        values = rng.integers(0, 9, plain[place].shape)
        plain[place] = values
        store[place] = values
    for place in (*places, np.s_[:], np.s_[1:3, ::7, 2::5], np.s_[2, 3:3], np.s_[[1, 2], 5, :9]):
        assert np.array_equal(store[place], plain[place]), place
    assert (store.shape, store.ndim, store.dtype, len(store)) == (SHAPE, 3, np.uint16, 4)
    for wrong in (np.s_[9], np.s_[0, 0, 0, 0], np.s_[0, ::-1], 1.5):
        with pytest.raises(IndexError):
            store[wrong]


def test_it_comes_back_from_disk(store, tmp_path) -> None:
    store[2, BESIDE : BESIDE + 6, BESIDE : BESIDE + 6] = 7
    store[3, 0, 0] = 5
    store.flush()
    store[3, 0, 0] = 0
    store.flush()
    again = LabelStore.open(tmp_path / "labels.zarr")
    assert np.array_equal(again[:], store[:])
    assert again[:].sum() == 36 * 7
    assert again.is_empty(np.s_[3, :, :]), "an empty tile stayed on disk"
    assert again.is_empty(np.s_[2, :9, :9]) is False, "its tile has pixels"
    with pytest.raises(InputError, match="exists"):
        LabelStore(SHAPE, np.uint16, tmp_path / "labels.zarr")
    with pytest.raises(InputError, match="no labels"):
        LabelStore.open(tmp_path / "elsewhere")


def test_memory_is_bounded_and_only_what_is_not_held_is_read(tmp_path) -> None:
    tile = BLOCK * BLOCK * 2
    store = LabelStore((30, BLOCK, BLOCK), np.uint16, tmp_path / "labels.zarr", 4 * tile)
    for frame in range(30):
        store[frame, 0, 0] = frame + 1
        store.settle()
    store.flush()
    assert store._held <= 4 * tile
    read = []
    array = store._array

    class Counting:
        def __getitem__(self, place):
            read.append(place[0].start)
            return array[place]

    store._array = Counting()
    assert [int(store[frame, 0, 0]) for frame in (3, 3, 29)] == [4, 4, 30]
    assert read == [3], "what is held was read, or what was read is not held"


def test_writing_never_waits_for_the_disk(store, monkeypatch) -> None:
    gate = threading.Event()
    write_one = LabelStore._write_one
    monkeypatch.setattr(LabelStore, "_write_one", lambda self: gate.wait(10) and write_one(self))
    monkeypatch.setattr(label_store, "_WRITE_AFTER", 0)
    store[0, 0, 0] = 1
    time.sleep(0.05)
    store[0, 0, 0] = 2
    assert store[0, 0, 0] == 2
    gate.set()
    store.flush()
    assert LabelStore.open(store.folder)[0, 0, 0] == 2


def test_a_full_disk_is_said_and_nothing_is_lost(store, monkeypatch, caplog) -> None:
    on_disk = LabelStore._on_disk

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LabelStore, "_on_disk", full)
    store[1, 2, 3] = 9
    with pytest.raises(InputError, match="No space left"):
        store.flush()
    assert store[1, 2, 3] == 9
    monkeypatch.setattr(LabelStore, "_on_disk", on_disk)
    store.flush()
    assert LabelStore.open(store.folder)[1, 2, 3] == 9


def test_a_temporary_one_goes_with_its_last_user() -> None:
    store = LabelStore((2, 8, 8), np.uint16)
    assert store.folder is None, "nothing was written yet"
    store[0, 0, 0] = 1
    store.flush()
    folder = Path(store.folder)
    assert folder.is_dir()
    del store
    gc.collect()
    assert not folder.parent.exists()


def test_large_labels_go_to_disk(monkeypatch) -> None:
    monkeypatch.setattr(label_store, "IN_MEMORY", 100)
    assert isinstance(new_labels((5, 10), np.uint16), np.ndarray)
    assert isinstance(new_labels((5, 11), np.uint16), LabelStore)


def test_threads_do_not_lose_each_others_pixels(store) -> None:
    def write(value: int) -> None:
        where = np.zeros((BLOCK, BLOCK), bool)
        for row in range(value, BLOCK, 4 * 16):
            where[:] = False
            where[row] = True
            store.assign(np.s_[0, :BLOCK, :BLOCK], where, value + 1)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.bincount(store[0].ravel())[1:].tolist() == [16 * BLOCK] * 4


def test_a_run_is_written_undone_and_repeated(store) -> None:
    geometry = StackGeometry(SHAPE, 0, 1, 2, (0, 0, 0))
    step = UndoStep("test", store, {})
    writer = LabelsWriter(store, geometry, step)
    mask = np.zeros(SHAPE[1:], bool)
    mask[BESIDE : BESIDE + 6, BESIDE : BESIDE + 6] = True
    writer.write(Mask(1, 3, mask, 0.9))
    writer.write(Mask(1, 4, np.roll(mask, 3, 0), 0.9))
    assert (store[1] == 3).sum() == 36
    assert (store[1] == 4).sum() == 18
    assert writer.twin(Mask(1, 9, mask, 0.9)) == 3
    done = store[1]
    assert restore(step) == [1]
    assert not store[:].any()
    assert repeat(step) == [1]
    assert np.array_equal(store[1], done)
    assert step.nbytes < 10_000


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_napari_paints_fills_and_undoes_on_it(store, order) -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(store)
    viewer.dims.order = order
    viewer.dims.set_current_step(0, 1)
    assert layer.data is store
    layer.brush_size = 10
    layer.paint((1, BLOCK, BLOCK), 3)
    painted = store[1]
    assert painted[BLOCK, BLOCK] == 3
    assert 60 < (painted == 3).sum() < 110
    layer.fill((1, 0, 0), 5)
    assert (store[1] == 5).sum() == painted.size - (painted == 3).sum()
    layer.undo()
    assert np.array_equal(store[1], painted)
    layer.undo()
    assert not store[:].any()
    layer.redo()
    assert np.array_equal(store[1], painted)
    layer.data_setitem((np.array([1, 1]), np.array([0, 1]), np.array([0, 1])), 6)
    assert store[1, [0, 1], [0, 1]].tolist() == [6, 6]
