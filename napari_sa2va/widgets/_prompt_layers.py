"""The layers in which a user clicks and draws, and what they say about a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.prompts import BoxPrompt, FramePrompts, PointPrompt, frame_prompts
from napari_sa2va.widgets._geometry import StackGeometry

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Layer, Points, Shapes

KEY = "sa2va-prompts"
POINTS_NAME = "Sa2VA points"
BOXES_NAME = "Sa2VA boxes"
COLORS = {True: "#2ca02c", False: "#d62728"}


@dataclass
class DrawnPrompts:
    """What was clicked and drawn for one object in one frame, as it lies in the layers."""

    points: list[PointPrompt] = field(default_factory=list)
    boxes: list[BoxPrompt] = field(default_factory=list)

    def checked(self, shape: tuple[int, int], refines: bool) -> FramePrompts:
        """The prompts of a frame (H, W); the box drawn last counts. Raises InputError."""
        box = self.boxes[-1] if self.boxes else None
        return frame_prompts(shape, self.points, box, refines=refines)


@dataclass(frozen=True)
class KeptPrompts:
    """What was clicked and drawn for one object, in all frames, as the layers have it.

    Attributes
    ----------
    points : list of (position, positive)
    boxes : list of (corners, kind of shape)
    """

    points: list[tuple[Any, bool]]
    boxes: list[tuple[Any, str]]


class PromptLayers:
    """The points and the boxes that belong to an image.

    Layers that exist are used again; they are found by their metadata, whatever they are called.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer

    def points(self, image: Image) -> Points | None:
        """The points of an image."""
        return self._find(image, "points")

    def boxes(self, image: Image) -> Shapes | None:
        """The boxes of an image."""
        return self._find(image, "boxes")

    def add_points(self, image: Image, object_id: int, positive: bool) -> Points:
        """The points layer of an image, ready for clicks; made if there is none."""
        layer = self.points(image) or self._new_points(image)
        layer.feature_defaults = {"positive": positive, "object": object_id}
        self._viewer.layers.selection.active = layer
        layer.mode = "add"
        return layer

    def add_boxes(self, image: Image, object_id: int) -> Shapes:
        """The boxes layer of an image, ready for drawing; made if there is none."""
        layer = self.boxes(image) or self._new_boxes(image)
        layer.feature_defaults = {"object": object_id}
        self._viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"
        return layer

    def set_next(self, image: Image, object_id: int, positive: bool) -> None:
        """Which object the next prompt is for, and whether the next point is positive."""
        points, boxes = self.points(image), self.boxes(image)
        if points is not None:
            points.feature_defaults = {"positive": positive, "object": object_id}
        if boxes is not None:
            boxes.feature_defaults = {"object": object_id}

    def prompts_by_frame(
        self, image: Image, geometry: StackGeometry
    ) -> dict[int, dict[int, DrawnPrompts]]:
        """What was clicked and drawn: by frame, then by object id."""
        found: dict[int, dict[int, DrawnPrompts]] = {}
        for frame, object_id, prompt in self._drawn(image, geometry):
            drawn = found.setdefault(frame, {}).setdefault(object_id, DrawnPrompts())
            if isinstance(prompt, PointPrompt):
                drawn.points.append(prompt)
            else:
                drawn.boxes.append(prompt)
        return found

    def object_ids(self, image: Image) -> set[int]:
        """All ids that prompts were given for."""
        layers = (self.points(image), self.boxes(image))
        return {int(i) for layer in layers if layer is not None for i in layer.features["object"]}

    def take_out(self, image: Image, object_id: int) -> KeptPrompts:
        """Remove what was clicked and drawn for an object; `put_back` brings it back.

        What the next prompt is like is to be set anew: see `set_next`.
        """
        kept = KeptPrompts([], [])
        points, boxes = self.points(image), self.boxes(image)
        if points is not None:
            own = _rows_of(points, object_id)
            positive = points.features["positive"].tolist()
            kept.points.extend((np.array(points.data[row]), bool(positive[row])) for row in own)
            _remove(points, own)
        if boxes is not None:
            own = _rows_of(boxes, object_id)
            kept.boxes.extend((np.array(boxes.data[row]), boxes.shape_type[row]) for row in own)
            _remove(boxes, own)
        return kept

    def put_back(self, image: Image, object_id: int, kept: KeptPrompts) -> None:
        """Draw again what `take_out` has removed, where the layers are still there.

        What the next prompt is like is to be set anew: see `set_next`.
        """
        points, boxes = self.points(image), self.boxes(image)
        if points is not None:
            with points.events.feature_defaults.blocker():  # nobody has chosen them
                for position, positive in kept.points:
                    points.feature_defaults = {"positive": positive, "object": object_id}
                    points.add(position)
        if boxes is not None:
            with boxes.events.feature_defaults.blocker():
                for corners, kind in kept.boxes:
                    boxes.feature_defaults = {"object": object_id}
                    boxes.add([corners], shape_type=kind)

    def _drawn(
        self, image: Image, geometry: StackGeometry
    ) -> Iterator[tuple[int, int, PointPrompt | BoxPrompt]]:
        plane = [geometry.rows, geometry.columns]
        points, boxes = self.points(image), self.boxes(image)
        if points is not None:
            columns = points.features["object"], points.features["positive"]
            for position, object_id, positive in zip(points.data, *columns, strict=True):
                frame = geometry.frame_of(position)
                if frame is not None:
                    y, x = position[plane]
                    yield frame, int(object_id), PointPrompt(float(y), float(x), bool(positive))
        if boxes is not None:
            for corners, object_id in zip(boxes.data, boxes.features["object"], strict=True):
                frame = geometry.frame_of(corners[0])
                if frame is not None:
                    # napari puts the centre of a pixel at its index, half-open boxes its edge.
                    y0, x0 = corners[:, plane].min(0) + 0.5
                    y1, x1 = corners[:, plane].max(0) + 0.5
                    yield frame, int(object_id), BoxPrompt(*map(float, (y0, x0, y1, x1)))

    def _new_points(self, image: Image) -> Points:
        import pandas as pd

        columns = {"positive": pd.Series(dtype=bool), "object": pd.Series(dtype=int)}
        return self._viewer.add_points(
            np.empty((0, image.ndim)),
            border_color="white",
            face_color="positive",
            face_color_cycle=COLORS,
            feature_defaults={"positive": True, "object": 1},
            features=pd.DataFrame(columns),
            name=POINTS_NAME,
            size=_point_size(image),
            **place_of(image, "points"),
        )

    def _new_boxes(self, image: Image) -> Shapes:
        import pandas as pd

        return self._viewer.add_shapes(
            ndim=image.ndim,
            edge_color=COLORS[True],
            edge_width=max(1, _point_size(image) / 8),
            face_color="transparent",
            feature_defaults={"object": 1},
            features=pd.DataFrame({"object": pd.Series(dtype=int)}),
            name=BOXES_NAME,
            **place_of(image, "boxes"),
        )

    def _find(self, image: Image, kind: str) -> Layer | None:
        for layer in reversed(self._viewer.layers):
            if layer.metadata.get(KEY) == (kind, image.name) and layer.ndim == image.ndim:
                return layer
        return None


