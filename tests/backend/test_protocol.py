from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sa2va.backend import protocol
from napari_sa2va.backend.limits import MAX_MESSAGE_BYTES, MAX_TEXT, PART_BYTES
from napari_sa2va.backend.pixels import (
    frame_key,
    pack_frame,
    pack_mask,
    planes_of,
    unpack_frame,
    unpack_mask,
)
from napari_sa2va.backend.protocol import (
    Ask,
    Cancel,
    Frame,
    Message,
    Open,
    Propagate,
    ProtocolError,
    Segment,
    WireMask,
    decode_from_client,
    decode_from_server,
    encode,
)
from napari_sa2va.backend.wire_events import Receiving, to_body
from napari_sa2va.core.answers import Answer
from napari_sa2va.core.events import Finished, Reasoning, Token

masks = hnp.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))
frames = st.tuples(st.integers(1, 20), st.integers(1, 20)).flatmap(
    lambda size: hnp.arrays(np.uint8, (*size, 3))
)
ids = st.integers(1, 2**31 - 1)
clicks = st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False), st.booleans())
requests = st.one_of(
    st.builds(
        Ask,
        request=ids,
        text=st.text(max_size=50),
        frames=st.none() | st.lists(st.integers(0, 999)).map(tuple),
        regions=st.none() | st.lists(masks.map(pack_mask), max_size=3).map(tuple),
        track=st.booleans(),
        skip=st.integers(0, 99),
        limit=st.none() | st.integers(0, 99),
    ),
    st.builds(
        Segment,
        request=ids,
        object_id=ids,
        frame=st.integers(0, 999),
        points=st.none() | st.lists(clicks).map(tuple),
        mask=st.none() | masks.map(pack_mask),
    ),
    st.builds(Propagate, request=ids, objects=st.none() | st.lists(ids).map(tuple)),
    st.builds(Cancel, request=ids),
)


@given(requests)
def test_requests_come_out_as_they_went_in(message: Message) -> None:
    assert decode_from_client(encode(message)) == message


@given(masks)
def test_masks_come_out_as_they_went_in(mask: np.ndarray) -> None:
    sent = pack_mask(mask)
    np.testing.assert_array_equal(unpack_mask(sent, mask.shape), mask)


@given(frames, st.booleans(), st.booleans())
def test_frames_come_out_as_they_went_in(frame: np.ndarray, grey: bool, compress: bool) -> None:
    if grey:
        frame = np.repeat(frame[..., :1], 3, axis=-1)
    pixels = planes_of(frame)
    first, *parts = pack_frame(7, pixels, frame_key(pixels), compress=compress)
    assert isinstance(first, Frame)
    assert first.planes == 1 or not grey
    data = b"".join(part.data for part in (first, *parts))
    assert len(data) == first.size
    out = unpack_frame(first, data, frame.shape[:2])
    np.testing.assert_array_equal(out, frame)
    assert not out.flags.writeable


def test_a_large_frame_travels_in_parts() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (700, 800, 3)).astype(np.uint8)
    first, *parts = pack_frame(0, frame, frame_key(frame), compress=True)
    assert parts
    assert max(len(encode(part)) for part in (first, *parts)) < PART_BYTES + 200
    data = b"".join(part.data for part in (first, *parts))
    np.testing.assert_array_equal(unpack_frame(first, data, (700, 800)), frame)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_a_reason(data: bytes) -> None:
    for decode in (decode_from_client, decode_from_server):
        outcome = attempt(decode, data)
        assert isinstance(outcome, Message) or (outcome.message and outcome.hint)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(requests, st.data())
def test_a_field_of_the_wrong_type_is_a_reason(message: Message, data: st.DataObject) -> None:
    fields: dict[str, Any] = msgspec.msgpack.decode(encode(message))
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(anything)
    outcome = attempt(decode_from_client, msgspec.msgpack.encode(fields))
    if isinstance(outcome, ProtocolError):
        assert "not understood" in outcome.message
    else:
        assert decode_from_client(encode(outcome)) == outcome or "nan" in repr(outcome)


