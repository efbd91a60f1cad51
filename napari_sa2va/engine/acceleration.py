"""Whether what makes a model faster can work here."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.utils import is_flash_attn_2_available

from napari_sa2va.core.errors import InputError

_HALF = (torch.bfloat16, torch.float16)


def check_attention(attention: str, device: torch.device, dtype: torch.dtype) -> None:
    """Raise InputError where the LLM's attention cannot be computed that way."""
    if attention == "sdpa":
        return
    if device.type != "cuda" or dtype not in _HALF:
        kind = str(dtype).removeprefix("torch.")
        raise InputError(
            f"attention={attention!r} runs on CUDA in bfloat16 or float16, not on {device} in "
            f"{kind}.",
            'Choose device="cuda" and dtype="bfloat16", or leave attention="sdpa".',
        )
    # Asked here: transformers would fetch a binary from the Hub instead, and run it.
    if not is_flash_attn_2_available():
        raise InputError(
            f"attention={attention!r} needs the package flash-attn, 2.3.3 or newer, which is not "
            "installed.",
            'Install it (pip install flash-attn --no-build-isolation), or leave attention="sdpa".',
        )


def check_compiler(device: torch.device) -> None:
    """Raise InputError where torch.compile cannot work: it is tried on a trifle."""
    try:
        torch.compile(_trifle)(torch.ones(8, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        needed = (
            "It needs triton on GPUs, and no window where Mesa draws in software."
            if device.type == "cuda"
            else "It needs a C++ compiler and Python's headers (on Debian: g++ and python3-dev; "
            "CXX names another one)."
        )
        raise InputError(
            f"compile=True does not work here: {reason}", f"{needed} Or leave compile away."
        ) from error


def _trifle(value: Tensor) -> Tensor:
    return value.sin() + 1
