"""The server and its client over real sockets; the engine is a fake, so that it can be held."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

import napari_sa2va
from napari_sa2va.backend import link as link_module
from napari_sa2va.backend.base import ServerStack
from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.connectors import ServerConnector
from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.backend.pixels import pack_frame
from napari_sa2va.backend.protocol import (
    VERSION,
    Cancel,
    Event,
    Frame,
    FramePart,
    Heartbeat,
    Hello,
    NeedFrames,
    Open,
    Opened,
    Propagate,
    Received,
    Refused,
    Resume,
    Segment,
    Stopped,
)
from napari_sa2va.backend.refusals import RefusedError
from napari_sa2va.core.errors import BackendError, InputError
from napari_sa2va.core.events import Failed, Finished, Mask, Progress
from tests.backend.fake_engine import OUT_OF_MEMORY, FakeEngine
from tests.backend.serving import (
    TOKEN,
    Line,
    Raw,
    Served,
    SlowStack,
    assert_same,
    make_stack,
    running_server,
    wait_for,
)

MODEL = Path("fake")
BOX = (5.0, 5.0, 30.0, 30.0)
Start = Callable[..., Served]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    engine = FakeEngine()
    monkeypatch.setattr(napari_sa2va, "load", lambda *_, **__: engine)
    return engine


@pytest.fixture
def serve(engine: FakeEngine) -> Iterator[Start]:
    """Starts servers with limits of the test's own."""
    running: list[Any] = []

    def start(data_roots: tuple[Path, ...] = (), **limits: Any) -> Served:
        running.append(running_server(MODEL, Limits(**limits), data_roots))
        return running[-1].__enter__()

    yield start
    for server in running:
        server.__exit__(None, None, None)
    wait_for(lambda: not _threads(), 20)


@pytest.fixture
def stack() -> np.ndarray:
    return make_stack()


def client(url: str, token: str = TOKEN) -> RemoteBackend:
    return RemoteBackend(ServerConnector(url, token), str(MODEL))


# --- who may come in -------------------------------------------------------------------------


def test_the_token_is_needed_and_compared(serve: Start) -> None:
    served = serve()
    for token in ("", "wrong", TOKEN + "x"):
        with pytest.raises(BackendError, match="does not accept the token"):
            client(served.url, token).check()
    for headers in ({}, {"Authorization": TOKEN}, {"Authorization": "Bearer wrong"}):
        assert get(served, "/models", headers)[0] == 401
    assert get(served, f"/models?token={TOKEN}", {})[0] == 401