@given(requests, st.integers(0, 10_000))
def test_a_message_that_is_cut_off_is_a_reason(message: Message, at: int) -> None:
    data = encode(message)
    with pytest.raises(ProtocolError, match="not understood"):
        decode_from_client(data[: at % len(data)])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "Nonsense"}, "Nonsense"),
        ({"kind": "Close", "more": 1}, "more"),
        ({"kind": "Cancel"}, "request"),
        ({"kind": "Cancel", "request": 0}, ">= 1"),
        ({"kind": "Open", "model": "nano"}, "shape"),
        ({"kind": "Open", "model": "nano", "shape": [1, 2, 3], "path": "x"}, "shape"),
        ({"kind": "Open", "model": "nano", "shape": [0, 2, 3]}, ">= 1"),
        ({"kind": "Open", "model": "nano", "shape": [1, 10**6, 10**6]}, "too large"),
        ({"kind": "Ask", "request": 1, "text": "x" * (MAX_TEXT + 1)}, "length"),
        ({"kind": "Token", "text": "x"}, "Token"),
        ([[]] * 3, "object"),
    ],
)
def test_what_is_not_allowed_is_named(fields: object, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        decode_from_client(msgspec.msgpack.encode(fields))


def test_deep_nesting_is_a_reason() -> None:
    with pytest.raises(ProtocolError):
        decode_from_client(b"\x91" * 100_000)


def test_text_and_what_is_too_large_are_refused() -> None:
    with pytest.raises(ProtocolError, match="text"):
        decode_from_client("{}")
    with pytest.raises(ProtocolError, match="bytes"):
        decode_from_client(bytes(MAX_MESSAGE_BYTES + 1))


def test_the_two_directions_do_not_mix() -> None:
    with pytest.raises(ProtocolError):
        decode_from_server(encode(Cancel(1)))


def test_every_message_is_documented() -> None:
    for message in (*get_args(protocol.FromClient), *get_args(protocol.FromServer)):
        assert message.__doc__, message


@given(masks, st.binary(max_size=60))
def test_bits_that_do_not_fill_the_box_are_a_reason(mask: np.ndarray, bits: bytes) -> None:
    sent = WireMask(pack_mask(mask).box, bits)
    outcome = attempt(unpack_mask, sent, mask.shape)
    assert "mask" in getattr(outcome, "message", "mask")


def test_a_mask_of_another_frame_is_a_reason() -> None:
    with pytest.raises(ProtocolError, match="outside"):
        unpack_mask(pack_mask(np.ones((9, 9), bool)), (9, 8))


def test_a_small_message_cannot_unpack_to_much() -> None:
    frame = np.zeros((512, 512, 3), np.uint8)
    pixels = planes_of(frame)
    (first,) = pack_frame(0, pixels, frame_key(pixels), compress=True)
    assert len(first.data) < 1000
    with pytest.raises(ProtocolError, match="decoded"):
        unpack_frame(first, first.data, (4, 4))


@given(frames, st.binary(max_size=40))
def test_damaged_frames_are_a_reason(frame: np.ndarray, data: bytes) -> None:
    key = frame_key(frame)
    for codec in ("raw", "zstd"):
        sent = Frame(0, key, codec, 3, len(data), data)
        outcome = attempt(unpack_frame, sent, data, frame.shape[:2])
        if isinstance(outcome, ProtocolError):
            assert "Frame 0" in outcome.message
        else:
            np.testing.assert_array_equal(outcome, frame)


def test_a_frame_is_what_its_key_says() -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    (first,) = pack_frame(0, frame, bytes(32), compress=False)
    with pytest.raises(ProtocolError, match="key"):
        unpack_frame(first, first.data, (4, 4))


def test_frames_of_other_shapes_have_other_keys() -> None:
    wide, high = np.zeros((4, 6, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)
    keys = {frame_key(planes_of(wide)), frame_key(planes_of(high)), frame_key(wide)}
    assert len(keys) == 3


def test_shapes_are_checked() -> None:
    with pytest.raises(ProtocolError):
        decode_from_client(encode(Open("nano", shape=(1, 0, 5))))


def attempt(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call gives, or the reason why it refuses."""
    try:
        return call(*arguments)
    except ProtocolError as error:
        return error


def test_reasoning_travels_beside_the_answer() -> None:
    sent = [Reasoning("Hm."), Token("A cell."), Finished(Answer("A cell.", [], "Hm.")), Finished()]
    receiving = Receiving((1, 4, 4))
    for seq, event in enumerate(sent, 1):
        arrived = decode_from_server(encode(protocol.Event(seq, 1, to_body(event))))
        assert isinstance(arrived, protocol.Event)
        assert receiving.event(arrived.body) == event
