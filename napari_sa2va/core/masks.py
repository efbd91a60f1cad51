"""Masks as bits, and what can be read off them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

BoolMask = npt.NDArray[np.bool_]


class PackedMasks:
    """The masks of one object over the frames of a stack, a bit a pixel.

    Parameters
    ----------
    shape : tuple of int
        (T, H, W).
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self._bits: dict[int, npt.NDArray[np.uint8]] = {}

    def __setitem__(self, frame: int, mask: BoolMask) -> None:
        self._bits[frame] = np.packbits(mask)

    def __getitem__(self, frame: int) -> BoolMask:
        """The mask of a frame, (H, W); all False where none was set."""
        _, height, width = self.shape
        bits = self._bits.get(frame)
        if bits is None:
            return np.zeros((height, width), bool)
        return np.unpackbits(bits, count=height * width).view(bool).reshape(height, width)

    def __iter__(self) -> Iterator[int]:
        """The frames that were set, in order."""
        return iter(sorted(self._bits))

    def __contains__(self, frame: object) -> bool:
        return frame in self._bits

    def __len__(self) -> int:
        return len(self._bits)

    def unpack(self) -> BoolMask:
        """All masks as one read-only (T, H, W) array."""
        masks = np.zeros(self.shape, bool)
        for frame in self:
            masks[frame] = self[frame]
        masks.setflags(write=False)
        return masks


def bounding_box(mask: BoolMask) -> tuple[int, int, int, int] | None:
    """The half-open box (y0, x0, y1, x1) around a mask; None around an empty one."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(ys) == 0:
        return None
    return int(ys[0]), int(xs[0]), int(ys[-1]) + 1, int(xs[-1]) + 1