def described(prompts: FramePrompts, frame: int) -> list[dict[str, Any]]:
    """Prompts as a record keeps them: plain values."""
    kept: list[dict[str, Any]] = [
        {"kind": "point", "frame": frame, "y": p.y, "x": p.x, "positive": p.positive}
        for p in prompts.points
    ]
    if prompts.box is not None:
        box = prompts.box
        kept.append({"kind": "box", "frame": frame, "box": [box.y0, box.x0, box.y1, box.x1]})
    return kept


def place_of(image: Image, kind: str) -> dict[str, object]:
    """What binds a layer to an image: prompts then lie in the image's data coordinates."""
    return {
        "affine": image.affine,
        "axis_labels": image.axis_labels,
        "metadata": {KEY: (kind, image.name)},
        "rotate": image.rotate,
        "scale": image.scale,
        "shear": image.shear,
        "translate": image.translate,
        "units": image.units,
    }


def _rows_of(layer: Layer, object_id: int) -> list[int]:
    return np.flatnonzero(layer.features["object"] == object_id).tolist()


def _remove(layer: Layer, rows: list[int]) -> None:
    with layer.events.feature_defaults.blocker():  # nobody has chosen them
        layer.selected_data = set(rows)
        layer.remove_selected()


def _point_size(image: Image) -> float:
    """Points that can be seen and do not hide what they are on."""
    return max(3.0, min(image.extent.data[1][-2:] - image.extent.data[0][-2:] + 1) / 40)
