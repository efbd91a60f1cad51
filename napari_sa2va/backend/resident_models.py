"""The models of a server: loaded once, shared by all sessions."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.backend.protocol import WireOptions
from napari_sa2va.backend.refusals import RefusedError
from napari_sa2va.backend.turns import Turns
from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.options import LoadOptions

_BUSY_SECONDS = 60.0


class ResidentModels:
    """Loads models when they are first asked for, and frees those that nobody uses for others.

    Parameters
    ----------
    names : sequence of str or None
        What may be asked for; None: any.
    options : LoadOptions
        How models are loaded. A client may ask for others, but for the device, where it may ask
        for any model.
    limits : Limits
        How many at once.
    turns : Turns
        The device.
    """

    def __init__(
        self,
        names: Sequence[str] | None,
        options: LoadOptions,
        limits: Limits,
        turns: Turns,
    ) -> None:
        self.names = None if names is None else tuple(names)
        self._options = options
        self._limits = limits
        self._turns = turns
        self._lock = threading.Lock()
        self._backends: dict[str, LocalBackend] = {}
        self._users: Counter[str] = Counter()

    def acquire(self, name: str, asked: WireOptions | None = None) -> LocalBackend:
        """The backend of a model, which stays until `release`."""
        unused: list[LocalBackend] = []
        options = self._options if asked is None else asked.load_options(self._options.device)
        with self._lock:
            if self.names is not None and name not in self.names:
                raise RefusedError(
                    "input",
                    f"This server does not run {name!r}.",
                    f"It runs {', '.join(self.names)}.",
                )
            if self.names is not None and options != self._options:
                raise RefusedError(
                    "input",
                    f"This server loads {name} with options of its own.",
                    "Leave the options to the server, or ask who runs it to change them.",
                )
            if name in self._backends and self._backends[name].options != options:
                unused.append(self._give_up(name))
            if name not in self._backends:
                unused += self._make_room()
                self._backends[name] = LocalBackend(
                    name,
                    options,
                    turns=self._turns,
                    embedding_budget=self._limits.session_embedding_bytes,
                )
            self._users[name] += 1
            backend = self._backends[name]
        for other in unused:
            other.close()
        return backend

    def release(self, name: str) -> None:
        """One user less; the model stays loaded for the next."""
        with self._lock:
            self._users[name] -= 1

    def infos(self) -> list[tuple[BackendInfo, int]]:
        """All that may be asked for or were, with the number of sessions."""
        with self._lock:
            known = dict.fromkeys((*(self.names or ()), *self._backends))
            return [
                (
                    self._backends[name].info
                    if name in self._backends
                    else BackendInfo(name, "idle", self._options.device, self._options.dtype),
                    self._users[name],
                )
                for name in known
            ]

    def memory(self) -> DeviceMemory:
        """What the device has room for; may import much."""
        with self._lock:
            loaded = next(iter(self._backends.values()), None)
        return (loaded or LocalBackend(options=self._options)).memory()

    def unload(self, name: str) -> bool:
        """Free a model that nobody uses; False where somebody does, or it is not loaded."""
        with self._lock:
            if self._users[name] or name not in self._backends:
                return False
            backend = self._backends.pop(name)
        backend.close()
        return True

    def close(self) -> None:
        """Free all."""
        with self._lock:
            backends = list(self._backends.values())
            self._backends.clear()
        for backend in backends:
            backend.close()

    def _give_up(self, name: str) -> LocalBackend:
        """A loaded model that is to be loaded in another way; refused where it is in use."""
        if self._users[name]:
            raise RefusedError(
                "capacity",
                f"The backend runs {name} with other options for another session.",
                "Use the same options, or close its sessions.",
                _BUSY_SECONDS,
            )
        return self._backends.pop(name)

    def _make_room(self) -> list[LocalBackend]:
        unused = []
        idle = [name for name in self._backends if not self._users[name]]
        while len(self._backends) >= self._limits.max_models:
            if not idle:
                busy = ", ".join(self._backends)
                raise RefusedError(
                    "capacity",
                    f"The backend is busy with another model ({busy}).",
                    "Use that one, or close its sessions.",
                    _BUSY_SECONDS,
                )
            unused.append(self._backends.pop(idle.pop(0)))
        return unused
