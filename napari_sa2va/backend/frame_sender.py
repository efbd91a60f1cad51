"""Frames on their way to a server: read, packed and sent in a thread of their own."""

from __future__ import annotations

import logging
import queue
import threading

import numpy as np

from napari_sa2va.backend.limits import MAX_TEXT
from napari_sa2va.backend.link import Link, LostError
from napari_sa2va.backend.pixels import frame_key, pack_frame, planes_of
from napari_sa2va.backend.protocol import Frame, FrameFailed
from napari_sa2va.core.errors import Sa2VAError
from napari_sa2va.core.frames import FrameSource

_log = logging.getLogger(__name__)


class FrameSender:
    """Sends frames that a server asks for.

    Parameters
    ----------
    frames : FrameSource
        The stack; read in this thread only.
    sent : set of bytes
        Keys that the server has seen; shared by the sessions of a backend.
    """

    def __init__(self, frames: FrameSource, sent: set[bytes]) -> None:
        self._frames = frames
        self._sent = sent
        self._wanted: queue.SimpleQueue[tuple[Link, int, bool] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="backend frames", daemon=True)
        self._thread.start()

    def send(self, link: Link, index: int, *, content: bool) -> None:
        """Send a frame soon; in full, even where the server has seen it, if `content`."""
        self._wanted.put((link, index, content))

    def close(self) -> None:
        """Send no more."""
        self._closed = True
        self._wanted.put(None)

    def _work(self) -> None:
        while (wanted := self._wanted.get()) is not None and not self._closed:
            link, index, content = wanted
            try:
                self._send(link, index, content)
            except LostError:  # it is asked for again over the next connection
                _log.debug("Frame %s was not sent: the connection is gone", index)

    def _send(self, link: Link, index: int, content: bool) -> None:
        try:
            frame = self._frames.frame(index)
        except Sa2VAError as error:
            link.send(FrameFailed(index, error.message[:MAX_TEXT], error.hint[:MAX_TEXT]))
            return
        except Exception as error:  # whatever a reader of the user's own raises
            _log.exception("Frame %s cannot be read", index)
            reason = f"Frame {index} cannot be read: {type(error).__name__}: {error}"
            link.send(FrameFailed(index, reason[:MAX_TEXT], "Check the file it comes from."))
            return
        expected = (*self._frames.shape[1:], 3)
        if frame.shape != expected or frame.dtype != np.uint8:
            reason = f"Frame {index} is {frame.dtype} of the shape {frame.shape}."
            link.send(FrameFailed(index, reason, f"Its stack promises uint8 of {expected}."))
            return
        pixels = planes_of(frame)
        key = frame_key(pixels)
        if key in self._sent and not content:
            link.send(Frame(index, key, "known"))
            return
        for part in pack_frame(index, pixels, key, compress=link.welcome.compress):
            link.send(part)
            if self._closed:
                return
        self._sent.add(key)
