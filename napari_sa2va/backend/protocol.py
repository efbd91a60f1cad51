"""The messages between a client and a server: MessagePack, one per WebSocket message.

docs/protocol.md says in which order they go. Each message is checked as it is decoded; what needs
more than the message to be judged (is there such a frame?) is checked where it is used.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from napari_sa2va.backend.limits import (
    MAX_FRAME_BYTES,
    MAX_FRAMES,
    MAX_MESSAGE_BYTES,
    MAX_POINTS,
    MAX_REGIONS,
    MAX_TEXT,
    PART_BYTES,
)
from napari_sa2va.core.errors import BackendError, Remedy
from napari_sa2va.core.options import (
    Attention,
    Dtype,
    Grounding,
    LoadOptions,
    Offload,
    Quantize,
)

VERSION = 1
# `SentProgress.what` while events are skipped.
RESTORING = "restoring"
ALL = 2**53  # as `Request.skip`

Count = Annotated[int, Meta(ge=0, le=2**53)]
Index = Annotated[int, Meta(ge=0, lt=MAX_FRAMES)]
Pixel = Annotated[int, Meta(ge=0, le=2**31 - 1)]
ObjectId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
# What is asked for may be no object's id: that is for the engine to say.
AskedId = Annotated[int, Meta(le=2**63 - 1)]
RequestId = Annotated[int, Meta(ge=1, le=2**53)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Name = Annotated[str, Meta(max_length=4096)]
Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Part = Annotated[bytes, Meta(max_length=PART_BYTES)]
Indices = Annotated[tuple[Index, ...], Meta(max_length=MAX_FRAMES)]
Size = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class ProtocolError(BackendError):
    """A message that is not understood, not allowed, or comes at the wrong time."""


class Message(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=True):
    """What all messages share: ``kind`` names the class; unknown fields are refused."""


class WireMask(Struct, frozen=True, forbid_unknown_fields=True):
    """A mask, cropped to its half-open box (y0, x0, y1, x1), a bit a pixel, zstd."""

    box: tuple[Pixel, Pixel, Pixel, Pixel]
    bits: bytes

    def __post_init__(self) -> None:
        y0, x0, y1, x1 = self.box
        if y1 < y0 or x1 < x0:
            raise ValueError(f"The mask's box {self.box} ends before it begins")


class WireOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """See `napari_sa2va.core.options.LoadOptions`; the device is the server's."""

    dtype: Dtype = "auto"
    prompt_model: Name | None = None
    grounding: Grounding = "auto"
    quantize: Quantize | None = None
    offload: Offload | None = None
    attention: Attention = "sdpa"
    compile: bool = False

    def __post_init__(self) -> None:
        self.load_options("auto")  # which refuses what does not go together

    def load_options(self, device: str) -> LoadOptions:
        """The same, on a device."""
        return LoadOptions(device, **msgspec.structs.asdict(self))


def wire_options(options: LoadOptions) -> WireOptions:
    """Options as they are sent."""
    told = asdict(options)
    del told["device"]
    prompt_model = None if options.prompt_model is None else str(options.prompt_model)
    return WireOptions(**{**told, "prompt_model": prompt_model})


# --- client to server ------------------------------------------------------------------------


class Hello(Message, frozen=True):
    """First of all: who speaks, and which version of this protocol."""

    version: Count
    client: Name = ""


class Open(Message, frozen=True):
    """Open a session: on frames that the client sends, or on a stack of the server's own.

    Without `options` the model is loaded as the server was told to; a server on the network, whose
    owner decided, refuses others.
    """

    model: Name
    shape: tuple[Size, Size, Size] | None = None
    path: Name | None = None
    options: WireOptions | None = None

    def __post_init__(self) -> None:
        if (self.shape is None) == (self.path is None):
            raise ValueError("Either the stack's shape or its path is to be given")
        if self.shape is not None:
            frames, height, width = self.shape
            if frames > MAX_FRAMES or height * width * 3 > MAX_FRAME_BYTES:
                raise ValueError(
                    f"The stack of the shape {self.shape} is too large: at most {MAX_FRAMES} "
                    f"frames of {MAX_FRAME_BYTES // 3} pixels"
                )


