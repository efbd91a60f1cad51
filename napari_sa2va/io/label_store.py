"""Labels that are too large for memory: a Zarr array on disk, of which a bounded part is held."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.regions import BLOCK

Labels = npt.NDArray[Any]
_Box = tuple[tuple[int, int], ...]  # (start, stop) by axis
_Key = tuple[int, ...]  # of a tile, as Zarr counts its chunks

# Larger labels are kept on disk.
IN_MEMORY = 512 * 2**20
# Tiles in use stay unpacked.
_HELD_BYTES = 128 * 2**20
# Strokes and runs come in bursts: a tile that changes many times is written once.
_WRITE_AFTER = 0.5  # seconds

_log = logging.getLogger(__name__)


def new_labels(
    shape: tuple[int, ...], dtype: npt.DTypeLike, folder: Path | None = None
) -> Labels | LabelStore:
    """Labels, all 0: in memory, or on disk where they are larger than `IN_MEMORY`.

    `folder` is where they then are; see `LabelStore`.
    """
    if int(np.prod(shape)) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.zeros(shape, dtype)
    return LabelStore(shape, dtype, folder)


class LabelStore:
    """Labels in a Zarr array in a folder, used like a numpy array, by napari and by any thread.

    What is written is held in memory and goes to disk in a thread of its own soon after; what was
    never written is known to be 0 and is not read. Indexing gives copies.

    Parameters
    ----------
    shape : tuple of int
        At least two axes; the last two should be those of a frame.
    dtype : dtype
        Of integers.
    folder : Path, optional
        A folder that does not exist yet. Default: a temporary one, which goes when nothing uses
        the labels any more. It is made when there is something to write.
    held_bytes : int
        How much of what is on disk to hold in memory, too.

    Attributes
    ----------
    folder : Path or None
        Where the array is, or will be; None: in a temporary folder that is still to be made.

    Raises
    ------
    InputError
        The folder exists.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        folder: Path | None = None,
        held_bytes: int = _HELD_BYTES,
    ) -> None:
        if folder is not None and folder.exists():
            raise InputError(f"{folder} exists.", "Choose another name for the labels.")
        self.folder = folder
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)
        self.chunks = (*[1] * (len(shape) - 2), *(min(BLOCK, size) for size in self.shape[-2:]))
        self._held_bytes = held_bytes
        self._array: Any = None
        self._stored: set[_Key] = set()  # on disk
        self._tiles: OrderedDict[_Key, Labels] = OrderedDict()  # the one used last is the last
        self._held = 0  # bytes of tiles
        self._unwritten: dict[_Key, int] = {}  # by tile: its last change
        self._changes = 0
        self._lock = threading.RLock()
        self._written = threading.Condition(self._lock)
        self._timer: threading.Timer | None = None
        self._writing = False
        self._error: Exception | None = None

    @classmethod
    def open(cls, folder: Path, held_bytes: int = _HELD_BYTES) -> LabelStore:
        """Labels that are in a folder, as this class keeps them.

        Raises
        ------
        InputError
            There are none, or they are damaged.
        """
        try:
            import zarr

            array = zarr.open_array(folder, mode="r+")
            chunks = folder / "c"
            files = [file.relative_to(chunks) for file in chunks.rglob("*") if file.is_file()]
        except Exception as error:  # whatever Zarr raises on what is none of its arrays
            raise InputError(
                f"There are no labels in {folder} ({error}).", "Choose the folder they are in."
            ) from error
        store = cls(array.shape, array.dtype, held_bytes=held_bytes)
        if tuple(array.chunks) != store.chunks:
            raise InputError(
                f"The labels in {folder} are in chunks of {array.chunks}, not of {store.chunks}.",
                "Import them: napari-sa2va import.",
            )
        store._array, store.folder = array, folder
        store._stored = {tuple(map(int, file.parts)) for file in files}
        return store

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Bytes of all labels, were they in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        box, within = _parsed(index, self.shape)
        return self._read(box)[within]

    def __setitem__(self, index: Any, values: Any) -> None:
        box, within = _parsed(index, self.shape)
        with self._lock:
            part = self._read(box)
            part[within] = values
            for key, here, there in self._overlaps(box):
                if self._tile(key) is None and not part[there].any():
                    continue
                self._for_writing(key)[here] = part[there]
        self._write_soon()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Labels:
        whole = self._read(tuple((0, size) for size in self.shape))
        return whole if dtype is None else whole.astype(dtype)

    def assign(self, index: tuple[int | slice, ...], where: Labels, value: int) -> None:
        """Set the pixels `where` a boolean array of the indexed shape is true, and no others.

        Other threads may write other pixels of the same place meanwhile.
        """
        box, _ = _parsed(index, self.shape)
        where = where.reshape([stop - start for start, stop in box])
        with self._lock:
            for key, here, there in self._overlaps(box):
                if where[there].any():
                    self._for_writing(key)[here][where[there]] = value
        self._write_soon()

    def is_empty(self, index: tuple[int | slice, ...]) -> bool:
        """Whether nothing was ever written there; costs no reading."""
        box, _ = _parsed(index, self.shape)
        with self._lock:
            return not any(
                key in self._stored or key in self._tiles for key, *_ in self._overlaps(box)
            )

    def settle(self) -> None:
        """Wait until little is left to be written: for threads that write much.

        Raises
        ------
        InputError
            Writing failed. What is not on disk is still held, and is tried again.
        """
        self._wait_for(self._held_bytes // 2)

    def flush(self) -> None:
        """Wait until all is on disk. Raises as `settle`."""
        self._write_soon(now=True)
        self._wait_for(0)

    def _wait_for(self, left: int) -> None:
        with self._lock:
            while self._unwritten_bytes() > left:
                self._error = None
                self._write_soon(now=True)
                self._written.wait()
                if self._error is not None:
                    raise _unwritable(self.folder, self._error) from self._error

    def _read(self, box: _Box) -> Labels:
        part = np.zeros([stop - start for start, stop in box], self.dtype)
        for key, here, there in self._overlaps(box):
            with self._lock:  # not for all of them: who waits for a tile is to get it soon
                tile = self._tile(key)
                if tile is not None:
                    part[there] = tile[here]
        return part

    def _overlaps(self, box: _Box) -> Iterator[tuple[_Key, tuple[slice, ...], tuple[slice, ...]]]:
        """The tiles that a box touches: key, which part of the tile, and of the box, it is."""
        numbers = (
            range(start // chunk, -(-stop // chunk) if stop > start else start // chunk)
            for (start, stop), chunk in zip(box, self.chunks, strict=True)
        )
        for key in product(*numbers):
            here, there = [], []
            for number, chunk, (start, stop) in zip(key, self.chunks, box, strict=True):
                first = number * chunk
                low, high = max(start, first), min(stop, first + chunk)
                here.append(slice(low - first, high - first))
                there.append(slice(low - start, high - start))
            yield key, tuple(here), tuple(there)

    def _tile(self, key: _Key) -> Labels | None:
        """A tile, read if need be; None where all is 0. Under the lock only."""
        tile = self._tiles.get(key)
        if tile is not None:
            self._tiles.move_to_end(key)
        elif key in self._stored:
            try:
                tile = np.require(self._array[self._place(key)], requirements="W")
            except Exception as error:  # whatever a disk or a codec raises
                raise InputError(
                    f"The labels in {self.folder} cannot be read ({error}).",
                    "Is its disk still there?",
                ) from error
            self._hold(key, tile)
        return tile

    def _for_writing(self, key: _Key) -> Labels:
        tile = self._tile(key)
        if tile is None:
            shape = [part.stop - part.start for part in self._place(key)]
            tile = np.zeros(shape, self.dtype)
            self._hold(key, tile)
        self._changes += 1
        self._unwritten[key] = self._changes
        return tile

    def _place(self, key: _Key) -> tuple[slice, ...]:
        return tuple(
            slice(number * chunk, min((number + 1) * chunk, size))
            for number, chunk, size in zip(key, self.chunks, self.shape, strict=True)
        )

    def _hold(self, key: _Key, tile: Labels) -> None:
        """Keep a tile; others that are on disk make room, those unused for longest first."""
        self._tiles[key] = tile
        self._held += tile.nbytes
        if self._held > self._held_bytes:
            for other in [other for other in self._tiles if other not in self._unwritten]:
                if other != key and self._held > self._held_bytes:
                    self._let_go(other)

    def _let_go(self, key: _Key) -> None:
        self._held -= self._tiles.pop(key).nbytes

    def _unwritten_bytes(self) -> int:
        return sum(self._tiles[key].nbytes for key in self._unwritten)

    def _write_soon(self, *, now: bool = False) -> None:
        """Write in a thread of its own, which keeps these labels alive until all is on disk."""
        with self._lock:
            if self._writing or not self._unwritten or (self._timer is not None and not now):
                return
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(0 if now else _WRITE_AFTER, self._write)
            self._timer.daemon = True
            self._timer.start()

    def _write(self) -> None:
        with self._lock:
            if self._writing:
                return
            self._writing, self._timer, self._error = True, None, None
        try:
            while self._write_one():
                pass
        except Exception as error:  # whatever a disk or a codec raises: `settle` tells
            _log.exception("Labels cannot be written to %s", self.folder)
            self._error = error
        finally:
            with self._lock:
                self._writing = False
                if self._error is None:
                    self._write_soon()  # what came after the last look
                self._written.notify_all()

    def _on_disk(self) -> Any:
        """The array, made if need be."""
        if self._array is None:
            import zarr  # takes long, and is needed by few

            if self.folder is None:
                self.folder = Path(tempfile.mkdtemp(prefix="napari-sa2va-")) / "labels.zarr"
                weakref.finalize(self, shutil.rmtree, self.folder.parent, ignore_errors=True)
            self._array = zarr.create_array(
                self.folder,
                shape=self.shape,
                dtype=self.dtype,
                chunks=self.chunks,
                fill_value=0,
                config={"write_empty_chunks": False},
            )
        return self._array

    def _write_one(self) -> bool:
        """Write the tile that has waited longest; whether there was one."""
        with self._lock:
            key = next(iter(self._unwritten), None)
            if key is None:
                return False
            change, tile = self._unwritten[key], self._tiles[key].copy()
        self._on_disk()[self._place(key)] = tile
        with self._lock:
            if self._unwritten[key] == change:
                del self._unwritten[key]
                if tile.any():
                    self._stored.add(key)
                else:  # Zarr has deleted it
                    self._stored.discard(key)
                    self._let_go(key)
            self._written.notify_all()
        return True


def _parsed(index: Any, shape: tuple[int, ...]) -> tuple[_Box, tuple[Any, ...]]:
    """A numpy index as the box that it needs, and the index into that box."""
    entries = list(index) if isinstance(index, tuple) else [index]
    if any(entry is Ellipsis for entry in entries):
        at = next(i for i, entry in enumerate(entries) if entry is Ellipsis)
        entries[at : at + 1] = [slice(None)] * (len(shape) - len(entries) + 1)
    entries += [slice(None)] * (len(shape) - len(entries))
    if len(entries) != len(shape):
        raise IndexError(f"{len(entries)} indices for labels with {len(shape)} axes")
    box, within = [], []
    for entry, size in zip(entries, shape, strict=True):
        part, inner = _parsed_axis(entry, size)
        box.append(part)
        within.append(inner)
    return tuple(box), tuple(within)


def _parsed_axis(entry: Any, size: int) -> tuple[tuple[int, int], Any]:
    if isinstance(entry, slice):
        start, stop, step = entry.indices(size)
        if step < 0:
            raise IndexError("Labels on disk are read forward only: use steps above 0")
        return (start, max(start, stop)), slice(None, None, step)
    numbers = np.asarray(entry)
    if numbers.dtype == bool and numbers.ndim == 1:
        numbers = np.flatnonzero(numbers)
    if numbers.dtype.kind not in "ui":
        raise IndexError(f"{entry!r} is no index of labels on disk")
    numbers = np.where(numbers < 0, numbers + size, numbers)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < size:
        raise IndexError(f"Index {entry} is out of bounds for an axis of size {size}")
    if numbers.ndim == 0:
        return (int(numbers), int(numbers) + 1), 0
    if numbers.size == 0:
        return (0, 0), numbers
    low = int(numbers.min())
    return (low, int(numbers.max()) + 1), numbers - low


def _unwritable(folder: Path | None, error: Exception) -> InputError:
    return InputError(
        f"Labels cannot be written to {folder or tempfile.gettempdir()} ({error}).",
        "Make room on that disk; nothing is lost as long as napari stays open.",
    )
