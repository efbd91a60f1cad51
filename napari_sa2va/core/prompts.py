"""What a user says, clicks or draws. Coordinates are (y, x) in data pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.masks import BoolMask


@dataclass(frozen=True)
class TextPrompt:
    """A sentence: a description of what to segment, or a question."""

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InputError(
                f"The text is a {type(self.text).__name__}, not a string.", "Pass a sentence."
            )
        if not self.text.strip():
            raise InputError(
                "The text is empty.",
                'Describe an object ("the largest cell") or ask a question.',
            )


@dataclass(frozen=True)
class PointPrompt:
    """A click: on the object (positive) or on what does not belong to it (negative)."""

    y: float
    x: float
    positive: bool = True


@dataclass(frozen=True)
class BoxPrompt:
    """A half-open box (y0, x0, y1, x1) around the object."""

    y0: float
    x0: float
    y1: float
    x1: float


@dataclass(frozen=True, eq=False)
class MaskPrompt:
    """The object's mask, (H, W) bool."""

    mask: BoolMask


@dataclass(frozen=True, eq=False)
class FramePrompts:
    """All that was clicked and drawn for one object in one frame."""

    points: tuple[PointPrompt, ...] = ()
    box: BoxPrompt | None = None
    mask: MaskPrompt | None = None


def frame_prompts(
    shape: tuple[int, int],
    points: Iterable[tuple[float, float, bool] | PointPrompt] | None = None,
    box: tuple[float, float, float, float] | BoxPrompt | None = None,
    mask: object | None = None,
    *,
    refines: bool = False,
) -> FramePrompts:
    """Check prompts against a frame.

    Parameters
    ----------
    shape : tuple of int
        (H, W) of the frame.
    points : iterable of (y, x, positive) or PointPrompt, optional
        Clicks.
    box : (y0, x0, y1, x1) or BoxPrompt, optional
        A half-open box; it is cut to the frame.
    mask : (H, W) array, optional
        Nonzero where the object is.
    refines : bool
        The object has a mask in this frame, so that negative points alone make sense.

    Raises
    ------
    InputError
        Nothing is given, a point or the whole box lies outside, the box is empty, the mask has
        another shape or is empty, or a coordinate is not finite.
    """
    clicks = tuple(_point(point, shape) for point in points or ())
    if not clicks and box is None and mask is None:
        raise InputError("There is no prompt.", "Give points, a box or a mask.")
    positive = any(click.positive for click in clicks)
    if box is None and mask is None and not positive and not refines:
        raise InputError(
            "All points are negative.", "Add a positive point, a box or a mask on the object."
        )
    return FramePrompts(
        clicks,
        None if box is None else _box(box, shape),
        None if mask is None else MaskPrompt(_mask(mask, shape)),
    )


def _point(point: tuple[float, float, bool] | PointPrompt, shape: tuple[int, int]) -> PointPrompt:
    if not isinstance(point, PointPrompt):
        try:
            y, x, positive = point
            point = PointPrompt(float(y), float(x), bool(positive))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"The point {point!r} is not (y, x, positive).", "Give e.g. (12.5, 40, True)."
            ) from error
    height, width = shape
    # A pixel's area reaches half a pixel around its centre, as napari draws it.
    inside = -0.5 <= point.y <= height - 0.5 and -0.5 <= point.x <= width - 0.5
    if not inside:  # NaN ends here, too
        raise InputError(
            f"The point (y={point.y:g}, x={point.x:g}) lies outside the frame of "
            f"{height} x {width} pixels.",
            "Move it onto the image.",
        )
    return point


def _box(box: tuple[float, float, float, float] | BoxPrompt, shape: tuple[int, int]) -> BoxPrompt:
    if not isinstance(box, BoxPrompt):
        try:
            y0, x0, y1, x1 = (float(value) for value in box)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"The box {box!r} is not (y0, x0, y1, x1).", "Give four numbers."
            ) from error
        box = BoxPrompt(y0, x0, y1, x1)
    height, width = shape
    corners = (box.y0, box.x0, box.y1, box.x1)
    shown = "(y0={:g}, x0={:g}, y1={:g}, x1={:g})".format(*corners)
    if not np.isfinite(corners).all():
        raise InputError(f"The box {shown} is not finite.", "Give four numbers.")
    if box.y1 <= box.y0 or box.x1 <= box.x0:
        raise InputError(
            f"The box {shown} is empty.", "Its second corner must lie below and right of its first."
        )
    cut = BoxPrompt(max(box.y0, 0), max(box.x0, 0), min(box.y1, height), min(box.x1, width))
    if cut.y1 <= cut.y0 or cut.x1 <= cut.x0:
        raise InputError(
            f"The box {shown} lies outside the frame of {height} x {width} pixels.",
            "Move it onto the image.",
        )
    return cut


def _mask(mask: object, shape: tuple[int, int]) -> BoolMask:
    array = np.asarray(mask.mask if isinstance(mask, MaskPrompt) else mask)
    if array.shape != shape:
        raise InputError(
            f"The mask has the shape {array.shape}, the frame {shape}.",
            "Give a mask of the frame's shape.",
        )
    array = array.astype(bool)
    if not array.any():
        raise InputError("The mask is empty.", "Paint the object, or remove it instead.")
    return array
