"""Networks without values, for weights that are about to come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class Empty(TorchFunctionMode):
    """A context in which modules get no memory for their weights, and no random values.

    Unlike ``torch.device("meta")`` it leaves tables alone that are computed, not loaded: rotary
    frequencies, SAM 2's positions. It holds for its own thread only.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        # What will hold large weights is made by torch.empty in every layer that torch has.
        if func is torch.empty and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)
