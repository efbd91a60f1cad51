"""What a server's device has room for before a model is loaded."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import Sa2VAError
from napari_sa2va.core.options import LoadOptions

_log = logging.getLogger(__name__)


class Room:
    """Reads the memory of a device once, in a thread: it imports torch, which takes seconds.

    Parameters
    ----------
    options : LoadOptions
        How models are loaded there.
    """

    def __init__(self, options: LoadOptions) -> None:
        self._options = options
        self._memory: DeviceMemory | None = None
        self._reading: threading.Thread | None = None

    def fill_in(self, info: BackendInfo) -> BackendInfo:
        """How a backend without a model is, with its device's memory if that is known by now."""
        if self._reading is None:
            self._reading = threading.Thread(target=self._read, name="room", daemon=True)
            self._reading.start()
        room = self._memory
        if room is None:
            return info
        used = room.total - room.free
        return replace(
            info,
            device=room.device,
            dtype=room.dtype,
            memory_used=used,
            memory_total=room.total,
        )

    def _read(self) -> None:
        try:
            self._memory = LocalBackend(options=self._options).memory()
        # A device that is not here, a driver that torch cannot load: loading a model will say so.
        except (Sa2VAError, RuntimeError, ImportError, OSError) as error:
            _log.warning("The memory of the device cannot be read: %s", error)
