"""Videos, frame-accurate at random and without decoding twice in sequence."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import RGBFrame, check_frame
from napari_sa2va.io.arrays import stack_name, unreadable_file, unreadable_frame

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".gif"
)  # fmt: skip

# Enough for the frame on show and those that a request compares with it.
_KEPT_FRAMES = 8


@dataclass(frozen=True)
class VideoIndex:
    """Where the frames of a video are, in the time base of its stream.

    Attributes
    ----------
    times : list of int
        Presentation time of each frame, ascending: its place is the frame's number.
    keyframes : list of int
        Those at which decoding can begin, ascending.
    height, width : int
        Size of a frame in pixels.
    """

    times: list[int]
    keyframes: list[int]
    height: int
    width: int


class VideoFrames:
    """Frames of a video file.

    Opening reads the time stamps of all packets and decodes nothing. Frames asked for in
    ascending order are decoded once; others from the nearest keyframe before them.

    Parameters
    ----------
    path : Path
        Any container and codec that FFmpeg reads.

    Attributes
    ----------
    shape : tuple of int
        (T, H, W).
    name : str
        The file's name without its suffix.

    Raises
    ------
    InputError
        There is no video in the file, or it is cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = stack_name(path)
        try:
            self._index = read_index(path)
            self._open()
        except av.FFmpegError as error:
            raise unreadable_file(path, error) from error
        self.shape = (len(self._index.times), self._index.height, self._index.width)
        self._numbers = {time: number for number, time in enumerate(self._index.times)}
        self._recent: OrderedDict[int, RGBFrame] = OrderedDict()
        self._lock = threading.Lock()  # a decoder serves one thread at a time

    def frame(self, index: int) -> RGBFrame:
        """Frame `index` as uint8 RGB (H, W, 3)."""
        check_frame(index, self.shape[0])
        with self._lock:
            if index not in self._recent:
                self._recent[index] = self._pixels(index)
                if len(self._recent) > _KEPT_FRAMES:
                    self._recent.popitem(last=False)
            self._recent.move_to_end(index)
            return self._recent[index].copy()

    def _pixels(self, index: int) -> RGBFrame:
        try:
            decoded = self._decode(index)
            pixels: RGBFrame = decoded.to_ndarray(
                format="rgb24", width=self._index.width, height=self._index.height
            )
        except av.FFmpegError as error:
            self._open()  # a decoder that failed is not used again
            raise unreadable_frame(self.path, index, error) from error
        return pixels

    def _decode(self, index: int) -> av.VideoFrame:
        keyframes = self._index.keyframes
        nearest = bisect_right(keyframes, self._index.times[index]) - 1
        in_reach = self._numbers[keyframes[nearest]] if nearest >= 0 else 0
        if in_reach <= self._next <= index:
            found = self._advance_to(index)
            if found is not None:
                return found
        # A container may seek too far where time stamps of storing and of showing differ;
        # the keyframe before, and at last the start, are safe.
        for place in (nearest, nearest - 1):
            if place > 0:
                self._container.seek(keyframes[place], stream=self._stream)
                self._start_decoding(self._numbers[keyframes[place]])
                found = self._advance_to(index)
                if found is not None:
                    return found
        self._open()
        found = self._advance_to(index)
        if found is None:
            self._open()
            raise unreadable_frame(self.path, index, ValueError("its data are missing"))
        return found

    def _advance_to(self, index: int) -> av.VideoFrame | None:
        """Decode up to frame `index`; None where it does not come."""
        for decoded in self._decoded:
            number = self._numbers.get(decoded.pts)
            if number is None or decoded.is_corrupt:
                continue
            self._next = number + 1
            if number >= index:
                return decoded if number == index else None
        return None

    def _open(self) -> None:
        self._container = av.open(self.path)
        self._stream = self._container.streams.video[0]
        self._start_decoding(0)

    def _start_decoding(self, number: int) -> None:
        self._next = number
        self._decoded: Iterator[av.VideoFrame] = self._container.decode(self._stream)


def read_index(path: Path) -> VideoIndex:
    """Read the time stamps of a video's packets.

    Raises
    ------
    InputError
        There is no video in the file, or fewer frames than it says.
    """
    with av.open(path) as container:
        if not container.streams.video:
            raise InputError(
                f"No video is found in {path}.", "Is the file complete? Copy or export it again."
            )
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise InputError(
                f"The video {path} does not say how it is encoded, or in a way not known here.",
                "Is it complete? Copy it again, or convert it to H.264, e.g. with ffmpeg.",
            )
        packets = [p for p in container.demux(stream) if p.size and not p.is_corrupt]
        # Only mp4 and mov count their frames reliably.
        if "mp4" in container.format.name and len(packets) < stream.frames:
            raise InputError(
                f"The video {path} is cut off: {len(packets)} of its {stream.frames} frames "
                "are there.",
                "Copy it again.",
            )
        shown = [packet for packet in packets if not packet.is_discard]
        if not shown:
            raise InputError(f"The video {path} has no frames.", "Copy or export it again.")
        times = {_time(packet, path) for packet in shown}
        keyframes = {_time(packet, path) for packet in shown if packet.is_keyframe}
        size = stream.codec_context.height, stream.codec_context.width
        return VideoIndex(sorted(times), sorted(keyframes), *size)


def _time(packet: av.Packet, path: Path) -> int:
    # Some containers store only when to decode; without reordered frames that is the same.
    time: int | None = packet.dts if packet.pts is None else packet.pts
    if time is None:
        raise InputError(
            f"The video {path} has frames without time stamps.",
            "Convert it to mp4, e.g. with ffmpeg.",
        )
    return time
