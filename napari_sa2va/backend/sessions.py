"""The sessions of a server: capacity, leases, budgets."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from napari_sa2va.backend.base import BackendInfo, ServerStack
from napari_sa2va.backend.data_roots import DataRoots
from napari_sa2va.backend.frame_cache import FrameCache
from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.metrics import Metrics
from napari_sa2va.backend.protocol import Open, Resume, Status
from napari_sa2va.backend.refusals import RefusedError
from napari_sa2va.backend.resident_models import ResidentModels
from napari_sa2va.backend.room import Room
from napari_sa2va.backend.served_session import ServedSession
from napari_sa2va.backend.turns import Turns
from napari_sa2va.backend.wire_frames import WireFrames
from napari_sa2va.core.options import DEFAULTS, LoadOptions

_JOIN_SECONDS = 10.0


class Sessions:
    """All that clients opened on one server.

    Parameters
    ----------
    models : sequence of str or None
        What they may ask for; None: any.
    options : LoadOptions
        How models are loaded.
    data_roots : sequence of path or None
        Folders whose stacks they may open: see `DataRoots`.
    limits : Limits
        What they are granted.
    """

    def __init__(
        self,
        models: Sequence[str] | None = None,
        options: LoadOptions = DEFAULTS,
        data_roots: Sequence[Path] | None = (),
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self.turns = Turns()
        self.frames = FrameCache(self.limits.frame_bytes)
        self.models = ResidentModels(models, options, self.limits, self.turns)
        self._roots = DataRoots(data_roots)
        self._room = Room(options)
        self._lock = threading.Lock()
        self._sessions: dict[str, ServedSession] = {}
        self._opening = 0
        gauge = self.metrics.gauge
        gauge("sessions", "Open sessions", lambda: len(self._sessions))
        gauge("waiting", "Requests that wait for the device", lambda: self.turns.waiting)
        gauge("frame_bytes", "Bytes of frames in memory", lambda: self.frames.nbytes)
        gauge("embedding_bytes", "Bytes of image embeddings in memory", self._embedding_bytes)
        gauge(
            "device_used_bytes",
            "Bytes of the device that are used",
            lambda: self.status().memory_used,
        )
        gauge("device_bytes", "Bytes of the device", lambda: self.status().memory_total)

    def all(self) -> list[ServedSession]:
        """Those that are open."""
        with self._lock:
            return list(self._sessions.values())

    def open(self, message: Open) -> ServedSession:
        """Open a session; loads the model if need be.

        Raises
        ------
        RefusedError
            All places are taken, or the model or the path is not allowed.
        Sa2VAError
            The model or the stack cannot be read.
        """
        with self._lock:
            if len(self._sessions) + self._opening >= self.limits.max_sessions:
                raise RefusedError(
                    "capacity",
                    f"All {self.limits.max_sessions} places of the server are taken.",
                    "Try again later, or close another session.",
                    self._seconds_to_a_free_place(),
                )
            self._opening += 1
        try:
            session = self._open(message)
            with self._lock:
                self._sessions[session.id] = session
            return session
        finally:
            with self._lock:
                self._opening -= 1

    def find(self, message: Resume) -> ServedSession:
        """The session of a client that comes back; RefusedError where it is gone."""
        session = self._sessions.get(message.session)
        # Both are compared in full, whether the name is known or not.
        secret = session.secret if session is not None else ""
        if not hmac.compare_digest(secret.encode(), message.secret.encode()) or session is None:
            raise RefusedError("gone", "The session is no longer there.", "Open a new one.")
        return session

    def end(self, session: ServedSession, why: RefusedError | None = None) -> None:
        """End a session and free its place."""
        with self._lock:
            ours = self._sessions.pop(session.id, None)
        if ours is not None:
            session.end(why)
            self.models.release(session.model)

    def sweep(self) -> None:
        """End what is over its time, free what is over its budget; to be called every second."""
        now, limits = time.monotonic(), self.limits
        for session in self.all():
            if session.left_at is not None and now - session.left_at > limits.keep_seconds:
                self.end(session)
            elif session.idle_seconds > limits.idle_seconds:
                self.end(session, _ended(f"not used for {limits.idle_seconds:g} seconds"))
            elif now - session.opened_at > limits.session_seconds:
                self.end(session, _ended(f"open for {limits.session_seconds:g} seconds"))
        self._free_embeddings()

    def close(self) -> None:
        """End all, and free the models."""
        sessions = self.all()
        for session in sessions:
            self.end(session, RefusedError("ended", "The backend was closed.", "Start it again."))
        for session in sessions:
            session.join(_JOIN_SECONDS)
        self.models.close()
        self.frames.clear()

    def status(self, name: str | None = None) -> Status:
        """How the server is, as one model's users see it; default: the first that is loaded."""
        infos = [info for info, _ in self.models.infos()]
        loaded = [info for info in infos if info.state != "idle"]
        chosen = [info for info in infos if info.model == name] or loaded or infos
        sessions = len(self._sessions)
        info = chosen[0] if chosen else BackendInfo("", "idle")
        if not info.memory_total:
            info = self._room.fill_in(info)
        return Status(
            info.state,
            info.model,
            info.device,
            info.dtype,
            sessions,
            self.turns.waiting,
            info.memory_used,
            info.memory_total,
            info.revision,
        )

    def _open(self, message: Open) -> ServedSession:
        path = None if message.path is None else self._roots.resolve(message.path)
        backend = self.models.acquire(message.model, message.options)
        try:
            wire = None
            if message.shape is not None:
                wire = WireFrames(message.shape, self.frames, self.turns, self.limits)
            opened = backend.open(wire or ServerStack(path or ""))
            return ServedSession(opened, message.model, wire, self.limits, self.metrics)
        except BaseException:
            self.models.release(message.model)
            raise

    def _seconds_to_a_free_place(self) -> float:
        now, limits = time.monotonic(), self.limits
        left = [
            limits.keep_seconds - (now - session.left_at)
            if session.left_at is not None
            else limits.idle_seconds - session.idle_seconds
            for session in self._sessions.values()
        ]
        return float(round(max(1.0, min(left, default=1.0))))

    def _embedding_bytes(self) -> float:
        return sum(session.embedding_bytes for session in self.all())

    def _free_embeddings(self) -> None:
        """Those of the sessions that were not used for longest go first."""
        sessions = sorted(self.all(), key=lambda session: session.used_at)
        total = sum(session.embedding_bytes for session in sessions)
        for session in sessions[:-1]:
            if total <= self.limits.embedding_bytes:
                return
            total -= session.embedding_bytes
            session.free_embeddings()


def _ended(why: str) -> RefusedError:
    return RefusedError("ended", f"The session has ended: it was {why}.", "Open a new one.")
