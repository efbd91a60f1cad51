"""Frames and masks as bytes on the wire, without loss."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

import imagecodecs
import numpy as np
import numpy.typing as npt

from napari_sa2va.backend.limits import PART_BYTES
from napari_sa2va.backend.protocol import Frame, FramePart, ProtocolError, WireMask
from napari_sa2va.core.frames import RGBFrame, grey_to_rgb
from napari_sa2va.core.masks import BoolMask, bounding_box

# (H, W) or (H, W, 3), uint8.
Pixels = npt.NDArray[np.uint8]
# The fastest positive level: higher ones take several times as long for a few percent.
_LEVEL = 1


def planes_of(frame: RGBFrame) -> Pixels:
    """What a frame (H, W, 3) needs to travel: one plane (H, W) where all three are equal."""
    first = frame[..., 0]
    grey = not (first != frame[..., 1]).any() and not (first != frame[..., 2]).any()
    return np.ascontiguousarray(first if grey else frame)


def frame_key(pixels: Pixels) -> bytes:
    """What a frame is known by: SHA-256 of the shape and bytes of its planes."""
    # Without the shape, black frames of 10 x 20 and of 20 x 10 pixels would be one.
    digest = hashlib.sha256(b"%d %d %d " % (*pixels.shape[:2], pixels.ndim))
    digest.update(pixels.data)
    return digest.digest()


def pack_frame(
    index: int, pixels: Pixels, key: bytes, *, compress: bool
) -> Iterator[Frame | FramePart]:
    """A frame's planes as messages."""
    data = pixels.tobytes()
    if compress:
        data = bytes(imagecodecs.zstd_encode(data, level=_LEVEL))
    parts = [data[i : i + PART_BYTES] for i in range(0, len(data), PART_BYTES)]
    codec: Literal["raw", "zstd"] = "zstd" if compress else "raw"
    planes: Literal[1, 3] = 1 if pixels.ndim == 2 else 3
    yield Frame(index, key, codec, planes, len(data), parts[0])
    yield from map(FramePart, parts[1:])


def unpack_frame(sent: Frame, data: bytes | bytearray, shape: tuple[int, int]) -> RGBFrame:
    """The frame (H, W, 3), read-only.

    Raises
    ------
    ProtocolError
        The bytes are not those of a frame of `shape` with the key that was sent.
    """
    pixels = np.empty(shape if sent.planes == 1 else (*shape, 3), np.uint8)
    if sent.codec == "zstd":
        _inflate(data, pixels, f"Frame {sent.index}")
    elif len(data) == pixels.nbytes:
        pixels = np.frombuffer(data, np.uint8).reshape(pixels.shape)
    else:
        raise ProtocolError(
            f"Frame {sent.index} has {len(data)} bytes instead of {pixels.nbytes}.",
            "Send it as (H, W, 3) uint8.",
        )
    if frame_key(pixels) != sent.key:
        raise ProtocolError(
            f"Frame {sent.index} is not what its key says.", "Send it again; it was damaged."
        )
    frame = grey_to_rgb(pixels) if sent.planes == 1 else pixels
    frame.setflags(write=False)
    return frame


def pack_mask(mask: BoolMask) -> WireMask:
    """A mask (H, W), cropped to its box and packed."""
    box = bounding_box(mask) or (0, 0, 0, 0)
    y0, x0, y1, x1 = box
    bits = np.packbits(mask[y0:y1, x0:x1]).tobytes()
    return WireMask(box, bytes(imagecodecs.zstd_encode(bits, level=_LEVEL)) if bits else b"")


def unpack_mask(sent: WireMask, shape: tuple[int, int]) -> BoolMask:
    """The mask in a frame of `shape`.

    Raises
    ------
    ProtocolError
        Its box lies outside, or its bits do not fill it.
    """
    y0, x0, y1, x1 = sent.box
    height, width = y1 - y0, x1 - x0
    if y1 > shape[0] or x1 > shape[1]:
        raise ProtocolError(
            f"A mask's box {sent.box} lies outside the frame of {shape[0]} x {shape[1]} pixels.",
            "Send masks of the stack's frames.",
        )
    mask = np.zeros(shape, bool)
    if height and width:
        bits = np.empty((height * width + 7) // 8, np.uint8)
        _inflate(sent.bits, bits, "A mask")
        cropped = np.unpackbits(bits, count=height * width).reshape(height, width)
        mask[y0:y1, x0:x1] = cropped.view(bool)
    return mask


def _inflate(data: bytes | bytearray, into: np.ndarray, what: str) -> None:
    """Decode into an array that is filled exactly: what promises more is not even unpacked."""
    try:
        written = imagecodecs.zstd_decode(data, out=into.reshape(-1).data)
    except imagecodecs.ZstdError as error:
        raise ProtocolError(f"{what} cannot be decoded: {error}.", "Send zstd.") from error
    if len(written) != into.nbytes:
        raise ProtocolError(
            f"{what} has {len(written)} bytes instead of {into.nbytes}.", "Send all of it."
        )
