"""Sessions on disk: whole after a crash, small, and never two writers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts
from napari_sa2va.io.session_file import FORMAT, SavedMask, SessionFile, is_session

RECORD = ObjectRecord(
    3,
    "세포",
    [{"kind": "point", "frame": 2, "y": 1.5, "x": 2.0, "positive": True}],
    {2: 0.9, 5: 0.0},
    "nano",
    [2],
    [{"frame": 2, "by": "me", "at": "2026-11-23T08:00:00+00:00"}],
    category="nucleus",
    parent=1,
)


@pytest.fixture
def session(tmp_path: Path):
    with_file = SessionFile(tmp_path / "movie.tif.sa2va", new=True)
    yield with_file
    with_file.close()


def reopened(session: SessionFile) -> SessionFile:
    session.close()
    return SessionFile(session.path)


def test_everything_comes_back(session) -> None:
    rng = np.random.default_rng(0)
    plane = (rng.random((1500, 1100)) > 0.999).astype(np.uint16) * 700
    session.put_plane(7, plane)
    session.put_object(RECORD, {2: MaskFacts(4, 1.5, 2.5, 0.25)})
    session.put_sections({"chat": [{"role": "user", "text": "Where?"}]})
    again = reopened(session)
    records, facts = again.objects()
    assert records == {3: RECORD}
    assert facts == {3: {2: MaskFacts(4, 1.5, 2.5, 0.25)}}
    assert again.section("chat") == [{"role": "user", "text": "Where?"}]
    assert again.section("missing", 5) == 5
    assert again.planes == [7]
    read = np.zeros_like(plane)
    again.read_plane(7, read)
    assert np.array_equal(read, plane)
    again.close()


def test_a_plane_replaces_the_one_before(session) -> None:
    one = np.zeros((8, 8), np.uint16)
    one[2, 2] = 1
    session.put_plane(0, one)
    session.put_plane(0, np.roll(one, 1, 0))
    session.put_plane(1, one)
    session.put_plane(1, np.zeros_like(one))
    read = np.zeros_like(one)
    session.read_plane(0, read)
    assert np.array_equal(read, np.roll(one, 1, 0))
    assert session.planes == [0]


def test_masks_of_a_run_join_the_object(session) -> None:
    session.put_object(RECORD, {})
    session.add_object(3, "a cell")
    session.add_object(4, "new")
    session.put_masks([SavedMask(3, 6, 0.5, MaskFacts(9, 1.0, 2.0, 0.1)), SavedMask(5, 0, 0.7)])
    records, facts = session.objects()
    assert records[3].scores == {2: 0.9, 5: 0.0, 6: 0.5}
    assert (records[3].phrase, records[3].category) == ("a cell", "nucleus")
    assert records[4].phrase == "new"
    assert records[5].scores == {0: 0.7}
    assert facts == {3: {6: MaskFacts(9, 1.0, 2.0, 0.1)}}
    session.drop_object(3)
    assert sorted(session.objects()[0]) == [4, 5]


def test_a_session_from_before_masks_had_a_spread(session) -> None:
    session.put_object(RECORD, {2: MaskFacts(4, 1.5, 2.5, 0.25, 1.0, 0.5, 2.0)})
    for column in ("yy", "yx", "xx"):
        session._database.execute(f"ALTER TABLE masks DROP COLUMN {column}")
    session._database.execute("PRAGMA user_version = 1")
    for _ in range(2):  # once brought up to date, it is
        session = reopened(session)
        records, facts = session.objects()
        assert records == {3: RECORD}
        assert facts == {3: {2: MaskFacts(4, 1.5, 2.5, 0.25)}}
    known = {2: MaskFacts(4, 1.5, 2.5, 0.25, 1.0, 0.5, 2.0)}
    session.put_object(RECORD, known)
    assert session.objects()[1] == {3: known}
    session.close()


def test_together_means_all_or_nothing(session) -> None:
    def half() -> None:
        with session.together():
            session.put_object(RECORD, {})
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        half()
    assert session.objects() == ({}, {})


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from napari_sa2va.io.session_file import SavedMask, SessionFile
session = SessionFile(Path(sys.argv[1]), new=True)
session.add_object(1, "cell")
for frame in range(10**6):
    with session.together():
        session.put_plane(frame, np.full((64, 64), 1 + frame % 7, np.uint16))
        session.put_masks([SavedMask(1, frame, 0.9)])
    print(frame, flush=True)
"""


def test_what_was_written_survives_a_kill(tmp_path) -> None:
    path = tmp_path / "killed.sa2va"
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if int(line) == 20:
                with pytest.raises(InputError, match="open in another window"):
                    SessionFile(path)
                os.kill(child.pid, signal.SIGKILL)
                break
        seen = max([20, *(int(line) for line in child.stdout)])
    assert is_session(path)
    session = SessionFile(path)
    frames = sorted(session.objects()[0][1].scores)
    assert session.planes == frames
    assert seen + 1 <= len(frames) <= seen + 2
    assert frames == list(range(len(frames)))
    session.close()


def test_what_is_no_session_is_refused(tmp_path, session) -> None:
    text = tmp_path / "notes.sa2va"
    text.write_text("no database at all" * 99)
    assert not is_session(text)
    with pytest.raises(InputError, match="is no session"):
        SessionFile(text)
    import sqlite3

    other = tmp_path / "other.sa2va"
    database = sqlite3.connect(other)
    database.execute("CREATE TABLE t (a)")
    database.close()
    assert not is_session(other)
    with pytest.raises(InputError, match="is no session of napari-sa2va"):
        SessionFile(other)
    with pytest.raises(InputError, match="exists"):
        SessionFile(other, new=True)


def test_a_later_version_is_told(session) -> None:
    session._database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(InputError, match="later version"):
        reopened(session)


def test_after_settling_one_file_is_all(tmp_path, session) -> None:
    session.put_object(RECORD, {})
    session.settle()
    copy = tmp_path / "copy.sa2va"
    copy.write_bytes(session.path.read_bytes())
    other = SessionFile(copy)
    assert other.objects()[0] == {3: RECORD}
    other.close()
