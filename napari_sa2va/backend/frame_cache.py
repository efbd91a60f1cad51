"""Frames that clients sent, by content, under one byte budget."""

from __future__ import annotations

import threading
from collections import OrderedDict

from napari_sa2va.core.frames import RGBFrame


class FrameCache:
    """Frames by key; those unused for longest make room.

    Parameters
    ----------
    budget : int
        Bytes to hold at most.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._frames: OrderedDict[bytes, RGBFrame] = OrderedDict()
        self._lock = threading.Lock()
        self.nbytes = 0

    def get(self, key: bytes) -> RGBFrame | None:
        """The frame of a key, if it is here."""
        with self._lock:
            if key in self._frames:
                self._frames.move_to_end(key)
            return self._frames.get(key)

    def put(self, key: bytes, frame: RGBFrame) -> None:
        """Keep a frame as long as there is room."""
        with self._lock:
            if key not in self._frames:
                self._frames[key] = frame
                self.nbytes += frame.nbytes
            while self.nbytes > self._budget:
                self.nbytes -= self._frames.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Free all."""
        with self._lock:
            self._frames.clear()
            self.nbytes = 0