def test_the_token_is_compared_in_constant_time(
    serve: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    served = serve()
    monkeypatch.setattr(hmac, "compare_digest", watched)
    for token in ("", "x", TOKEN, TOKEN + "x" * 500):
        get(served, "/models", {"Authorization": f"Bearer {token}"})
    # Digests: how long what is shown is, and where it differs, takes no other time.
    assert [len(one) for pair in compared for one in pair] == [32] * 8
    assert [one == other for one, other in compared] == [False, False, True, False]


def test_web_pages_are_refused(serve: Start) -> None:
    served = serve()
    with pytest.raises(InvalidStatus) as refused:
        Raw(served.url, Origin="https://example.org")
    assert refused.value.response.status_code == 403
    assert b"Web pages" in (refused.value.response.body or b"")
    assert get(served, "/health", {"Origin": "null"})[0] == 403
    assert get(served, "/health", {"Host": f"evil.example:{served.port}"})[0] == 421
    assert get(served, "/health", {})[0] == 200


def test_what_the_server_tells_about_itself(serve: Start, stack: np.ndarray) -> None:
    served = serve()
    with closing(client(served.url)) as backend:
        list(backend.open(stack).segment(1, 0, box=BOX))
        auth = {"Authorization": f"Bearer {TOKEN}"}
        (model,) = json.loads(get(served, "/models", auth)[1])
        assert (model["state"], model["sessions"]) == ("ready", 1)
        text = get(served, "/metrics", auth)[1]
        assert 'napari_sa2va_requests_total{end="finished",kind="segment"} 1.0' in text
        assert "napari_sa2va_sessions 1.0" in text
        assert TOKEN not in text
        (session,) = json.loads(get(served, "/admin/sessions", auth)[1])
        assert session["connected"]
        assert get(served, "/openapi.json", auth)[0] == 200
        assert get(served, "/admin/models/unload?name=fake", auth, "POST")[0] == 409
        assert get(served, "/admin/sessions/none", auth, "DELETE")[0] == 404
        assert get(served, f"/admin/sessions/{session['id']}", auth, "DELETE")[0] == 200
        wait_for(lambda: backend.info.state == "lost")
        assert "administrator" in backend.info.trouble


@pytest.mark.parametrize(
    "url",
    ["ws://user:secret@gpu:1", "ws://gpu:1?token=secret", "ftp://gpu:1", "ws://", "ws://gpu:x"],
)
def test_secrets_do_not_belong_into_addresses(url: str) -> None:
    with pytest.raises(InputError, match="is no address") as error:
        ServerConnector(url)
    assert "secret" not in str(error.value)


# --- the protocol ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ([Hello(99)], "version", "version 1"),
        ([Cancel(1)], "protocol", "Hello"),
        ([b"\xc1"], "protocol", "not understood"),
        (["text"], "protocol", "text"),
        ([Hello(VERSION), Hello(VERSION)], "protocol", "twice"),
        ([Hello(VERSION), Propagate(1)], "protocol", "before a session"),
        ([Hello(VERSION), FramePart(b"x")], "protocol", "before a session"),
        ([Hello(VERSION), Open("other", shape=(1, 2, 3))], "input", "does not run"),
        ([Hello(VERSION), Open("fake", path="/etc/passwd")], "input", "no stack"),
        ([Hello(VERSION), Resume("no", "secret", 0)], "gone", "no longer"),
        ([Hello(VERSION), Open("fake", shape=(1, 9, 9)), "open", Open("fake", shape=(1, 9, 9))],
         "protocol", "already"),
        ([Hello(VERSION), Open("fake", shape=(1, 9, 9)), "open", FramePart(b"x")],
         "protocol", "without a frame"),
        ([Hello(VERSION), Open("fake", shape=(1, 9, 9)), "open", Frame(0, bytes(32), "known")],
         "protocol", "not asked"),
        ([Hello(VERSION), Open("fake", shape=(1, 9, 9)), "open", Received(5)],
         "protocol", "never sent"),
        ([Hello(VERSION), Open("fake", shape=(1, 9, 9)), "open", Cancel(5)],
         "protocol", "no request"),
        ([Hello(VERSION), Open("fake", shape=(1, 9, 9)), "open", Propagate(3), Propagate(3)],
         "protocol", "upwards|comes after"),
    ],
)  # fmt: skip
def test_what_is_out_of_order_is_refused_with_a_reason(
    serve: Start, said: list[Any], code: str, reason: str
) -> None:
    served = serve()
    with closing(Raw(served.url, greet=False)) as raw:
        for message in said:
            if message == "open":
                raw.hear_until(Opened)
            else:
                raw.say(message)
        refused: Refused = raw.hear_until(Refused)
        assert refused.code == code
        assert any(part in f"{refused.message} {refused.hint}" for part in reason.split("|"))
        with pytest.raises(ConnectionClosed):
            raw.socket.recv(timeout=20)
    assert get(served, "/health", {})[0] == 200


