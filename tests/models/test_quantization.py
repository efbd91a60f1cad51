"""8-bit and 4-bit weights of the LLM."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from napari_sa2va.core.errors import InputError
from napari_sa2va.models.checkpoint import load_model
from napari_sa2va.models.sa2va import Sa2VA

WIDTHS = {"int8": torch.int8, "int4": torch.uint8}


@pytest.fixture(params=WIDTHS)
def quantized(request: pytest.FixtureRequest, tiny_folder: Path) -> tuple[str, Sa2VA]:
    pytest.importorskip("bitsandbytes", reason="the extra `quantize` is not installed")
    return request.param, load_model(tiny_folder, quantize=request.param)


def test_only_the_linear_layers_of_the_llm_are_quantised(
    quantized: tuple[str, Sa2VA], tiny_folder: Path
) -> None:
    width, model = quantized
    plain = dict(load_model(tiny_folder).named_parameters())
    linear = {
        f"language.llm.model.{name}.weight"
        for name, layer in load_model(tiny_folder).language.llm.model.named_modules()
        if isinstance(layer, nn.Linear)
    }
    assert len(linear) == 2 * 7
    for name, value in model.named_parameters():
        if name in linear:
            assert value.dtype == WIDTHS[width]
            assert plain[name].nbytes >= (4 if width == "int8" else 8) * value.nbytes
        else:
            assert torch.equal(value, plain[name]), name


@torch.inference_mode()
def test_what_is_read_is_nearly_the_same(quantized: tuple[str, Sa2VA], tiny_folder: Path) -> None:
    width, model = quantized
    embeddings = torch.randn(20, model.language.hidden_size, generator=torch.manual_seed(0))
    positions = torch.arange(20)[None]
    hidden = [
        language.read(embeddings, positions, language.new_cache())
        for language in (load_model(tiny_folder).language, model.language)
    ]
    error = (hidden[1] - hidden[0]).norm() / hidden[0].norm()
    assert 0 < error < {"int8": 0.02, "int4": 0.2}[width]


def test_without_bitsandbytes_the_extra_is_named(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match=r"napari-sa2va\[quantize\]"):
        load_model(tiny_folder, quantize="int8")


def test_no_binary_is_fetched_from_the_hub() -> None:
    pytest.importorskip("bitsandbytes", reason="the extra `quantize` is not installed")
    code = (
        "import sys, types; hub = types.ModuleType('kernels');"
        "hub.get_kernel = lambda *a, **k: sys.exit('fetched');"
        "sys.modules['kernels'] = hub;"
        "from napari_sa2va.models.quantization import Quantizer; Quantizer('int4');"
        "assert sys.modules['kernels'] is hub"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "kernels" not in done.stderr
