"""One image's session on disk, and what of it is saved already. Knows nothing of Qt."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

import napari_sa2va
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import ObjectFound, Progress
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts
from napari_sa2va.io.naming import free_path
from napari_sa2va.io.session_file import SUFFIX, SavedMask, SessionFile
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._planes import plane_axes, plane_index, plane_number
from napari_sa2va.widgets._updates import (
    FramesChanged,
    Interrupted,
    MaskWritten,
    SameObject,
    Update,
)
from napari_sa2va.widgets._work import closing_if_possible

_Known = tuple[ObjectRecord, Mapping[int, MaskFacts]]


class SessionBook:
    """Writes what is new into a session's file; the file is made when there is something to save.

    `keeping` runs in the thread of a request, `save` in one other; they take turns.

    Parameters
    ----------
    data : Path or None
        Where the image came from; the session is saved beside it if that can be, else, and where
        it came from no file, in the user's own folder.
    name : str
        What to call it where the image came from no file.
    labels : array
        The labels of the image.
    file : SessionFile, optional
        A session that was reopened.
    known : mapping of int to (ObjectRecord, MaskFacts by frame), optional
        The objects as they are in that file.
    again : Path, optional
        The session of the image, to be opened again when there is something to save.
    """

    def __init__(
        self,
        data: Path | None,
        name: str,
        labels: Any,
        file: SessionFile | None = None,
        known: Mapping[int, _Known] | None = None,
        again: Path | None = None,
    ) -> None:
        self._data, self._name, self.labels = data, name, labels
        self._file, self._again = file, again
        self._lock = threading.RLock()
        self._marks = threading.Lock()  # of what is to be saved; held for a moment only
        self._reset = False
        self._axes: tuple[int, int] | None = None
        self._stale: set[int] = set()
        self._known: dict[int, _Known | None] = dict(known or {})
        self._sections: dict[str, Any] = {}
        self._closed = False
        self.problem = ""
        if file is not None:
            self._axes = tuple(file.section("labels")["axes"])

    @property
    def path(self) -> Path | None:
        """Where the session is; None where nothing was saved yet."""
        return None if self._file is None else self._file.path

    def touch(self, geometry: StackGeometry, frames: Iterable[int]) -> None:
        """The labels of these frames are to be saved; waits for nothing."""
        axes = plane_axes(geometry)
        with self._marks:
            if self._axes not in (None, axes):  # seen from another side: all planes are others
                self._reset = True
                self._stale = set(range(self._planes(axes)))
            self._axes = axes
            self._stale.update(plane_number(geometry, frame) for frame in frames)

    def save(
        self,
        sections: Mapping[str, Any],
        objects: Mapping[int, _Known] | None,
        settle: bool = False,
    ) -> None:
        """Save what is new of plain values by name, of all objects, and of the labels touched.

        Without `objects`, what is saved of them stays. What cannot be saved is told by `problem`,
        and tried again the next time.
        """

        def write(file: SessionFile) -> None:
            new = {n: v for n, v in sections.items() if self._sections.get(n) != v}
            file.put_sections(new)
            if objects is not None:
                self._put_objects(file, objects)

        if not self._write(write):
            return
        self._sections |= sections
        if objects is not None:
            self._known = dict(objects)
        if settle and self._file is not None:
            self._file.settle()

    def keeping(self, geometry: StackGeometry, request: Iterator[Update]) -> Iterator[Update]:
        """A request that saves each frame before it goes on to the next."""
        frame: int | None = None
        masks: dict[int, SavedMask] = {}

        def flush() -> None:
            nonlocal frame
            if frame is not None:
                done, frame = frame, None
                self._save_frames(geometry, [done], list(masks.values()))
                masks.clear()

        with closing_if_possible(request):
            try:
                for update in request:
                    match update:
                        case MaskWritten(at, label, score, facts):
                            if at != frame:
                                flush()
                            frame = at
                            masks[label] = SavedMask(label, at, score, facts)
                        case FramesChanged(frames, elsewhere):
                            flush()
                            self._save_frames(elsewhere or geometry, frames, [])
                        case ObjectFound():
                            self._write(partial(_add_object, found=update))
                        case SameObject(label, _):
                            masks.pop(label, None)
                            self._write(partial(SessionFile.drop_object, object_id=label))
                        case Progress() | Interrupted():
                            flush()
                    yield update
            finally:
                flush()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()

    def _save_frames(
        self, geometry: StackGeometry, frames: Iterable[int], masks: list[SavedMask]
    ) -> None:
        self.touch(geometry, frames)
        self._write(lambda file: file.put_masks(masks))

    def _write(self, write: Callable[[SessionFile], None]) -> bool:
        """Write, and the stale planes with it, wholly or not at all; whether that went well."""
        with self._lock:
            if self._closed:
                return False
            with self._marks:
                stale, self._stale = self._stale, set()
                reset, self._reset = self._reset, False
                axes = self._axes
            try:
                file = self._needed_file()
                with file.together():
                    write(file)
                    if reset:
                        file.drop_planes()
                        file.put_sections({"labels": self._described()})
                    for plane in sorted(stale):
                        index = plane_index(self.labels.shape, axes or (), plane)
                        file.put_plane(plane, np.asarray(self.labels[index]))
            except (sqlite3.Error, OSError, InputError) as error:
                self.problem = str(error)
                with self._marks:
                    self._stale |= stale
                    self._reset |= reset
                return False
            self.problem = ""
            return True

    def _put_objects(self, file: SessionFile, objects: Mapping[int, _Known]) -> None:
        for label in self._known.keys() - objects.keys():
            file.drop_object(label)
        for label, known in objects.items():
            if self._known.get(label) != known:
                file.put_object(*known)

    def _planes(self, axes: tuple[int, int]) -> int:
        """How many planes the labels have."""
        return int(np.prod([n for axis, n in enumerate(self.labels.shape) if axis not in axes]))

    def _needed_file(self) -> SessionFile:
        if self._file is None and self._again is not None and self._again.exists():
            self._file = SessionFile(self._again)
            self._known = dict.fromkeys(self._file.objects()[0])  # all are to be saved anew
            if self._axes not in (None, tuple(self._file.section("labels")["axes"])):
                with self._marks:
                    self._reset, self._stale = True, set(range(self._planes(self._axes)))
        if self._file is None:
            self._file = self._new_file()
            self._file.put_sections(
                {
                    "labels": self._described(),
                    "begun": datetime.now(UTC).isoformat(timespec="seconds"),
                    "software": f"napari-sa2va {napari_sa2va.__version__}",
                    "saved_at": str(self._file.path.absolute()),
                }
            )
        return self._file

    def _described(self) -> dict[str, Any]:
        axes = self._axes or (self.labels.ndim - 2, self.labels.ndim - 1)
        return {
            "shape": list(self.labels.shape),
            "dtype": str(self.labels.dtype),
            "axes": list(axes),
        }

    def _new_file(self) -> SessionFile:
        try:
            if self._data is not None:
                return SessionFile(free_path(self._data.parent, self._data.name, SUFFIX), new=True)
        except (InputError, OSError):
            pass  # a folder that is only read: the user's own takes it
        folder = own_folder()
        folder.mkdir(parents=True, exist_ok=True)
        name = self._name if self._data is None else self._data.name
        return SessionFile(free_path(folder, name, SUFFIX), new=True)


def _add_object(file: SessionFile, found: ObjectFound) -> None:
    file.add_object(found.object_id, found.phrase)


def own_folder() -> Path:
    """The user's folder of sessions, or that named by ``NAPARI_SA2VA_DATA``."""
    chosen = os.environ.get("NAPARI_SA2VA_DATA")
    data = platformdirs.user_data_path("napari-sa2va", appauthor=False)
    return (Path(chosen) if chosen else data) / "sessions"


def saved_sessions(data: Path | None, name: str) -> list[Path]:
    """The sessions of an image, the newest first."""
    known = name if data is None else data.name
    stem = free_path(Path("/nowhere"), known, SUFFIX).name.removesuffix(SUFFIX)
    folders = [own_folder()] if data is None else [data.parent, own_folder()]
    found = {
        path
        for folder in folders
        for path in folder.glob(f"*{SUFFIX}")
        if path.name.removesuffix(SUFFIX).removeprefix(stem).strip().isdigit()
        or path.name == stem + SUFFIX
    }
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
