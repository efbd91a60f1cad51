"""What nobody would say on purpose: to the HTTP side by its OpenAPI, and to the WebSocket.

``NAPARI_SA2VA_FUZZ`` is how many messages the WebSocket gets (default 400; 20000 take minutes, and
the memory of the server before and after is printed then).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from websockets.exceptions import ConnectionClosed

from napari_sa2va.backend.limits import MAX_MESSAGE_BYTES, MAX_POINTS, MAX_TEXT
from napari_sa2va.backend.pixels import frame_key, pack_frame, pack_mask
from napari_sa2va.backend.protocol import (
    VERSION,
    Ask,
    Cancel,
    Close,
    Event,
    Frame,
    FrameFailed,
    FramePart,
    Heartbeat,
    Hello,
    Message,
    NeedFrames,
    Open,
    Opened,
    Propagate,
    Received,
    Refused,
    Remove,
    Reset,
    Resume,
    Segment,
    SentFailed,
    Status,
    encode,
)
from tests.backend.serving import TOKEN, Raw, ServerProcess, server_process, wait_for

MESSAGES = int(os.environ.get("NAPARI_SA2VA_FUZZ", "400"))
AT_ONCE, LENGTH = 10, 8  # conversations at a time, and messages in each
SHAPE = (3, 16, 24)
FRAME = np.zeros(SHAPE[1:], np.uint8)  # grey
MASK = pack_mask(FRAME == 0)
HUGE = b"\xc4" + bytes(MAX_MESSAGE_BYTES)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    # Few places and short leases: what a fuzzed client leaves behind is to be freed soon.
    with server_process(max_sessions=64, keep_seconds=0.2, queued_requests=4) as server:
        yield server


def test_the_http_side_does_what_its_openapi_says(server: ServerProcess, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run"]
    options = ["--max-examples", "10", "--no-color", "--header", f"Authorization: Bearer {TOKEN}"]
    with closing(Raw(server.url)) as raw:
        raw.open(np.zeros(SHAPE, np.uint8))  # so that there is something to list
        run = subprocess.run(
            [*command, *options, f"http://127.0.0.1:{server.port}/openapi.json"],
            env=os.environ | {"NO_PROXY": "127.0.0.1"},
            cwd=tmp_path,  # it leaves notes there
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stdout
    assert "Coverage" in run.stdout
    assert "Fuzzing" in run.stdout


def objects() -> st.SearchStrategy[int]:
    return st.sampled_from([1, 2, 0, -1, 2**31 - 1, 2**40])


def requests() -> st.SearchStrategy[int]:
    return st.one_of(st.integers(1, 30), st.sampled_from([2**53, 2**53 + 1, 0, -1]))


def valid() -> st.SearchStrategy[Message]:
    """Messages of the protocol, at any time."""
    numbers = st.floats(allow_nan=True, width=32)
    points = st.lists(st.tuples(numbers, numbers, st.booleans()), max_size=3).map(tuple)
    frames = st.sampled_from([0, 1, 2, 3, 10**5])
    keys = st.sampled_from([frame_key(FRAME), bytes(32)])
    codecs = st.sampled_from(["known", "raw", "zstd"])
    sizes = st.sampled_from([0, 1, FRAME.nbytes, 3 * FRAME.nbytes, 2**29])
    planes = st.sampled_from([1, 3])
    return st.one_of(
        st.just(Hello(VERSION)),
        st.builds(Hello, st.sampled_from([0, VERSION + 1, 2**53])),
        st.just(Open("fake", shape=SHAPE)),
        st.just(Open("fake", path="../../etc/passwd")),
        st.builds(Open, st.text(max_size=5), st.just((10**6, 2**14, 2**14))),
        st.builds(Resume, st.text(max_size=9), st.text(max_size=9), st.integers(0, 9)),
        st.builds(
            Segment,
            requests(),
            object_id=objects(),
            frame=frames,
            points=st.none() | points,
            mask=st.none() | st.just(MASK),
        ),
        st.builds(
            Propagate, requests(), start=st.integers(-2, 4), stop=st.none() | st.integers(-2, 4)
        ),
        st.builds(Ask, requests(), text=st.text(max_size=9), regions=st.none() | st.just((MASK,))),
        st.builds(Remove, requests(), objects()),
        st.builds(Reset, requests()),
        st.builds(Cancel, requests()),
        st.builds(Received, st.integers(0, 40)),
        st.builds(Frame, frames, keys, codecs, planes, sizes, st.binary(max_size=40)),
        st.builds(FramePart, st.binary(max_size=40)),
        st.builds(FrameFailed, frames, st.text(max_size=9)),
        st.just(Heartbeat()),
        st.just(Close()),
    )


def odd_values() -> st.SearchStrategy[Any]:
    simple = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    simple = simple | st.text(max_size=9) | st.binary(max_size=9)
    return st.recursive(simple, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message that was cut off, lengthened, overwritten, or has a field of another type."""
    message = draw(valid())
    kind = draw(st.sampled_from(["cut", "longer", "flipped", "type", "field", "missing"]))
    data = encode(message)
    if kind == "cut":
        return data[: draw(st.integers(0, len(data) - 1))]
    if kind == "longer":
        return data + draw(st.binary(min_size=1, max_size=20))
    if kind == "flipped":
        at = draw(st.integers(0, len(data) - 1))
        return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
    fields = msgspec.msgpack.decode(data)
    name = draw(st.sampled_from(sorted(fields)))
    if kind == "type":
        fields[name] = draw(odd_values())
    elif kind == "field":
        fields[draw(st.text(max_size=5))] = draw(odd_values())
    else:
        del fields[name]
    return msgspec.msgpack.encode(fields)


