"""Stacks as frames, read one at a time."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.errors import InputError

RGBFrame = npt.NDArray[np.uint8]

# Values outside these percentiles of the sampled frames are clipped: hot pixels must not
# make the rest of a 16-bit image black.
_PERCENTILES = (0.1, 99.9)


@runtime_checkable
class FrameSource(Protocol):
    """Frames of a stack as the model sees them.

    Attributes
    ----------
    shape : tuple of int
        (T, H, W).
    """

    @property
    def shape(self) -> tuple[int, int, int]: ...

    def frame(self, index: int) -> RGBFrame:
        """Frame `index` as uint8 RGB (H, W, 3)."""
        ...


class ArrayFrames:
    """Frames of an array that is indexed by frame: numpy, dask, zarr or anything alike.

    8-bit data pass through unchanged. Other data are scaled to 8 bits between two limits that
    hold for the whole stack.

    Parameters
    ----------
    stack : array-like
        (H, W), (H, W, 3), (T, H, W) or (T, H, W, 3); a fourth (alpha) channel is left out.
        Three axes that end in 3 or 4 are one RGB(A) image.
    contrast_limits : tuple of float, optional
        The values that become 0 and 255. Default: the 0.1 and 99.9 percentiles of the first,
        middle and last frame.

    Raises
    ------
    InputError
        The array has no frames, no pixels, other axes, or values that are not real numbers.
    """

    def __init__(self, stack: Any, contrast_limits: tuple[float, float] | None = None) -> None:
        if not hasattr(stack, "shape") or not hasattr(stack, "dtype"):
            stack = np.asarray(stack)
        shape = tuple(int(size) for size in stack.shape)
        self._rgb = len(shape) in (3, 4) and shape[-1] in (3, 4)
        spatial = shape[:-1] if self._rgb else shape
        if len(spatial) not in (2, 3):
            raise InputError(
                f"A stack of the shape {shape} is not understood.",
                "Give (H, W), (H, W, 3), (T, H, W) or (T, H, W, 3).",
            )
        self._single = len(spatial) == 2
        # Three numbers, as was just checked; a tuple's length is beyond the type checker.
        self.shape: tuple[int, int, int] = (1, *spatial) if self._single else spatial  # type: ignore[assignment]
        if 0 in self.shape:
            raise InputError(
                f"The stack of the shape {shape} has no {'frames' if shape[0] == 0 else 'pixels'}.",
                "Give at least one frame of one pixel.",
            )
        if np.dtype(stack.dtype).kind not in "buif":
            raise InputError(
                f"The stack's values are {stack.dtype}.", "Give real numbers: convert it first."
            )
        self._stack = stack
        self._limits = contrast_limits

    def frame(self, index: int) -> RGBFrame:
        """Frame `index` as uint8 RGB (H, W, 3)."""
        check_frame(index, self.shape[0])
        values = self._read(index)
        if values.dtype == bool:
            values = values.astype(np.uint8) * 255
        if values.dtype != np.uint8 or self._limits is not None:
            values = to_uint8(values, *self.contrast_limits)
        return values if self._rgb else grey_to_rgb(values)

    def values(self, index: int) -> npt.NDArray[Any]:
        """Frame `index` as it is stored: (H, W) or (H, W, 3), of the stack's own dtype."""
        check_frame(index, self.shape[0])
        return self._read(index)

    @property
    def contrast_limits(self) -> tuple[float, float]:
        """The values that become 0 and 255; measured when first needed."""
        if self._limits is None:
            frames = self.shape[0]
            self._limits = measure_limits(
                [self._read(index) for index in sorted({0, frames // 2, frames - 1})]
            )
        return self._limits

    def _read(self, index: int) -> npt.NDArray[Any]:
        values = np.asarray(self._stack if self._single else self._stack[index])
        return values[..., :3] if self._rgb else values


def grey_to_rgb(grey: npt.NDArray[np.uint8]) -> RGBFrame:
    """(H, W) as (H, W, 3); plane by plane, which is several times as fast as np.repeat."""
    frame = np.empty((*grey.shape, 3), np.uint8)
    for plane in range(3):
        frame[..., plane] = grey
    return frame


def as_frames(stack: Any) -> FrameSource:
    """A stack as a FrameSource; one that already is passes through."""
    if isinstance(stack, FrameSource):
        return stack
    return ArrayFrames(stack)


def check_frame(index: int, frames: int) -> None:
    """Raise InputError where there is no frame `index`."""
    if not 0 <= index < frames:
        raise InputError(
            f"There is no frame {index}: the stack has {frames} "
            f"{'frame' if frames == 1 else 'frames'}.",
            f"Choose one from 0 to {frames - 1}.",
        )


def measure_limits(samples: list[npt.NDArray[Any]]) -> tuple[float, float]:
    """Robust darkest and brightest value of some frames; (0, 1) where none is finite."""
    # Every n-th pixel is enough for percentiles, and bounds the work on large frames.
    values = np.concatenate([s.ravel()[:: max(1, s.size // 1_000_000)] for s in samples])
    finite = values[np.isfinite(values)].astype(float)
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(finite, _PERCENTILES)
    if low == high:  # nearly constant: the few that differ are all there is to see
        low, high = finite.min(), finite.max()
    return float(low), float(high)


def to_uint8(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Scale values linearly so that `low` becomes 0 and `high` 255; NaN and constants become 0."""
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is clipped anyway
        scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    finite = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0)
    return np.clip(finite, 0, 255).astype(np.uint8)
