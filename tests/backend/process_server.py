"""A server in a process of its own, to be killed: ``python -m tests.backend.process_server JSON``.

``model`` is a checkpoint's folder, or ``"fake"`` for an engine without a network; ``limits`` are
those of the server; while the file ``full`` exists, the device has no memory left.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import napari_sa2va

# Before anybody waits: on a busy machine, importing torch holds up all threads for seconds, which
# the short limits of the tests would take for a server that has hung up.
import napari_sa2va.engine.engine
from napari_sa2va.backend.guard import LOOPBACK_HOSTS
from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.serve import Service, listen
from napari_sa2va.backend.sessions import Sessions
from napari_sa2va.core.options import LoadOptions
from tests.backend.fake_engine import FakeEngine, FakeSession
from tests.backend.serving import TOKEN

FAKE = "fake"


def main(settings: dict[str, Any]) -> None:
    model = settings["model"]
    if model == FAKE:
        engine = ForgetfulEngine()
        napari_sa2va.load = lambda *_, **__: engine  # type: ignore[assignment,return-value]
    elif settings.get("full"):
        fill(Path(settings["full"]))
    sessions = Sessions(
        [model], LoadOptions("cpu", "float32"), (), Limits(**settings.get("limits", {}))
    )
    sessions.metrics.gauge("session_threads", "Threads that work for sessions", session_threads)
    service = Service(sessions, token=TOKEN, hosts=LOOPBACK_HOSTS)
    with listen("127.0.0.1", settings["port"]) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        service.run(listening)


class ForgetfulEngine(FakeEngine):
    """Keeps nothing of what it did, so that what grows is the server's."""

    def open(self, stack: Any, *, embedding_budget: int | None = None) -> FakeSession:
        session = super().open(stack, embedding_budget=embedding_budget)
        self.sessions.clear()
        self.budgets.clear()
        self.taken.clear()
        return session


def session_threads() -> int:
    return sum(thread.name.startswith("session ") for thread in threading.enumerate())


def fill(flag: Path) -> None:
    """Let memory attention fail as it does on a device that is full."""
    import torch

    from napari_sa2va.engine import memory

    attend = memory.attend

    def attend_or_fail(*arguments: Any) -> Any:
        if flag.exists():
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return attend(*arguments)

    memory.attend = attend_or_fail


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