def oversized() -> st.SearchStrategy[bytes]:
    """More than is allowed: of one field, or in all."""
    long = encode(Hello(VERSION, "x" * 5000))
    text = encode(Ask(1, text="x" * (MAX_TEXT + 1)))
    points = encode(Segment(1, object_id=1, frame=0, points=((1.0, 1.0, True),) * (MAX_POINTS + 1)))
    return st.sampled_from([long, text, points, HUGE])


class Said:
    """What goes over the line; its repr is short, whatever its length."""

    def __init__(self, what: Message | bytes | str) -> None:
        self.data = encode(what) if isinstance(what, Message) else what

    def again(self, dice: Random) -> Said:
        """As it is, or with a byte cut out, put in or changed."""
        if isinstance(self.data, str) or not self.data or dice.random() < 0.7:
            return self
        at, byte = dice.randrange(len(self.data)), bytes([dice.randrange(256)])
        rest = dice.choice([self.data[at:], self.data[at + 1 :]])
        return Said(self.data[:at] + dice.choice([b"", byte]) + rest)

    def __repr__(self) -> str:
        return f"Said({self.data[:100]!r} of {len(self.data)})"


def said() -> st.SearchStrategy[Said]:
    arbitrary = st.one_of(st.binary(max_size=60), st.text(max_size=20))
    # Messages as they should be are the most: else no session would ever come into being.
    return st.one_of(valid(), valid(), damaged(), damaged(), arbitrary, oversized()).map(Said)


# How far the opening goes, and what follows.
Conversation = tuple[int, list[Said]]
OPENING = (Hello(VERSION), Open("fake", shape=SHAPE))


class Fuzzing:
    """Says messages, over new connections where the server ends them, and watches the answers."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.told = 0
        self.answers: Counter[str] = Counter()
        self.megabytes: list[float] = []

    def run(self, conversations: list[Conversation]) -> None:
        """Several at a time."""
        with ThreadPoolExecutor(len(conversations)) as pool:
            for answers in pool.map(self._converse, conversations):
                self.answers += answers
        self.told += sum(len(messages) for _, messages in conversations)
        self.megabytes.append(self._server.watched.memory_info().rss / 2**20)

    def _converse(self, conversation: Conversation) -> Counter[str]:
        opening, messages = conversation
        answers: Counter[str] = Counter()
        raw: Raw | None = None
        for message in messages:
            if raw is None:
                raw = self._begin(opening)
            with suppress(ConnectionClosed):  # why is read below
                raw.say(message.data)
                raw.say(Heartbeat())
            end = _listen(raw, answers)
            answers[end] += 1
            if end != "goes on":
                raw.close()
                raw = None
        if raw is not None:
            raw.close()
        return answers

    def _begin(self, opening: int) -> Raw:
        """A connection, a greeted one, or one with a session as soon as there is a place."""
        while True:
            raw = Raw(self._server.url, greet=False)
            for first in OPENING[:opening]:
                raw.say(first)
            if opening < len(OPENING):
                return raw
            while not isinstance(answer := raw.hear(), Opened | Refused):
                pass
            if isinstance(answer, Opened):
                return raw
            assert answer.code == "capacity", answer
            assert answer.retry_after
            raw.close()
            time.sleep(0.1)  # those who left keep their places for a moment


def _listen(raw: Raw, answers: Counter[str]) -> str:
    """How a message was taken: the server goes on, or says why not."""
    try:
        while True:
            match raw.hear():
                case Status():
                    return "goes on"
                case Refused(code, reason):
                    assert code != "failed", reason
                    assert reason
                    return code
                case NeedFrames(indices):
                    with suppress(ConnectionClosed):  # why is read next
                        for index in indices:
                            for part in pack_frame(index, FRAME, frame_key(FRAME), compress=True):
                                raw.say(part)
                case Event(body=SentFailed(reason)):
                    assert reason
                    assert "The backend failed" not in reason
                    answers["failed requests"] += 1
    except ConnectionClosed:
        assert raw.socket.close_code == 1000, raw.socket.close_code
        return "closed as asked"


def test_the_websocket_outlives_whatever_it_is_told(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    fuzzing = Fuzzing(server)

    @settings(
        max_examples=max(1, MESSAGES // (AT_ONCE * LENGTH) + 1),
        phases=[Phase.generate],  # what was said before is part of what went wrong
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(st.lists(said(), min_size=8, max_size=8), st.integers(0, 2**32))
    def fuzz(known: list[Said], seed: int) -> None:
        # Drawing a message takes as long as answering it: each is said several times, otherwise.
        dice = Random(seed)
        fuzzing.run(
            [
                (dice.choice([0, 1, 2, 2]), [dice.choice(known).again(dice) for _ in range(LENGTH)])
                for _ in range(AT_ONCE)
            ]
        )

    fuzz()
    # A few hundred messages need not hit upon all that can be answered.
    expected = {"goes on", "protocol", "version"} if MESSAGES > 1000 else {"protocol"}
    assert expected <= set(fuzzing.answers)
    for name in ("sessions", "session_threads", "connections"):
        wait_for(lambda name=name: server.metric(f"napari_sa2va_{name}") == 0)
    warm = len(fuzzing.megabytes) // 10
    first, last = fuzzing.megabytes[warm], fuzzing.megabytes[-1]
    if MESSAGES > 1000:
        with capsys.disabled():
            seen = [round(m) for m in fuzzing.megabytes[:: 1 + len(fuzzing.megabytes) // 20]]
            sys.stdout.write(f"\n{fuzzing.told} messages: {dict(fuzzing.answers)}\n")
            sys.stdout.write(f"server's memory: {first:.1f} MB, {last:.1f} MB at the end: {seen}\n")
    # The largest messages that are on their way at once come and go.
    assert last < 1.1 * first + AT_ONCE * MAX_MESSAGE_BYTES / 2**20
