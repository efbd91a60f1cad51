"""What a person paints in the Labels layer, and takes back there, becomes steps of the history."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject

from napari_sa2va.core.review import MaskFacts
from napari_sa2va.widgets._remeasuring import Remeasuring
from napari_sa2va.widgets._stroke_changes import Stroke, changes_of
from napari_sa2va.widgets._strokes import Masks, Strokes, frames_of, masks_of, take_up
from napari_sa2va.widgets._undo import PlaneChange, UndoStep

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sa2va.widgets._workbench import Workbench

_STROKES = 100  # napari itself keeps so many


class Painting(QObject):
    """Takes up strokes for a workbench, and measures the masks again that they changed.

    Parameters
    ----------
    workbench : Workbench
        Whose objects are painted; also the parent.
    """

    def __init__(self, workbench: Workbench) -> None:
        super().__init__(workbench)
        self._bench = workbench
        # The first part of each of napari's last strokes, and the step that it was.
        self._steps: deque[tuple[object, UndoStep]] = deque(maxlen=_STROKES)
        self._strokes = Strokes(self)
        self.measuring = Remeasuring(self)
        self._strokes.painted.connect(self._on_painted)
        self._strokes.undone.connect(self._on_undone)
        self._strokes.redone.connect(self._on_redone)
        self.measuring.measured.connect(self._on_measured)

    def watch(self, layer: Labels) -> None:
        """Take up what is painted in this layer from now on."""
        self._strokes.watch(layer)

    def drop(self, *masks: tuple[int, int]) -> None:
        """These masks (object, frame) are no longer what was painted: others measure them."""
        self.measuring.drop(*masks)

    def forget(self) -> None:
        """The strokes so far are those of another image."""
        self._steps.clear()

    def end(self) -> None:
        """Take up and measure nothing any more. Calls nothing of Qt."""
        self._strokes.end()
        self.measuring.end()

    def _on_painted(self, strokes: list[Stroke]) -> None:
        changes = [self._changes_of(stroke) for stroke in strokes]
        if not any(changes):
            return
        if refused := self._why_not(change for made in changes for change in made):
            self._strokes.take_back(len(strokes))
            show_warning(refused)
            return
        for stroke, made in zip(strokes, changes, strict=True):
            if made:
                self._take_up(stroke, made)
        self._bench.publish()

    def _take_up(self, stroke: Stroke, changes: list[PlaneChange]) -> None:
        """Make a stroke a step."""
        masks, objects = masks_of(changes), self._bench.needed_objects()
        ids = {object_id for object_id, _ in masks}
        with self._bench.edit(f"Painting in {_named(ids)}", *ids) as step:
            step.changes = changes
            take_up(changes, objects.array, objects.records)
            for object_id, frame in masks:
                step.measured(self._bench.facts, object_id, frame, None)
        self._steps.append((stroke[0], step))
        self._tell(changes, masks)

    def _why_not(self, changes: Iterable[PlaneChange]) -> str:
        """Why what was painted cannot stay, and what to do; empty where it can."""
        records = self._bench.needed_objects().records
        for change in changes:
            for object_id in {change.before, change.after} & records.keys():
                record = records[object_id]
                if record.locked:
                    return (
                        f"Object {object_id} is locked: what was painted is taken back. "
                        "Unlock it in the list to change it."
                    )
                if object_id == change.after and not record.is_at(change.geometry.place):
                    return (
                        f"{self._bench.where(object_id)} What was painted is taken back. "
                        "Go there, or paint a new object."
                    )
        return ""

    def _on_undone(self, stroke: Stroke) -> None:
        """The layer's own undo took a stroke back: so does ours, where that is its last step."""
        stack, step = self._bench.undo_stack, self._step_of(stroke)
        if step is not None and step is stack.last and not self._bench.runner.is_running:
            stack.undo()
            self._bench.take_back(step)
            self._after(step)
        else:
            self._behind([change.reversed for change in reversed(self._changes_of(stroke))])

    def _on_redone(self, stroke: Stroke) -> None:
        stack, step = self._bench.undo_stack, self._step_of(stroke)
        if step is not None and step is stack.next and not self._bench.runner.is_running:
            stack.redo()
            self._bench.do_again(step)
            self._after(step)
        else:
            self._behind(self._changes_of(stroke))

    def _behind(self, changes: list[PlaneChange]) -> None:
        """The layer's own undo reached behind our last step: nobody has verified those masks."""
        if not changes:
            return
        masks, records = masks_of(changes), self._bench.needed_objects().records
        ids = {object_id for object_id, _ in masks} & records.keys()
        with self._bench.edit(f"napari's undo in {_named(ids)}", *ids) as step:
            step.changes = changes
            for object_id, frame in masks:
                if object_id in ids:
                    records[object_id].unverify(frame)
                step.measured(self._bench.facts, object_id, frame, None)
        self._tell(changes, masks)
        self._bench.publish()

    def _after(self, step: UndoStep) -> None:
        self._tell(step.changes, {})
        self._bench.publish()
        self._bench.masks_changed.emit(set(step.facts))

    def _step_of(self, stroke: Stroke) -> UndoStep | None:
        return next((step for part, step in self._steps if part is stroke[0]), None)

    def _changes_of(self, stroke: Stroke) -> list[PlaneChange]:
        objects, geometry = self._bench.objects, self._bench.geometry
        if objects is None or geometry is None:  # the image is gone, its labels are not
            return []
        return changes_of(stroke, objects.array, geometry)

    def _tell(self, changes: list[PlaneChange], masks: Masks) -> None:
        """Tell which frames were painted, and measure these masks again."""
        bench = self._bench
        bench.sessions.forget({object_id for object_id, _ in masks_of(changes)})
        self.measuring.begin(bench.needed_objects().array, masks)
        for geometry, frames in frames_of(changes).items():
            bench.frames_painted.emit(geometry, frames)

    def _on_measured(self, object_id: int, frame: int, facts: MaskFacts | None) -> None:
        objects = self._bench.objects
        if objects is not None and object_id in objects.records and facts is not None:
            self._bench.facts.setdefault(object_id, {})[frame] = facts
        self._bench.masks_changed.emit({(object_id, frame)})


def _named(object_ids: Iterable[int]) -> str:
    return f"object {', '.join(map(str, sorted(object_ids)))}"