class Resume(Message, frozen=True):
    """Come back to a session; `received` is the last event that arrived."""

    session: Name
    secret: Name
    received: Count


class Request(Message, frozen=True):
    """What makes a session work.

    Attributes
    ----------
    request : int
        Ascending within a session.
    skip : int
        So many events are not sent: the client has them from a session that was lost.
    limit : int or None
        Stop after so many events, as the client had once done.
    """

    request: RequestId
    skip: Count = 0
    limit: Count | None = None


class Ask(Request, frozen=True, kw_only=True):
    """See `napari_sa2va.backend.base.BackendSession.ask`."""

    text: Text
    frames: Indices | None = None
    regions: Annotated[tuple[WireMask, ...], Meta(max_length=MAX_REGIONS)] | None = None
    track: bool = True
    remember: bool = True


class Segment(Request, frozen=True, kw_only=True):
    """See `napari_sa2va.backend.base.BackendSession.segment`."""

    object_id: AskedId
    frame: int
    points: Annotated[tuple[tuple[float, float, bool], ...], Meta(max_length=MAX_POINTS)] | None = (
        None
    )
    box: tuple[float, float, float, float] | None = None
    mask: WireMask | None = None


class Propagate(Request, frozen=True, kw_only=True):
    """See `napari_sa2va.backend.base.BackendSession.propagate`."""

    objects: tuple[int, ...] | None = None
    start: int = 0
    stop: int | None = None
    reverse: bool = False


class Remove(Message, frozen=True):
    """Forget an object, at once: between two steps of what is running."""

    request: RequestId
    object_id: AskedId


class Reset(Message, frozen=True):
    """Forget everything, at once."""

    request: RequestId


class Cancel(Message, frozen=True):
    """End a request within one frame or token."""

    request: RequestId


class Received(Message, frozen=True):
    """All events up to this one were read: the server may forget them, and send more."""

    seq: Count


class Frame(Message, frozen=True):
    """A frame that was asked for, or its first part.

    Attributes
    ----------
    key : bytes
        SHA-256 of height, width and number of axes, as decimals that end in a space each, and of
        the raw bytes in C order: (H, W) where `planes` is 1, else (H, W, 3).
    codec : str
        ``known``: the server has seen the key. ``raw`` and ``zstd``: the bytes follow.
    planes : int
        1 where red, green and blue are equal: one of them is sent.
    size : int
        Bytes of all parts.
    """

    index: Index
    key: Key
    codec: Literal["known", "raw", "zstd"]
    planes: Literal[1, 3] = 3
    size: Annotated[int, Meta(ge=0, le=MAX_FRAME_BYTES + PART_BYTES)] = 0
    data: Part = b""


class FramePart(Message, frozen=True):
    """The next part of the frame that was begun."""

    data: Part


class FrameFailed(Message, frozen=True):
    """A frame that was asked for cannot be read."""

    index: Index
    message: Text
    hint: Text = ""


class Heartbeat(Message, frozen=True):
    """The client lives. The answer is `Status`."""


class MeasureMemory(Message, frozen=True):
    """Ask what the device has room for; at any time. The answer is `Memory`."""


class Close(Message, frozen=True):
    """End the session."""


# --- server to client ------------------------------------------------------------------------


class Status(Message, frozen=True):
    """How the server is.

    Attributes
    ----------
    state, model, device, dtype, revision : str
        As `napari_sa2va.backend.base.BackendInfo`.
    sessions, waiting : int
        Open sessions; requests that wait for their turn on the device.
    memory_used, memory_total : int
        Bytes of the device; 0 where it does not say.
    """

    state: Name
    model: Name = ""
    device: Name = ""
    dtype: Name = ""
    sessions: Count = 0
    waiting: Count = 0
    memory_used: Count = 0
    memory_total: Count = 0
    revision: Name = ""


class Memory(Message, frozen=True):
    """As `napari_sa2va.core.devices.DeviceMemory`."""

    device: Name
    name: Name
    dtype: Name
    free: Count
    total: Count


class Welcome(Message, frozen=True):
    """The answer to `Hello`: what the server speaks, grants and wants."""

    version: Count
    server: Name
    status: Status
    compress: bool
    keep_seconds: float
    silence_seconds: float


