"""What runs off the Qt thread: requests to the session, and what comes of them.

Each request is a generator of updates. Masks are written where they arise; what is yielded is
small, and all that the Qt thread has to do with it is to show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace

from napari_sa2va.backend.base import BackendSession
from napari_sa2va.core.errors import InputError, Sa2VAError
from napari_sa2va.core.events import Event, Failed, Finished, Mask, ObjectFound, Progress, Token
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.prompts import FramePrompts
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._frames import ViewedFrames
from napari_sa2va.widgets._labels_writer import LabelsWriter, restore
from napari_sa2va.widgets._object_labels import present_frames
from napari_sa2va.widgets._sessions import Sessions
from napari_sa2va.widgets._undo import UndoStep

# SAM 2 attends to a handful of prompted frames at a time; more would only cost.
_MAX_SEEDS = 6


@dataclass(frozen=True)
class MaskWritten:
    """An object's mask is in the labels of a frame."""

    frame: int
    object_id: int
    score: float


@dataclass(frozen=True)
class FramesChanged:
    """The labels of frames changed as a whole."""

    frames: tuple[int, ...]


@dataclass(frozen=True)
class SameObject:
    """What was found is an object that is there already; its masks are left as they are."""

    object_id: int
    known_as: int


@dataclass(frozen=True)
class ConversationBegan:
    """The session is another one: it knows nothing of what was said before."""


