"""One suite for the three places of a backend: this process, a child process, a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from napari_sa2va.backend.base import Backend, BackendSession
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Event, Failed, Finished, Mask, Progress
from tests.backend.serving import SlowStack, assert_same

Ask = Callable[[BackendSession], Iterator[Event]]

REQUESTS: list[Ask] = [
    lambda s: s.segment(1, 0, box=(15, 25, 48, 60)),
    lambda s: s.segment(7, np.int64(3), points=[(60, 54, True), (20, 20, False)]),
    lambda s: s.propagate(),
    lambda s: s.segment(7, 5, points=[(61, 50, True), (np.float32(40), 40, False)]),
    lambda s: s.propagate([7], 2, 9, True),
    lambda s: s.ask("Please segment the largest cell.", [0, 2]),
    lambda s: s.ask("And now?", regions=[np.eye(90, 110, dtype=bool)], track=False),
    lambda s: s.segment(9, 1, mask=np.eye(90, 110, dtype=bool)),
]
REFUSED: list[Ask] = [
    lambda s: s.segment(1, 0),
    lambda s: s.segment(0, 0, box=(1, 1, 5, 5)),
    lambda s: s.segment(1, 99, box=(1, 1, 5, 5)),
    lambda s: s.segment(1, 0, points=[(500, 5, True)]),
    lambda s: s.segment(1, 0, mask=np.zeros((90, 110), bool)),
    lambda s: s.segment(1, 0, mask=np.ones((9, 9), bool)),
    lambda s: s.segment(1, 0, box=(5, 5, 5, float("nan"))),
    lambda s: s.ask(" "),
    lambda s: s.ask("x", [99]),
    lambda s: s.propagate([4]),
    lambda s: s.propagate(start=5, stop=3),
]


def test_masks_tokens_and_answers_are_equal_to_the_bit(
    backend: Backend, reference: Backend, stack: np.ndarray
) -> None:
    ours, theirs = backend.open(stack), reference.open(stack)
    for ask in REQUESTS:
        assert_same(list(ask(ours)), list(ask(theirs)))
    assert ours.shape == theirs.shape == stack.shape
    ours.close()
    theirs.close()


def test_what_cannot_be_done_is_said(backend: Backend, stack: np.ndarray) -> None:
    session = backend.open(stack)
    for ask in REFUSED:
        (failed,) = ask(session)
        assert isinstance(failed, Failed)
        assert failed.message
        assert failed.hint
    (nothing,) = session.resume()
    assert isinstance(nothing, Failed)
    with pytest.raises(InputError):
        session.remove(77)
    assert isinstance(list(session.segment(1, 0, box=(15, 25, 48, 60)))[-1], Finished)
    session.close()


def test_closing_the_iterator_cancels_and_the_session_goes_on(
    backend: Backend, stack: np.ndarray
) -> None:
    session = backend.open(stack)
    list(session.segment(1, 0, box=(15, 25, 48, 60)))
    events = session.propagate()
    assert isinstance(next(events), Mask)
    events.close()  # type: ignore[attr-defined]
    after = list(session.propagate())
    assert sum(isinstance(event, Mask) for event in after) == len(stack)
    assert isinstance(after[-1], Finished)
    session.close()


def test_an_object_can_be_removed_between_two_events(backend: Backend, stack: np.ndarray) -> None:
    session = backend.open(stack)
    list(session.segment(1, 0, box=(15, 25, 48, 60)))
    list(session.segment(2, 0, box=(45, 45, 75, 75)))
    for number, event in enumerate(session.propagate([1])):
        assert not isinstance(event, Failed)
        if number == 1:
            session.remove(2)
    (failed,) = session.propagate([2])
    assert isinstance(failed, Failed)
    session.reset()
    (failed,) = session.propagate()
    assert isinstance(failed, Failed)
    session.close()


def test_a_frame_that_cannot_be_read_is_said(backend: Backend, stack: np.ndarray) -> None:
    frames = SlowStack(stack)
    session = backend.open(frames)
    frames.error = InputError("The disk was pulled out.", "Put it in again.")
    (failed,) = session.segment(1, 0, box=(15, 25, 48, 60))
    assert isinstance(failed, Failed)
    assert failed.message == "The disk was pulled out."
    frames.error = None
    assert isinstance(list(session.segment(1, 0, box=(15, 25, 48, 60)))[-1], Finished)
    session.close()


def test_a_click_is_answered_while_another_session_propagates(
    backend: Backend, stack: np.ndarray
) -> None:
    long, short = backend.open(stack), backend.open(stack)
    list(long.segment(1, 0, box=(15, 25, 48, 60)))
    list(short.segment(1, 0, box=(15, 25, 48, 60)))
    progress: list[int] = []
    answered_at: list[int] = []

    def propagate() -> None:
        for event in long.propagate():
            if isinstance(event, Progress):
                progress.append(event.done)
                if event.done == 2:
                    click.start()

    def answer() -> None:
        list(short.segment(2, 0, points=[(60, 60, True)]))
        answered_at.append(len(progress))

    click = threading.Thread(target=answer)
    propagate()
    click.join(60)
    assert len(progress) == len(stack)
    # The child and the server may be ahead of what is read by a few frames, not by all.
    assert answered_at
    long.close()
    short.close()


def test_the_memory_of_the_device_is_told_before_and_after_a_model_is_there(
    backend: Backend, reference: Backend, stack: np.ndarray
) -> None:
    before = backend.memory()
    assert before.total == reference.memory().total
    assert 0 < before.free <= before.total
    assert (before.device, before.dtype) == ("cpu", "float32")
    session = backend.open(stack)
    assert backend.memory().total == before.total
    session.close()


def test_the_info_says_where_it_is(backend: Backend, stack: np.ndarray) -> None:
    session = backend.open(stack)
    info = backend.info
    assert (info.state, info.device, info.dtype) == ("ready", "cpu", "float32")
    assert info.memory_total > info.memory_used > 0
    assert info.place == "this process" or info.sessions >= 1
    session.close()
