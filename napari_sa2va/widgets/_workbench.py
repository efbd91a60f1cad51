"""What the dock works on: an image's objects, the model, and the run that is on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, Signal

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Failed, ObjectFound, Progress, Reasoning, Token
from napari_sa2va.core.losing import LossRule
from napari_sa2va.core.prompts import FramePrompts
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import MaskFacts
from napari_sa2va.widgets import _requests as requests
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._hand_edits import (
    Stroke,
    Strokes,
    painted_frames,
    take_up,
    touched,
    who_and_when,
)
from napari_sa2va.widgets._interruption import Interruption
from napari_sa2va.widgets._labels_writer import LabelsWriter
from napari_sa2va.widgets._legs import Leg
from napari_sa2va.widgets._measuring import Telling, labelled, measure, save_table
from napari_sa2va.widgets._object_edits import check_parent, merged, split_at
from napari_sa2va.widgets._object_labels import ObjectLabels
from napari_sa2va.widgets._prompt_layers import described
from napari_sa2va.widgets._redraw import Redraw
from napari_sa2va.widgets._restoring import restored_objects
from napari_sa2va.widgets._runner import Runner
from napari_sa2va.widgets._sent import Sent
from napari_sa2va.widgets._sessions import Sessions
from napari_sa2va.widgets._undo import UndoStack, UndoStep, copied
from napari_sa2va.widgets._updates import (
    ConversationBegan,
    Describing,
    FramesChanged,
    Interrupted,
    MaskWritten,
    Measured,
    ObjectLost,
    Restored,
    SameObject,
    Saved,
    Told,
    Update,
)
from napari_sa2va.widgets._work import Work

if TYPE_CHECKING:
    import napari
    from napari.layers import Image
    from napari.utils.events import Event

    from napari_sa2va.core.labelled import LabelledStack
    from napari_sa2va.io.session_file import SessionFile


class Workbench(QObject):
    """Starts runs, and brings what they find to the layers.

    Signals
    -------
    started, stopped : str
        A run of this title begins; it ended: "done", "failed" or "cancelled", or it is
        "interrupted" and can go on.
    interruption_changed
        A run was interrupted, goes on, or cannot go on any more: see `interruption`.
    progressed : Progress
        How far the run is.
    objects_changed
        There is something new to show in the list of objects.
    object_found : ObjectFound
        The run found an object; a part of the answer points at it.
    object_known : (int, int)
        The first of these objects, just found, is the second, which is kept.
    answer_grew, reasoning_grew : str
        More text of an answer, or of what the model thinks before it, as the model writes it.
    conversation_began
        What was said before is forgotten: what is sent has changed.
    label_selected : int
        The user selected an object in the Labels layer.
    masks_changed : set of (int, int)
        Masks of these objects in these frames were written.
    recolored
        The objects have other colours now.
    frames_painted : set of int
        The user painted in the labels of these frames.
    restored : SessionFile
        The objects of a session are there again.
    measured : dict
        What the masks measure: MaskFacts by object and frame.
    told : str
        What objects measure, in words, beside an answer.
    saved : Path
        A table is written.
    lost : (int, int)
        An object is followed no more: from this frame on it was not seen.

    Attributes
    ----------
    keep : callable
        What every request goes through in its own thread: it saves what the request does.
    restoring : SessionFile or None
        The session that is being reopened.
    """

    started = Signal(str)
    stopped = Signal(str)
    interruption_changed = Signal()
    progressed = Signal(object)
    objects_changed = Signal()
    object_found = Signal(object)
    object_known = Signal(int, int)
    answer_grew = Signal(str)
    reasoning_grew = Signal(str)
    conversation_began = Signal()
    label_selected = Signal(int)
    masks_changed = Signal(object)
    recolored = Signal()
    frames_painted = Signal(object)
    restored = Signal(object)
    measured = Signal(object)
    told = Signal(str)
    saved = Signal(object)
    lost = Signal(int, int)

    def __init__(
        self, viewer: napari.Viewer, sessions: Sessions, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.sessions = sessions
        self.runner = Runner(self)
        self.undo_stack = UndoStack()
        self.objects: ObjectLabels | None = None
        self.facts: dict[int, dict[int, MaskFacts]] = {}
        self._masks: set[tuple[int, int]] = set()
        self._geometry: StackGeometry | None = None
        self._step: UndoStep | None = None
        self._writer: LabelsWriter | None = None
        self._request: Iterator[Update] | None = None
        self._why: Interrupted | None = None
        self.interruption: Interruption | None = None
        self._prompts: list[dict[str, Any]] = []
        self._redraw = Redraw(viewer, self)
        self._progress: Progress | None = None
        self._strokes = Strokes(self)
        self.keep: Callable[[Iterator[Update]], Iterator[Update]] = lambda request: request
        self.restoring: SessionFile | None = None

        self._strokes.painted.connect(self._on_painted)
        self._redraw.due.connect(self._show)
        self.runner.updated.connect(self._on_update)
        self.runner.stopped.connect(self._on_stopped)

    @property
    def records(self) -> dict[int, ObjectRecord]:
        """The objects of the image."""
        return {} if self.objects is None else self.objects.records

    @property
    def geometry(self) -> StackGeometry | None:
        """How the image is read as a stack, all of its frames."""
        return self._geometry

    def look_at(self, image: Image | None, geometry: StackGeometry | None) -> None:
        """Take up the objects of an image."""
        if self.runner.is_running:
            return
        self._geometry = None if geometry is None else geometry.whole
        if image is None or self.objects is None or not self.objects.belongs_to(image):
            self.objects = None if image is None else ObjectLabels(self._viewer, image)
            self.undo_stack = UndoStack()
            self.give_up()
            self.facts = {}
            self._watch_layer()
            self.objects_changed.emit()

    def segment(
        self,
        sent: Sent,
        said: Sequence[tuple[str, str]],
        prompts: Mapping[int, FramePrompts],
        reserved: set[int],
        instances: bool = False,
    ) -> None:
        """Segment in the frame where the viewer stands; by `instances`, piece by piece."""
        self._check_unlocked(*prompts)
        work = self._begin("Segment", sent, reserved | set(prompts))
        self._note(sent)
        for label, given in prompts.items():
            record = self.records.setdefault(label, ObjectRecord(label))
            record.prompts += described(given, sent.frame)
        how = (sent.closely, instances)
        self._run(requests.segment(work, sent.frame, said, prompts, *how))

    def propagate(
        self,
        sent: Sent,
        labels: Sequence[int],
        legs: Sequence[Leg],
        rule: LossRule,
    ) -> None:
        """Follow objects from the frame where the viewer stands."""
        free = [label for label in labels if not self.records[label].locked]
        if not free:
            self._check_unlocked(*labels)
        work = self._begin("Propagate", sent)
        self._note(sent)
        self._run(requests.propagate(work, free, sent.frame, legs, rule))

    def ask(
        self,
        sent: Sent,
        question: str,
        look_at: Sequence[int],
        reserved: set[int],
        rule: LossRule,
        telling: Telling | None = None,
    ) -> None:
        """Ask a question."""
        work = self._begin("Ask", sent, reserved)
        self._note(sent)
        self._prompts = [{"kind": "question", "frames": list(look_at), "text": question}]
        self._run(requests.ask(work, question, look_at, sent.start, sent.stop, rule, telling))

    def stack(self) -> LabelledStack:
        """The objects as they are now, to be measured."""
        if self.objects is None or self._geometry is None or not self.records:
            raise InputError("There are no objects to measure.", "Segment one first.")
        return labelled(self.objects, self._geometry)

    def measure(self) -> None:
        """Measure all objects."""
        self._beside("Measure", measure(self.stack()))

    def save_table(self, path: Path) -> None:
        """Write what all objects measure into a table."""
        self._beside("Save table", save_table(self.stack(), path))

    def _beside(self, title: str, request: Iterator[Update]) -> None:
        """Run what changes nothing."""
        self.started.emit(title)
        self._run(request)

    def clear(self, sent: Sent) -> None:
        """Erase all objects; it can be undone."""
        work = self._begin("Clear objects", _whole(sent))
        for label in [label for label, record in self.records.items() if not record.locked]:
            del self.records[label]
            self.facts.pop(label, None)
        self._run(requests.clear(work))

    def set_phrases(self, object_id: int, phrases: Iterable[str]) -> None:
        """Refer to an object by these phrases, the first its own."""
        self.records[object_id].set_phrases(phrases)
        self._publish()

    def judge(self, object_id: int, expression: str, fits: bool) -> None:
        """Take note whether a person finds that an expression fits an object's masks."""
        self.records[object_id].judge(expression, fits, *who_and_when())
        self._publish()

    def run(self, title: str, request: Iterator[Update]) -> None:
        """Run what reads the labels and changes nothing in them."""
        self.started.emit(title)
        self._run(request)

    def reject(self, sent: Sent, object_id: int, frame: int) -> None:
        """Erase an object's mask in a frame: a person says that it is wrong."""
        self._check_unlocked(object_id)
        work = self._begin("Wrong mask", _whole(sent))
        self.records[object_id].reject(frame)
        self._run(requests.reject(work, object_id, frame))

    def undo(self) -> None:
        """Take back the last run."""
        step = self.undo_stack.undo(self.records)
        if step is None or self.objects is None:
            return
        changed = step.objects_changed(self.records)
        for label in changed:
            self.facts.pop(label, None)
        self.objects.records = copied(step.records)
        self.started.emit(f"Undo: {step.title}")
        self._run(requests.undo(self.sessions, step, changed))

    def redo(self) -> None:
        """Do again what was taken back last."""
        step = self.undo_stack.redo()
        if step is None or self.objects is None:
            return
        self.objects.records = copied(step.after)
        changed = step.objects_changed(self.records)
        for label in changed:
            self.facts.pop(label, None)
        self.started.emit(f"Redo: {step.title}")
        self._run(requests.redo(self.sessions, step, changed))

    def delete(self, sent: Sent, object_id: int) -> None:
        """Delete an object."""
        self._check_unlocked(object_id)
        work = self._begin(f"Delete object {object_id}", _whole(sent))
        record = self.records.pop(object_id)
        self.facts.pop(object_id, None)
        self._run(requests.delete(work, object_id, record.scores))

    def merge(self, sent: Sent, object_id: int, other: int) -> None:
        """Let one object have the masks of another, too."""
        self._check_unlocked(object_id, other)
        work = self._begin(f"Merge objects {object_id} and {other}", _whole(sent))
        gone = self.records.pop(other)
        self.records[object_id] = merged(self.records[object_id], gone)
        for label in (object_id, other):
            self.facts.pop(label, None)
        self._run(requests.relabel(work, other, object_id, gone.scores))

    def split(self, sent: Sent, object_id: int, frame: int, new: int) -> None:
        """From a frame on, let an object be another one."""
        self._check_unlocked(object_id)
        before, after = split_at(self.records[object_id], frame, new)
        if not before.scores or not after.scores:
            raise InputError(
                f"Object {object_id} is not on both sides of frame {frame}.",
                "Go to the first frame in which it is another object.",
            )
        work = self._begin(f"Split object {object_id}", _whole(sent))
        self.records[object_id], self.records[new] = before, after
        self.facts[new] = {
            at: fact for at, fact in self.facts.pop(object_id, {}).items() if at >= frame
        }
        self._run(requests.relabel(work, object_id, new, after.scores))

    def change(self, object_id: int, field: str, value: object) -> None:
        """Give a field of an object's record another value; it can be undone."""
        if self.objects is None or getattr(self.records[object_id], field) == value:
            return
        if field != "hidden":  # how it is looked at is no step
            title = f"{_FIELDS[field]} of object {object_id}"
            self.undo_stack.push(UndoStep(title, self.objects.array, self.records))
        setattr(self.records[object_id], field, value)
        self._publish()

    def set_parent(self, object_id: int, parent: int) -> None:
        """Take note that an object came from another one by division; from none where it is 0."""
        check_parent(self.records, object_id, parent)
        self.change(object_id, "parent", parent)

    def verify(self, object_id: int, frame: int, verified: bool) -> None:
        """Take note that a person confirmed an object's mask in a frame, or no longer does."""
        record = self.records[object_id]
        if verified:
            record.verify(frame, *who_and_when())
        else:
            record.unverify(frame)
        self._publish()

    def go_on(self) -> None:
        """Go on with what was interrupted; with the backend made anew, where that is the remedy."""
        held = self.interruption
        if held is None:
            return
        self.undo_stack.forget(held.step)
        self._step, self._writer, self._prompts = held.step, held.writer, held.prompts
        for label, record in held.records.items():
            self.records.setdefault(label, record)  # those that had no mask yet
        self.started.emit(held.step.title)
        anew = held.why.remedy == "restart"
        self._start(requests.going_on(self.sessions, held.request, anew=anew))

    def give_up(self) -> None:
        """Let what was interrupted be; what it has done stays."""
        if self.interruption is not None:
            self.interruption = None
            self.interruption_changed.emit()

    def restore(self, file: SessionFile) -> None:
        """Bring back the objects of a session; the file is closed where that fails."""
        if self.objects is None:
            raise InputError("There is no image.", "Open one first.")
        self.restoring = file
        self.started.emit("Reopen")
        self._start(restored_objects(file, self.objects.array, self._geometry))

    def end(self) -> None:
        """Cancel what runs and free the model; a run in flight frees it when it lets go.

        Calls nothing of Qt: the Qt side of this object may be gone.
        """
        self.runner.cancel()
        self.sessions.end()

    def _check_unlocked(self, *object_ids: int) -> None:
        locked = [i for i in object_ids if i in self.records and self.records[i].locked]
        if locked:
            raise InputError(
                f"Object {', '.join(map(str, locked))} is locked.", "Unlock it in the list first."
            )

    def _begin(self, title: str, sent: Sent, reserved: set[int] = frozenset()) -> Work:
        self.look_at(sent.image, sent.geometry)
        if self.objects is None:
            raise InputError("There is no image.", "Open one first.")
        self._prompts = []
        array = self.objects.array
        self._step = UndoStep(title, array, self.records)
        self._writer = LabelsWriter(array, sent.geometry, self._step)
        self.started.emit(title)
        return Work(self.sessions, sent.frames, self._writer, self._step.records, set(reserved))

    def _note(self, sent: Sent) -> None:
        if self.objects is not None:
            self.objects.note_sent(sent.frames.mapping)

    def _run(self, request: Iterator[Update]) -> None:
        self._start(self.keep(request))

    def _start(self, request: Iterator[Update]) -> None:
        self.give_up()  # labels and session will not be what they were
        self._request, self._why = request, None
        self.sessions.begin_request()
        self.runner.start("Sa2VA", request, self.sessions.finish_request)

    def _on_update(self, update: Update) -> None:
        match update:
            case Token(text):
                self.answer_grew.emit(text)
            case Reasoning(text):
                self.reasoning_grew.emit(text)
            case ConversationBegan():
                self.conversation_began.emit()
            case Describing(frame, text):
                self._prompts = [{"kind": "text", "frame": frame, "text": text}]
            case ObjectFound():
                self._on_found(update)
            case MaskWritten(frame, object_id, score, facts):
                self.records.setdefault(object_id, ObjectRecord(object_id)).scores[frame] = score
                self._measure(object_id, frame, facts)
                self._redraw.soon(frame)
            case ObjectLost(object_id, frame):
                self.lost.emit(object_id, frame)
            case SameObject(object_id, known_as):
                found, known = self.records.pop(object_id, None), self.records.get(known_as)
                for phrase in found.phrases if found and known else ():
                    known.call(phrase)
                self.object_known.emit(object_id, known_as)
            case FramesChanged(frames):
                self._redraw.soon(*frames)
            case Measured(facts):
                self.measured.emit(facts)
            case Told(text):
                self.told.emit(text)
            case Saved(path):
                self.saved.emit(path)
            case Restored(records, facts):
                self.objects.records, self.facts = records, facts
            case Progress():
                self._progress = update
                self._redraw.soon()
            case Interrupted():
                self._why = update
            case Failed(message, hint):
                show_error(f"{message} {hint}".strip())

    def _measure(self, object_id: int, frame: int, facts: MaskFacts | None) -> None:
        self._masks.add((object_id, frame))
        known = self.facts.setdefault(object_id, {})
        known.pop(frame, None)
        if facts is not None:
            known[frame] = facts

    def _on_found(self, found: ObjectFound) -> None:
        record = self.records.setdefault(found.object_id, ObjectRecord(found.object_id))
        for phrase in (found.phrase, *_descriptions(self._prompts)):
            record.call(phrase)
        record.prompts += self._prompts
        self._attach()
        self.object_found.emit(found)
        self._redraw.soon()

    def _on_stopped(self, outcome: str) -> None:
        step, writer, why = self._step, self._writer, self._why
        if outcome == "interrupted" and step and writer and why and self._request:
            records = copied(self.records)
            self.interruption = Interruption(
                why, self._request, step, writer, self._prompts, records
            )
        if step is not None:
            self._finish(step)
        self._step = self._writer = self._request = None
        self._show()
        self._publish()
        if self.restoring is not None:
            self._finish_restoring(outcome)
        self.stopped.emit(outcome)
        if self.interruption is not None:
            self.interruption_changed.emit()

    def _finish_restoring(self, outcome: str) -> None:
        file, self.restoring = self.restoring, None
        if outcome == "done":
            self.restored.emit(file)
            return
        file.close()
        layer, image = self.objects.layer, self.objects.image
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)  # half of it is worse than nothing
        self.objects, self.facts = ObjectLabels(self._viewer, image), {}
        self.objects_changed.emit()

    def _finish(self, step: UndoStep) -> None:
        """Keep what the run did as one step; objects that got no mask are not kept."""
        for label, record in list(self.records.items()):
            if label not in step.records and not record.scores:
                del self.records[label]
        for label in step.objects_changed(self.records) & self.records.keys():
            self.records[label].model = self.sessions.info.model
        if step.changes or step.records != self.records:
            self.undo_stack.push(step)
        hidden = [] if self._writer is None else self._writer.hidden
        if hidden:
            show_warning(
                f"Object {', '.join(map(str, hidden))} lies wholly under others, whose pixels are "
                "theirs. Undo, or erase the objects above it first."
            )

    def _show(self) -> None:
        """Show what is new."""
        if self._progress is not None:
            self.progressed.emit(self._progress)
        self._progress = None
        stale = self._redraw.take()
        if stale and self.objects is not None and self._geometry is not None:
            self._attach()
            self._redraw.draw(self.objects.attach(), self.objects.image, self._geometry, stale)
        self.objects_changed.emit()
        masks, self._masks = self._masks, set()
        if masks:
            self.masks_changed.emit(masks)

    def _publish(self) -> None:
        if self.objects is not None:
            info = self.sessions.info
            self.objects.publish(info.model, dtype=info.dtype, revision=info.revision)
            self.objects.show_hidden()
        self.objects_changed.emit()

    def _attach(self) -> None:
        if self.objects is not None and self.objects.layer is None:
            self.objects.attach()
            self._watch_layer()

    def _watch_layer(self) -> None:
        layer = None if self.objects is None else self.objects.layer
        if layer is not None:
            self._strokes.watch(layer)
            layer.events.selected_label.connect(self._on_selected_label)
            layer.events.colormap.connect(self._on_colormap)

    def _on_painted(self, strokes: list[Stroke]) -> None:
        objects = self.objects
        if objects is not None and self._geometry is not None:
            if locked := touched(strokes) & {i for i, r in objects.records.items() if r.locked}:
                objects.layer.undo()
                show_warning(
                    f"Object {', '.join(map(str, sorted(locked)))} is locked: what was painted is "
                    "taken back. Unlock it in the list to change it."
                )
                return
            painted = take_up(strokes, objects.array, self._geometry, objects.records)
            self.frames_painted.emit(painted_frames(strokes, self._geometry))
            for label in painted:
                self.facts.pop(label, None)
            self.sessions.forget(painted)
            self._publish()

    def _on_selected_label(self, event: Event) -> None:
        if self.objects is not None and event.source is self.objects.layer:
            self.label_selected.emit(int(event.source.selected_label))

    def _on_colormap(self, _: Event) -> None:
        self.objects_changed.emit()
        self.recolored.emit()


def _descriptions(prompts: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the user called the objects; a whole sentence is no description."""
    texts = (prompt["text"] for prompt in prompts if prompt["kind"] == "text")
    return [text for text in texts if text and text[-1] not in ".?!"]


_FIELDS = {"phrase": "Name", "category": "Class", "parent": "Origin", "locked": "Lock"}


def _whole(sent: Sent) -> Sent:
    """What is edited reaches beyond the region that is sent."""
    return replace(sent, geometry=sent.geometry.whole)
