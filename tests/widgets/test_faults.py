"""What stands still when something breaks, and the button that does something about it."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_sa2va.core.events import Failed
from napari_sa2va.widgets._sessions import Source
from tests.widgets.fake_backend import FakeBackend
from tests.widgets.test_segmenting import click, labels_of

KILLED = Failed(
    "The model's process was ended by signal 9. What is finished is kept.",
    "Resume to go on.",
    "resume",
)
FULL = Failed("The GPU has no memory left.", "Choose a smaller model.", "use less memory")


@pytest.fixture
def clicked(dock, stack, run):
    """A dock with one object, in the middle of the stack."""
    widget = dock(stack)
    widget._viewer.dims.set_current_step(0, 5)
    click(widget, (5, 28, 44))
    run(widget, widget.segment)
    return widget


def interrupt(widget, run, backend, why: Failed, after: int) -> np.ndarray:
    """Follow the objects until that happens; gives the labels as they are then."""
    backend.fail_with, backend.fail_after = why, after
    assert run(widget, lambda: widget.propagate("both")) == "interrupted"
    backend.fail_with = None
    return labels_of(widget).data.copy()


def press(widget, qtbot):
    return lambda: qtbot.mouseClick(widget.fault.act, Qt.MouseButton.LeftButton)


def frames_with(labels: np.ndarray) -> list[int]:
    return np.flatnonzero(labels.any((1, 2))).tolist()


def test_resume_goes_on_with_the_same_run(clicked, run, qtbot, backend, notes) -> None:
    widget = clicked
    before = labels_of(widget).data.copy()
    run(widget, lambda: widget.propagate("both"))
    whole = labels_of(widget).data.copy()
    assert frames_with(whole) == list(range(12))
    run(widget, widget.workbench.undo)

    cut = interrupt(widget, run, backend, KILLED, 5)
    assert 1 < len(frames_with(cut)) < 12
    assert widget.fault.isVisibleTo(widget)
    assert widget.fault.message.text() == f"{KILLED.message} {KILLED.hint}"
    assert widget.fault.act.text() == "&Resume"
    assert widget.runs.message.text() == "Propagate: interrupted; what was done stays"
    assert notes == []  # told once, beside the button
    assert run(widget, press(widget, qtbot)) == "done"
    assert not widget.fault.isVisibleTo(widget)
    assert np.array_equal(labels_of(widget).data, whole)
    assert ("resume",) in backend.sessions[-1].calls
    # Both legs, and what came before and after: one step.
    run(widget, widget.workbench.undo)
    assert np.array_equal(labels_of(widget).data, before)


def test_what_fails_again_can_be_resumed_again(clicked, run, qtbot, backend) -> None:
    widget = clicked
    interrupt(widget, run, backend, KILLED, 3)
    backend.fail_with, backend.fail_after = KILLED, 2
    assert run(widget, press(widget, qtbot)) == "interrupted"
    assert widget.fault.isVisibleTo(widget)
    backend.fail_with = None
    assert run(widget, press(widget, qtbot)) == "done"
    assert frames_with(labels_of(widget).data) == list(range(12))


def test_try_again_makes_the_backend_anew(dock, stack, run, qtbot, backend, notes) -> None:
    widget = dock(stack)
    widget.prompts.text.setText("cells")
    click(widget, (0, 28, 44))
    backend.fail_to_load = True
    assert run(widget, widget.segment) == "interrupted"
    assert widget.fault.act.text() == "&Try again"
    assert widget.backend_line.light.state == "failed"
    assert run(widget, press(widget, qtbot)) == "interrupted"
    assert backend.closed
    backend.fail_to_load = False
    assert run(widget, press(widget, qtbot)) == "done"
    assert widget.backend_line.light.state == "ready"
    assert not backend.closed
    assert sorted(widget.workbench.records) == [1, 2, 3]
    assert widget.workbench.records[1].prompts  # the click survived its failed runs
    assert widget.prompts.text.text() == ""  # as after any run that is done
    assert notes == []


def test_less_memory_is_chosen_and_the_run_goes_on(clicked, run, qtbot, backend) -> None:
    widget = clicked
    cut = interrupt(widget, run, backend, FULL, 5)
    done = frames_with(cut)
    press(widget, qtbot)()
    assert widget.models_window.isVisible()
    assert widget.fault.act.text() == "&Go on"
    smaller = FakeBackend()
    widget.workbench.sessions.switch(Source(lambda: smaller, "smaller", "this process"))
    qtbot.waitUntil(lambda: backend.closed)
    assert run(widget, press(widget, qtbot)) == "done"
    labels = labels_of(widget).data
    assert frames_with(labels) == list(range(12))
    assert np.array_equal(labels[done], cut[done])
    # The other model is shown the object where the run stood and where it was clicked, and follows
    # it from there.
    *shown, followed = smaller.sessions[0].calls[:3]
    assert [(call[0], call[2], call[-1]) for call in shown] == [
        ("segment", 4, True),
        ("segment", 5, True),
    ]
    assert followed[0] == "propagate"
    assert 0 < followed[3] - followed[2] < 12
    widget.models_window.close()


def test_an_answer_goes_on_in_its_place(dock, stack, run, qtbot, backend) -> None:
    widget = dock(stack)
    backend.fail_with, backend.fail_after = KILLED, 3
    assert run(widget, lambda: widget.ask("What is there?")) == "interrupted"
    backend.fail_with = None
    assert run(widget, press(widget, qtbot)) == "done"
    assert [message.role for message in widget.chat.messages] == ["user", "model", "measured"]
    assert widget.chat.messages[1].text == backend.answer


@pytest.mark.parametrize("how", ["dismiss", "another run", "another image"])
def test_what_is_left_alone_cannot_be_resumed(clicked, stack, run, qtbot, backend, how) -> None:
    widget = clicked
    cut = interrupt(widget, run, backend, KILLED, 5)
    if how == "dismiss":
        qtbot.mouseClick(widget.fault.dismiss, Qt.MouseButton.LeftButton)
    elif how == "another run":
        assert run(widget, lambda: widget.ask("hello")) == "done"
    else:
        widget._viewer.add_image(stack, name="other")
        widget.picker.layers.setCurrentIndex(widget.picker.layers.findText("other"))
    assert not widget.fault.isVisibleTo(widget)
    assert widget.workbench.interruption is None
    done = frames_with(cut)
    labels = widget._viewer.layers["Sa2VA labels"].data
    assert np.array_equal(labels[done] == 1, cut[done] == 1)
