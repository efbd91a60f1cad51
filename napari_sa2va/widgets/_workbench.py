"""What the dock works on: an image's objects, the model, and the run that is on its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, QTimer, Signal

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Failed, ObjectFound, Progress, Token
from napari_sa2va.core.prompts import FramePrompts
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets import _requests as requests
from napari_sa2va.widgets._frames import ViewedFrames
from napari_sa2va.widgets._geometry import StackGeometry, current_position
from napari_sa2va.widgets._labels_writer import LabelsWriter
from napari_sa2va.widgets._object_labels import ObjectLabels
from napari_sa2va.widgets._requests import FramesChanged, MaskWritten, Update, Work
from napari_sa2va.widgets._runner import Runner
from napari_sa2va.widgets._sessions import Sessions
from napari_sa2va.widgets._undo import UndoStack, UndoStep

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

# How often what a run brings is shown: often enough to watch, seldom enough to stay fluent.
_SHOW_MS = 50


@dataclass(frozen=True)
class Sent:
    """What is sent: an image read as a stack, its frames as seen, and the range of them.

    Attributes
    ----------
    image : Image
        The layer whose pixels count.
    geometry : StackGeometry
        How it is read as a stack.
    frames : ViewedFrames
        What the model sees.
    frame : int
        Where the viewer stands.
    start, stop : int
        Half-open range of frames.
    """

    image: Image
    geometry: StackGeometry
    frames: ViewedFrames
    frame: int
    start: int
    stop: int


class Workbench(QObject):
    """Starts runs, and brings what they find to the layers.

    Signals
    -------
    started, stopped : str
        A run of this title begins; it ended: "done", "failed" or "cancelled".
    objects_changed
        There is something new to show in the list of objects.
    object_found : (int, str)
        The run found an object that is called so.
    answer_grew : str
        More text of an answer, as the model writes it.
    answer_grounded : ObjectFound
        A part of the answer points at an object.
    progressed : Progress
        How far the run is.
    """

    started = Signal(str)
    stopped = Signal(str)
    objects_changed = Signal()
    object_found = Signal(int, str)
    answer_grew = Signal(str)
    answer_grounded = Signal(object)
    progressed = Signal(object)

    def __init__(
        self, viewer: napari.Viewer, sessions: Sessions, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.sessions = sessions
        self.runner = Runner(self)
        self.undo_stack = UndoStack()
        self.objects: ObjectLabels | None = None
        self._sent: Sent | None = None
        self._step: UndoStep | None = None
        self._writer: LabelsWriter | None = None
        self._prompts: list[dict[str, Any]] = []
        self._stale_frames: set[int] = set()
        self._show_timer = QTimer(self, interval=_SHOW_MS, singleShot=True)

        self._show_timer.timeout.connect(self._show)
        self.runner.updated.connect(self._on_update)
        self.runner.stopped.connect(self._on_stopped)

    @property
    def records(self) -> dict[int, ObjectRecord]:
        """The objects of the image."""
        return {} if self.objects is None else self.objects.records

    def look_at(self, image: Image | None) -> None:
        """Take up the objects of an image."""
        if self.runner.is_running or (
            image is not None and self.objects is not None and self.objects.belongs_to(image)
        ):
            return
        self.objects = None if image is None else ObjectLabels(self._viewer, image)
        self.undo_stack = UndoStack()
        self.objects_changed.emit()

    def segment(
        self,
        sent: Sent,
        text: str,
        sentence: str,
        prompts: Mapping[int, FramePrompts],
        reserved: set[int],
    ) -> None:
        """Segment in the frame where the viewer stands."""
        work = self._begin("Segment", sent, reserved | set(prompts))
        self._prompts = [{"kind": "text", "frame": sent.frame, "text": text}]
        for label, given in prompts.items():
            record = self.records.setdefault(label, ObjectRecord(label))
            record.prompts += _described(given, sent.frame)
        self._run(requests.segment(work, sent.frame, text, sentence, prompts))

    def propagate(
        self, sent: Sent, labels: Sequence[int], legs: Sequence[tuple[int, int, bool]]
    ) -> None:
        """Follow objects from the frame where the viewer stands."""
        work = self._begin("Propagate", sent, set())
        self._run(requests.propagate(work, labels, sent.frame, legs))

    def ask(self, sent: Sent, question: str, look_at: Sequence[int], reserved: set[int]) -> None:
        """Ask a question."""
        work = self._begin("Ask", sent, reserved)
        self._prompts = [{"kind": "question", "frames": list(look_at), "text": question}]
        self._run(requests.ask(work, question, look_at, sent.start, sent.stop))

    def clear(self, sent: Sent) -> None:
        """Erase all objects; it can be undone."""
        work = self._begin("Clear objects", sent, set())
        self.records.clear()
        self._run(requests.clear(work))

    def undo(self) -> None:
        """Take back the last run."""
        step = self.undo_stack.pop()
        if step is None or self.objects is None:
            return
        changed = step.objects_changed(self.records)
        self._step = None
        self.objects.records = deepcopy(step.records)
        self.started.emit(f"Undo: {step.title}")
        self._run(requests.undo(self.sessions, step, changed))

    def rename(self, object_id: int, phrase: str) -> None:
        """Call an object something else."""
        self.records[object_id].phrase = phrase
        self._publish()

    def verify(self, object_id: int, frame: int, verified: bool) -> None:
        """Take note that a person confirmed an object's mask in a frame, or no longer does."""
        record = self.records[object_id]
        frames = set(record.verified_frames) - {frame}
        record.verified_frames = sorted(frames | {frame} if verified else frames)
        self._publish()

    def end(self) -> None:
        """Cancel what runs and free the model; a run in flight frees it when it lets go.

        Calls nothing of Qt: the Qt side of this object may be gone.
        """
        self.sessions.ended = True
        if self.runner.is_running:
            self.runner.cancel()
        else:
            self.sessions.end()

    def _begin(self, title: str, sent: Sent, reserved: set[int]) -> Work:
        self.look_at(sent.image)
        if self.objects is None:
            raise InputError("There is no image.", "Open one first.")
        self._sent = sent
        self._prompts = []
        array = self.objects.array
        self._step = UndoStep(title, array, self.records)
        self._writer = LabelsWriter(array, sent.geometry, self._step)
        self.started.emit(title)
        return Work(self.sessions, sent.frames, self._writer, self._step.records, set(reserved))

    def _run(self, request: Iterator[Update]) -> None:
        self.runner.start("Sa2VA", request, self.sessions.end_if_asked)

    def _on_update(self, update: Update) -> None:
        match update:
            case Token(text):
                self.answer_grew.emit(text)
            case ObjectFound():
                self._on_found(update)
            case MaskWritten(frame, object_id, score):
                self.records.setdefault(object_id, ObjectRecord(object_id)).scores[frame] = score
                self._show_soon(frame)
            case FramesChanged(frames):
                self._show_soon(*frames)
            case Progress():
                self.progressed.emit(update)
            case Failed(message, hint):
                show_error(f"{message} {hint}".strip())

    def _on_found(self, found: ObjectFound) -> None:
        record = self.records.setdefault(found.object_id, ObjectRecord(found.object_id))
        record.phrase = found.phrase
        record.prompts += deepcopy(self._prompts)
        if self.objects is not None:
            self.objects.attach()
        self.answer_grounded.emit(found)
        self.object_found.emit(found.object_id, found.phrase)
        self._show_soon()

    def _on_stopped(self, outcome: str) -> None:
        if self._step is not None:
            self._finish(self._step)
            self._warn_hidden()
        self._step = self._writer = None
        self._show()
        self._publish()
        self.stopped.emit(outcome)

    def _finish(self, step: UndoStep) -> None:
        """Keep what the run did as one step; objects that got no mask are not kept."""
        for label, record in list(self.records.items()):
            if label not in step.records and not record.scores:
                del self.records[label]
        for label in step.objects_changed(self.records) & self.records.keys():
            self.records[label].model = self.sessions.info.model
        if step.changes or step.records != self.records:
            self.undo_stack.push(step)

    def _warn_hidden(self) -> None:
        hidden = [] if self._writer is None else self._writer.hidden
        if hidden:
            names = ", ".join(map(str, hidden))
            show_warning(
                f"Object {names} lies wholly under other objects: their pixels are theirs. "
                "Undo, or erase the objects above it first."
            )

    def _show_soon(self, *frames: int) -> None:
        self._stale_frames.update(frames)
        if not self._show_timer.isActive():
            self._show_timer.start()

    def _show(self) -> None:
        """Show what is new, where the viewer stands; other frames are drawn when they are seen."""
        stale, self._stale_frames = self._stale_frames, set()
        if self.objects is not None and stale:
            layer = self.objects.attach()
            if self._viewer.dims.ndisplay == 3 or self._frame_shown() in stale:
                layer.refresh(thumbnail=False, highlight=False, extent=False)
        self.objects_changed.emit()

    def _frame_shown(self) -> int | None:
        if self._sent is None:
            return None
        return self._sent.geometry.frame_of(current_position(self._viewer, self._sent.image))

    def _publish(self) -> None:
        if self.objects is not None:
            self.objects.publish(self.sessions.info.model)
        self.objects_changed.emit()


def _described(prompts: FramePrompts, frame: int) -> list[dict[str, Any]]:
    """Prompts as a record keeps them: plain values."""
    described: list[dict[str, Any]] = [
        {"kind": "point", "frame": frame, "y": p.y, "x": p.x, "positive": p.positive}
        for p in prompts.points
    ]
    if prompts.box is not None:
        box = prompts.box
        described.append({"kind": "box", "frame": frame, "box": [box.y0, box.x0, box.y1, box.x1]})
    return described
