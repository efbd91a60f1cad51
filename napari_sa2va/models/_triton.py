"""Keeps triton out of processes that it would crash."""

from __future__ import annotations

import sys
from pathlib import Path

_MAPS = Path("/proc/self/maps")


def keep_triton_out() -> None:
    """Let ``import triton`` fail where it would end the process.

    torch and transformers import triton if they find it, and its LLVM crashes once Mesa's software
    OpenGL has loaded another one: that draws napari's canvas where no GPU does, in virtual machines
    and under Xvfb. Everything here runs without triton; only ``torch.compile`` on a GPU needs it.
    """
    if "triton" not in sys.modules and _MAPS.exists() and "libLLVM" in _MAPS.read_text():
        # Python's own way to say "cannot be imported"; its annotation leaves None out.
        sys.modules["triton"] = None  # type: ignore[assignment]
