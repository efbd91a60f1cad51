"""The requests that run off the Qt thread, as generators of updates."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from napari_sa2va.backend.base import BackendSession
from napari_sa2va.backend.protocol import RESTORING
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Event, ObjectFound, Progress
from napari_sa2va.core.losing import LossRule, LossWatch
from napari_sa2va.core.prompts import FramePrompts
from napari_sa2va.core.regions import around, is_cut, seen_from, widened
from napari_sa2va.widgets._instances import apply_pieces
from napari_sa2va.widgets._labels_writer import repeat, restore
from napari_sa2va.widgets._legs import Leg, stretches
from napari_sa2va.widgets._measuring import Telling
from napari_sa2va.widgets._sessions import Sessions, spoken
from napari_sa2va.widgets._strokes import frames_of
from napari_sa2va.widgets._undo import UndoStep
from napari_sa2va.widgets._updates import (
    ConversationBegan,
    Describing,
    FramesChanged,
    MaskWritten,
    SameObject,
    Told,
    Update,
)
from napari_sa2va.widgets._work import (
    ReplacedError,
    Work,
    apply,
    closing_if_possible,
    known_to_session,
)

_MEASURED = "What was measured of the objects:"


def segment(
    work: Work,
    frame: int,
    said: Sequence[tuple[str, str]],
    prompts: Mapping[int, FramePrompts],
    closely: bool = False,
    instances: bool = False,
) -> Iterator[Update]:
    """Objects in one frame: what descriptions name, and what was clicked and drawn.

    Parameters
    ----------
    work : Work
        What to work with.
    frame : int
        Where.
    said : sequence of (text, sentence)
        The user's descriptions, and how each is put to the model; the same words mean the same
        objects again.
    prompts : dict of int to FramePrompts
        By label, in the coordinates of the whole frame.
    closely : bool
        Look at each prompt by itself, in a region whose scale suits the object.
    instances : bool
        Each separate piece of what a description names becomes an object.
    """
    yield from _loading(work)
    for text, sentence in said:
        yield Describing(frame, text)
        session = yield from work.open()
        events = session.ask(sentence, [frame], track=False, remember=False)
        named = _call_it(text, sentence, events)
        if instances:
            yield from apply_pieces(work, session, named)
        else:
            yield from apply(work, session, named, asked=text)
    for done, (label, given) in enumerate(prompts.items()):
        yield Progress(done, len(prompts), "objects")
        yield from (_closely if closely else _prompted)(work, frame, label, given)


def _prompted(work: Work, frame: int, label: int, prompts: FramePrompts) -> Iterator[Update]:
    """One object, by what was clicked and drawn."""
    geometry = work.frames.geometry
    given = seen_from(prompts, geometry.box, geometry.step)
    is_done = False
    while not is_done:
        session = yield from work.open()
        with suppress(ReplacedError):
            session_id = yield from known_to_session(work, session, label, frame, corrects=True)
            events = session.segment(session_id, frame, *spoken(given))
            yield from apply(work, session, events, by_hand=True)
            is_done = True


def _closely(work: Work, frame: int, label: int, prompts: FramePrompts) -> Iterator[Update]:
    """The same in a region around the prompts, which widens while it cuts the mask off."""
    _, height, width = work.frames.geometry.whole.stack_shape
    region, cut = around(prompts, (height, width)), True
    while cut:
        part = work.within(region)
        yield from _prompted(part, frame, label, prompts)
        cut = is_cut(part.writer.mask_of(label, frame), region, (height, width))
        region = widened(region, (height, width))


def propagate(
    work: Work,
    labels: Sequence[int],
    frame: int,
    legs: Sequence[Leg],
    rule: LossRule,
) -> Iterator[Update]:
    """Follow objects from a frame, each up to its next verified frame on either side.

    Parameters
    ----------
    work : Work
        What to work with.
    labels : sequence of int
        The objects.
    frame : int
        Where the user stands; objects new to the session are shown to it as they are there.
    legs : sequence of Leg
        The ways to go, in order.
    rule : LossRule
        When an object is lost, and followed no further on its way.
    """
    yield from _loading(work)
    ways = [stretches(leg, labels, work.records) for leg in legs]
    if not any(ways):
        raise InputError(
            "The frames beside this one are verified: nothing is left to follow.",
            "Go to a frame beside others that are not, or take a confirmation back.",
        )
    total, before = sum(len(stretch.leg) for way in ways for stretch in way), 0
    for way in ways:
        watch, at = LossWatch(rule), frame
        for stretch in way:
            for update in _along(work, stretch.labels, at, stretch.leg, watch):
                if isinstance(update, Progress) and update.what != RESTORING:
                    update = Progress(before + update.done, total, update.what)
                yield update
            before += len(stretch.leg)
            at = stretch.leg.frame(len(stretch.leg) - 1)
    if not work.writer.seen:
        raise InputError(
            "Nothing came back: in these frames, the objects are not seen before.",
            "Propagate from a frame in which they are segmented, or in the other direction.",
        )


def _along(
    work: Work,
    labels: Sequence[int],
    frame: int,
    leg: Leg,
    watch: LossWatch,
) -> Iterator[Update]:
    """Follow objects along one leg; in another session from the last frame that is done."""
    total, done = len(leg), 0
    while done < total:
        session, before = (yield from work.open()), done
        if before:
            frame = leg.frame(before - 1)
        with suppress(ReplacedError):
            known = yield from _known(work, session, set(labels) - watch.lost.keys(), frame)
            if not known:
                return
            left = leg.part(before, total)
            events = session.propagate(list(known.values()), left.start, left.stop, left.reverse)
            for update in apply(work, session, events, watch=watch):
                if isinstance(update, Progress) and update.what != RESTORING:
                    done = before + update.done
                    update = Progress(done, total, update.what)
                yield update
                if known.keys() <= watch.lost.keys():
                    break
            done = total


def _known(
    work: Work, session: BackendSession, labels: Iterable[int], frame: int
) -> Generator[Update, None, dict[int, int]]:
    """The session's ids of the objects that have a mask."""
    ids = {}
    for label in sorted(labels):
        session_id = yield from known_to_session(work, session, label, frame)
        if session_id is not None:
            ids[label] = session_id
    return ids


