"""What the prompt panel says, in the prompt layers; and which prompts are still to be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from weakref import ref

from qtpy.QtCore import QObject
from superqt.utils import signals_blocked

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.prompts import BoxPrompt, FramePrompts, PointPrompt
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.regions import seen_from
from napari_sa2va.widgets._prompt_layers import DrawnPrompts, KeptPrompts, PromptLayers
from napari_sa2va.widgets._prompt_panel import POLARITY_KEY, PromptPanel
from napari_sa2va.widgets._sent import Sent

if TYPE_CHECKING:
    import napari
    from napari.layers import Image
    from napari.utils.events import Event

_Key = tuple[str, int, int]  # name of the image, frame, object


class Prompting(QObject):
    """Keeps a `PromptPanel` and the prompt layers of the image in step.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the layers are.
    panel : PromptPanel
        What the user sees; also the parent.
    """

    def __init__(self, viewer: napari.Viewer, panel: PromptPanel) -> None:
        super().__init__(panel)
        self.panel = panel
        self.layers = PromptLayers(viewer)
        self.image: Image | None = None
        self._used: dict[_Key, DrawnPrompts] = {}
        self._using: dict[_Key, DrawnPrompts] = {}
        self._taken_out: dict[int, KeptPrompts] = {}

        panel.next_changed.connect(self._on_next_changed)

    def open_points(self, image: Image) -> None:
        """Open the points layer of an image, ready for clicks."""
        panel = self.panel
        positive = not panel.negative.isChecked()
        layer = self.layers.add_points(image, panel.object_id.value(), positive)
        weak = ref(panel)  # the layer may outlive the dock

        def toggle(_: object) -> None:
            if (shown := weak()) is not None:
                shown.negative.toggle()

        layer.bind_key(POLARITY_KEY, toggle, overwrite=True)
        layer.events.feature_defaults.connect(self._on_layer_defaults)

    def open_boxes(self, image: Image) -> None:
        """Open the boxes layer of an image, ready for drawing."""
        layer = self.layers.add_boxes(image, self.panel.object_id.value())
        layer.events.feature_defaults.connect(self._on_layer_defaults)

    def ids(self) -> set[int]:
        """The objects that prompts were given for."""
        return set() if self.image is None else self.layers.object_ids(self.image)

    def take(self, sent: Sent, records: Mapping[int, ObjectRecord]) -> dict[int, FramePrompts]:
        """The prompts of the frame by object: those that are new, or all if there is no text.

        Raises InputError where one cannot be used.
        """
        by_frame = self.layers.prompts_by_frame(sent.image, sent.geometry)
        drawn = by_frame.get(sent.frame, {})
        keys = {label: (sent.image.name, sent.frame, label) for label in drawn}
        new = {label: d for label, d in drawn.items() if self._used.get(keys[label]) != d}
        has_text = bool(self.panel.sentences())
        if not drawn and not has_text:
            raise InputError(
                _nothing_on(sent.frame, sorted(by_frame)), "Describe an object, click it or box it."
            )
        chosen = new or ({} if has_text else drawn)
        shape = sent.geometry.whole.stack_shape[1:]
        self._using = {keys[label]: prompts for label, prompts in chosen.items()}
        checked = {
            label: given.checked(shape, label in records and sent.frame in records[label].scores)
            for label, given in chosen.items()
        }
        for given in checked.values():
            seen_from(given, sent.geometry.box)  # said before the run, not in its middle
        return checked

    def taken_were_used(self, used: bool) -> None:
        """The run with the prompts taken last ended: were they used?"""
        if used:
            self._used |= self._using
        self._using = {}

    def take_out(self, object_ids: Iterable[int]) -> None:
        """What was clicked and drawn for objects that are deleted goes with them."""
        if self.image is not None:
            for object_id in object_ids:
                self._taken_out[object_id] = self.layers.take_out(self.image, object_id)
        self._on_next_changed()

    def put_back(self, object_ids: Iterable[int]) -> None:
        """Objects are there again, with what was taken out of the layers with them."""
        for object_id in object_ids:
            kept = self._taken_out.pop(object_id, None)
            if kept is not None and self.image is not None:
                self.layers.put_back(self.image, object_id, kept)
        self._on_next_changed()

    def used(self) -> list[dict[str, Any]]:
        """Which prompts were used already, as plain values."""
        return [
            {"image": image, "frame": frame, "object": label} | asdict(drawn)
            for (image, frame, label), drawn in self._used.items()
        ]

    def restore_used(self, used: Iterable[Mapping[str, Any]]) -> None:
        """Take note of what `used` gave."""
        for it in used:
            points = [PointPrompt(**point) for point in it["points"]]
            boxes = [BoxPrompt(**box) for box in it["boxes"]]
            drawn = DrawnPrompts(points, boxes)
            self._used[it["image"], it["frame"], it["object"]] = drawn

    def _on_next_changed(self) -> None:
        if self.image is not None:
            panel = self.panel
            positive = not panel.negative.isChecked()
            self.layers.set_next(self.image, panel.object_id.value(), positive)

    def _on_layer_defaults(self, event: Event) -> None:
        """A prompt was selected in its layer: the next ones are like it."""
        defaults = event.source.feature_defaults
        with signals_blocked(self.panel):
            self.panel.object_id.setValue(int(defaults["object"][0]))
            if "positive" in defaults:
                self.panel.negative.setChecked(not bool(defaults["positive"][0]))


def _nothing_on(frame: int, others: list[int]) -> str:
    where = ", ".join(map(str, others[:5])) + (" …" if len(others) > 5 else "")
    hint = f"; there are some on {where}" if others else ""
    return f"There is no description, and no prompt on frame {frame}{hint}."
