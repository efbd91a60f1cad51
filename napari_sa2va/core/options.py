"""How a model is loaded: the one place that knows all options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from napari_sa2va.core.errors import InputError

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Grounding = Literal["auto", "sa2va", "sa2va-i"]
Quantize = Literal["int8", "int4"]
Offload = Literal["tracking"]
Attention = Literal["sdpa", "flash_attention_2"]

DTYPES: tuple[str, ...] = get_args(Dtype)
GROUNDINGS: tuple[str, ...] = get_args(Grounding)
QUANTIZE: tuple[str, ...] = get_args(Quantize)
OFFLOAD: tuple[str, ...] = get_args(Offload)
ATTENTION: tuple[str, ...] = get_args(Attention)


@dataclass(frozen=True)
class LoadOptions:
    """Options of `napari_sa2va.load`, where they are explained.

    Raises
    ------
    InputError
        A value is not known, or two of them do not go together.
    """

    device: str = "auto"
    dtype: str = "auto"
    prompt_model: str | None = None
    grounding: str = "auto"
    quantize: str | None = None
    offload: str | None = None
    attention: str = "sdpa"
    compile: bool = False

    def __post_init__(self) -> None:
        _check("dtype", self.dtype, DTYPES)
        _check("grounding", self.grounding, GROUNDINGS)
        _check("attention", self.attention, ATTENTION)
        _check("quantize", self.quantize, (None, *QUANTIZE))
        _check("offload", self.offload, (None, *OFFLOAD))
        if self.quantize and self.offload:
            raise InputError(
                "Quantised weights do not go together with offload.", "Choose one of them."
            )
        if self.compile and (self.quantize or self.offload):
            other = "quantised weights" if self.quantize else "offload"
            raise InputError(f"compile does not go together with {other}.", "Choose one of them.")


def _check(name: str, value: Any, known: tuple[Any, ...]) -> None:
    if value not in known:
        raise InputError(f"{name}={value!r} is not known.", f"Use {', '.join(map(repr, known))}.")


DEFAULTS = LoadOptions()
