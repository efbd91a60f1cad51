"""The resident child process: started on first use, shared by all windows of its user."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import socket
import stat
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs
import psutil
from filelock import FileLock, Timeout
from websockets.exceptions import InvalidHandshake
from websockets.sync.client import ClientConnection, connect, unix_connect

import napari_sa2va
from napari_sa2va.backend.connectors import connect_options, unreachable
from napari_sa2va.backend.limits import Limits
from napari_sa2va.core.errors import BackendError

_log = logging.getLogger(__name__)

CHILD = "napari_sa2va.backend.child"
START_SECONDS = 180.0  # a cold start on a busy machine
_POLL_SECONDS = 0.05
# Where the system has none, as Windows: loopback, with a token in a file that only the user reads.
HAS_UNIX_SOCKETS = hasattr(socket, "AF_UNIX") and os.name == "posix"
# A Unix socket's path has at most 104 bytes on macOS.
_MAX_SOCKET_PATH = 100
# What it looks like where no child listens.
_NOBODY = (OSError, InvalidHandshake, ValueError, KeyError)
_REAP_SECONDS = 0.5


@dataclass(frozen=True)
class ChildSettings:
    """What a child runs; another setting is another child.

    Attributes
    ----------
    device, dtype : str
        As `napari_sa2va.load` takes them; a client may ask for another dtype.
    linger_seconds : float
        It ends when its last client has been gone for so long.
    idle_seconds : float
        A session that is asked nothing for so long ends, and the memory it holds is freed; so does
        the child, where that was the last one.
    embedding_bytes : int
        Image embeddings that it keeps in memory, of all sessions.
    unix : bool
        On a Unix socket, not on loopback.
    """

    device: str = "auto"
    dtype: str = "auto"
    linger_seconds: float = 10.0
    idle_seconds: float = Limits.idle_seconds
    embedding_bytes: int = Limits.embedding_bytes
    unix: bool = HAS_UNIX_SOCKETS


class Rendezvous:
    """Where the child of a user and its clients meet: a folder that is the user's alone.

    Parameters
    ----------
    settings : ChildSettings
        Of the child.

    Raises
    ------
    BackendError
        The folder belongs to somebody else, or others may write to it.
    """

    def __init__(self, settings: ChildSettings) -> None:
        self.folder = runtime_folder()
        # Of another version, another Python or other settings: another child.
        what = json.dumps([asdict(settings), napari_sa2va.__version__, sys.prefix])
        name = hashlib.sha256(what.encode()).hexdigest()[:12]
        self.socket = self.folder / f"{name}.sock"
        self.address = self.folder / f"{name}.json"
        self.lock = self.folder / f"{name}.lock"
        self.log = self.folder / f"{name}.log"
        self.pid = self.folder / f"{name}.pid"
        if settings.unix and len(os.fsencode(self.socket)) > _MAX_SOCKET_PATH:
            raise BackendError(
                f"The path of the socket is too long: {self.socket}.",
                "Let NAPARI_SA2VA_RUNTIME name a folder with a shorter path.",
            )


def runtime_folder() -> Path:
    """The folder of sockets, locks and logs; only its user can enter it."""
    named = os.environ.get("NAPARI_SA2VA_RUNTIME")
    with warnings.catch_warnings():
        # That XDG_RUNTIME_DIR is not set: what is taken instead is looked at below.
        warnings.simplefilter("ignore")
        folder = Path(named) if named else platformdirs.user_runtime_path("napari-sa2va")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise BackendError(
            f"The folder {folder} cannot be made: {error}.",
            "Let NAPARI_SA2VA_RUNTIME name a folder of your own.",
        ) from error
    if os.name == "posix" and (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.getuid()
        or stat.S_IMODE(found.st_mode) & 0o077
    ):
        raise BackendError(
            f"The folder {folder} is not yours alone.",
            "Remove it, or let NAPARI_SA2VA_RUNTIME name a folder of your own.",
        )
    return folder


def write_address(path: Path, port: int) -> str:
    """Leave port and token for the clients of this user; gives the token."""
    token = secrets.token_urlsafe(32)
    new = path.with_suffix(".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"port": port, "token": token}, file)
    new.replace(path)
    return token


class ChildConnector:
    """The way to the child process; starts it where it does not run.

    Parameters
    ----------
    settings : ChildSettings, optional
        What to run.
    """

    place = "child process"
    machine = "this computer"
    is_lasting = False

    def __init__(self, settings: ChildSettings | None = None) -> None:
        self._settings = settings or ChildSettings()
        self._child: subprocess.Popen[bytes] | None = None

    def connect(self, *, start: bool) -> ClientConnection:
        meeting = Rendezvous(self._settings)
        try:
            return self._dial(meeting)
        except _NOBODY as error:
            if not start:
                raise unreachable(self.place, error) from error
        try:
            # Two windows start one child: the second waits, and finds it.
            with FileLock(meeting.lock, timeout=START_SECONDS, mode=0o600):
                return self._start(meeting)
        except Timeout as error:
            raise BackendError(
                "Another window has been starting the child process for too long.",
                f"Close it, or remove {meeting.lock}.",
            ) from error

    def epitaph(self) -> str:
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):
                code = self._child.wait(_REAP_SECONDS)
                if code < 0:
                    return f"The model's process was ended by signal {-code}."
        return "The model's process has ended."

    def _dial(self, meeting: Rendezvous) -> ClientConnection:
        if self._settings.unix:
            return unix_connect(
                str(meeting.socket), "ws://localhost/session", **connect_options("")
            ).__enter__()
        address = json.loads(meeting.address.read_text("utf-8"))
        return connect(
            f"ws://127.0.0.1:{int(address['port'])}/session",
            proxy=None,
            **connect_options(address["token"]),
        ).__enter__()

    def _start(self, meeting: Rendezvous) -> ClientConnection:
        try:
            return self._dial(meeting)  # another window was faster
        except TimeoutError:
            _end_hung(meeting)
        except _NOBODY:
            _log.debug("No child process runs: starting one")
        self._child = _spawn(self._settings, meeting.log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                return self._dial(meeting)
            except _NOBODY:
                code = self._child.poll()
            if code is not None:
                raise BackendError(
                    f"The model's process ended while it started (code {code}).",
                    f"Its log: {meeting.log}",
                    "resume",
                )
            time.sleep(_POLL_SECONDS)
        self._child.kill()
        raise BackendError(
            "The model's process did not start in time.", f"Its log: {meeting.log}", "resume"
        )


def _end_hung(meeting: Rendezvous) -> None:
    """End a child that listens but does not answer: it holds the memory that the next one needs."""
    with suppress(OSError, ValueError, psutil.Error):  # it is gone, or never said its number
        child = psutil.Process(int(meeting.pid.read_text("ascii")))
        # The number may be another program's by now.
        if CHILD in child.cmdline():
            _log.warning("The model's process %s does not answer: it is ended", child.pid)
            child.kill()
            child.wait(_REAP_SECONDS)


def _spawn(settings: ChildSettings, log: Path) -> subprocess.Popen[bytes]:
    """Start a child that outlives this process: other windows may use it by then."""
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {
            "creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        }
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", CHILD, json.dumps(asdict(settings))],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            **detached,
        )
    finally:
        os.close(handle)
    # Nobody else would take note of its end: it would stay a zombie.
    threading.Thread(target=child.wait, name="child process", daemon=True).start()
    return child