Update = (
    Token
    | ConversationBegan
    | ObjectFound
    | MaskWritten
    | SameObject
    | FramesChanged
    | Progress
    | Finished
    | Failed
)


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
        The objects as they were when the request began; a copy.
    reserved : set of int
        Labels that no new object may have.
    """

    sessions: Sessions
    frames: ViewedFrames
    writer: LabelsWriter
    records: Mapping[int, ObjectRecord]
    reserved: set[int] = field(default_factory=set)

    def open(self) -> BackendSession:
        """The session; loads the model if need be."""
        return self.sessions.session(self.frames)

    def new_label(self) -> int:
        """The next label that is free."""
        label = max((*self.records, *self.reserved), default=0) + 1
        self.reserved.add(label)
        return label

    def protects(self, label: int, frame: int) -> bool:
        """Whether a person confirmed the mask: only their own prompts change it."""
        record = self.records.get(label)
        return record is not None and frame in record.verified_frames

    def known_as(self, label: int, mask: Mask) -> int | None:
        """The object that a new one turns out to be, by the first mask of it that is seen."""
        if label in self.records or label in self.writer.seen:
            return None
        return self.writer.twin(mask)


def segment(
    work: Work, frame: int, text: str, sentence: str, prompts: Mapping[int, FramePrompts]
) -> Iterator[Update]:
    """Objects in one frame: what a description names, and what was clicked and drawn.

    Parameters
    ----------
    work : Work
        What to work with.
    frame : int
        Where.
    text : str
        The user's description, empty if none; the same words mean the same objects again.
    sentence : str
        How it is put to the model.
    prompts : dict of int to FramePrompts
        By label.
    """
    yield from _loading(work)
    session = work.open()
    if text:
        events = session.ask(sentence, [frame], track=False, remember=False)
        yield from _apply(work, session, _call_it(text, sentence, events), asked=text)
    for done, (label, given) in enumerate(prompts.items()):
        yield Progress(done, len(prompts), "objects")
        session_id = _known(work, session, label, frame, corrects=True)
        points = [(point.y, point.x, point.positive) for point in given.points]
        box = given.box and (given.box.y0, given.box.x0, given.box.y1, given.box.x1)
        events = session.segment(session_id, frame, points or None, box)
        yield from _apply(work, session, events, by_hand=True)


def propagate(
    work: Work, labels: Sequence[int], frame: int, legs: Sequence[tuple[int, int, bool]]
) -> Iterator[Update]:
    """Follow objects from a frame.

    Parameters
    ----------
    work : Work
        What to work with.
    labels : sequence of int
        The objects.
    frame : int
        Where the user stands; objects new to the session are shown to it as they are there.
    legs : sequence of (start, stop, reverse)
        Half-open ranges of frames, in order.
    """
    yield from _loading(work)
    session = work.open()
    known = (_known(work, session, label, frame) for label in labels)
    ids = [session_id for session_id in known if session_id is not None]
    if not ids:
        raise InputError("The objects have no mask to follow.", "Segment them first.")
    total, before = sum(stop - start for start, stop, _ in legs), 0
    for start, stop, reverse in legs:
        for update in _apply(work, session, session.propagate(ids, start, stop, reverse)):
            if isinstance(update, Progress):
                update = Progress(before + update.done, total, update.what)
            yield update
        before += stop - start
    if not work.writer.seen:
        raise InputError(
            "Nothing came back: in these frames, the objects are not seen before.",
            "Propagate from a frame in which they are segmented, or in the other direction.",
        )


def ask(
    work: Work, question: str, look_at: Sequence[int], start: int, stop: int
) -> Iterator[Update]:
    """Ask a question; what the answer grounds is followed through the range of frames."""
    yield from _loading(work)
    session = work.open()
    if work.sessions.is_another:
        yield ConversationBegan()
    whole = (start, stop) == (0, work.frames.shape[0])
    found: list[int] = []
    for update in _apply(work, session, session.ask(question, look_at, track=whole)):
        if isinstance(update, ObjectFound):
            found.append(update.object_id)
        elif isinstance(update, SameObject):
            found.remove(update.object_id)
        yield update
    if found and not whole:
        first = min(look_at)
        legs = [(first, stop, False), *([(start, first, True)] if start < first else [])]
        yield from propagate(work, found, first, legs)


def undo(sessions: Sessions, step: UndoStep, labels: Iterable[int]) -> Iterator[Update]:
    """Take a run back; the session forgets the objects, their masks tell it anew."""
    yield FramesChanged(tuple(restore(step)))
    sessions.forget(labels)


def clear(work: Work) -> Iterator[Update]:
    """Erase all objects."""
    total = work.frames.shape[0]
    for frame in range(total):
        work.writer.erase(work.records, frame)
        if frame % 16 == 0:
            yield Progress(frame, total, "frames")
    yield FramesChanged(tuple(range(total)))
    work.sessions.forget(work.records)


def _loading(work: Work) -> Iterator[Update]:
    if work.sessions.info.state != "ready":
        yield Progress(0, 0, "loading the model")


def _call_it(text: str, sentence: str, events: Iterator[Event]) -> Iterator[Event]:
    """Where the model does not name an object, it is called what the user wrote."""
    with _closing(events):
        for event in events:
            unnamed = isinstance(event, ObjectFound) and event.phrase == sentence
            yield replace(event, phrase=text) if unnamed else event


def _apply(
    work: Work,
    session: BackendSession,
    events: Iterator[Event],
    *,
    asked: str = "",
    by_hand: bool = False,
) -> Iterator[Update]:
    """Write masks, translate ids, raise failures; all else is handed on."""
    again = iter(_labels_of(work.records, asked))
    twins: set[int] = set()
    with _closing(events):
        for event in events:
            match event:
                case ObjectFound():
                    label = next(again, None) or work.new_label()
                    work.sessions.remove(session, label)
                    work.sessions.ids.bind(event.object_id, label)
                    yield replace(event, object_id=label)
                case Mask():
                    label = work.sessions.ids.label(event.object_id)
                    if label is None or label in twins:
                        continue
                    known = None if by_hand else work.known_as(label, event)
                    if known is not None:
                        twins.add(label)
                        yield SameObject(label, known)
                    elif by_hand or not work.protects(label, event.frame):
                        work.writer.write(replace(event, object_id=label))
                        yield MaskWritten(event.frame, label, event.score)
                case Failed(message, hint):
                    raise Sa2VAError(message, hint)
                case Token() | Progress():
                    yield event
    for label in twins:
        work.sessions.remove(session, label)


def _labels_of(records: Mapping[int, ObjectRecord], asked: str) -> list[int]:
    """The objects that the same words found before."""
    return [
        label
        for label, record in sorted(records.items())
        if asked and any(p.get("kind") == "text" and p.get("text") == asked for p in record.prompts)
    ]


def _known(
    work: Work, session: BackendSession, label: int, frame: int, corrects: bool = False
) -> int | None:
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
        for event in session.segment(session_id, seed, mask=mask):
            if isinstance(event, Failed):
                raise Sa2VAError(event.message, event.hint)
    return session_id


def _seeds(work: Work, label: int, frame: int, but: int | None) -> dict[int, BoolMask]:
    """The masks that tell most about an object: those a person confirmed, and the nearest."""
    record = work.records.get(label)
    if record is None:
        return {}
    nearest = sorted(set(present_frames(record)) - {but}, key=lambda f: abs(f - frame))
    confirmed = [f for f in nearest if f in record.verified_frames][:_MAX_SEEDS]
    masks = {f: work.writer.mask_of(label, f) for f in (*nearest[:1], *confirmed)}
    return {f: mask for f, mask in masks.items() if mask.any()}


def _closing(events: Iterator[Event]) -> closing[Iterator[Event]] | nullcontext[None]:
    """Closes an iterator that can be closed: that is how a request is cancelled."""
    return closing(events) if hasattr(events, "close") else nullcontext()  # type: ignore[type-var]
