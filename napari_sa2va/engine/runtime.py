"""Where and in what precision a model computes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import psutil
import torch

from napari_sa2va.core.errors import InputError
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.models.tokens import Tokens

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Runtime:
    """A loaded model: network, tokenizer, device and dtype."""

    model: Sa2VA
    tokens: Tokens
    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the network computes."""
        return autocast(self.device, self.dtype)


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """The context in which float32 weights compute in `dtype`."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def choose_device(device: str) -> torch.device:
    """The device of a name; ``"auto"`` takes CUDA, else MPS, else the CPU.

    Raises
    ------
    InputError
        There is no such device here.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"The device {device!r} is not available here.", 'Use "auto" or "cpu".'
        ) from error
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The dtype of a name; ``"auto"`` takes bfloat16 on GPUs that compute in it, else float32.

    Raises
    ------
    InputError
        The name is not known.
    """
    if dtype == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if fast else torch.float32
    if dtype not in _DTYPES:
        raise InputError(f"The dtype {dtype!r} is not known.", f"Use auto, {', '.join(_DTYPES)}.")
    return _DTYPES[dtype]


def device_memory(device: torch.device) -> tuple[int, int]:
    """Bytes used and in all: of a GPU by everybody, of the CPU by this process."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total - free, total
    if device.type == "mps":
        total = torch.mps.recommended_max_memory()
        return torch.mps.driver_allocated_memory(), total
    return psutil.Process().memory_info().rss, psutil.virtual_memory().total
