"""What is done is saved by itself, and goes on where it ended: also after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va.io.session_file import SUFFIX, SessionFile
from tests.widgets.test_segmenting import click, draw_box, labels_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def movie(tmp_path, stack) -> Path:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, stack, metadata={"axes": "TYX"})
    return path


@pytest.fixture
def open_movie(dock, movie):
    """The dock beside a movie that came from a file, as File > Open gives it."""

    def open_it(path: Path = movie):
        widget = dock()
        widget._viewer.open(path, plugin="napari")
        widget._viewer.dims.set_current_step(0, 0)
        return widget

    return open_it


@pytest.fixture
def saved(tmp_path):
    """Saves all of a dock, and gives a copy of its session, to look into."""
    copies = []

    def save(widget) -> SessionFile:
        widget.autosave.save()
        widget.autosave.wait()
        copy = tmp_path / f"copy {len(copies)}{SUFFIX}"
        copy.write_bytes(widget.autosave.path.read_bytes())
        copies.append(SessionFile(copy))
        return copies[-1]

    yield save
    for copy in copies:
        copy.close()


def close(widget) -> None:
    widget.autosave.end()
    widget.autosave.wait()


def told(records) -> dict:
    return {label: asdict(record) for label, record in records.items()}


def test_nothing_is_saved_before_something_is_done(open_movie, movie, qtbot) -> None:
    widget = open_movie()
    widget.autosave.save()
    assert widget.autosave.path is None
    assert not list(movie.parent.glob(f"*{SUFFIX}"))


def test_all_comes_back_tomorrow(open_movie, movie, run, qtbot, backend, saved) -> None:
    widget = open_movie()
    image = widget.picker.image
    image.colormap, image.gamma, image.contrast_limits = "magenta", 0.7, (50, 4100)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    widget.new_object()
    draw_box(widget, 2, 4, 6, 12, 14)
    widget._viewer.dims.set_current_step(0, 2)
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("both"))
    backend.answer = "It is <p>a dot</p> [SEG]."
    run(widget, lambda: widget.ask("What is it?"))
    widget.workbench.editing.change(1, "phrase", "별")
    widget.workbench.editing.change(2, "category", "세포")
    widget.workbench.editing.change(2, "hidden", True)
    widget.workbench.editing.verify(1, 4, True)
    labels_of(widget).data_setitem((np.array([7]), np.array([40]), np.array([3])), 2)
    qtbot.wait(50)
    click(widget, (5, 9, 9))
    widget.picker.last.setValue(9)
    widget._viewer.dims.set_current_step(0, 6)
    expected = labels_of(widget).data.copy()
    records, facts = told(widget.workbench.records), dict(widget.workbench.facts)
    messages = widget.chat.messages
    close(widget)
    path = movie.with_name(f"movie.tif{SUFFIX}")

    again = next_day(widget, backend)
    run(again, lambda: again.reopen(path))
    assert np.array_equal(labels_of(again).data, expected)
    assert told(again.workbench.records) == records
    assert again.workbench.facts == facts
    assert again.chat.messages == messages
    image = again.picker.image
    assert (image.name, image.gamma, image.contrast_limits) == ("movie", 0.7, [50, 4100])
    assert image.colormap.name == "magenta"
    assert again._viewer.dims.current_step[0] == 6
    assert again.picker.last.value() == 9
    points = again.prompting.layers.points(image)
    assert points.data.tolist() == [[0, 28, 44], [5, 9, 9]]
    assert again.prompting.layers.boxes(image).features["object"].tolist() == [2]
    # Prompts that were used are not used again; the one that was drawn last is new.
    again._viewer.dims.set_current_step(0, 5)
    run(again, again.segment)
    assert [call[2] for call in backend.sessions[-1].calls if call[3]] == [5]
    # It goes on in the same file.
    again.delete_object(1)
    qtbot.waitUntil(lambda: not again.workbench.runner.is_running)
    assert 1 not in saved(again).objects()[0]
    assert again.autosave.path == path


def test_what_is_sent_and_what_was_thought_come_back(open_movie, movie, run, backend) -> None:
    widget = open_movie()
    widget.picker.auto_contrast.setChecked(True)
    backend.reasoning = "Let me look at the dots."
    run(widget, lambda: widget.ask("What is it?"))
    key, mapping = widget.picker.sent().frames.key, widget.workbench.objects.sent
    assert widget.chat.messages[1].reasoning == backend.reasoning
    messages = widget.chat.messages
    close(widget)
    again = next_day(widget, backend)
    run(again, lambda: again.reopen(movie.with_name(f"movie.tif{SUFFIX}")))
    assert again.picker.auto_contrast.isChecked()
    assert again.picker.sent().frames.mapping["layers"] == mapping[-1]["layers"]
    assert again.picker.sent().frames.key[2][1:] == key[2][1:], "all but which array it is"
    assert again.chat.messages == messages
    assert labels_of(again).metadata["sa2va"]["sent"] == mapping


def test_a_session_of_before_opens(open_movie, movie, run, backend, notes) -> None:
    """As the first version wrote them: no auto contrast, no place, no reasoning, nothing sent."""
    widget = open_movie()
    run(widget, lambda: widget.ask("What is it?"))
    close(widget)
    path = movie.with_name(f"movie.tif{SUFFIX}")
    file = SessionFile(path)
    choices, chat = file.section("choices"), file.section("chat")
    for name in ("auto_contrast", "place"):
        del choices[name]
    for message in chat:
        del message["reasoning"], message["is_open"]
    file.put_sections({"choices": choices, "chat": chat})
    file._database.execute("DELETE FROM sections WHERE name = 'sent'")
    file.close()
    again = next_day(widget, backend)
    assert run(again, lambda: again.reopen(path)) == "done"
    assert again.chat.messages == widget.chat.messages
    assert not again.picker.auto_contrast.isChecked()
    assert not notes


def next_day(widget, backend):
    """The same viewer on the next day: nothing is in it."""
    widget._viewer.layers.clear()
    widget.close()
    from napari_sa2va.widgets import Sa2VAWidget

    again = Sa2VAWidget(widget._viewer, backend)
    widget._viewer.window.add_dock_widget(again, name="again")
    return again


def test_what_was_saved_before_is_never_overwritten(open_movie, movie, run, saved) -> None:
    old = movie.with_name(f"movie.tif{SUFFIX}")
    old.write_bytes(b"yesterday")
    widget = open_movie()
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    saved(widget)
    assert old.read_bytes() == b"yesterday"
    assert widget.autosave.path.name == f"movie.tif 2{SUFFIX}"
    widget._offer_sessions()
    offered = [action.text() for action in widget.session_line.menu.actions()]
    assert any(text.startswith(f"movie.tif{SUFFIX} ") for text in offered)


def test_what_is_painted_is_saved_soon(dock, stack, run, qtbot, saved) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    layer = labels_of(widget)
    layer.data_setitem((np.array([3, 3]), np.array([5, 6]), np.array([7, 7])), 9)
    qtbot.wait(50)
    file = saved(widget)
    plane = np.zeros(layer.data.shape[1:], layer.data.dtype)
    file.read_plane(3, plane)
    assert np.argwhere(plane == 9).tolist() == [[5, 7], [6, 7]]
    assert file.objects()[0][9].verified_frames == [3]
    widget._viewer.dims.set_current_step(0, 1)
    layer.refresh()
    layer.undo()  # napari's own, of a stroke in another frame
    file = saved(widget)
    assert 3 not in file.planes


def test_undo_and_clear_reach_the_file(dock, stack, run, saved) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    run(widget, lambda: widget.propagate("forward"))
    assert saved(widget).planes == list(range(12))
    run(widget, widget.workbench.undo)
    file = saved(widget)
    assert file.planes == [0]
    assert sorted(file.objects()[0][1].scores) == [0]
    run(widget, widget.clear_objects)
    file = saved(widget)
    assert (file.planes, file.objects()) == ([], ({}, {}))


def test_objects_in_the_way_are_kept(open_movie, run, notes, saved) -> None:
    widget = open_movie()
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    file = saved(widget)
    file.close()
    before = labels_of(widget).data.copy()
    widget.reopen(file.path)
    assert "has objects already" in notes[-1]
    assert np.array_equal(labels_of(widget).data, before)


def test_a_folder_that_cannot_be_written_gives_way(tmp_path, stack) -> None:
    from napari_sa2va.widgets._session_book import SessionBook, own_folder

    missing = tmp_path / "gone" / "movie.tif"
    book = SessionBook(missing, "movie", np.zeros((2, 4, 4), np.uint16))
    book.save({"chat": []}, {})
    assert book.problem == ""
    assert book.path.parent == own_folder()
    book.close()


def test_what_cannot_be_saved_is_said(tmp_path, monkeypatch) -> None:
    from napari_sa2va.widgets._session_book import SessionBook

    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("NAPARI_SA2VA_DATA", str(blocked))
    book = SessionBook(None, "movie", np.zeros((2, 4, 4), np.uint16))
    book.save({"chat": []}, {})
    assert book.problem
    monkeypatch.setenv("NAPARI_SA2VA_DATA", str(tmp_path))
    book.save({"chat": []}, {})
    assert book.problem == ""
    book.close()


_ANNOTATOR = """
    import sys
    from pathlib import Path
    import napari
    from qtpy.QtCore import QTimer
    from napari_sa2va.widgets import Sa2VAWidget
    from tests.widgets.fake_backend import FakeBackend

    viewer = napari.Viewer()
    viewer.open(sys.argv[1], plugin="napari")
    viewer.dims.set_current_step(0, 0)
    dock = Sa2VAWidget(viewer, FakeBackend(delay=0.1))
    viewer.window.add_dock_widget(dock)
    dock.add_points()
    dock.prompting.layers.points(dock.picker.image).add((0, 28, 44))

    def follow(outcome):
        dock.workbench.stopped.disconnect(follow)
        QTimer.singleShot(0, lambda: dock.propagate("forward"))

    def tell(update):
        if type(update).__name__ == "Progress" and update.what == "frames":
            print("frame", update.done - 1, flush=True)

    dock.workbench.runner.updated.connect(tell)
    dock.workbench.stopped.connect(follow)
    dock.segment()
    napari.run()
