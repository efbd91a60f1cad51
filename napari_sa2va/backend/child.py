"""The child process: the server, on a socket that only its user can reach.

Started by `napari_sa2va.backend.process`, with its settings as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from pathlib import Path

import psutil

from napari_sa2va.backend.guard import LOOPBACK_HOSTS
from napari_sa2va.backend.limits import MIB, Limits
from napari_sa2va.backend.process import ChildSettings, Rendezvous, write_address
from napari_sa2va.backend.serve import Service, listen
from napari_sa2va.backend.sessions import Sessions
from napari_sa2va.core.options import LoadOptions

# Windows and widgets of one person.
_MAX_SESSIONS = 32
# Less than a server keeps: it shares the memory with napari, and frames come soon again.
_FRAME_BYTES = 256 * MIB
# On a busy machine windows go first.
_NICENESS = 5


def main(arguments: str) -> None:
    """Serve until nobody is there any more."""
    settings = ChildSettings(**json.loads(arguments))
    below = psutil.BELOW_NORMAL_PRIORITY_CLASS if psutil.WINDOWS else os.nice(0) + _NICENESS
    psutil.Process().nice(below)
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    meeting = Rendezvous(settings)
    # It runs as the user, who may read their own files.
    limits = Limits(
        max_sessions=_MAX_SESSIONS,
        idle_seconds=settings.idle_seconds,
        embedding_bytes=settings.embedding_bytes,
        frame_bytes=_FRAME_BYTES,
    )
    options = LoadOptions(settings.device, settings.dtype)
    sessions = Sessions(None, options, None, limits)
    if settings.unix:
        listening, token = _listen_unix(meeting.socket), None
        left: Path = meeting.socket
    else:
        listening = listen("127.0.0.1", 0)
        token = write_address(meeting.address, listening.getsockname()[1])
        left = meeting.address
    mark = left.stat().st_ino
    meeting.pid.write_text(str(os.getpid()), "ascii")
    meeting.pid.chmod(0o600)
    service = Service(
        sessions,
        token=token,
        hosts=LOOPBACK_HOSTS,
        compress=False,
        linger_seconds=settings.linger_seconds,
    )
    try:
        service.run(listening)
    finally:
        # Another child may have put its own there.
        if left.exists() and left.stat().st_ino == mark:
            left.unlink()
            meeting.pid.unlink(missing_ok=True)


def _listen_unix(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        # Who starts a child holds the lock, and found nobody at the socket that is there.
        path.unlink(missing_ok=True)
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen()
    return listening


if __name__ == "__main__":
    main(sys.argv[1])