def test_frames_travel_once_and_only_when_needed(
    serve: Start, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(ahead=1)
    frames = SlowStack(stack)
    with closing(client(served.url)) as backend:
        session = backend.open(frames)
        assert frames.read == []
        list(session.segment(1, 4, box=BOX))
        assert frames.read == [4]
        list(session.segment(2, 4, box=BOX))
        assert frames.read == [4]
        list(backend.open(SlowStack(stack)).segment(1, 4, box=BOX))
        counted = served.sessions.metrics.text().decode()
        assert 'napari_sa2va_frames_total{codec="known"} 1.0' in counted
        assert 'napari_sa2va_frames_total{codec="zstd"} 1.0' in counted
        served.sessions.frames.clear()
        (mask, _) = session.segment(3, 4, box=BOX)
        assert isinstance(mask, Mask)


def test_a_cache_that_is_too_small_costs_time_not_answers(serve: Start, stack: np.ndarray) -> None:
    served = serve(frame_bytes=1)
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        list(session.segment(1, 0, box=BOX))
        assert sum(isinstance(event, Mask) for event in session.propagate()) == len(stack)


def test_a_damaged_frame_ends_the_connection_not_the_server(
    serve: Start, stack: np.ndarray
) -> None:
    served = serve()
    with closing(Raw(served.url)) as raw:
        raw.open(stack)
        raw.say(Segment(1, object_id=1, frame=0, box=BOX))
        need: NeedFrames = raw.hear_until(NeedFrames)
        frame = np.zeros((*stack.shape[1:], 3), np.uint8)
        (sent,) = pack_frame(need.indices[0], frame, bytes(32), compress=True)
        raw.say(sent)
        assert "key" in raw.hear_until(Refused).message


# --- at once ---------------------------------------------------------------------------------


def test_cancel_takes_effect_within_a_step(
    serve: Start, engine: FakeEngine, stack: np.ndarray
) -> None:
    served = serve(ahead=0)
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        list(session.segment(1, 0, box=BOX))
        engine.is_free = False
        engine.steps.release()
        events = session.propagate()
        assert isinstance(next(events), Mask)
        events.close()
        wait_for(lambda: session._link is not None)
        time.sleep(0.2)
        for _ in range(3):
            engine.steps.release()
        wait_for(lambda: not served.sessions.all()[0].is_running)
        assert len(engine.taken) <= 1 + 2
        engine.is_free = True
        assert isinstance(list(session.propagate())[-1], Finished)


def test_a_cancelled_wait_for_a_frame_ends_at_once(serve: Start, stack: np.ndarray) -> None:
    served = serve()
    frames = SlowStack(stack)
    with closing(Raw(served.url)) as raw:
        raw.open(stack)
        raw.say(Segment(1, object_id=1, frame=0, box=BOX))
        raw.hear_until(NeedFrames)
        raw.say(Cancel(1))
        event: Event = raw.hear_until(Event)
        assert event.body == Stopped(0)
    assert frames.read == []


def test_two_sessions_take_turns_by_frame(
    serve: Start, engine: FakeEngine, stack: np.ndarray
) -> None:
    served = serve()
    with closing(client(served.url)) as backend:
        sessions = [backend.open(stack) for _ in range(2)]
        for session in sessions:
            list(session.segment(1, 0, box=BOX))
            list(session.propagate())  # all frames are there
        engine.taken.clear()
        engine.is_free = False
        threads = [threading.Thread(target=lambda s=s: list(s.propagate())) for s in sessions]
        for thread in threads:
            thread.start()
        wait_for(lambda: served.sessions.turns.waiting == 1)
        for step in range(2 * len(stack)):
            if step < 2 * len(stack) - 4:
                wait_for(lambda: served.sessions.turns.waiting == 1)
            engine.steps.release()
            wait_for(lambda done=step: len(engine.taken) > done)
        for thread in threads:
            thread.join(60)
        order = [number for number, _ in engine.taken]
        # A frame has two events, a mask and its progress: nobody gets more than two in a row.
        runs = [len(list(run)) for _, run in itertools.groupby(order[2:-2])]
        assert max(runs) <= 2, engine.taken


def test_who_waits_for_a_frame_lets_others_compute(serve: Start, stack: np.ndarray) -> None:
    served = serve()
    slow = SlowStack(stack)
    slow.gate.clear()
    with closing(client(served.url)) as backend:
        waiting = backend.open(slow)
        thread = threading.Thread(target=lambda: list(waiting.segment(1, 0, box=BOX)))
        thread.start()
        wait_for(lambda: slow.read)
        assert isinstance(list(backend.open(stack).segment(1, 0, box=BOX))[-1], Finished)
        slow.gate.set()
        thread.join(60)


# --- leases and limits -----------------------------------------------------------------------


def test_a_full_server_says_when_to_come_back(serve: Start, stack: np.ndarray) -> None:
    served = serve(max_sessions=1, idle_seconds=100)
    with closing(client(served.url)) as backend:
        first = backend.open(stack)
        with pytest.raises(RefusedError) as refused:
            backend.open(stack)
        assert refused.value.code == "capacity"
        assert 1 <= (refused.value.retry_after or 0) <= 100
        first.close()
        wait_for(lambda: not served.sessions.all())
        backend.open(stack)


def test_a_client_that_vanishes_is_waited_for_and_then_forgotten(
    serve: Start, engine: FakeEngine, stack: np.ndarray
) -> None:
    served = serve(keep_seconds=0.5)
    raw = Raw(served.url)
    raw.open(stack)
    raw.socket.socket.close()
    wait_for(lambda: served.sessions.all()[0].left_at is not None)
    wait_for(lambda: not served.sessions.all())
    wait_for(lambda: engine.sessions[0].closed)
    raw.close()


def test_silence_ends_a_connection(serve: Start, stack: np.ndarray) -> None:
    served = serve(silence_seconds=0.3)
    with closing(Raw(served.url)) as raw:
        raw.open(stack)
        assert "heard" in raw.hear_until(Refused).message


def test_heartbeats_keep_it_open(
    serve: Start, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "BEAT_SECONDS", 0.1)
    served = serve(silence_seconds=1.0)
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        time.sleep(2.5)
        assert isinstance(list(session.segment(1, 0, box=BOX))[-1], Finished)


@pytest.mark.parametrize("limit", ["idle_seconds", "session_seconds"])
def test_a_session_that_ended_is_made_again(serve: Start, stack: np.ndarray, limit: str) -> None:
    served = serve(**{limit: 0.4})
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        list(session.segment(1, 0, box=BOX))
        wait_for(lambda: not served.sessions.all())
        wait_for(lambda: session._is_lost)
        assert backend.info.state == "idle"  # nothing was lost by it
        events = list(session.propagate())
        assert sum(isinstance(event, Mask) for event in events) == len(stack)


def test_embeddings_of_all_sessions_have_one_budget(
    serve: Start, engine: FakeEngine, stack: np.ndarray
) -> None:
    served = serve(embedding_bytes=100)
    with closing(client(served.url)) as backend:
        for _ in range(2):
            list(backend.open(stack).segment(1, 0, box=BOX))
        for session in engine.sessions:
            session.embedding_bytes = 80
        wait_for(lambda: engine.sessions[0].freed)
        assert not engine.sessions[1].freed


def test_a_session_gets_the_budget_that_the_server_grants(
    serve: Start, engine: FakeEngine, stack: np.ndarray
) -> None:
    served = serve(session_embedding_bytes=12345)
    with closing(client(served.url)) as backend:
        backend.open(stack)
    assert engine.budgets == [12345]


def test_a_client_that_does_not_read_bounds_the_work(
    serve: Start, engine: FakeEngine, stack: np.ndarray
) -> None:
    served = serve(unread_events=4)
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        list(session.segment(1, 0, box=BOX))
        engine.taken.clear()
        events = session.propagate()
        next(events)
        time.sleep(0.5)
        assert len(engine.taken) < len(stack)
        rest = list(events)
        assert sum(isinstance(event, Mask) for event in rest) == len(stack) - 1


# --- faults ----------------------------------------------------------------------------------


def undisturbed(stack: np.ndarray, *requests: Callable[[Any], Any]) -> list[Any]:
    session = LocalBackend("fake").open(stack)
    return [list(request(session)) for request in requests]


def click(session: Any) -> Any:
    return session.segment(1, 0, box=BOX)


def follow(session: Any) -> Any:
    return session.propagate()


def ask(session: Any) -> Any:
    return session.ask("the cell")


@pytest.mark.parametrize("request_of", [follow, ask])
def test_a_cut_line_is_mended_without_loss(
    serve: Start, engine: FakeEngine, stack: np.ndarray, request_of: Callable[[Any], Any]
) -> None:
    served = serve(keep_seconds=30)
    line = Line(served.port)
    with closing(client(line.url)) as backend:
        session = backend.open(stack)
        list(click(session))
        engine.is_free = False
        for _ in range(5):
            engine.steps.release()
        events = request_of(session)
        seen = [next(events), next(events)]
        line.cut()
        wait_for(lambda: served.sessions.all()[0].left_at is not None)
        line.mend()
        engine.is_free = True
        for _ in range(100):
            engine.steps.release()
        seen += list(events)
        assert len(engine.sessions) == 1
        engine.is_free = True
        assert_same(seen, undisturbed(stack, click, request_of)[1])
    line.close()


@pytest.mark.parametrize("request_of", [follow, ask])
def test_a_lost_session_resumes_where_it_was(
    serve: Start, engine: FakeEngine, stack: np.ndarray, request_of: Callable[[Any], Any]
) -> None:
    served = serve()
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        list(click(session))
        engine.is_free = False
        for _ in range(6):
            engine.steps.release()
        events = request_of(session)
        seen = [next(events), next(events)]
        for one in served.sessions.all():
            served.sessions.end(one, RefusedError("failed", "The power went out."))
        engine.is_free = True
        engine.steps.release(50)
        seen += list(events)
        lost = seen.pop()
        assert isinstance(lost, Failed)
        assert "The power went out." in lost.message
        assert lost.remedy == "resume"
        assert backend.info.state == "lost"
        rest = [e for e in session.resume() if getattr(e, "what", "") != "restoring"]
        assert backend.info.state == "ready"
        assert_same(seen + rest, undisturbed(stack, click, request_of)[1])
        (nothing,) = session.resume()
        assert isinstance(nothing, Failed)


def test_a_cancelled_request_is_made_again_as_far_as_it_went(
    serve: Start, engine: FakeEngine, stack: np.ndarray
) -> None:
    served = serve(unread_events=4)
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        list(click(session))
        events = session.propagate()
        next(events)
        events.close()
        wait_for(lambda: not session._calls)
        before = dict(engine.sessions[0].history)
        for one in served.sessions.all():
            served.sessions.end(one, RefusedError("failed", "The power went out."))
        wait_for(lambda: session._is_lost)
        list(session.segment(9, 3, box=BOX))
        assert engine.sessions[1].history[1] == before[1]


def test_what_fails_for_want_of_memory_can_go_on(
    serve: Start, engine: FakeEngine, stack: np.ndarray
) -> None:
    served = serve(unread_events=4, ahead=0)
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        list(click(session))
        events = session.propagate()
        seen = [next(events), next(events)]
        engine.fail_with = OUT_OF_MEMORY
        seen += list(events)
        failed = seen.pop()
        assert isinstance(failed, Failed)
        assert failed.remedy == "use less memory"
        seen += list(session.resume())
        assert len(engine.sessions) == 1
        assert_same(seen, undisturbed(stack, click, follow)[1])


def test_a_frame_that_does_not_arrive_is_named(serve: Start, stack: np.ndarray) -> None:
    served = serve(frame_seconds=0.3, ahead=0)
    frames = SlowStack(stack)
    with closing(client(served.url)) as backend:
        session = backend.open(frames)
        list(click(session))
        frames.gate.clear()
        seen = list(session.propagate())
        failed = seen.pop()
        assert isinstance(failed, Failed)
        assert "Frame 1 did not arrive" in failed.message
        frames.gate.set()
        seen += list(session.resume())
        assert_same(seen, undisturbed(stack, click, follow)[1])


def test_a_half_open_line_is_noticed_on_both_sides(
    serve: Start, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "BEAT_SECONDS", 0.1)
    served = serve(silence_seconds=0.6, keep_seconds=30)
    line = Line(served.port)
    with closing(client(line.url)) as backend:
        session = backend.open(stack)
        list(click(session))
        line.fall_silent()
        wait_for(lambda: served.sessions.all()[0].left_at is not None)
        wait_for(lambda: backend.info.state in ("connecting", "lost"))
        line.cut()
        line.mend()
        assert_same(list(session.propagate()), undisturbed(stack, click, follow)[1])
    line.close()


def test_a_client_that_stops_reading_is_let_go(
    serve: Start, engine: FakeEngine, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(send_seconds=0.2, keep_seconds=0.2)
    send, stuck = WebSocket.send_bytes, threading.Event()

    async def send_or_wait(socket: WebSocket, data: bytes) -> None:
        while stuck.is_set():  # as with a full buffer
            await asyncio.sleep(0.01)
        await send(socket, data)

    monkeypatch.setattr(WebSocket, "send_bytes", send_or_wait)
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        list(click(session))
        engine.is_free = False
        events = session.propagate()
        worker = threading.Thread(target=lambda: list(events))
        stuck.set()
        worker.start()
        engine.is_free = True
        engine.steps.release(50)
        wait_for(lambda: not served.sessions.all())
        wait_for(lambda: engine.sessions[0].closed)
        stuck.clear()
        session.close()
        worker.join(20)


def test_the_newer_of_two_clients_has_the_session(serve: Start, stack: np.ndarray) -> None:
    served = serve()
    with closing(Raw(served.url)) as first, closing(Raw(served.url)) as second:
        opened = first.open(stack)
        second.say(Resume(opened.session, "wrong", 0))
        assert second.hear_until(Refused).code == "gone"
        with closing(Raw(served.url)) as third:
            third.say(Resume(opened.session, opened.secret, 0))
            assert third.hear_until(Opened).session == opened.session
            assert first.hear_until(Refused).code == "replaced"
            third.say(Heartbeat())
            assert third.hear() is not None


def test_a_model_that_is_gone_is_said(
    serve: Start, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()

    def gone(*_: Any, **__: Any) -> None:
        raise InputError("The checkpoint's folder is gone.", "Download it again.")

    with monkeypatch.context() as patch, closing(client(served.url)) as backend:
        patch.setattr(napari_sa2va, "load", gone)
        with pytest.raises(RefusedError, match="folder is gone"):
            backend.open(stack)
    with closing(client(served.url)) as backend:
        assert isinstance(list(click(backend.open(stack)))[-1], Finished)


def test_a_model_that_does_not_fit_says_what_helps(
    serve: Start, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()

    def full(*_: Any, **__: Any) -> None:
        raise OUT_OF_MEMORY

    monkeypatch.setattr(napari_sa2va, "load", full)
    with closing(client(served.url)) as backend, pytest.raises(RefusedError) as refused:
        backend.open(stack)
    assert refused.value.remedy == "use less memory"


def test_an_error_of_ours_is_a_failure_not_the_end(
    serve: Start, engine: FakeEngine, stack: np.ndarray
) -> None:
    served = serve()
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        engine.fail_with = ZeroDivisionError("oops")
        (failed,) = click(session)
        assert isinstance(failed, Failed)
        assert "ZeroDivisionError" in failed.message
        assert isinstance(list(click(session))[-1], Finished)


# --- the server's own disk -------------------------------------------------------------------


def test_stacks_below_a_data_root_need_not_travel(
    serve: Start, stack: np.ndarray, tmp_path: Path
) -> None:
    root, outside = tmp_path / "data", tmp_path / "secret"
    for folder in (root / "folder", outside):
        folder.mkdir(parents=True)
    tifffile.imwrite(root / "stack.tif", stack)
    tifffile.imwrite(outside / "stack.tif", stack)
    (root / "link.tif").symlink_to(outside / "stack.tif")
    (root / "folder" / "a.tif").symlink_to(outside / "stack.tif")
    served = serve(data_roots=(root,))
    with closing(client(served.url)) as backend:
        for path in ("stack.tif", root / "stack.tif"):
            session = backend.open(ServerStack(path))
            assert session.shape == stack.shape
            assert isinstance(list(click(session))[-1], Finished)
            session.close()
        for path in (
            outside / "stack.tif",
            "../secret/stack.tif",
            "link.tif",
            "folder",
            "none.tif",
            "/etc/passwd",
            "a\0b",
        ):
            with pytest.raises(RefusedError, match="no stack"):
                backend.open(ServerStack(path))


def get(served: Served, path: str, headers: dict[str, str], method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{served.port}{path}", headers=headers, method=method
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _threads() -> list[str]:
    names = ("session ", "backend ")
    return [t.name for t in threading.enumerate() if t.name.startswith(names)]


def test_progress_and_masks_are_what_they_were(serve: Start, stack: np.ndarray) -> None:
    served = serve()
    with closing(client(served.url)) as backend:
        session = backend.open(stack)
        ours = [list(click(session)), list(follow(session)), list(ask(session))]
        for one, other in zip(ours, undisturbed(stack, click, follow, ask), strict=True):
            assert_same(one, other)
        assert any(isinstance(event, Progress) for event in ours[1])
