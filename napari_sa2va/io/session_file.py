"""A session's file: objects, masks and whatever else a dock needs to go on, saved as it comes.

The file is an SQLite database: what is written in one transaction is there wholly or not at all,
also after a crash, and a frame costs what changed in it, not the size of the stack. Label images
are kept as compressed tiles; tiles of background alone are left out.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts

SUFFIX = ".sa2va"
FORMAT = 2  # since 2, the spread of masks is kept
_APPLICATION = 0x53A2  # by which `file` and we know such a database
_TILE = 1024
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sections (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (id INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS masks (
    object INTEGER, frame INTEGER, score REAL NOT NULL,
    area INTEGER, y REAL, x REAL, share REAL, yy REAL, yx REAL, xx REAL,
    PRIMARY KEY (object, frame)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tiles (
    plane INTEGER, y INTEGER, x INTEGER, pixels BLOB NOT NULL, PRIMARY KEY (plane, y, x)
);
"""

_MEASURED = len(fields(MaskFacts))
Facts = dict[int, dict[int, MaskFacts]]


@dataclass(frozen=True)
class SavedMask:
    """What is known about an object's mask in a frame; `facts` is None where none were measured."""

    object_id: int
    frame: int
    score: float
    facts: MaskFacts | None = None


class SessionFile:
    """One session on disk, held by one process at a time. Its methods may be called in any thread.

    Parameters
    ----------
    path : Path
        A session that exists, or where to make one.
    new : bool
        Make it.

    Raises
    ------
    InputError
        It is no session, is damaged, in use, written by a later version, or cannot be written.
    """

    def __init__(self, path: Path, new: bool = False) -> None:
        if new == path.exists():
            raise InputError(f"{path} {'exists' if new else 'is not there'}.", "Choose another.")
        self.path = path
        self._lock = threading.RLock()
        try:
            self._open(new)
        except sqlite3.Error as error:
            in_use = "locked" in str(error)
            why = "is open in another window" if in_use else f"is no session: {error}"
            raise InputError(
                f"{path} {why}.", "Close it there." if in_use else "Choose another file."
            ) from error

    def _open(self, new: bool) -> None:
        self._database = sqlite3.connect(
            self.path, timeout=0.2, isolation_level=None, check_same_thread=False
        )
        try:
            run = self._database.execute
            # Held by this process alone, and let go of by the system if it dies. With it, the
            # write-ahead log needs no shared memory: network folders have none.
            run("PRAGMA locking_mode = EXCLUSIVE")
            if not new and run("PRAGMA application_id").fetchone()[0] != _APPLICATION:
                raise InputError(f"{self.path} is no session of napari-sa2va.", "Choose another.")
            if new:
                run(f"PRAGMA application_id = {_APPLICATION}")
                run(f"PRAGMA user_version = {FORMAT}")
                self._database.executescript(_SCHEMA)
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = FULL")
            version = run("PRAGMA user_version").fetchone()[0]
            if version > FORMAT:
                raise InputError(
                    f"{self.path} was written by a later version of napari-sa2va.",
                    "Update napari-sa2va.",
                )
            run("BEGIN IMMEDIATE")  # takes the lock now, not when something is first saved
            if version < 2:
                for column in ("yy", "yx", "xx"):
                    run(f"ALTER TABLE masks ADD COLUMN {column} REAL DEFAULT 0")
                run(f"PRAGMA user_version = {FORMAT}")
            run("COMMIT")
        except BaseException:
            self._database.close()
            raise

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written within is there wholly or not at all."""
        with self._lock:
            if self._database.in_transaction:
                yield
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def put_sections(self, sections: Mapping[str, Any]) -> None:
        """Keep plain values by name."""
        rows = [(name, json.dumps(value)) for name, value in sections.items()]
        with self.together():
            self._database.executemany("INSERT OR REPLACE INTO sections VALUES (?, ?)", rows)

    def section(self, name: str, default: Any = None) -> Any:
        """Plain values that were kept."""
        with self._lock:
            query = "SELECT value FROM sections WHERE name = ?"
            row = self._database.execute(query, (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def put_object(self, record: ObjectRecord, facts: Mapping[int, MaskFacts]) -> None:
        """Keep an object in place of what was known of it, with what its masks measure."""
        values = record.to_dict() | {"scores": {}}
        with self.together():
            self._put_record(record.object_id, values)
            self._database.execute("DELETE FROM masks WHERE object = ?", (record.object_id,))
            self.put_masks(
                SavedMask(record.object_id, frame, score, facts.get(frame))
                for frame, score in record.scores.items()
            )

    def add_object(self, object_id: int, phrase: str) -> None:
        """Keep that there is an object, and what it is called; more may be known of it already."""
        with self.together():
            query = "SELECT record FROM objects WHERE id = ?"
            row = self._database.execute(query, (object_id,)).fetchone()
            values = ObjectRecord(object_id).to_dict() if row is None else json.loads(row[0])
            self._put_record(object_id, values | {"phrase": phrase})

    def drop_object(self, object_id: int) -> None:
        """An object is gone."""
        with self.together():
            self._database.execute("DELETE FROM objects WHERE id = ?", (object_id,))
            self._database.execute("DELETE FROM masks WHERE object = ?", (object_id,))

    def put_masks(self, masks: Iterable[SavedMask]) -> None:
        """Keep what is known about masks; their pixels come with `put_plane`."""
        rows = [
            (m.object_id, m.frame, m.score)
            + ((None,) * _MEASURED if m.facts is None else tuple(vars(m.facts).values()))
            for m in masks
        ]
        with self.together():
            self._database.executemany(
                f"INSERT OR REPLACE INTO masks VALUES (?, ?, ?{', ?' * _MEASURED})", rows
            )

    def objects(self) -> tuple[dict[int, ObjectRecord], Facts]:
        """The objects by id, and what their masks measure by object and frame."""
        with self._lock:
            kept = self._database.execute("SELECT id, record FROM objects ORDER BY id").fetchall()
            masks = self._database.execute("SELECT * FROM masks ORDER BY object, frame").fetchall()
        records = {int(i): ObjectRecord.from_dict(json.loads(text)) for i, text in kept}
        facts: Facts = {}
        for object_id, frame, score, *measured in masks:
            # A mask may be kept before anything else is known of its object.
            record = records.setdefault(object_id, ObjectRecord(object_id))
            record.scores[frame] = score
            if measured[0] is not None:
                facts.setdefault(object_id, {})[frame] = MaskFacts(*measured)
        return records, facts

    def put_plane(self, plane: int, labels: npt.NDArray[np.integer[Any]]) -> None:
        """Keep the label image (H, W) of a plane in place of what was there.

        Planes count over all axes but those two; all have the shape and dtype of the first.
        """
        rows = []
        for y in range(0, labels.shape[0], _TILE):
            for x in range(0, labels.shape[1], _TILE):
                tile = labels[y : y + _TILE, x : x + _TILE]
                if tile.any():
                    rows.append((plane, y, x, zlib.compress(tile.tobytes(), 1)))
        with self.together():
            self._database.execute("DELETE FROM tiles WHERE plane = ?", (plane,))
            self._database.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", rows)

    def drop_planes(self) -> None:
        """Forget the label images."""
        with self.together():
            self._database.execute("DELETE FROM tiles")

    @property
    def planes(self) -> list[int]:
        """The planes that have objects, ascending."""
        with self._lock:
            query = "SELECT DISTINCT plane FROM tiles ORDER BY plane"
            return [int(row[0]) for row in self._database.execute(query)]

    def read_plane(self, plane: int, labels: npt.NDArray[np.integer[Any]]) -> None:
        """Write a plane's pixels into a label image (H, W) of background."""
        with self._lock:
            query = "SELECT y, x, pixels FROM tiles WHERE plane = ?"
            tiles = self._database.execute(query, (plane,)).fetchall()
        for y, x, pixels in tiles:
            part = labels[y : y + _TILE, x : x + _TILE]
            part[...] = np.frombuffer(zlib.decompress(pixels), labels.dtype).reshape(part.shape)

    def settle(self) -> None:
        """Bring all that was written into the one file, so that a copy of it is whole."""
        with self._lock:
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()

    def _put_record(self, object_id: int, values: Mapping[str, Any]) -> None:
        row = (object_id, json.dumps(values))
        self._database.execute("INSERT OR REPLACE INTO objects VALUES (?, ?)", row)


def is_session(path: Path) -> bool:
    """Whether a file is a session by its first bytes."""
    try:
        with path.open("rb") as stream:
            head = stream.read(72)
    except OSError:
        return False
    return head[:16] == b"SQLite format 3\0" and head[68:72] == _APPLICATION.to_bytes(4, "big")