"""


@pytest.mark.slow  # starts a napari of its own
def test_killed_in_mid_propagation(movie, open_movie, run, qtbot) -> None:
    """A real napari, killed without a word while it follows an object."""
    code = textwrap.dedent(_ANNOTATOR)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-W", "ignore", "-c", code, str(movie)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=REPOSITORY
    ) as child:
        told = []
        for line in child.stdout:
            if line.startswith("frame"):
                told.append(int(line.split()[1]))
            if told and told[-1] == 6:
                os.kill(child.pid, signal.SIGKILL)
                break
        told += [int(line.split()[1]) for line in child.stdout if line.startswith("frame")]
    assert child.returncode == -signal.SIGKILL
    done = max(told)
    assert done < 11  # it was in the middle

    path = movie.with_name(f"movie.tif{SUFFIX}")
    widget = open_movie()
    assert run(widget, lambda: widget.reopen(path)) == "done"
    labels, record = labels_of(widget).data, widget.workbench.records[1]
    for frame in range(done + 1):
        assert (labels[frame] == 1).sum() == 64
        assert record.scores[frame] == pytest.approx(0.9)
        assert widget.workbench.facts[1][frame].area == 64
    assert sorted(record.scores) == list(range(len(record.scores)))
    assert record.prompts == [{"kind": "point", "frame": 0, "y": 28.0, "x": 44.0, "positive": True}]
    widget._viewer.dims.set_current_step(0, done)
    assert run(widget, lambda: widget.propagate("forward")) == "done"
    assert sorted(widget.workbench.records[1].scores) == list(range(12))


def test_napari_opens_a_session(dock, stack, run, saved, npe2pm) -> None:
    """File > Open, or a drop on the viewer: the dock that is there takes it."""
    from npe2 import PluginManifest

    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    expected = labels_of(widget).data.copy()
    file = saved(widget)
    file.close()
    viewer = widget._viewer
    viewer.layers.remove(labels_of(widget))
    manifest = PluginManifest.from_file(REPOSITORY / "napari_sa2va" / "napari.yaml")
    with npe2pm.tmp_plugin(manifest=manifest):
        run(widget, lambda: viewer.open(file.path, plugin="napari-sa2va"))
    assert np.array_equal(labels_of(widget).data, expected)


def sessions_of(movie) -> list[str]:
    return sorted(path.name for path in movie.parent.glob(f"movie*{SUFFIX}"))


def test_a_layer_that_is_removed_stays_in_its_session(
    open_movie, movie, run, qtbot, saved, notes
) -> None:
    """What is made afterwards comes into another file; the first can be opened again."""
    widget = open_movie()
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    widget.workbench.editing.change(1, "phrase", "a dot")
    widget.workbench.editing.verify(1, 0, True)
    records, expected = told(widget.workbench.records), labels_of(widget).data.copy()
    saved(widget)
    first = widget.autosave.path
    qtbot.waitUntil(lambda: widget.session_line.saved.text() == first.name)
    widget._viewer.layers.remove(labels_of(widget))
    widget.autosave.save()
    qtbot.waitUntil(lambda: widget.session_line.saved.text() == "nothing to save yet")
    assert sessions_of(movie) == [first.name]
    widget._offer_sessions()
    assert widget.session_line.menu.actions()[0].text().startswith(f"{first.name} ")

    widget._viewer.dims.set_current_step(0, 5)
    click(widget, (5, 9, 14))
    run(widget, widget.segment)
    assert list(saved(widget).objects()[0][1].scores) == [5]
    assert sessions_of(movie) == [f"movie.tif 2{SUFFIX}", first.name]
    widget._viewer.layers.remove(labels_of(widget))
    widget.autosave.wait()
    assert run(widget, lambda: widget.reopen(first)) == "done"
    assert told(widget.workbench.records) == records
    np.testing.assert_array_equal(labels_of(widget).data, expected)
    assert widget.autosave.path == first
    assert not notes


def test_what_is_drawn_after_a_layer_was_removed_is_saved(open_movie, movie, run, saved) -> None:
    widget = open_movie()
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    saved(widget)
    widget._viewer.layers.remove(labels_of(widget))
    click(widget, (3, 9, 12))
    assert len(saved(widget).section("prompts")["points"]["data"]) == 2
    assert widget.autosave.path.name == f"movie.tif 2{SUFFIX}"


@pytest.mark.parametrize("what", ["objects", "an answer"])
def test_an_image_that_is_turned_to_again_goes_on_in_its_file(
    what, open_movie, movie, stack, run, saved, backend
) -> None:
    widget = open_movie()
    viewer, layers = widget._viewer, widget.picker.layers
    backend.answer = "It is a dot."
    if what == "objects":
        click(widget, (0, 28, 44))
        run(widget, widget.segment)
    else:
        run(widget, lambda: widget.ask("What is it?"))
    saved(widget)
    path = widget.autosave.path
    viewer.add_image(stack[:2], name="other")
    layers.setCurrentIndex(layers.findText("other"))
    viewer.dims.set_current_step(0, 1)
    click(widget, (1, 8, 8))
    run(widget, widget.segment)
    saved(widget)
    assert widget.autosave.path != path
    layers.setCurrentIndex(layers.findText("movie"))
    widget.autosave.save()
    widget.autosave.wait()
    assert widget.autosave.path == path
    widget.new_object()
    click(widget, (1, 9, 9))
    run(widget, widget.segment)
    assert saved(widget).objects()[0].keys() == widget.workbench.records.keys()
    assert len(widget.workbench.records) == (2 if what == "objects" else 1)
    assert sessions_of(movie) == [path.name]
