"""The one interface that the widgets know: where an engine lives is not their business."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, Protocol

from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.events import Event
from napari_sa2va.core.frames import FrameSource

State = Literal["idle", "connecting", "loading", "ready", "lost", "failed"]


@dataclass(frozen=True)
class BackendInfo:
    """What a backend runs, and how it is.

    Attributes
    ----------
    model : str
        Name, Hub id or folder of the checkpoint.
    state : str
        ``"idle"`` before it is used, ``"connecting"``, ``"loading"`` the model, ``"ready"``,
        ``"lost"`` where a connection or a process ended, ``"failed"`` where the model cannot be
        loaded.
    device, dtype : str
        Empty until the model is loaded.
    place : str
        Where it is: ``"this process"``, ``"child process"`` or the URL of a server.
    sessions, waiting : int
        Sessions that are open there, and requests that wait for their turn.
    memory_used, memory_total : int
        Bytes of its device; 0 where unknown.
    trouble : str
        One sentence while the state is ``"lost"`` or ``"failed"``.
    revision : str
        Which version of the model is loaded; empty where that is unknown.
    """

    model: str
    state: State
    device: str = ""
    dtype: str = ""
    place: str = "this process"
    sessions: int = 0
    waiting: int = 0
    memory_used: int = 0
    memory_total: int = 0
    trouble: str = ""
    revision: str = ""


@dataclass(frozen=True)
class ServerStack:
    """A stack on the backend's own disk, which need not travel.

    Attributes
    ----------
    path : str
        What `napari_sa2va.io.open_stack` takes, there. A server allows only what lies below its
        ``--data-root`` folders.
    """

    path: str | PurePath


class BackendSession(Protocol):
    """One stack on a backend.

    Each request is an iterator of events; it ends with `Finished`, or with `Failed`. Closing the
    iterator cancels the work within one frame or one token and keeps what was done. Requests of
    one session run one after the other, in the thread that iterates; `remove` and `reset` may come
    between two events of a request.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        ...

    def ask(
        self,
        text: str,
        frames: Sequence[int] | None = None,
        regions: Sequence[Any] | None = None,
        *,
        track: bool = True,
        remember: bool = True,
    ) -> Iterator[Event]:
        """Ask or segment by text: see `napari_sa2va.engine.session.Session.ask`."""
        ...

    def segment(
        self,
        object_id: int,
        frame: int,
        points: Iterable[tuple[float, float, bool]] | None = None,
        box: tuple[float, float, float, float] | None = None,
        mask: Any | None = None,
    ) -> Iterator[Event]:
        """The mask of one object in one frame, from clicks (y, x, positive), a box or a mask."""
        ...

    def propagate(
        self,
        objects: Sequence[int] | None = None,
        start: int = 0,
        stop: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Event]:
        """The masks of objects over the frames from `start` to before `stop`."""
        ...

    def resume(self) -> Iterator[Event]:
        """Go on with the request that ended with `Failed` and the remedy ``"resume"``.

        Yields the events that did not arrive before, as if nothing had happened; before them may
        come `Progress` of what has to be done again. `Failed` where there is nothing to resume.
        """
        ...

    def remove(self, object_id: int) -> None:
        """Forget an object."""
        ...

    def reset(self) -> None:
        """Forget all objects and the conversation."""
        ...

    def close(self) -> None:
        """Free what the session holds."""
        ...


class Backend(Protocol):
    """A resident model."""

    @property
    def info(self) -> BackendInfo:
        """How it is, as far as is known; never waits."""
        ...

    def open(self, stack: FrameSource | ServerStack | Any) -> BackendSession:
        """Open a session; loads the model first if need be, so call it off the Qt thread."""
        ...

    def memory(self) -> DeviceMemory:
        """What the device has room for; may import much, so call it off the Qt thread."""
        ...

    def close(self) -> None:
        """Free the model, or let go of a backend that others use, too."""
        ...
