"""What a session keeps beside objects and masks: layers, prompts, choices and the chat."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.events import ObjectFound
from napari_sa2va.widgets._answer_html import Message
from napari_sa2va.widgets._place import told_place
from napari_sa2va.widgets._region_picker import DRAWN

if TYPE_CHECKING:
    from napari.layers import Image, Layer, Points, Shapes

    from napari_sa2va.widgets._sa2va_widget import Sa2VAWidget

_LOOK = ("gamma", "opacity", "visible")
_PLACE = ("scale", "translate", "rotate", "shear")


def kept_state(dock: Sa2VAWidget) -> dict[str, Any]:
    """All that a dock needs to go on, by name."""
    image = dock.picker.image
    return {
        "image": None if image is None else {"name": image.name, "shape": _shape(image)},
        "layers": _layers(dock),
        "viewer": {
            "step": [int(step) for step in dock._viewer.dims.current_step],
            "order": [int(axis) for axis in dock._viewer.dims.order],
        },
        "choices": _choices(dock),
        "sent": [] if dock.workbench.objects is None else list(dock.workbench.objects.sent),
        "prompts": {} if image is None else _prompts(dock, image),
        "chat": [asdict(message) for message in dock.chat.messages],
    }


def is_worth(dock: Sa2VAWidget) -> bool:
    """Whether something was said or drawn."""
    image, layers = dock.picker.image, dock.prompting.layers
    prompts = () if image is None else (layers.points(image), layers.boxes(image))
    drawn = any(layer is not None and len(layer.data) for layer in prompts)
    return drawn or bool(dock.chat.messages)


def restore_choices(dock: Sa2VAWidget, kept: dict[str, Any]) -> None:
    """Choose in the dock what was chosen."""
    picker = dock.picker
    picker.refresh()
    row = 0 if kept["layers"] is None else max(0, picker.layers.findText(kept["layers"]))
    picker.layers.setCurrentIndex(row)
    axis = picker.axis.findText(kept["axis"])
    if axis >= 0:
        picker.axis.setCurrentIndex(axis)
        picker.keep_axis()
    picker.last.setValue(kept["last"])
    picker.first.setValue(kept["first"])
    picker.region.setCurrentText(kept["region"])
    picker.auto_contrast.setChecked(kept.get("auto_contrast", False))  # not in old sessions
    dock.runs.lost_score.setValue(kept["lost_score"])
    dock.runs.lost_frames.setValue(kept["lost_frames"])
    dock.chat.measures.setCurrentText(kept["measures"])
    dock.prompts.instances.setChecked(kept["instances"])
    dock.prompts.object_id.setValue(kept["object"])
    dock.chat.look_at.setCurrentText(kept["look_at"])


def restore_prompts(dock: Sa2VAWidget, kept: dict[str, Any]) -> None:
    """Draw the prompts that were drawn."""
    image, prompting = dock.picker.image, dock.prompting
    if image is None or not kept:
        return
    import pandas as pd

    viewer = dock._viewer
    active = viewer.layers.selection.active
    if (points := kept["points"]) is not None:
        dock.add_points()
        layer = prompting.layers.points(image)
        columns = {"positive": points["positive"], "object": points["object"]}
        layer.data = np.asarray(points["data"], float).reshape(-1, image.ndim)
        layer.features = pd.DataFrame(columns).astype({"positive": bool, "object": int})
        layer.mode = "pan_zoom"
    if (boxes := kept["boxes"]) is not None:
        dock.add_boxes()
        layer = prompting.layers.boxes(image)
        _draw(layer, boxes)
        layer.features = pd.DataFrame({"object": boxes["object"]}).astype({"object": int})
        layer.mode = "pan_zoom"
    if (region := kept["region"]) is not None:
        layer = dock.picker.region.open_layer(image)
        _draw(layer, region)
        layer.mode = "pan_zoom"
    prompting.restore_used(kept["used"])
    viewer.layers.selection.active = active


def restore_chat(dock: Sa2VAWidget, kept: list[dict[str, Any]]) -> None:
    """Show what was said."""
    dock.chat.show_messages(
        Message(
            message["role"],
            message["text"],
            [ObjectFound(f["object_id"], f["phrase"], tuple(f["span"])) for f in message["found"]],
            message.get("reasoning", ""),  # not in old sessions
            message.get("is_open", False),
        )
        for message in kept
    )


def _shape(image: Image) -> list[int]:
    from napari_sa2va.widgets._geometry import image_shape

    return list(image_shape(image))


def _layers(dock: Sa2VAWidget) -> list[dict[str, Any]]:
    from napari.layers import Image

    images = [layer for layer in dock._viewer.layers if isinstance(layer, Image)]
    places: dict[str, int] = {}
    kept = []
    for image in images:
        source = image.source
        origin = str(source.path or source.sample or "")
        kept.append(_layer(image) | {"place": places.get(origin, 0)})
        places[origin] = places.get(origin, 0) + 1
    return kept


def _layer(image: Image) -> dict[str, Any]:
    source = image.source
    kept: dict[str, Any] = {name: _plain(getattr(image, name)) for name in (*_LOOK, *_PLACE)}
    kept |= {
        "name": image.name,
        "shape": _shape(image),
        "path": None if source.path is None else str(source.path),
        "plugin": source.reader_plugin,
        "sample": None if source.sample is None else list(source.sample),
        "rgb": bool(image.rgb),
        "blending": str(image.blending),
        "affine": _plain(image.affine.affine_matrix),
        "units": [str(unit) for unit in image.units],
        "axis_labels": list(image.axis_labels),
    }
    if not image.rgb:
        kept["contrast_limits"] = _plain(image.contrast_limits)
        kept["colormap"] = {
            "name": image.colormap.name,
            "colors": _plain(image.colormap.colors),
            "controls": _plain(image.colormap.controls),
        }
    return kept


def dress(image: Image, kept: dict[str, Any]) -> None:
    """Let an image look, and lie, as it did."""
    from napari.utils import Colormap

    for name in (*_LOOK, "blending"):
        setattr(image, name, kept[name])
    if len(kept["axis_labels"]) == image.ndim:
        for name in (*_PLACE, "affine", "units", "axis_labels"):
            value = kept[name]
            setattr(image, name, tuple(value) if name in ("units", "axis_labels") else value)
    if not image.rgb and "colormap" in kept:
        low, high = kept["contrast_limits"]
        image.contrast_limits_range = (
            min(low, image.contrast_limits_range[0]),
            max(high, image.contrast_limits_range[1]),
        )
        image.contrast_limits = (low, high)
        colors = kept["colormap"]
        image.colormap = Colormap(
            np.asarray(colors["colors"]), name=colors["name"], controls=colors["controls"]
        )


def _choices(dock: Sa2VAWidget) -> dict[str, Any]:
    picker, chosen = dock.picker, dock.picker.layers.currentData()
    return {
        "layers": None if chosen is None else chosen.name,
        "axis": picker.axis.currentText(),
        "first": picker.first.value(),
        "last": picker.last.value(),
        "region": picker.region.currentText(),
        "auto_contrast": picker.auto_contrast.isChecked(),
        "instances": dock.prompts.instances.isChecked(),
        "object": dock.prompts.object_id.value(),
        "selected": dock.table.selected_id,
        "look_at": dock.chat.look_at.currentText(),
        "measures": dock.chat.measures.currentText(),
        "lost_score": dock.runs.lost_score.value(),
        "lost_frames": dock.runs.lost_frames.value(),
        "model": dock.workbench.sessions.info.model,
        "place": told_place(dock._place.name),
    }


def _prompts(dock: Sa2VAWidget, image: Image) -> dict[str, Any]:
    layers, region = dock.prompting.layers, dock.picker.region.layer(image)
    points, boxes = layers.points(image), layers.boxes(image)
    drawn = dock.picker.region.currentText() == DRAWN or region is not None
    return {
        "points": None if points is None else _points(points),
        "boxes": None if boxes is None else _shapes(boxes) | {"object": _ids(boxes)},
        "region": _shapes(region) if drawn and region is not None else None,
        "used": dock.prompting.used(),
    }


def _points(layer: Points) -> dict[str, Any]:
    positive = [bool(value) for value in layer.features["positive"]]
    return {"data": _plain(layer.data), "positive": positive, "object": _ids(layer)}


def _shapes(layer: Shapes) -> dict[str, Any]:
    return {"data": [_plain(corners) for corners in layer.data], "type": list(layer.shape_type)}


def _draw(layer: Shapes, kept: dict[str, Any]) -> None:
    layer.data = []
    if kept["data"]:
        layer.add([np.asarray(corners) for corners in kept["data"]], shape_type=kept["type"])


def _ids(layer: Layer) -> list[int]:
    return [int(value) for value in layer.features["object"]]


def _plain(value: Any) -> Any:
    """A number or an array as JSON knows it."""
    plain = np.asarray(value).tolist()
    if isinstance(plain, float) and not math.isfinite(plain):
        return None
    return plain
