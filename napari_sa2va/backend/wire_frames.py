"""A stack whose frames are with the client, and are asked for when they are needed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from napari_sa2va.backend.frame_cache import FrameCache
from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.pixels import unpack_frame
from napari_sa2va.backend.protocol import Frame, FrameFailed, ProtocolError
from napari_sa2va.backend.turns import Turns
from napari_sa2va.core.errors import BackendError, Sa2VAError
from napari_sa2va.core.frames import RGBFrame, check_frame

AskFor = Callable[[tuple[int, ...], bool], None]


class StoppedError(Exception):
    """The wait for a frame ended because the request did: no error, and so none of ours."""


class WireFrames:
    """A FrameSource on the server.

    `frame` waits, in the thread of a request, and lets others have the device meanwhile. While a
    stack is read in order, the next frames are asked for before they are needed.

    Parameters
    ----------
    shape : tuple of int
        (T, H, W).
    cache : FrameCache
        Where frames are kept.
    turns : Turns
        The device.
    limits : Limits
        How long to wait, and how far to look ahead.
    """

    def __init__(
        self, shape: tuple[int, int, int], cache: FrameCache, turns: Turns, limits: Limits
    ) -> None:
        self.shape = shape
        self._cache = cache
        self._turns = turns
        self._limits = limits
        self._condition = threading.Condition()
        self._keys: dict[int, bytes] = {}
        self._asked: set[int] = set()  # not to be asked for again
        self._expected: Counter[int] = Counter()  # how often they may still come
        self._failed: dict[int, Sa2VAError] = {}
        self._wanted: int | None = None
        self._wanted_frame: RGBFrame | None = None
        self._last = -1
        self._ask_for: AskFor | None = None
        self.stopped: Callable[[], bool] = lambda: False

    def frame(self, index: int) -> RGBFrame:
        """Frame `index`; asks the client and waits where it is not here.

        Raises
        ------
        Sa2VAError
            It did not arrive in time, or the client cannot read it.
        """
        check_frame(index, self.shape[0])
        step = index - self._last
        self._last = index
        with self._condition:
            frame = self._have(index)
            self._request(index, *self._next(index, step))
        if frame is not None:
            return frame
        with self._turns.pause():
            return self._wait(index)

    def connect(self, ask_for: AskFor | None) -> None:
        """From now on ask this client; None where it is gone. What is awaited is asked again."""
        with self._condition:
            self._asked.clear()
            self._expected.clear()
            self._ask_for = ask_for
            if self._wanted is not None:
                self._request(self._wanted)
            self._condition.notify_all()

    def accept(self, sent: Frame, data: bytes | bytearray) -> None:
        """A frame came."""
        self._expect(sent.index)
        if sent.codec == "known":
            frame = self._cache.get(sent.key)
            if frame is None or frame.shape[:2] != self.shape[1:]:
                with self._condition:
                    self._send_request([sent.index], content=True)
                return
        else:
            frame = unpack_frame(sent, data, self.shape[1:])
            self._cache.put(sent.key, frame)
        with self._condition:
            self._asked.discard(sent.index)
            self._keys[sent.index] = sent.key
            if sent.index == self._wanted:
                self._wanted_frame = frame
            self._condition.notify_all()

    def fail(self, failed: FrameFailed) -> None:
        """The client cannot read a frame."""
        self._expect(failed.index)
        with self._condition:
            self._asked.discard(failed.index)
            # Only for who waits now: the next who needs it asks again.
            if failed.index == self._wanted:
                self._failed[failed.index] = Sa2VAError(failed.message, failed.hint)
            self._condition.notify_all()

    def nudge(self) -> None:
        """Let `frame` ask again whether it is to stop."""
        with self._condition:
            self._condition.notify_all()

    def _expect(self, index: int) -> None:
        with self._condition:
            if not self._expected[index]:
                raise ProtocolError(
                    f"Frame {index} was not asked for.", "Send frames that are asked for, once."
                )
            self._expected[index] -= 1

    def _next(self, index: int, step: int) -> list[int]:
        if step not in (-1, 1):
            return []
        ahead = (index + step * n for n in range(1, self._limits.ahead + 1))
        return [i for i in ahead if 0 <= i < self.shape[0]]

    def _request(self, *indices: int) -> None:
        missing = [i for i in indices if i not in self._asked and self._have(i) is None]
        if missing:
            self._send_request(missing, content=False)

    def _send_request(self, indices: list[int], *, content: bool) -> None:
        if self._ask_for is not None:
            self._asked.update(indices)
            self._expected.update(indices)
            self._ask_for(tuple(indices), content)

    def _have(self, index: int) -> RGBFrame | None:
        key = self._keys.get(index)
        return None if key is None else self._cache.get(key)

    def _wait(self, index: int) -> RGBFrame:
        with self._condition:
            self._wanted, self._wanted_frame = index, self._have(index)
            try:
                left = self._limits.frame_seconds
                while self._wanted_frame is None:
                    if self.stopped():
                        raise StoppedError("The request was stopped.")
                    if index in self._failed:
                        raise self._failed.pop(index)
                    self._request(index)  # again, where the cache had no room for it
                    since = time.monotonic()
                    self._condition.wait(left)
                    if self._ask_for is not None:  # a client on its way back has its own limit
                        left -= time.monotonic() - since
                    if left <= 0:
                        self._asked.discard(index)
                        raise BackendError(
                            f"Frame {index} did not arrive within "
                            f"{self._limits.frame_seconds:g} seconds.",
                            "Check the connection, then go on.",
                            "resume",
                        )
                return self._wanted_frame
            finally:
                self._wanted = self._wanted_frame = None
