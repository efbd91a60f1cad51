"""What the dock works on: an image's objects, the model, and the run that is on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
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
from napari_sa2va.widgets._editing import Editing
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._history import History
from napari_sa2va.widgets._interruption import Interruption
from napari_sa2va.widgets._label_blocks import free_label, largest_label
from napari_sa2va.widgets._labels_writer import LabelsWriter
from napari_sa2va.widgets._legs import Leg
from napari_sa2va.widgets._measuring import Telling, labelled, measure, save_table
from napari_sa2va.widgets._object_labels import ObjectLabels
from napari_sa2va.widgets._painting import Painting
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
    frames_painted : (StackGeometry, set of int)
        The user painted in the labels of these frames of this stack.
    deleted, returned : set of int
        These objects were deleted by somebody; they are there again.
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
    frames_painted = Signal(object, object)
    deleted = Signal(object)
    returned = Signal(object)
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
        self.history = History()
        self.objects: ObjectLabels | None = None
        self.facts: dict[int, dict[int, MaskFacts]] = {}
        self._masks: set[tuple[int, int]] = set()
        self._geometry: StackGeometry | None = None
        self._writer: LabelsWriter | None = None
        self._request: Iterator[Update] | None = None
        self._why: Interrupted | None = None
        self.interruption: Interruption | None = None
        self._prompts: list[dict[str, Any]] = []
        self._redraw = Redraw(viewer, self)
        self._progress: Progress | None = None
        self._painting = Painting(self)
        self.editing = Editing(self)
        self.keep: Callable[[Iterator[Update]], Iterator[Update]] = lambda request: request
        self.restoring: SessionFile | None = None

        self._redraw.due.connect(self._show)
        self.runner.updated.connect(self._on_update)
        self.runner.stopped.connect(self._on_stopped)

    @property
    def records(self) -> dict[int, ObjectRecord]:
        """The objects of the stack that is worked on; an image may have others elsewhere."""
        place = [] if self._geometry is None else self._geometry.place
        return {label: record for label, record in self._all.items() if record.is_at(place)}

    @property
    def _all(self) -> dict[int, ObjectRecord]:
        return {} if self.objects is None else self.objects.records

    @property
    def undo_stack(self) -> UndoStack:
        """What can be taken back, and done again."""
        return self.history.stack

    @property
    def geometry(self) -> StackGeometry | None:
        """How the image is read as a stack, all of its frames."""
        return self._geometry

    def look_at(self, image: Image | None, geometry: StackGeometry | None) -> None:
        """Take up the objects of an image."""
        if self.runner.is_running:
            return
        before, self._geometry = self._geometry, None if geometry is None else geometry.whole
        if image is None or self.objects is None or not self.objects.belongs_to(image):
            self.objects = None if image is None else ObjectLabels(self._viewer, image)
            self.history = History()
            self._painting.forget()
            self.give_up()
            self.facts = {}
            self._watch_layer()
            self.objects_changed.emit()
        elif before is None or geometry is None or before.place != geometry.place:
            self.objects_changed.emit()  # those of another stack

    def free_label(self, taken: Iterable[int] = ()) -> int:
        """The id of a new object, none of those taken. Raises InputError where there is none."""
        labels = self.needed_objects().array
        return free_label(labels, {*taken, *self._all})

    def is_elsewhere(self, object_id: int) -> bool:
        """Whether an object belongs to another stack of the image."""
        return object_id in self._all and object_id not in self.records

    def segment(
        self,
        sent: Sent,
        said: Sequence[tuple[str, str]],
        prompts: Mapping[int, FramePrompts],
        reserved: set[int],
        instances: bool = False,
    ) -> None:
        """Segment in the frame where the viewer stands; by `instances`, piece by piece."""
        self.check_unlocked(*prompts)
        self._check_possible(*prompts)
        work = self.begin("Segment", sent, reserved | set(prompts))
        self._note(sent)
        for label, given in prompts.items():
            self._record(label).prompts += described(given, sent.frame)
        how = (sent.closely, instances)
        self.carry_out(requests.segment(work, sent.frame, said, prompts, *how))

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
            self.check_unlocked(*labels)
        work = self.begin("Propagate", sent)
        self._note(sent)
        self.carry_out(requests.propagate(work, free, sent.frame, legs, rule))

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
        work = self.begin("Ask", sent, reserved)
        self._note(sent)
        self._prompts = [{"kind": "question", "frames": list(look_at), "text": question}]
        self.carry_out(requests.ask(work, question, look_at, sent.start, sent.stop, rule, telling))

    def stack(self) -> LabelledStack:
        """The objects as they are now, to be measured."""
        if self.objects is None or self._geometry is None or not self.records:
            raise InputError("There are no objects to measure.", "Segment one first.")
        return labelled(self.objects, self._geometry)

    def measure(self) -> None:
        """Measure all objects."""
        self.run("Measure", measure(self.stack()))

    def save_table(self, path: Path, overwrite: bool = False) -> None:
        """Write what all objects measure into a table; perhaps in the place of what is there."""
        self.run("Save table", save_table(self.stack(), path, overwrite))

    def run(self, title: str, request: Iterator[Update]) -> None:
        """Run what reads the labels and changes nothing in them."""
        self.started.emit(title)
        self.carry_out(request)

    def undo(self) -> None:
        """Take back the last step: what a run, or the user, did."""
        possible = self.objects is not None and not self.runner.is_running
        step = self.undo_stack.undo() if possible else None
        if step is not None:
            self.take_back(step)
            self.started.emit(f"Undo: {step.title}")
            self.carry_out(requests.undo(self.sessions, step))

    def redo(self) -> None:
        """Do again what was taken back last."""
        possible = self.objects is not None and not self.runner.is_running
        step = self.undo_stack.redo() if possible else None
        if step is not None:
            self.do_again(step)
            self.started.emit(f"Redo: {step.title}")
            self.carry_out(requests.redo(self.sessions, step))

    def take_back(self, step: UndoStep) -> None:
        """Forget what is known by a step; its pixels are another matter."""
        self._painting.drop(*step.facts)
        step.take_back(self._all, self.facts)
        self._masks |= step.facts.keys()
        if step.deleted:
            self.returned.emit(step.deleted)

    def do_again(self, step: UndoStep) -> None:
        """Know again what `take_back` forgot."""
        self._painting.drop(*step.facts)
        step.do_again(self._all, self.facts)
        self._masks |= step.facts.keys()
        if step.deleted:
            self.deleted.emit(step.deleted)

    def edit(self, title: str, *object_ids: int) -> AbstractContextManager[UndoStep]:
        """What is done within to these objects is one step; none where it has no title."""
        labels = self.needed_objects().array
        return self.history.edit(title, labels, self._all, object_ids)

    def go_on(self) -> None:
        """Go on with what was interrupted; with the backend made anew, where that is the remedy."""
        held = self.interruption
        if held is None:
            return
        self.history.go_on(held.step)
        self._writer, self._prompts = held.writer, held.prompts
        for label, record in held.records.items():
            self._all.setdefault(label, record)  # those that had no mask yet
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
        self._painting.end()
        self.sessions.end()

    def check_unlocked(self, *object_ids: int) -> None:
        """Raise InputError where one of these objects is locked."""
        locked = [i for i in object_ids if i in self.records and self.records[i].locked]
        if locked:
            raise InputError(
                f"Object {', '.join(map(str, locked))} is locked.", "Unlock it in the list first."
            )

    def _check_possible(self, *object_ids: int) -> None:
        """Raise InputError where the stack that is worked on cannot have these objects."""
        most = largest_label(self.needed_objects().array)
        for object_id in object_ids:
            if object_id > most:
                raise InputError(
                    f"Object {object_id} is too many: these labels hold ids up to {most}.",
                    "Choose a smaller one.",
                )
            if self.is_elsewhere(object_id):
                raise InputError(self.where(object_id), "Go there, or begin a new object.")

    def where(self, object_id: int) -> str:
        """Where an object of another stack is, in words."""
        names = self.needed_objects().image.axis_labels
        place = enumerate(self._all[object_id].place)
        at = ", ".join(f"axis {names[axis]} at {index}" for axis, index in place if index >= 0)
        return f"Object {object_id} is an object of another stack ({at or 'along another axis'})."

    def needed_objects(self) -> ObjectLabels:
        """The objects of the image. Raises InputError where there is no image."""
        if self.objects is None:
            raise InputError("There is no image.", "Open one first.")
        return self.objects

    def _record(self, object_id: int) -> ObjectRecord:
        """An object of the stack that is worked on; made if there is none."""
        place = [] if self._geometry is None else self._geometry.place
        return self._all.setdefault(object_id, ObjectRecord(object_id, place=place))

    def begin(self, title: str, sent: Sent, reserved: Iterable[int] = ()) -> Work:
        """Begin a run that changes objects, one step of the history; `carry_out` does it."""
        self.look_at(sent.image, sent.geometry)
        array = self.needed_objects().array
        self._prompts = []
        step = self.history.begin(title, array, self.records, sent.geometry.place)
        self._writer = LabelsWriter(array, sent.geometry, step)
        self.started.emit(title)
        taken = {*reserved, *self._all}
        return Work(self.sessions, sent.frames, self._writer, self.history.before, taken)

    def _note(self, sent: Sent) -> None:
        if self.objects is not None:
            self.objects.note_sent(sent.frames.mapping)

    def carry_out(self, request: Iterator[Update]) -> None:
        """Do what was begun, in its own thread."""
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
                record = self._record(object_id)
                record.scores[frame] = score
                record.unverify(frame)  # nobody has seen this mask
                self.note_facts(object_id, frame, facts)
                self._redraw.soon(frame)
            case ObjectLost(object_id, frame):
                self.lost.emit(object_id, frame)
            case SameObject(object_id, known_as):
                found, known = self._all.pop(object_id, None), self._all.get(known_as)
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

    def note_facts(self, object_id: int, frame: int, facts: MaskFacts | None) -> None:
        """A run gave a mask, which measures this; None where it took it away."""
        self._masks.add((object_id, frame))
        self._painting.drop((object_id, frame))
        if self.history.step is not None:
            self.history.step.measured(self.facts, object_id, frame, facts)

    def _on_found(self, found: ObjectFound) -> None:
        record = self._record(found.object_id)
        for phrase in (found.phrase, *_descriptions(self._prompts)):
            record.call(phrase)
        record.prompts += self._prompts
        self._attach()
        self.object_found.emit(found)
        self._redraw.soon()

    def _on_stopped(self, outcome: str) -> None:
        step, writer, why = self.history.step, self._writer, self._why
        if outcome == "interrupted" and step and writer and why and self._request:
            records = copied(self.records)
            self.interruption = Interruption(
                why, self._request, step, writer, self._prompts, records
            )
        if step is not None:
            self._finish(step)
        self._writer = self._request = None
        self._show()
        self.publish()
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
        before = self.history.before
        for label, record in self.records.items():
            if label not in before and not record.scores:
                del self._all[label]
        records = self.records
        for label in (step.written | (records.keys() - before.keys())) & records.keys():
            records[label].model = self.sessions.info.model
        self.history.finish(records)
        if step.deleted:
            self.deleted.emit(step.deleted)
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

    def publish(self) -> None:
        """Bring what is known of the objects to their layer, and to all that show it."""
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
            self._painting.watch(layer)
            layer.events.selected_label.connect(self._on_selected_label)
            layer.events.colormap.connect(self._on_colormap)

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
