"""How a model is loaded: the one place that knows all options."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sa2va.core.errors import InputError

QUANTIZE = ("int8", "int4")
OFFLOAD = ("tracking",)


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

    def __post_init__(self) -> None:
        for name, value, known in (
            ("quantize", self.quantize, QUANTIZE),
            ("offload", self.offload, OFFLOAD),
        ):
            if value is not None and value not in known:
                raise InputError(
                    f"{name}={value!r} is not known.", f"Use None, {', '.join(map(repr, known))}."
                )
        if self.quantize and self.offload:
            raise InputError(
                "Quantised weights do not go together with offload.", "Choose one of them."
            )
