"""How the events of a session become masks in the labels.

Masks are written where they arise, in the worker thread.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice

from napari_sa2va.backend.base import BackendSession
from napari_sa2va.core.errors import InputError, Sa2VAError
from napari_sa2va.core.events import Event, Failed, Mask, ObjectFound, Progress, Reasoning, Token
from napari_sa2va.core.losing import LossWatch
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.regions import Region
from napari_sa2va.core.review import measure
from napari_sa2va.widgets._frames import ViewedFrames
from napari_sa2va.widgets._labels_writer import LabelsWriter
from napari_sa2va.widgets._object_labels import present_frames
from napari_sa2va.widgets._sessions import Sessions
from napari_sa2va.widgets._updates import (
    Interrupted,
    MaskWritten,
    ObjectLost,
    SameObject,
    Update,
)

# So many frames at most tell a session of an object, the nearest: those that a person prompted
# or painted, and those only confirmed, of which a handful say as much.
_PROMPTED, _CONFIRMED = 32, 6
LESS_MEMORY = "use less memory"


class ReplacedError(Sa2VAError):
    """The session that a request ran in was given up; what it knew has to be told to another."""

    def __init__(self) -> None:
        super().__init__("The model was loaded anew: the answer cannot go on.", "Ask again.")


@dataclass
class Work:
    """What a request works with.

    Attributes
    ----------
    sessions : Sessions
        Where the model is.
    frames : ViewedFrames
        What is sent.
    writer : LabelsWriter
        Where masks go.
    records : dict of int to ObjectRecord
        The objects of the stack as they were when the request began, but for what a person did to
        them since.
    reserved : set of int
        Labels that no new object may have.
    """

    sessions: Sessions
    frames: ViewedFrames
    writer: LabelsWriter
    records: Mapping[int, ObjectRecord]
    reserved: set[int] = field(default_factory=set)

    def open(self) -> Generator[Update, None, BackendSession]:
        """The session; loads the model if need be. Tries again where that failed."""
        while True:
            try:
                return self.sessions.session(self.frames)
            except InputError:
                raise
            except Sa2VAError as error:
                remedy = error.remedy if error.remedy == LESS_MEMORY else "restart"
                yield Interrupted(error.message, error.hint, remedy)

    def within(self, region: Region) -> Work:
        """The same work on a region."""
        return replace(self, frames=self.frames.within(region), writer=self.writer.within(region))

    def new_label(self) -> int:
        """The next label that is free."""
        label = self.writer.free_label({*self.records, *self.reserved})
        self.reserved.add(label)
        return label

    def protects(self, label: int, frame: int) -> bool:
        """Whether a person confirmed the mask, or locked the object: no run changes it."""
        record = self.records.get(label)
        return record is not None and (record.locked or frame in record.verified_frames)

    def keeps(self, label: int, frame: int) -> bool:
        """Whether following an object leaves its mask as it is: also where a person prompted it."""
        record = self.records.get(label)
        prompted = record is not None and frame in record.prompted_frames
        return prompted or self.protects(label, frame)

    def known_as(self, label: int, mask: Mask) -> int | None:
        """The object that a new one turns out to be, by the first mask of it that is seen."""
        if label in self.records or label in self.writer.seen:
            return None
        return self.writer.twin(mask)


def apply(
    work: Work,
    session: BackendSession,
    events: Iterator[Event],
    *,
    asked: str = "",
    by_hand: bool = False,
    watch: LossWatch | None = None,
) -> Iterator[Update]:
    """Write masks, translate ids, raise failures; all else is handed on.

    With a `watch`, objects are followed: where they are lost that is told, and they are written no
    more.
    """
    fixed = work.protects if watch is None else work.keeps
    again = iter(_labels_of(work.records, asked))
    twins: set[int] = set()
    for event in to_the_end(work, session, events):
        match event:
            case ObjectFound():
                label = next(again, None) or work.new_label()
                work.sessions.remove(session, label)
                work.sessions.ids.bind(event.object_id, label)
                yield replace(event, object_id=label)
            case Mask():
                label = work.sessions.ids.label(event.object_id)
                if label is None or label in twins or (watch and label in watch.lost):
                    continue
                known = None if by_hand else work.known_as(label, event)
                if known is not None:
                    twins.add(label)
                    yield SameObject(label, known)
                elif not by_hand and fixed(label, event.frame):
                    work.writer.seen.setdefault(label, 0)  # it came back, and nothing was to do
                    if watch is not None:
                        watch.saw(label, event.frame, 1.0)  # a person says that it is there
                else:
                    work.writer.write(replace(event, object_id=label))
                    geometry = work.frames.geometry
                    facts = measure(event.mask, geometry.box[:2], geometry.step)
                    yield MaskWritten(event.frame, label, event.score, facts)
                    if watch is not None and watch.saw(label, event.frame, event.score):
                        yield ObjectLost(label, watch.lost[label])
            case Token() | Reasoning() | Progress() | Interrupted():
                yield event
    for label in twins:
        work.sessions.remove(session, label)


def to_the_end(
    work: Work, session: BackendSession, events: Iterator[Event]
) -> Iterator[Event | Interrupted]:
    """The events of a request; where it is interrupted, it is resumed when this is iterated on.

    Raises
    ------
    Sa2VAError
        It failed, and cannot be resumed; `ReplacedError` where the session is another one by then.
    """
    while True:
        failed = None
        with closing_if_possible(events):
            for event in events:
                if isinstance(event, Failed):
                    failed = event
                    break
                yield event
        if failed is None:
            return
        if not failed.remedy:
            raise Sa2VAError(failed.message, failed.hint)
        yield Interrupted(failed.message, failed.hint, failed.remedy)
        if not work.sessions.has(session):
            raise ReplacedError
        events = session.resume()


def _labels_of(records: Mapping[int, ObjectRecord], asked: str) -> list[int]:
    """The objects that the same words found before."""
    return [
        label
        for label, record in sorted(records.items())
        if asked and any(p.get("kind") == "text" and p.get("text") == asked for p in record.prompts)
    ]


def known_to_session(
    work: Work, session: BackendSession, label: int, frame: int, corrects: bool = False
) -> Generator[Update, None, int | None]:
    """The session's id of a label; an object new to the session is shown its masks first.

    None where there is no mask of it to show, unless a prompt that `corrects` it follows.
    """
    ids = work.sessions.ids
    session_id = ids.session_id(label)
    if session_id is not None:
        return session_id
    seeds = _seeds(work, label, frame, but=frame if corrects else None)
    if not seeds and not corrects:
        return None
    session_id = ids.free_session_id(label)
    ids.bind(session_id, label)
    for seed, mask in seeds.items():
        for event in to_the_end(work, session, session.segment(session_id, seed, mask=mask)):
            if isinstance(event, Progress | Interrupted):
                yield event
    return session_id


def _seeds(work: Work, label: int, frame: int, but: int | None) -> dict[int, BoolMask]:
    """The masks that tell most about an object: those a person gave or confirmed; the nearest."""
    record = work.records.get(label, ObjectRecord(label))
    # The frame itself may have been written by this very run.
    near = sorted({frame, *present_frames(record)} - {but}, key=lambda f: abs(f - frame))
    prompted, verified = record.prompted_frames, set(record.verified_frames)
    telling = {
        *[f for f in near if f in prompted][:_PROMPTED],
        *[f for f in near if f in verified][:_CONFIRMED],
    }
    masks = ((f, work.writer.mask_of(label, f)) for f in near)
    nearest = dict(islice(((f, mask) for f, mask in masks if mask.any()), 1))
    others = ((f, work.writer.mask_of(label, f)) for f in sorted(telling - nearest.keys()))
    return nearest | {f: mask for f, mask in others if mask.any()}


def closing_if_possible(events: Iterator[Event]) -> closing[Iterator[Event]] | nullcontext[None]:
    """Closes an iterator that can be closed: that is how a request is cancelled."""
    # The interface promises an iterator; that this one has a close, the checker cannot see.
    return closing(events) if hasattr(events, "close") else nullcontext()  # type: ignore[type-var]
