"""A session that is not used ends on the server, and its client comes to rest."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.connectors import ServerConnector
from napari_sa2va.backend.limits import Limits
from napari_sa2va.core.events import Failed, Mask
from tests.backend.serving import TOKEN, running_server, wait_for

BOX = (15.0, 25.0, 48.0, 60.0)


class _Fleeting(ServerConnector):
    """To a server that ends when nobody is there, as the child process does."""

    is_lasting = False


class _Slow(RemoteBackend):
    """One whose sessions take their time to end: the next request comes meanwhile."""

    def rest(self) -> None:
        super().rest()
        time.sleep(0.5)


def test_an_unused_session_ends_and_the_next_request_makes_it_anew(
    tiny_folder: Path, stack: np.ndarray
) -> None:
    with (
        running_server(tiny_folder, Limits(idle_seconds=15.0)) as served,
        closing(_Slow(_Fleeting(served.url, TOKEN), str(tiny_folder))) as backend,
    ):
        session = backend.open(stack)
        first = list(session.segment(1, 0, box=BOX))
        assert backend.info.state == "ready"
        wait_for(lambda: not served.sessions.all())
        wait_for(lambda: backend.info.state == "idle")
        assert backend.info.trouble == ""  # nothing was lost
        wait_for(lambda: backend._presence is None)  # nothing keeps the server
        again = list(session.segment(2, 0, box=BOX))
        masks = [event.mask for event in (*first, *again) if isinstance(event, Mask)]
        assert len(masks) == 2, (first, again)
        np.testing.assert_array_equal(*masks)
        assert backend.info.state == "ready"
        session.close()


def test_a_request_waits_for_no_session_that_is_lost_before_it_is_sent(
    tiny_folder: Path, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        running_server(tiny_folder, Limits()) as served,
        closing(RemoteBackend(ServerConnector(served.url, TOKEN), str(tiny_folder))) as backend,
    ):
        session = backend.open(stack)
        begin, lost = session._begin, []

        def begin_when_lost(make):
            if not lost:
                lost.append(session._link)
                session._leave()
            return begin(make)

        monkeypatch.setattr(session, "_begin", begin_when_lost)
        found = list(session.segment(1, 0, box=BOX))
        assert not [event for event in found if isinstance(event, Failed)]
        assert session._link is not lost[0]
