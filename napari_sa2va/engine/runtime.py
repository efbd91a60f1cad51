"""Where and in what precision a model computes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

import psutil
import torch
from sam2.modeling.sam2_base import SAM2Base

from napari_sa2va.core.errors import InputError
from napari_sa2va.engine.fitting import Fitting
from napari_sa2va.engine.offload import Offload
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.models.tokens import Tokens

SA2VA, SA2VA_I = "sa2va", "sa2va-i"

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Holder(Protocol):
    """Who holds memory of the device that can be given back."""

    def free_memory(self) -> None: ...


@dataclass(frozen=True)
class Runtime:
    """A loaded model.

    Attributes
    ----------
    model, tokens, device, dtype
        Network and tokenizer; where and in what it computes.
    prompt_model : SAM2Base, optional
        A plain SAM 2 for points, boxes and masks.
    grounding : str
        How text is grounded in videos: ``"sa2va"`` or ``"sa2va-i"``.
    offload : Offload, optional
        Moves the language side to host memory while objects are tracked.
    holders : set of Holder
        The sessions that are open.
    """

    model: Sa2VA
    tokens: Tokens
    device: torch.device
    dtype: torch.dtype
    prompt_model: SAM2Base | None = None
    grounding: str = SA2VA
    offload: Offload | None = None
    holders: WeakSet[Holder] = field(default_factory=WeakSet)

    def fitting(self) -> Fitting:
        """Runs steps on the device, and frees what others hold where one does not fit."""
        return Fitting(self.device, self._free_memory)

    def _free_memory(self) -> None:
        for holder in list(self.holders):
            holder.free_memory()

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the network computes."""
        return autocast(self.device, self.dtype)

    def language_context(self) -> AbstractContextManager[object]:
        """The context in which the language side computes; it is on the device then."""
        if self.offload is not None:
            self.offload.bring()
        return self.autocast()

    def begin_tracking(self) -> None:
        """Make room for what tracking needs, if that was asked for."""
        if self.offload is not None:
            self.offload.send_away()


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


def check_offload(device: torch.device) -> None:
    """Raise InputError where there is no second memory to move a model to."""
    if device.type in ("cpu", "mps"):
        raise InputError(
            f'offload="tracking" is of no use on the device {str(device)!r}: it computes in host '
            "memory.",
            "Leave it away.",
        )


def choose_grounding(grounding: str, two_decoders: bool, prompt_model: bool, model: str) -> str:
    """``"sa2va"`` or ``"sa2va-i"``; ``"auto"`` takes the latter where the checkpoint is made so.

    Parameters
    ----------
    grounding : str
        What is asked for.
    two_decoders : bool
        Whether the checkpoint has SAM 2's own decoder beside the fine-tuned one.
    prompt_model : bool
        Whether there is a plain SAM 2 beside the checkpoint.
    model : str
        The checkpoint's name, for the error.

    Raises
    ------
    InputError
        SAM 2's own weights are not there.
    """
    if grounding == "auto":
        return SA2VA_I if two_decoders else SA2VA
    if grounding == SA2VA_I and not (two_decoders or prompt_model):
        raise InputError(
            f"{SA2VA_I} propagates by SAM 2's own weights, and {model} does not carry them.",
            'Choose a prompt model, such as "facebook/sam2.1-hiera-large", or a Sa2VA-i '
            f"checkpoint, or the grounding {SA2VA}.",
        )
    return grounding


def device_memory(device: torch.device) -> tuple[int, int]:
    """Bytes used, by everybody, and in all."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total - free, total
    if device.type == "mps":
        total = torch.mps.recommended_max_memory()
        return torch.mps.driver_allocated_memory(), total
    memory = psutil.virtual_memory()
    return memory.total - memory.available, memory.total
