"""The dock: say it, click it or box it, and get the object's mask in every time frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QFrame, QSplitter, QVBoxLayout, QWidget

from napari_sa2va.backend.base import Backend
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import ObjectFound
from napari_sa2va.core.options import DEFAULTS, LoadOptions
from napari_sa2va.models.known import BUNDLED
from napari_sa2va.widgets._autosave import Autosave, source_path
from napari_sa2va.widgets._backend_line import BackendLine
from napari_sa2va.widgets._bound_keys import bind_keys, release_keys
from napari_sa2va.widgets._chat_panel import MEASURE_AND_SEND, NO_MEASURES, ChatPanel
from napari_sa2va.widgets._connect_dialog import ConnectDialog
from napari_sa2va.widgets._expressing import Expressing
from napari_sa2va.widgets._fault_bar import FaultBar
from napari_sa2va.widgets._geometry import go_to_frame
from napari_sa2va.widgets._import_ahead import import_ahead
from napari_sa2va.widgets._kept_state import is_worth, kept_state
from napari_sa2va.widgets._legs import told_ends
from napari_sa2va.widgets._measuring import Telling, labelled
from napari_sa2va.widgets._model_store import ModelStore
from napari_sa2va.widgets._models_window import ModelsWindow
from napari_sa2va.widgets._object_panel import ObjectPanel
from napari_sa2va.widgets._place import Place, keep_token, known_token
from napari_sa2va.widgets._previewing import Previewing
from napari_sa2va.widgets._prompt_panel import PromptPanel
from napari_sa2va.widgets._prompting import Prompting
from napari_sa2va.widgets._reopening import reopen
from napari_sa2va.widgets._reviewing import Reviewing
from napari_sa2va.widgets._run_panel import PANEL_KEYS, RunPanel
from napari_sa2va.widgets._sent import Sent
from napari_sa2va.widgets._session_book import own_folder, saved_sessions
from napari_sa2va.widgets._session_line import SessionLine
from napari_sa2va.widgets._session_model import SessionModel
from napari_sa2va.widgets._sessions import Sessions, source_of
from napari_sa2va.widgets._settings import read_settings, remember
from napari_sa2va.widgets._stack_picker import StackPicker
from napari_sa2va.widgets._tracks_layer import check_tracks, show_tracks
from napari_sa2va.widgets._workbench import Workbench

if TYPE_CHECKING:
    import napari

    from napari_sa2va.core.review import MaskFacts
    from napari_sa2va.io.session_file import SessionFile
    from napari_sa2va.widgets._exporting import Exporting

_INFO_MS = 200
_TOLD = 5  # objects that an answer is told with where none is selected


class Sa2VAWidget(QWidget):
    """Segments, follows and talks about what the viewer shows.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    backend : Backend, optional
        Where the model is. Default: the model chosen in the dock, at the place that the settings
        name; see `napari_sa2va.widgets._settings`.
    """

    def __init__(self, viewer: napari.viewer.Viewer, backend: Backend | None = None) -> None:
        super().__init__()
        self._viewer = viewer
        self._docked = False
        self._model_is_given = backend is not None
        self._running = ""
        self._options = DEFAULTS
        settings = read_settings()
        self._place = Place(settings, known_token(settings.server))

        self.backend_line = BackendLine(self)
        self.fault = FaultBar(self)
        self.connecting = ConnectDialog(self)
        self._lost: list[str] = []
        self._ends = ""  # where the run that follows objects ends before the range does
        self.session_line = SessionLine(self)
        self.picker = StackPicker(viewer, self)
        self.prompts = PromptPanel(self)
        self.runs = RunPanel(self)
        self.objects = ObjectPanel(self)
        self.table = self.objects.table
        self.chat = ChatPanel(self)
        self.prompting = Prompting(viewer, self.prompts)
        self.workbench = Workbench(viewer, Sessions(source_of(backend, BUNDLED, self._place)), self)
        self.reviewing = Reviewing(viewer, self.workbench, self)
        self.expressing = Expressing(viewer, self.workbench, self)
        self.exporting: Exporting | None = None
        self.previewing = Previewing(viewer, self.picker, self.prompting, self.workbench, self)
        self.autosave = Autosave(
            viewer, self.workbench, partial(kept_state, self), partial(is_worth, self), self
        )
        self.session_model = SessionModel(self)
        self.models = _models_for(self.workbench)
        self.models_window = ModelsWindow(self.models, self)
        self._info_timer = QTimer(self, interval=_INFO_MS)

        self._lay_out()
        self._connect()
        bind_keys(viewer, self.runs, PANEL_KEYS)
        import_ahead()
        if backend is not None:
            self.backend_line.show_model(backend.info.model)
            self.backend_line.model.setToolTip("The model was chosen by what opened this dock")
        self._show_info()
        self._info_timer.start()
        self._on_stack_changed()

    def _lay_out(self) -> None:
        splitter = QSplitter(Qt.Orientation.Vertical, self)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self.objects)
        splitter.addWidget(self.chat)
        splitter.setStretchFactor(0, 2)
        splitter.setStretchFactor(1, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        above = self.backend_line, self.fault, self.session_line, self.picker
        for widget in (*above, _line(), self.prompts, self.runs):
            layout.addWidget(widget)
        layout.addWidget(splitter, 1)
        self.setMinimumWidth(340)

    def _connect(self) -> None:
        self.backend_line.model_chosen.connect(self.choose_model)
        self.backend_line.list_wanted.connect(self.show_models)
        self.backend_line.place_wanted.connect(self.show_places)
        self.connecting.chosen.connect(self.choose_place)
        self.fault.go_on_wanted.connect(lambda: self._attempt(self.workbench.go_on))
        self.fault.less_memory_wanted.connect(self.show_models)
        self.fault.dismissed.connect(self.workbench.give_up)
        self.workbench.interruption_changed.connect(self._on_interruption)
        self.models_window.model_wanted.connect(self.choose_model)
        self.models_window.options.options_wanted.connect(self.choose_options)
        self.session_line.reopen_wanted.connect(self.reopen)
        self.session_line.menu.aboutToShow.connect(self._offer_sessions)
        self.autosave.saved.connect(self._on_saved)
        self.workbench.restored.connect(self._on_restored)
        self.session_model.wanted.connect(self._use_again)
        self.picker.changed.connect(self._on_stack_changed)
        self.prompts.submitted.connect(self.segment)
        self.prompts.points_wanted.connect(self.add_points)
        self.prompts.boxes_wanted.connect(self.add_boxes)
        self.prompts.new_object_wanted.connect(self.new_object)
        self.runs.segment_wanted.connect(self.segment)
        self.runs.propagate_wanted.connect(self.propagate)
        self.runs.cancel_wanted.connect(self.workbench.runner.cancel)
        self.runs.undo_wanted.connect(self.workbench.undo)
        self.runs.redo_wanted.connect(self.workbench.redo)
        self.runs.clear_wanted.connect(self.clear_objects)
        self.table.object_selected.connect(self.select_object)
        self.table.object_opened.connect(self.go_to_object)
        self.table.objects.changed.connect(self.workbench.editing.change)
        self.table.delete_wanted.connect(self.delete_object)
        self.table.merge_wanted.connect(self.merge_objects)
        self.table.split_wanted.connect(self.split_object)
        self.table.parent_wanted.connect(self.set_parent)
        self.objects.verified.connect(self._on_verified)
        self.objects.review.clicked.connect(self.reviewing.open)
        self.objects.expressions.clicked.connect(self.expressing.open)
        self.expressing.chosen.connect(self.see_object)
        self.objects.export.clicked.connect(self.show_export)
        self.objects.tracks_wanted.connect(self.show_tracks)
        self.objects.table_wanted.connect(self.save_table)
        self.workbench.measured.connect(self._on_measured)
        self.workbench.lost.connect(self._on_lost)
        self.workbench.told.connect(partial(self.chat.add_message, "measured"))
        self.workbench.saved.connect(_say_written)
        self.reviewing.opened.connect(self._on_review_opened)
        self.workbench.masks_changed.connect(self.reviewing.touch)
        self._viewer.dims.events.point.connect(self._on_moved)
        self.chat.sent.connect(self.ask)
        self.chat.stop_requested.connect(self.workbench.runner.cancel)
        self.chat.object_clicked.connect(self.go_to_object)
        self.workbench.started.connect(self._on_started)
        self.workbench.stopped.connect(self._on_stopped)
        self.workbench.progressed.connect(self.runs.show_progress)
        self.workbench.objects_changed.connect(self._on_objects_changed)
        self.workbench.deleted.connect(self.prompting.take_out)
        self.workbench.returned.connect(self.prompting.put_back)
        self.workbench.object_found.connect(self._on_object_found)
        self.workbench.object_known.connect(self._on_object_known)
        self.workbench.answer_grew.connect(self._on_answer_grew)
        self.workbench.reasoning_grew.connect(self._on_reasoning_grew)
        self.workbench.conversation_began.connect(self.chat.begin_anew)
        self.workbench.label_selected.connect(self._on_label_selected)
        self.workbench.recolored.connect(self.chat.redraw)
        self._info_timer.timeout.connect(self._show_info)
        # Not a bound method: those of QObjects are disconnected before they could run.
        workbench, models, autosave = self.workbench, self.models, self.autosave
        self.destroyed.connect(lambda: (workbench.end(), models.end(), autosave.close()))
        self._offer_sessions()

    def segment(self) -> None:
        """Segment what is described, clicked and drawn in the frame shown."""
        self._attempt(self._segment)

    def propagate(self, direction: str) -> None:
        """Follow the objects "backward", "forward" or in "both" directions."""
        self._attempt(partial(self._propagate, direction))

    def ask(self, question: str) -> None:
        """Ask the model a question in the chat."""
        self._attempt(partial(self._ask, question))

    def clear_objects(self) -> None:
        """Erase all objects in the list."""
        self._attempt(lambda: self.workbench.editing.clear(self._sent()))

    def add_points(self) -> None:
        """Open the points layer of the image, ready for clicks."""
        self._attempt(self._add_points)

    def add_boxes(self) -> None:
        """Open the boxes layer of the image, ready for drawing."""
        self._attempt(lambda: self.prompting.open_boxes(self.picker.needed_image()))

    def new_object(self) -> None:
        """Let the next prompts be for an object that is not there yet."""
        self._attempt_now(
            lambda: self.prompts.object_id.setValue(self.workbench.free_label(self._taken()))
        )

    def select_object(self, object_id: int) -> None:
        """Make an object the current one: in the list, the Labels layer, and for prompts."""
        self.table.select_object(object_id)
        self.prompts.object_id.setValue(object_id)
        if self.workbench.objects is not None:
            self.workbench.objects.select(object_id)
        self._on_moved()

    def go_to_object(self, object_id: int) -> None:
        """Select an object and go to the first frame that it is in."""
        objects = self.workbench.objects
        if objects is None or object_id not in self.workbench.records:
            show_warning(f"Object {object_id} is no longer there.")
            return
        self.select_object(object_id)
        frame, geometry = objects.records[object_id].first_frame, self.picker.geometry
        if frame is not None and geometry is not None:
            go_to_frame(self._viewer, objects.image, geometry, frame)

    def see_object(self, object_id: int) -> None:
        """Select an object and, unless it is in the frame shown, go to where it is seen best."""
        scores = self.workbench.records[object_id].scores
        frame = self.picker.frame
        if scores.get(frame, 0) > 0 or not any(scores.values()):
            self.select_object(object_id)
        else:
            self.go_to(object_id, max(scores, key=scores.get))

    def go_to(self, object_id: int, frame: int) -> None:
        """Select an object and go to a frame."""
        objects, geometry = self.workbench.objects, self.picker.geometry
        if objects is not None and geometry is not None:
            self.select_object(object_id)
            go_to_frame(self._viewer, objects.image, geometry, frame)

    def delete_object(self, object_id: int) -> None:
        """Delete an object in all frames."""
        self._attempt(lambda: self.workbench.editing.delete(self._sent(), object_id))

    def merge_objects(self, object_id: int, other: int) -> None:
        """Let an object have the masks of another one, too."""
        self._attempt(lambda: self.workbench.editing.merge(self._sent(), object_id, other))

    def set_parent(self, object_id: int, parent: int) -> None:
        """Take note that an object came from another one by division; from none where it is 0."""
        self._attempt(lambda: self.workbench.editing.set_parent(object_id, parent))

    def split_object(self, object_id: int) -> None:
        """From the frame shown on, let an object be another one."""
        frame = self.picker.frame or 0
        self._attempt(
            lambda: self.workbench.editing.split(
                self._sent(), object_id, frame, self.workbench.free_label(self._taken())
            )
        )

    def reject(self, object_id: int, frame: int) -> None:
        """Erase an object's mask in a frame: it is wrong."""
        self._attempt(lambda: self.workbench.editing.reject(self._sent(), object_id, frame))

    def show_export(self) -> None:
        """Open the window that exports labels."""
        if self.exporting is None:
            from napari_sa2va.widgets._exporting import Exporting  # all formats: slow to import

            self.exporting = Exporting(self._viewer, self.workbench, self.picker, self)
            self.exporting.export_wanted.connect(self.export)
        self.exporting.open()

    def export(self, overwrite: bool) -> None:
        """Export what the window says; perhaps in the place of what is there."""
        if self.exporting is not None:
            self._attempt(partial(self.exporting.start, overwrite))

    def reopen(self, path: Path) -> None:
        """Open a session that was saved."""
        self._attempt(partial(reopen, self, path))

    def show_models(self) -> None:
        """Open the window with all models."""
        self.models_window.show_in_use(self.workbench.sessions.info.model)
        self.models_window.show()
        self.models_window.raise_()
        self.models_window.activateWindow()

    def choose_model(self, model: str) -> None:
        """Use another model from now on; objects stay."""
        self._attempt(partial(self._choose_model, model))

    def choose_options(self, options: LoadOptions) -> None:
        """Load models in this way from now on; objects stay."""
        self._attempt(partial(self._choose_options, options))

    def _choose_options(self, options: LoadOptions) -> None:
        self._options = options
        self.models_window.options.show_options(options)
        self._choose_model(self.workbench.sessions.info.model)
        self.models.refresh()  # what fits depends on the precision

    def show_places(self) -> None:
        """Open the dialog that says where the model runs."""
        self.connecting.show_place(self._place, self.workbench.sessions.info.model)
        self.connecting.open()

    def choose_place(self, place: Place) -> None:
        """Let the model run at another place from now on; objects stay."""
        self._attempt(partial(self._choose_place, place))

    def _choose_place(self, place: Place) -> None:
        self._place = place
        remember(place.settings)
        keep_token(place.settings.server, place.token)
        self._choose_model(self.workbench.sessions.info.model)

    def _choose_model(self, model: str) -> None:
        self.workbench.sessions.switch(source_of(None, model, self._place, self._options))
        self.backend_line.show_model(model)
        self.models_window.show_in_use(model)
        self._show_info()

    def event(self, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.ParentChange:
            # A dock that is closed lets go of its widget, and nobody destroys it.
            if self._docked and self.parent() is None:
                self._end()
            self._docked = self.parent() is not None
        return super().event(event)

    def _end(self) -> None:
        self._info_timer.stop()
        self._viewer.dims.events.point.disconnect(self._on_moved)
        self.picker.end()
        release_keys(self._viewer, PANEL_KEYS)
        self.reviewing.end()
        self.expressing.end()
        if self.exporting is not None:
            self.exporting.end()
        self.previewing.end()
        self.autosave.end()
        self.workbench.end()
        self.models.end()
        self.models_window.close()

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do what the user wants; where it cannot be done, say why and what to do."""
        if self.workbench.runner.is_running:
            show_warning("Something is running already. Wait for it, or cancel it.")
            return
        self._attempt_now(action)

    def _attempt_now(self, action: Callable[[], None]) -> None:
        try:
            action()
        except InputError as error:
            show_warning(str(error))

    def _segment(self) -> None:
        sent = self._sent()
        said = self.prompts.sentences()
        prompts = self.prompting.take(sent, self.workbench.records)
        sent.check_frame()
        instances = self.prompts.instances.isChecked()
        self.workbench.segment(sent, said, prompts, self._taken(), instances)

    def _propagate(self, direction: str) -> None:
        sent = self._sent()
        labels = sorted(self.workbench.records)
        if self.runs.only_selected.isChecked():
            selected = self.table.selected_id
            labels = [] if selected is None else [selected]
        if not labels:
            raise InputError("There is no object to follow.", "Segment or select one first.")
        sent.check_frame()
        self._lost.clear()
        legs, records = sent.legs(direction), self.workbench.records
        self.workbench.propagate(sent, labels, legs, self.runs.loss_rule)
        self._ends = told_ends(legs, [i for i in labels if not records[i].locked], records)

    def _ask(self, question: str) -> None:
        if not question:
            raise InputError("The question is empty.", "Write one, then press Enter.")
        sent = self._sent()
        look_at = sent.looked_at(self.chat.look_at.currentText())
        self.chat.begin_answer(question)
        rule = self.runs.loss_rule
        self.workbench.ask(sent, question, look_at, self._taken(), rule, self._telling())

    def _telling(self) -> Telling | None:
        how = self.chat.measures.currentText()
        if how == NO_MEASURES or self.workbench.objects is None or self.workbench.geometry is None:
            return None
        selected = self.table.selected_id
        about = sorted(self.workbench.records)[:_TOLD] if selected is None else [selected]
        stack = labelled(self.workbench.objects, self.workbench.geometry)
        return Telling(stack, about, to_model=how == MEASURE_AND_SEND)

    def show_tracks(self) -> None:
        """Show the ways of the objects as a Tracks layer."""
        self._attempt(self._measure)

    def save_table(self, path: Path, overwrite: bool = False) -> None:
        """Write a table with what each object measures in each frame.

        Only with `overwrite` it takes the place of what is there.
        """
        self._attempt(lambda: self.workbench.save_table(path, overwrite))

    def _add_points(self) -> None:
        image = self.picker.needed_image()
        self.prompting.open_points(image)
        points = self.prompting.layers.points(image)
        if points is not None:
            self.previewing.watch(points)

    def _measure(self) -> None:
        self._sent()
        if self.workbench.geometry is not None:
            check_tracks(self.workbench.geometry)
        self.workbench.measure()

    def _on_lost(self, object_id: int, frame: int) -> None:
        self._lost.append(f"object {object_id} from frame {frame} on")

    def _on_measured(self, facts: dict[int, dict[int, MaskFacts]]) -> None:
        objects, geometry = self.workbench.objects, self.workbench.geometry
        if objects is not None and geometry is not None:
            try:
                records = self.workbench.records
                show_tracks(self._viewer, objects.image, geometry, records, facts)
            except InputError as error:
                show_warning(str(error))

    def _sent(self) -> Sent:
        sent = self.picker.sent()
        self.workbench.look_at(sent.image, sent.geometry)
        return sent

    def _taken(self) -> set[int]:
        """Ids that mean an object already, or are to."""
        return self.prompting.ids() | set(self.workbench.records)

    def _on_stack_changed(self) -> None:
        self.prompting.image = self.picker.image
        self._on_moved()
        self.workbench.look_at(self.picker.image, self.picker.geometry)
        self._show_possible()

    def _on_moved(self, _: object = None) -> None:
        frame = self.picker.frame
        if frame is not None:
            self._look_around()
            self.objects.show_frame(frame)
            self.reviewing.stand_at(self.table.selected_id, frame)

    def _look_around(self) -> None:
        """Take up the objects of the stack that the viewer stands in."""
        geometry, known = self.picker.geometry, self.workbench.geometry
        if None not in (geometry, known) and geometry.place != known.place:
            self.workbench.look_at(self.picker.image, geometry)
            if self.workbench.is_elsewhere(self.prompts.object_id.value()):
                self.new_object()

    def _offer_sessions(self) -> None:
        image = self.picker.image
        data = None if image is None else source_path(image)
        paths = [] if image is None else saved_sessions(data, image.name)
        folder = own_folder() if data is None else data.parent
        self.session_line.show_sessions([p for p in paths if p != self.autosave.path], folder)

    def _on_saved(self) -> None:
        problem = self.autosave.problem
        if problem and not self.session_line.problem:
            show_warning(f"What you do cannot be saved: {problem}")
        self.session_line.show_saved(self.autosave.path, problem)

    def _on_restored(self, file: SessionFile) -> None:
        self.autosave.adopt(file)
        self.chat.set_color(self.workbench.objects.color)
        self.chat.redraw()
        choices = file.section("choices", {})
        if (selected := choices.get("selected")) is not None:
            self.select_object(selected)
        if not self._model_is_given:
            self.session_model.restore(choices, self.workbench.sessions.info.model, self._place)

    def _use_again(self, model: str, place: Place) -> None:
        """Use a session's model. The place is not remembered: nobody chose it for all."""
        if not self.workbench.runner.is_running:
            self._place = place
        self.choose_model(model)

    def _on_verified(self, object_id: int, verified: bool) -> None:
        frame = self.picker.frame
        if frame is not None:
            self.workbench.editing.verify(object_id, frame, verified)

    def _on_review_opened(self) -> None:
        panel = self.reviewing.panel
        panel.chosen.connect(self.go_to)
        panel.accepted.connect(
            lambda label, frame: self.workbench.editing.verify(label, frame, True)
        )
        panel.rejected.connect(self.reject)

    def _on_started(self, title: str) -> None:
        self._running = title
        self.picker.keep_axis()
        self.runs.set_running(True)
        self.runs.show_message(f"{title}…")
        self.chat.set_running(True, answering=title == "Ask")
        self._show_info()

    def _on_stopped(self, outcome: str) -> None:
        if outcome == "interrupted":
            pass  # prompts and answer are still in use
        elif self._running == "Segment":
            self.prompting.taken_were_used(outcome == "done")
            if outcome == "done":
                self.prompts.text_is_done()
        elif outcome != "done" and self._running == "Ask":
            self.chat.add_message("note", f"The answer was {_ENDED[outcome]}.")
        self.runs.set_running(False)
        changed_nothing = self._running == "Export" and outcome == "cancelled"
        ended = "cancelled; nothing was written" if changed_nothing else _ENDED[outcome]
        if self._ends and self._running == "Propagate" and outcome == "done":
            ended = f"{ended}, {self._ends}"
        self.runs.show_message(f"{self._running}: {ended}")
        if self._lost:
            lost, self._lost = ", ".join(self._lost), []
            self.runs.show_message(f"Lost: {lost}")
            show_info(f"Lost, and followed no further: {lost}. Correct it there, and go on.")
        self.chat.set_running(False, answering=False)
        self._show_info()
        self._on_stack_changed()  # it may have changed meanwhile

    def _on_interruption(self) -> None:
        held = self.workbench.interruption
        self.fault.show_why(None if held is None else held.why)

    def _on_objects_changed(self) -> None:
        objects = self.workbench.objects
        if objects is None:
            self.objects.show_records({}, lambda _: (0.5, 0.5, 0.5))
        else:
            self.objects.show_records(self.workbench.records, objects.color)
        self.reviewing.refresh(self.picker.last.maximum() + 1)
        self._show_possible()

    def _on_object_found(self, found: ObjectFound) -> None:
        self.prompts.object_id.setValue(found.object_id)
        if self._running == "Ask" and self.workbench.objects is not None:
            self.chat.set_color(self.workbench.objects.color)
            self.chat.ground_answer(found)

    def _on_label_selected(self, object_id: int) -> None:
        self.table.select_object(object_id)
        if object_id in self.workbench.records:
            self.prompts.object_id.setValue(object_id)

    def _on_object_known(self, object_id: int, known_as: int) -> None:
        self.prompts.object_id.setValue(known_as)
        if self._running == "Ask":
            self.chat.rename_object(object_id, known_as)
        else:
            show_info(f"That is object {known_as}: its mask was kept.")

    def _on_answer_grew(self, text: str) -> None:
        if self._running == "Ask":
            self.chat.grow_answer(text)

    def _on_reasoning_grew(self, text: str) -> None:
        if self._running == "Ask":
            self.chat.grow_reasoning(text)

    def _show_info(self) -> None:
        running = self.workbench.runner.is_running
        usable = not (running or self._model_is_given)
        self.backend_line.place.setEnabled(usable)
        self.backend_line.model.setEnabled(usable)
        self.models_window.set_usable(usable)
        self.backend_line.show_info(self.workbench.sessions.info, running)

    def _show_possible(self) -> None:
        self.runs.set_possible(
            has_frames=self.picker.last.maximum() > 0,
            has_objects=bool(self.workbench.records),
            undo_title=self.workbench.undo_stack.title,
            redo_title=self.workbench.undo_stack.redo_title,
        )


_ENDED = {
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled; what was done stays",
    "interrupted": "interrupted; what was done stays",
}


def _say_written(path: Path) -> None:
    show_info(f"{path} is written.")


def _models_for(workbench: Workbench) -> ModelStore:
    return ModelStore(lambda: workbench.sessions.memory(), workbench)


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    return line
