"""Bfloat16 for the matrix products, float32 for attention.

Bfloat16 makes the products three to four times as fast on a CPU that has it, but PyTorch's
attention kernel is up to thirty times slower in it there where the sequence is no round number:
257 tokens of the vision tower are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode


@contextmanager
def low_precision(like: Tensor) -> Iterator[None]:
    """Bfloat16 on a tensor's device."""
    with torch.autocast(like.device.type, torch.bfloat16):
        if like.device.type == "cpu":
            with _FloatAttention():
                yield
        else:
            yield


class _FloatAttention(TorchFunctionMode):
    """All attention in float32, whoever's module it is."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is not scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        named = {name: _wide(value) for name, value in (kwargs or {}).items()}
        with torch.autocast("cpu", enabled=False):
            return func(*map(_wide, args), **named)


def _wide(value: Any) -> Any:
    """Float32 for tensors of numbers; masks and settings stay as they are."""
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