def ask(
    work: Work,
    question: str,
    look_at: Sequence[int],
    start: int,
    stop: int,
    rule: LossRule,
    telling: Telling | None = None,
) -> Iterator[Update]:
    """Ask a question; what the answer grounds is followed through the range of frames.

    By `rule`, objects are lost on their way as with `propagate`. By `telling`, what objects measure
    is told beside the answer.
    """
    yield from _loading(work)
    if telling is not None and telling.to_model:
        for told in telling.words({}, ()):
            if isinstance(told, str):
                question = f"{_MEASURED}\n{told}\n{question}" if told else question
            else:
                yield told
    session = yield from work.open()
    if work.sessions.is_another:
        yield ConversationBegan()
    found: list[int] = []
    names: dict[int, str] = {}
    written: set[int] = set()
    for update in apply(work, session, session.ask(question, look_at, track=False)):
        if isinstance(update, ObjectFound):
            found.append(update.object_id)
            names[update.object_id] = update.phrase
        elif isinstance(update, SameObject):
            found.remove(update.object_id)
            names[update.known_as] = names.pop(update.object_id)
        elif isinstance(update, MaskWritten):
            written.add(update.frame)
        yield update
    if found:
        first = min(look_at)
        legs = [Leg(first, stop), *([Leg(start, first, True)] if start < first else [])]
        yield from propagate(work, found, first, legs, rule)
        written.update(range(start, stop))
    if telling is not None:
        for told in telling.words(names, written):
            if not isinstance(told, str):
                yield told
            elif told:
                yield Told(told)


def going_on(sessions: Sessions, request: Iterator[Update], *, anew: bool) -> Iterator[Update]:
    """A request that was interrupted; the backend is made `anew` before it goes on."""
    if anew:
        sessions.restart()
    yield from request


def undo(sessions: Sessions, step: UndoStep) -> Iterator[Update]:
    """Take a step back; the session forgets its objects, their masks tell it anew."""
    restore(step)
    yield from _changed(sessions, step)


def redo(sessions: Sessions, step: UndoStep) -> Iterator[Update]:
    """Do a step again that was taken back; the session forgets its objects as with `undo`."""
    repeat(step)
    yield from _changed(sessions, step)


def _changed(sessions: Sessions, step: UndoStep) -> Iterator[Update]:
    for geometry, frames in frames_of(step.changes).items():
        yield FramesChanged(tuple(sorted(frames)), geometry)
    sessions.forget(step.written)


def delete(work: Work, label: int, frames: Iterable[int]) -> Iterator[Update]:
    """Erase an object in frames; all at once, so that it cannot be cancelled half-way."""
    frames = tuple(frames)
    for frame in frames:
        work.writer.erase([label], frame)
    yield FramesChanged(frames)
    work.sessions.forget([label])


def relabel(work: Work, label: int, becomes: int, frames: Iterable[int]) -> Iterator[Update]:
    """Give an object's masks in frames to another one; all at once, as `delete`."""
    frames = tuple(frames)
    for frame in frames:
        work.writer.relabel(label, becomes, frame)
    yield FramesChanged(frames)
    work.sessions.forget([label, becomes])


def reject(work: Work, label: int, frame: int) -> Iterator[Update]:
    """Erase an object's mask in a frame; the session forgets the object, its masks tell it anew."""
    work.writer.erase([label], frame)
    yield MaskWritten(frame, label, 0.0)
    work.sessions.forget([label])


def clear(work: Work) -> Iterator[Update]:
    """Erase all objects that are not locked."""
    total = work.frames.shape[0]
    free = [label for label, record in list(work.records.items()) if not record.locked]
    for frame in range(total):
        work.writer.erase(free, frame)
        if frame % 16 == 0:
            yield Progress(frame, total, "frames")
    yield FramesChanged(tuple(range(total)))
    work.sessions.forget(free)


def _loading(work: Work) -> Iterator[Update]:
    if work.sessions.info.state != "ready":
        yield from work.sessions.bring()
        yield Progress(0, 0, "loading the model")


def _call_it(text: str, sentence: str, events: Iterator[Event]) -> Iterator[Event]:
    """Where the model does not name an object, it is called what the user wrote."""
    with closing_if_possible(events):
        for event in events:
            unnamed = isinstance(event, ObjectFound) and event.phrase == sentence
            yield replace(event, phrase=text) if unnamed else event
