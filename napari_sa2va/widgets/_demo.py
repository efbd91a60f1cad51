"""The dock at work on a sample stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from napari_sa2va.backend.base import Backend

if TYPE_CHECKING:
    import napari

    from napari_sa2va.widgets._sa2va_widget import Sa2VAWidget

# What is said, and which true object is clicked, on the first frame of each sample.
_SCRIPTS = {
    "moving_shapes": ("the blue square", 1),
    "dividing_cells": ("the largest cell", 2),
}


def open_demo(sample_name: str = "moving_shapes") -> None:
    """Open a viewer with a sample and the dock, and let it segment and follow two objects.

    Parameters
    ----------
    sample_name : str
        "moving_shapes" or "dividing_cells".
    """
    import napari

    viewer = napari.Viewer()
    build_demo(viewer, sample_name)
    napari.run()


def build_demo(
    viewer: napari.Viewer, sample_name: str = "moving_shapes", backend: Backend | None = None
) -> Sa2VAWidget:
    """Set up the demo and start it; it goes on while the event loop runs.

    Parameters
    ----------
    viewer : napari.Viewer
        Where to show it.
    sample_name : str
        As for `open_demo`.
    backend : Backend, optional
        As for `Sa2VAWidget`.
    """
    from napari_sa2va import sample_data
    from napari_sa2va.widgets._sa2va_widget import Sa2VAWidget

    data, options, _ = getattr(sample_data, sample_name)()[0]
    image = viewer.add_image(data, **options)
    viewer.dims.set_current_step(0, 0)
    widget = Sa2VAWidget(viewer, backend)
    viewer.window.add_dock_widget(widget, name="Sa2VA")
    description, clicked = _SCRIPTS[sample_name]
    labels = getattr(sample_data, f"draw_{sample_name}")().labels
    rows, columns = (labels[0] == clicked).nonzero()

    def say() -> None:
        widget.prompts.text.setText(description)
        widget.segment()

    def click() -> None:
        widget.new_object()
        widget.add_points()
        points = widget.prompting.layers.points(image)
        if points is not None:
            points.add((0, rows.mean(), columns.mean()))
            points.mode = "pan_zoom"
        widget.segment()

    def follow() -> None:
        widget.propagate("both")

    _one_after_the_other(widget, iter((say, click, follow)))
    return widget


def _one_after_the_other(widget: Sa2VAWidget, steps: Iterator[Callable[[], None]]) -> None:
    """Take the next step whenever a run is done."""

    def next_step(outcome: str = "done") -> None:
        step = next(steps, None) if outcome == "done" else None
        if step is None:
            widget.workbench.stopped.disconnect(next_step)
        else:
            step()

    widget.workbench.stopped.connect(next_step)
    next_step()
