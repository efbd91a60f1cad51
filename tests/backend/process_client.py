"""A client in a process of its own, to be stopped: ``... process_client URL FRAMES``.

It follows an object through the stack, prints a line for each event, and resumes when it can.
"""

from __future__ import annotations

import hashlib
import sys

from napari_sa2va.backend import link
from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.connectors import ServerConnector
from napari_sa2va.core.events import Event, Failed, Mask
from tests.backend.serving import TOKEN, make_stack


def line(event: Event) -> str:
    """An event in one line."""
    if isinstance(event, Mask):
        pixels = hashlib.sha256(event.mask.tobytes()).hexdigest()[:16]
        return f"Mask {event.frame} {event.object_id} {event.score} {pixels}"
    return str(event)


def main(url: str, frames: int) -> None:
    link.BEAT_SECONDS = 0.2
    backend = RemoteBackend(ServerConnector(url, TOKEN), "fake")
    session = backend.open(make_stack(frames))
    list(session.segment(1, 0, box=(5.0, 5.0, 30.0, 30.0)))
    events = session.propagate()
    while True:
        failed = None
        for event in events:
            failed = event if isinstance(event, Failed) else None
            sys.stdout.write(line(event) + "\n")
            sys.stdout.flush()
            sys.stdin.readline()  # the next one when it is asked for
        if failed is None:
            break
        events = session.resume()
    backend.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
