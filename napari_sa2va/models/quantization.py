"""8-bit and 4-bit weights of the LLM, by bitsandbytes; everything else keeps its precision."""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from napari_sa2va.core.errors import InputError


class Quantizer:
    """Quantises the linear layers of an LLM while they are loaded.

    Embeddings, norms and the output head stay as they are, and so does all that is not the LLM.

    Parameters
    ----------
    width : str
        ``"int8"``: 8-bit integers with activations quantised, too, but for outliers (LLM.int8(),
        arXiv 2208.07339). ``"int4"``: 4-bit NormalFloat in blocks of 64 (NF4, arXiv 2305.14314).

    Raises
    ------
    InputError
        bitsandbytes is not installed.
    """

    def __init__(self, width: str) -> None:
        self._width = width
        self._layers = _import_bitsandbytes().nn

    def prepare(self, llm: nn.Module, dtype: torch.dtype) -> None:
        """Replace the linear layers of an LLM that has no values yet."""
        for parent in list(llm.modules()):
            for name, child in list(parent.named_children()):
                if type(child) is nn.Linear:
                    setattr(parent, name, self._empty_layer(child, dtype))

    def covers(self, layer: nn.Module) -> bool:
        """Whether a layer is one of those that `prepare` made."""
        return isinstance(layer, (self._layers.Linear8bitLt, self._layers.Linear4bit))

    def quantize(self, weight: Tensor, device: torch.device) -> nn.Parameter:
        """The parameter, on a device, of a weight (rows, columns) in host memory."""
        parameter: Any
        if self._width == "int8":
            parameter = self._layers.Int8Params(weight, requires_grad=False)
        else:
            parameter = self._layers.Params4bit(weight, quant_type="nf4")
        quantized: nn.Parameter = parameter.to(device)
        return quantized

    def _empty_layer(self, linear: nn.Linear, dtype: torch.dtype) -> nn.Module:
        sizes = linear.in_features, linear.out_features, linear.bias is not None
        layer: Any
        if self._width == "int8":
            # 6 is the paper's: activations beyond it are computed in half precision.
            layer = self._layers.Linear8bitLt(
                *sizes, has_fp16_weights=False, threshold=6.0, device="meta"
            )
        else:
            layer = self._layers.Linear4bit(
                *sizes, compute_dtype=dtype, quant_type="nf4", device="meta"
            )
            # Its kernel for some CPUs is a binary from the Hub: see _import_bitsandbytes.
            layer.support_avx512bf16_for_cpu = False
        return layer


def _import_bitsandbytes() -> ModuleType:
    """The package, without what it would fetch from the Hub and run.

    On CPUs with AVX512-BF16 its import looks for the package ``kernels``, downloads a binary by it,
    and logs advice to install it where it is missing.
    """
    if "bitsandbytes" not in sys.modules:
        logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    hidden = sys.modules.get("kernels")
    # Python's own way to say "cannot be imported"; its annotation leaves None out.
    sys.modules["kernels"] = None  # type: ignore[assignment]
    try:
        import bitsandbytes
    except ImportError as error:
        raise InputError(
            f"Quantised weights need bitsandbytes, which cannot be imported ({error}).",
            'Install it: pip install "napari-sa2va[quantize]".',
        ) from error
    finally:
        if hidden is None:
            del sys.modules["kernels"]
        else:
            sys.modules["kernels"] = hidden
    return bitsandbytes
