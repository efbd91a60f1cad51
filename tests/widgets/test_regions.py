"""Parts of the frame are sent, and their masks land where they belong."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sa2va.core.errors import InputError
from napari_sa2va.widgets._frames import snapshot
from napari_sa2va.widgets._geometry import stack_geometry
from napari_sa2va.widgets._region_picker import AROUND, DRAWN, VIEW, WHOLE
from tests.widgets.fake_backend import FakeSession
from tests.widgets.test_segmenting import click, labels_of

REGION = (16, 30, 40, 60)


def choose(widget, region: str) -> None:
    widget.picker.region.setCurrentText(region)
    widget.picker.region.textActivated.emit(region)


def draw_region(widget, y0, x0, y1, x1) -> None:
    choose(widget, DRAWN)
    corners = [[0, y0, x0], [0, y0, x1], [0, y1, x1], [0, y1, x0]]
    layer = widget.picker.region.open_layer(widget.picker.image)
    layer.add_rectangles(np.array(corners, float) - (0, 0.5, 0.5))


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
@pytest.mark.parametrize("region", [REGION, (0, 0, 7, 64), (47, 63, 48, 64)])
def test_a_region_is_that_part_of_the_frames(stack, order, region) -> None:
    viewer = ViewerModel()
    viewer.add_image(stack, colormap="magma", contrast_limits=(100, 4000))
    viewer.add_image(stack[0], scale=(0.5, 2), translate=(5, -3), opacity=0.5, colormap="green")
    viewer.dims.order = order
    geometry = stack_geometry(viewer, viewer.layers[0], 0)
    height, width = geometry.stack_shape[1:]
    y0, x0, y1, x1 = region if height < width else (region[1], region[0], region[3], region[2])
    whole = snapshot(viewer, viewer.layers[0], list(viewer.layers), geometry)
    part = whole.within((y0, x0, y1, x1))
    assert part.shape == (len(stack), y1 - y0, x1 - x0)
    for frame in (0, 7):
        assert np.array_equal(part.frame(frame), whole.frame(frame)[y0:y1, x0:x1])


def test_of_a_huge_image_only_the_region_is_read() -> None:
    def read(block_info=None) -> np.ndarray:
        (y, x) = block_info[None]["chunk-location"][1:]
        assert (y, x) in {(3, 4), (3, 5)}, "this part was not asked for"
        return np.full((1, 1000, 1000), 10 * x, np.uint8)

    chunks = ((1, 1), (1000,) * 20, (1000,) * 20)
    huge = da.map_blocks(read, chunks=chunks, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8))
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((2, 8, 8), np.uint8), contrast_limits=(0, 255))
    geometry = stack_geometry(viewer, image, 0)
    frames = snapshot(viewer, image, [image], geometry)
    geometry = type(geometry)(huge.shape, 0, 1, 2, (0, 0, 0))
    layers = [type(frames._layers[0])(**(vars(frames._layers[0]) | {"levels": (huge,)}))]
    part = type(frames)(layers, geometry).within((3100, 4900, 3200, 5100))
    seen = part.frame(1)
    assert seen.shape == (100, 200, 3)
    assert seen[0, [0, 99, 100, 199], 0].tolist() == [40, 40, 50, 50]


def test_masks_of_a_drawn_region_land_in_it(dock, stack, run, backend) -> None:
    widget = dock(stack)
    draw_region(widget, *REGION)
    click(widget, (0, 28, 44))
    assert run(widget, widget.segment) == "done"
    session = backend.sessions[0]
    assert session.frames.shape == (12, 24, 30)
    assert session.calls[0][3] == [(12, 14, True)]
    labels = labels_of(widget)
    assert (labels.data[0, 24:32, 40:48] == 1).all()
    assert (labels.data > 0).sum() == 64
    points = [p for p in widget.workbench.records[1].prompts if p["kind"] == "point"]
    assert [(p["y"], p["x"]) for p in points] == [(28, 44)]
    run(widget, lambda: widget.propagate("forward"))
    for frame in range(12):
        assert (labels.data[frame, 24:32, 40 + frame : 48 + frame] == 1).all()
    run(widget, widget.workbench.undo)
    assert (labels.data > 0).sum() == 64
    choose(widget, WHOLE)
    run(widget, widget.clear_objects)
    assert not labels.data.any()


def test_another_region_shows_the_model_what_is_there(dock, stack, run, backend) -> None:
    widget = dock(stack)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    draw_region(widget, *REGION)
    run(widget, lambda: widget.propagate("forward"))
    assert [call[0] for call in backend.sessions[1].calls] == ["segment", "propagate"]
    assert backend.sessions[1].calls[0][5], "the mask was to be shown"
    assert (labels_of(widget).data[5, 24:32, 45:53] == 1).all()


def test_a_prompt_outside_the_region_is_refused_before_the_run(dock, stack, notes) -> None:
    widget = dock(stack)
    draw_region(widget, *REGION)
    click(widget, (0, 8, 8))
    widget.segment()
    assert "outside the region" in notes[-1]
    assert not widget.workbench.runner.is_running


def test_no_rectangle_is_said(dock, stack, notes) -> None:
    widget = dock(stack)
    choose(widget, DRAWN)
    widget.prompts.text.setText("cells")
    widget.segment()
    assert "no rectangle" in notes[-1]


def flooding(session, y: int, x: int) -> np.ndarray:
    """A mask that fills small frames, and is a square in larger ones."""
    mask = np.ones(session.frames.shape[1:], bool)
    if len(mask) > 100:
        mask[:] = False
        mask[max(0, y - 30) : y + 30, max(0, x - 30) : x + 30] = True
    return mask


def test_around_a_prompt_the_region_widens_until_the_mask_fits(
    dock, run, backend, monkeypatch
) -> None:
    movie = np.zeros((2, 400, 400), np.uint8)
    widget = dock(movie)
    choose(widget, AROUND)
    click(widget, (0, 105, 105))
    run(widget, widget.segment)
    assert [session.frames.shape for session in backend.sessions] == [(2, 100, 100)]
    labels = labels_of(widget)
    assert (labels.data[0, 101:109, 101:109] == 1).all()
    assert (labels.data > 0).sum() == 64
    # A second object, whose mask fills whatever is looked at until there is enough of it.
    monkeypatch.setattr(FakeSession, "_square", flooding)
    widget.new_object()
    click(widget, (0, 300, 200))
    run(widget, widget.segment)
    assert [session.frames.shape[1:] for session in backend.sessions[1:]] == [
        (100, 100),
        (200, 200),
    ]
    assert (labels.data[0, 280:321, 180:221] == 2).all()
    assert (labels.data[0, :, 250:] == 0).all()


def test_the_view_is_what_is_sent(dock, stack, run, backend, qtbot) -> None:
    widget = dock(stack, show=True)
    viewer = widget._viewer
    camera = getattr(viewer, "scene", viewer).camera  # napari before 0.9 has no scene
    camera.center, camera.zoom = (0, 28, 44), 40
    qtbot.waitUntil(lambda: (widget.picker.image.corner_pixels[1, 1:] < [47, 63]).any())
    choose(widget, VIEW)
    click(widget, (0, 28, 44))
    run(widget, widget.segment)
    frames, height, width = backend.sessions[0].frames.shape
    assert frames == 12
    assert height < 48
    assert width < 64
    assert (labels_of(widget).data[0, 24:32, 40:48] == 1).any()
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match="3D"):
        widget.picker.sent()
