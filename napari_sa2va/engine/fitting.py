"""What is done where the device has no memory left: the one place that decides it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from napari_sa2va.core.errors import DeviceMemoryError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
# How the CPU's and MPS' allocators, cuBLAS and cuDNN say it, with a plain RuntimeError.
_SIGNS = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")


class Fitting:
    """Runs steps; where one does not fit, frees what can be made again and tries once more.

    Parameters
    ----------
    device : torch.device
        Where the steps compute.
    free : callable
        Drops what can be made again, of all who use the device.
    """

    def __init__(self, device: torch.device, free: Callable[[], None]) -> None:
        self._device = device
        self._free = free
        self._most: int | None = None
        self._taken = 1

    def size(self, wanted: int) -> int:
        """How many of `wanted` objects or images a step is to take at a time."""
        taken = wanted if self._most is None else min(wanted, self._most)
        self._taken = max(self._taken, taken)
        return taken

    def run(self, step: Callable[[], _T]) -> _T:
        """Run a step, which can be repeated, and takes as many at a time as `size` says.

        The second try takes them one by one; what follows takes half as many as did not fit.

        Raises
        ------
        DeviceMemoryError
            The second try did not fit, either.
        """
        self._taken = 1
        try:
            return step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            _log.warning("No memory left, %s at a time: %s", self._taken, _reason(error))
        # Out of the handler: until here the error's traceback kept the step's tensors alive.
        most, self._most = max(1, self._taken // 2), 1
        self._free()
        free_caches(self._device)
        with in_words(self._device):
            result = step()
        self._most = most
        return result


@contextmanager
def in_words(device: torch.device) -> Iterator[None]:
    """Say what does not fit into a device's memory as an error that a user can act on."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceMemoryError(
            f"The device {device} has no memory left: {_reason(error)}",
            "Take a smaller or quantised model, ask about fewer objects or frames, or end what "
            "else uses the device; what is finished is kept.",
            "use less memory",
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def free_caches(device: torch.device) -> None:
    """Give back what torch keeps of a device's memory for later."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _reason(error: BaseException) -> str:
    """The first sentences of torch's error; what follows is advice for programmers."""
    first = str(error).partition("\n")[0].strip()
    return first[:200] or type(error).__name__
