"""The Labels layer that holds the objects of an image, and what is known about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.io.label_store import LabelStore, new_labels
from napari_sa2va.io.naming import free_path
from napari_sa2va.widgets._geometry import image_shape
from napari_sa2va.widgets._hiding import Hiding
from napari_sa2va.widgets._label_blocks import LabelPixels
from napari_sa2va.widgets._settings import labels_folder
from napari_sa2va.widgets._undo import copied

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels

KEY = "sa2va"
LAYER_NAME = "Sa2VA labels"
_DTYPE = np.uint16


class ObjectLabels:
    """The objects of one image: their pixels, and their records.

    A Labels layer that already belongs to the image is taken up, its records included. A new one
    joins the viewer only with `attach`, so that a run that finds nothing leaves nothing behind.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the layer is, or will be.
    image : Image
        The image that the objects are in.

    Attributes
    ----------
    array : array or LabelStore
        Object ids, of the image's shape without channels; large ones are kept on disk.
    records : dict of int to ObjectRecord
        By object id.
    sent : list of dict
        How the layers became what was sent, oldest first: each with the time from which it held.
    """

    def __init__(self, viewer: napari.Viewer, image: Image) -> None:
        self._viewer = viewer
        self._image = image
        self._hides: Hiding | None = None
        self.layer = find_labels(viewer, image)
        if self.layer is not None:
            self.array = self.layer.data
            self.records = _stored_records(self.layer)
            self.sent: list[dict[str, Any]] = list(self.layer.metadata[KEY].get("sent", ()))
        else:
            self.array = _new_array(image_shape(image), image.name)
            self.records: dict[int, ObjectRecord] = {}
            self.sent = []

    @property
    def image(self) -> Image:
        return self._image

    def belongs_to(self, image: Image) -> bool:
        """Whether this still holds the objects of an image."""
        if self.layer is not None:
            kept = self.layer in self._viewer.layers and self.layer.data is self.array
        else:  # none were made yet: they may be opened with their layer
            kept = bool(self.records) or find_labels(self._viewer, image) is None
        return kept and image is self._image and image_shape(image) == self.array.shape

    def attach(self) -> Labels:
        """The layer; it joins the viewer above the images, and what was selected stays so."""
        if self.layer is None:
            from napari.layers import Image

            self.layer = self._new_layer()
            layers = self._viewer.layers
            active = layers.selection.active
            above = max(i for i, layer in enumerate(layers) if isinstance(layer, Image)) + 1
            layers.insert(above, self.layer)
            layers.selection.active = active
        return self.layer

    def note_sent(self, mapping: dict[str, Any]) -> None:
        """Keep how the layers become what is sent from now on."""
        now = {"since": datetime.now(UTC).isoformat(timespec="seconds")}
        if not self.sent or self.sent[-1] != {**mapping, "since": self.sent[-1]["since"]}:
            self.sent.append(mapping | now)

    def publish(self, model: str, **facts: str) -> None:
        """Write what is known about the objects into the layer's features and metadata.

        Parameters
        ----------
        model : str
            What is used now.
        **facts : str
            What else is known of it: dtype, revision.
        """
        if self.layer is None:
            return
        import pandas as pd

        records = [self.records[object_id] for object_id in sorted(self.records)]
        self.layer.features = pd.DataFrame(
            {
                "index": [record.object_id for record in records],
                "phrase": [record.phrase for record in records],
                "class": [record.category for record in records],
                "state": [record.state for record in records],
                "score": [round(record.mean_score, 4) for record in records],
                "worst_score": [round(record.worst_score, 4) for record in records],
                "first_frame": [record.first_frame for record in records],
                "last_frame": [record.last_frame for record in records],
                "frames": [len(present_frames(record)) for record in records],
                "verified": [len(record.verified_frames) for record in records],
            }
        )
        # What `ObjectRecord.to_dict` gives; on long stacks that takes too long for this thread.
        objects = {label: vars(record) for label, record in copied(self.records).items()}
        verified = {frame for record in records for frame in record.verified_frames}
        self.layer.metadata = self.layer.metadata | {
            KEY: {
                "image": self._image.name,
                "model": model,
                "model_facts": facts,
                "objects": objects,
                "sent": list(self.sent),
                "verified_frames": sorted(verified),
            }
        }

    def color(self, object_id: int) -> tuple[float, float, float]:
        """The colour in which an object is drawn; also while it is hidden."""
        hiding = self._hiding()
        color = None if hiding is None else hiding.color(object_id)
        red, green, blue = (0.5, 0.5, 0.5) if color is None else color[:3]
        return float(red), float(green), float(blue)

    def show_hidden(self) -> None:
        """Draw the objects that are not hidden, and no others."""
        hiding = self._hiding()
        if hiding is not None:
            hidden = {label for label, record in self.records.items() if record.hidden}
            hiding.hide(hidden, self.records)

    def _hiding(self) -> Hiding | None:
        if self._hides is None and self.layer is not None:
            self._hides = Hiding(self.layer)
        return self._hides

    def select(self, object_id: int) -> None:
        """Make an object the selected label."""
        if self.layer is not None:
            self.layer.selected_label = object_id

    def _new_layer(self) -> Labels:
        from napari.layers import Labels

        image = self._image
        return Labels(
            self.array,
            name=LAYER_NAME,
            affine=image.affine,
            axis_labels=image.axis_labels,
            rotate=image.rotate,
            scale=image.scale,
            shear=image.shear,
            translate=image.translate,
            units=image.units,
        )


def find_labels(viewer: napari.Viewer, image: Image) -> Labels | None:
    """The Labels layer that holds the objects of an image."""
    from napari.layers import Labels

    for layer in reversed(viewer.layers):
        known = layer.metadata.get(KEY)
        if (
            isinstance(layer, Labels)
            and isinstance(layer.data, np.ndarray | LabelStore)
            and isinstance(known, dict)
            and known.get("image") == image.name
            and layer.data.shape == image_shape(image)
        ):
            return layer
    return None


def present_frames(record: ObjectRecord) -> list[int]:
    """The frames in which an object is judged to be present."""
    return sorted(frame for frame, score in record.scores.items() if score > 0)


def _stored_records(layer: Labels) -> dict[int, ObjectRecord]:
    stored: dict[Any, dict[str, Any]] = layer.metadata[KEY].get("objects", {})
    records = (ObjectRecord(**values) for values in stored.values())
    return {record.object_id: _with_integer_frames(record) for record in records}


def _with_integer_frames(record: ObjectRecord) -> ObjectRecord:
    # Keys become strings on their way through JSON.
    record.scores = {int(frame): score for frame, score in record.scores.items()}
    return record


def _new_array(shape: tuple[int, ...], image: str) -> LabelPixels:
    folder = labels_folder()
    if folder is not None:
        # The time: those of another image of the same name may not have been written yet.
        when = datetime.now().strftime("%Y-%m-%d %H-%M-%S.%f")
        folder = free_path(folder, f"{image} labels {when}", ".zarr")
    try:
        return new_labels(shape, _DTYPE, folder)
    except MemoryError as error:
        raise InputError(
            f"Labels for an image of the shape {shape} do not fit in memory.",
            "Crop the image, or cut it into shorter stacks.",
        ) from error
