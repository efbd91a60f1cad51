"""The one interface that the widgets know: where an engine lives is not their business."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.events import Event
from napari_sa2va.core.frames import FrameSource


@dataclass(frozen=True)
class BackendInfo:
    """What a backend runs.

    Attributes
    ----------
    model : str
        Name, Hub id or folder of the checkpoint.
    state : str
        ``"idle"`` before the model is loaded, ``"loading"``, ``"ready"`` or ``"failed"``.
    device, dtype : str
        Empty until the model is loaded.
    """

    model: str
    state: str
    device: str = ""
    dtype: str = ""


class BackendSession(Protocol):
    """One stack on a backend.

    Each request is an iterator of events; it ends with `Finished`, or with `Failed`. Closing the
    iterator cancels the work within one frame or one token and keeps what was done. Requests of
    one session run one after the other, in the thread that iterates.
    """

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
    def info(self) -> BackendInfo: ...

    def open(self, stack: FrameSource | Any) -> BackendSession:
        """Open a session; loads the model first if need be, so call it off the Qt thread."""
        ...

    def memory(self) -> DeviceMemory:
        """What the device has room for; may import much, so call it off the Qt thread."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...
