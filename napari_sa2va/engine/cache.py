"""Image embeddings under a byte budget."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from napari_sa2va.models.grounding import FrameFeatures

# What a user moves among stays warm; a stack's length must not show in memory.
_MIN_BYTES = 64 * 2**20
_MIN_FRAMES = 16


class EmbeddingCache:
    """Features by frame; those unused for longest make room.

    Parameters
    ----------
    compute : callable
        Makes the features of a frame.
    budget : int, optional
        Bytes to hold at most; the frame in use is held in any case. Default: 64 MiB, or 16 frames
        where those are more.

    Attributes
    ----------
    misses : int
        How often `compute` was called.
    """

    def __init__(self, compute: Callable[[int], FrameFeatures], budget: int | None = None) -> None:
        self._compute = compute
        self._budget = budget
        self._features: OrderedDict[int, FrameFeatures] = OrderedDict()
        self._bytes = 0
        self.misses = 0

    def __getitem__(self, frame: int) -> FrameFeatures:
        if frame in self._features:
            self._features.move_to_end(frame)
            return self._features[frame]
        features = self._compute(frame)
        self.misses += 1
        if self._budget is None:
            self._budget = max(_MIN_BYTES, _MIN_FRAMES * features.nbytes)
        self._features[frame] = features
        self._bytes += features.nbytes
        while self._bytes > self._budget and len(self._features) > 1:
            self._bytes -= self._features.popitem(last=False)[1].nbytes
        return features

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def clear(self) -> None:
        self._features.clear()
        self._bytes = 0
