"""Stacks of any axes: which are frames, which are taken where the sliders stand, where masks go."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sa2va.core.events import Mask
from napari_sa2va.widgets._geometry import stack_geometry
from napari_sa2va.widgets._label_blocks import holds
from napari_sa2va.widgets._labels_writer import LabelsWriter
from napari_sa2va.widgets._object_labels import ObjectLabels
from napari_sa2va.widgets._prompt_layers import PromptLayers
from napari_sa2va.widgets._stack_picker import SINGLE, StackPicker
from napari_sa2va.widgets._undo import UndoStep

SIZES = {"t": 5, "z": 4, "c": 3, "y": 6, "x": 7}


def stack_of(axes: str) -> np.ndarray:
    """A number for each pixel, from its index."""
    shape = [SIZES[axis] for axis in axes]
    return (np.arange(np.prod(shape)) % 251).astype(np.uint8).reshape(shape)


def picker_for(qtbot, data: np.ndarray, **options) -> StackPicker:
    viewer = ViewerModel()
    viewer.add_image(data, contrast_limits=(0, 255), **options)
    picker = StackPicker(viewer)
    qtbot.addWidget(picker)
    return picker


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("axes", "time"),
    [("tyx", "t"), ("zyx", "z"), ("tcyx", "t"), ("tzcyx", "t"), ("ztyx", "t"), ("cyx", "")],
)
def test_frames_and_masks_of_any_axes(qtbot, axes: str, time: str, named: bool) -> None:
    data = stack_of(axes)
    picker = picker_for(qtbot, data, **({"axis_labels": tuple(axes)} if named else {}))
    viewer, image = picker._viewer, picker.image
    if not named:
        time = axes[0]  # nothing says what they are: the first, until another one is chosen
    assert picker.time_axis == (axes.index(time) if time else None)
    assert picker.axis.currentText() == (
        SINGLE if not time else f"axis {time if named else image.axis_labels[0]}"
    )
    at = {axis: SIZES[axis] - 2 for axis in axes[:-2]}
    for number, axis in enumerate(axes[:-2]):
        viewer.dims.set_current_step(number, at[axis])
    viewer.dims.last_used = axes.index(time) if time else 0
    sent = picker.sent()
    frames = SIZES[time] if time else 1
    assert sent.frames.shape == (frames, SIZES["y"], SIZES["x"])
    assert sent.frame == (at[time] if time else 0)
    frame = frames - 1
    index = tuple(frame if axis == time else at[axis] for axis in axes[:-2])
    assert np.array_equal(sent.frames.frame(frame)[..., 0], data[index])
    objects = ObjectLabels(viewer, image)
    writer = LabelsWriter(objects.array, sent.geometry, UndoStep("test", objects.array, {}))
    mask = np.zeros(sent.frames.shape[1:], bool)
    mask[2, 3:5] = True
    writer.write(Mask(frame, 1, mask, 1.0))
    assert np.argwhere(objects.array).tolist() == [[*index, 2, 3], [*index, 2, 4]]
    assert holds(objects.array, sent.geometry, frame, 1)


def test_another_axis_can_be_chosen_and_none_at_all(qtbot) -> None:
    data = stack_of("tzcyx")
    picker = picker_for(qtbot, data, axis_labels=tuple("tzcyx"))
    texts = [picker.axis.itemText(i) for i in range(picker.axis.count())]
    assert texts == ["axis t", "axis z", "axis c", SINGLE]
    for row, frames in ((1, SIZES["z"]), (2, SIZES["c"]), (3, 1)):
        picker.axis.setCurrentIndex(row)
        picker.axis.activated.emit(row)
        assert picker.sent().frames.shape[0] == frames
        picker.refresh()
        assert picker.axis.currentIndex() == row, "what was chosen was forgotten"


def test_channels_are_never_taken_for_time_by_their_slider(qtbot) -> None:
    picker = picker_for(qtbot, stack_of("tcyx"), axis_labels=("t", "Channel", "y", "x"))
    picker._viewer.dims.last_used = 1
    assert picker.time_axis == 0


def test_split_channels_are_sent_together(qtbot) -> None:
    data = stack_of("tcyx")
    viewer = ViewerModel()
    viewer.add_image(
        data, channel_axis=1, colormap=["red", "green", "blue"], contrast_limits=(0, 255)
    )
    picker = StackPicker(viewer)
    qtbot.addWidget(picker)
    sent = picker.sent()
    assert sent.frames.shape == (5, 6, 7)
    assert np.array_equal(sent.frames.frame(3), np.moveaxis(data[3], 0, -1))
    assert [layer["layer"] for layer in sent.frames.mapping["layers"]] == [
        layer.name for layer in viewer.layers
    ]


PLACES = {
    "scale and translation": {"scale": (2, 0.5, 0.25), "translate": (10, 3, -4)},
    "rotation": {"rotate": [[1, 0, 0], [0, 0, -1], [0, 1, 0]]},
    "shear": {"shear": (0, 0, 0.5), "scale": (1, 2, 3)},
    "units": {"scale": (1, 500, 500), "units": ("s", "nm", "nm")},
    "affine": {"affine": [[1, 0, 0, 4], [0, 0, 2, 0], [0, 3, 0, 1], [0, 0, 0, 1]]},
}


@pytest.mark.parametrize("place", PLACES)
def test_prompts_and_labels_lie_where_the_image_lies(qtbot, place: str) -> None:
    """A click where the eye sees a pixel is a prompt on it, and its mask is shown there."""
    data = stack_of("tyx")
    picker = picker_for(qtbot, data, **PLACES[place])
    viewer, image = picker._viewer, picker.image
    viewer.add_image(data, scale=(1, 7, 9), translate=(0, 30, 30), name="of another scale")
    prompts = PromptLayers(viewer)
    points = prompts.add_points(image, 1, True)
    seen_at = image.data_to_world((2, 4, 1))
    points.add(points.world_to_data(seen_at))
    geometry = stack_geometry(viewer, image, 0)
    (point,) = prompts.prompts_by_frame(image, geometry)[2][1].points
    assert (point.y, point.x) == pytest.approx((4, 1))
    objects = ObjectLabels(viewer, image)
    labels = objects.attach()
    assert np.allclose(labels.data_to_world((2, 4, 1)), seen_at)
    for layer in (labels, points):
        assert (layer.units, layer.axis_labels) == (image.units, image.axis_labels)


def test_a_sheared_layer_is_sent_as_it_lies_over_the_reference(qtbot) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((2, 8, 8), np.uint8), contrast_limits=(0, 255))
    line = np.zeros((2, 8, 8), np.uint8)
    line[:, :, 2] = 255
    viewer.add_image(line, shear=(0, 0, 1), blending="additive", contrast_limits=(0, 255))
    picker = StackPicker(viewer)
    qtbot.addWidget(picker)
    seen = picker.sent().frames.frame(1)[..., 0]
    over = viewer.layers[1]
    expected = np.zeros((8, 8), np.uint8)
    for y in range(8):
        _, row, column = np.rint(over.data_to_world((1, y, 2))).astype(int)
        if 0 <= row < 8 and 0 <= column < 8:
            expected[row, column] = 255
    assert expected.sum() > 3 * 255
    assert np.array_equal(seen, expected)