class Opened(Message, frozen=True):
    """The session is there; `last_request` is the last request that arrived."""

    session: Name
    secret: Name
    shape: tuple[Size, Size, Size]
    status: Status
    last_request: Count = 0


class NeedFrames(Message, frozen=True):
    """Send these frames; in full, even where the key is known, if `content`."""

    indices: Indices
    content: bool = False


class Refused(Message, frozen=True):
    """The end of the connection, and why.

    Attributes
    ----------
    code : str
        ``version``, ``protocol``, ``capacity``, ``gone`` (no such session), ``replaced`` (another
        client took it over), ``ended`` (a limit of time, or the server closes), ``input`` (what was
        asked cannot be done: a model that is missing, a path that is not allowed), ``failed``.
    retry_after : float or None
        Seconds after which it may work.
    remedy : str
        As `napari_sa2va.core.errors.Sa2VAError`.
    """

    code: Literal["version", "protocol", "capacity", "gone", "replaced", "ended", "input", "failed"]
    message: Text
    hint: Text = ""
    retry_after: float | None = None
    remedy: Remedy = ""


class SentToken(Message, frozen=True, tag="Token"):
    """A piece of the answer; this and what follows are `napari_sa2va.core.events`."""

    text: Text


class SentReasoning(Message, frozen=True, tag="Reasoning"):
    """A piece of what the model thinks before it answers."""

    text: Text


class SentObject(Message, frozen=True, tag="ObjectFound"):
    """A phrase was grounded."""

    object_id: ObjectId
    phrase: Text
    span: tuple[Count, Count]


class SentMask(Message, frozen=True, tag="Mask"):
    """The mask of one object in one frame."""

    frame: Index
    object_id: ObjectId
    mask: WireMask
    score: float


class SentProgress(Message, frozen=True, tag="Progress"):
    """`done` of `total` steps of `what`."""

    done: Count
    total: Count
    what: Text


class SentFinished(Message, frozen=True, tag="Finished"):
    """`text` is the answer as the model wrote it; its objects were sent before."""

    text: Text | None = None
    reasoning: Text = ""


class SentFailed(Message, frozen=True, tag="Failed"):
    """The request ended early."""

    message: Text
    hint: Text = ""
    remedy: Remedy = ""


class Stopped(Message, frozen=True):
    """The request was cancelled, or came to its limit, after so many events."""

    events: Count


Body = (
    SentToken
    | SentReasoning
    | SentObject
    | SentMask
    | SentProgress
    | SentFinished
    | SentFailed
    | Stopped
)
ENDS = (SentFinished, SentFailed, Stopped)


class Event(Message, frozen=True):
    """An event of a request; `seq` counts those of the session, from 1."""

    seq: RequestId
    request: RequestId
    body: Body


Work = Ask | Segment | Propagate
FromClient = (
    Hello
    | Open
    | Resume
    | Ask
    | Segment
    | Propagate
    | Remove
    | Reset
    | Cancel
    | Received
    | Frame
    | FramePart
    | FrameFailed
    | Heartbeat
    | MeasureMemory
    | Close
)
FromServer = Welcome | Opened | Status | Memory | NeedFrames | Refused | Event

_from_client: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(FromClient)
_from_server: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(FromServer)


def encode(message: Message) -> bytes:
    """A message as bytes."""
    # An encoder is not made for several threads; making one costs next to nothing.
    return msgspec.msgpack.encode(message)


def decode_from_client(data: bytes | str) -> FromClient:
    """The message of a client.

    Raises
    ------
    ProtocolError
        The bytes are too many, cut off, or no message of this version.
    """
    return _decode(_from_client, data)


def decode_from_server(data: bytes | str) -> FromServer:
    """The message of a server; raises as `decode_from_client`."""
    return _decode(_from_server, data)


def _decode(decoder: msgspec.msgpack.Decoder[Any], data: bytes | str) -> Any:
    if isinstance(data, str):
        raise ProtocolError("The message is text.", "Send MessagePack in binary messages.")
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(
            f"The message has {len(data)} bytes.", f"At most {MAX_MESSAGE_BYTES} are allowed."
        )
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(
            f"The message is not understood: {error}.", "Do client and server fit together?"
        ) from error
