"""Official checkpoint folders into our modules, and back. Safetensors only, no remote code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from napari_sa2va.core.errors import CheckpointError, WeightsError
from napari_sa2va.models.empty import Empty
from napari_sa2va.models.families import build_language
from napari_sa2va.models.grounding import build_sam2
from napari_sa2va.models.language import LanguageSide
from napari_sa2va.models.quantization import Quantizer
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.models.sam2_names import from_transformers, sam2_settings

_INDEX = "model.safetensors.index.json"
_SECOND_DECODER = ".sam_mask_decoder_modified."


def build_model(
    config: Mapping[str, Any], grounding: Mapping[str, Any], second_decoder: bool = False
) -> Sa2VA:
    """A Sa2VA with random weights, from the contents of config.json and grounding.json.

    With a `second_decoder`, its SAM 2 has its own mask decoder beside the fine-tuned one.
    """
    return Sa2VA(build_language(config), build_sam2(grounding, second_decoder))


def load_model(
    folder: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    quantize: str | None = None,
    attention: str = "sdpa",
) -> Sa2VA:
    """Load a checkpoint folder in the official layout.

    Parameters
    ----------
    folder : path
        Holds ``config.json`` and safetensors (sharded or not). A ``grounding.json`` in it or beside
        it tells how its SAM 2 differs from Hiera-L.
    device : str or torch.device
        Where the model goes.
    dtype : torch.dtype
        Of the language side. SAM 2 keeps float32 weights: its memory accumulates errors.
    quantize : str, optional
        ``"int8"`` or ``"int4"``: the LLM's weights; see `Quantizer`.
    attention : str
        Of the LLM, by transformers' name of it.

    Raises
    ------
    InputError
        bitsandbytes is needed, and not installed.
    CheckpointError
        A file is missing, damaged or pickled, or weights are missing, unexpected or misshaped;
        all of them are listed.
    """
    folder = Path(folder)
    config = read_json(folder / "config.json")
    grounding = _read_grounding(folder)
    files = weight_files(folder)
    quantizer = Quantizer(quantize) if quantize else None
    with Empty():
        model = build_model(config, grounding, carries_second_decoder(folder))
        if quantizer:
            quantizer.prepare(model.language.decoder, dtype)
    announced = _announced(files, model.language)
    _tie_embeddings(announced, model.language)
    _check(model, announced, folder)
    _fill(model, files, torch.device(device), dtype, quantizer)
    if attention != "sdpa":  # with which all parts are built
        model.language.use_attention(attention)
    return model.eval().requires_grad_(False)


def carries_second_decoder(folder: Path) -> bool:
    """Whether a checkpoint has SAM 2's own mask decoder beside the fine-tuned one, as Sa2VA-i."""
    return any(_SECOND_DECODER in name for name in _names(weight_files(folder)))


def load_prompt_model(folder: str | Path, device: str | torch.device = "cpu") -> SAM2Base:
    """Load a plain SAM 2 or SAM 2.1 that transformers wrote (``facebook/sam2.1-hiera-*``).

    It has float32 weights, as the SAM 2 of a Sa2VA.

    Raises
    ------
    CheckpointError
        As `load_model`, or the folder holds no SAM 2.
    """
    folder = Path(folder)
    config = read_json(folder / "config.json")
    with Empty():
        model = build_sam2(sam2_settings(config, str(folder)))
    model.plain = True
    weights = dict(from_transformers(dict(_read(weight_files(folder))), str(folder)))
    _check(model, weights, folder)
    model.load_state_dict(weights, assign=True)
    return model.to(device=device, dtype=torch.float32).eval().requires_grad_(False)


def save_model(model: Sa2VA, folder: str | Path, dtype: torch.dtype) -> None:
    """Write ``model.safetensors`` under the official names."""
    official = model.language.weight_names.official(_kept(model))
    weights = {name: value.to(dtype).contiguous() for name, value in official}
    save_file(weights, Path(folder) / "model.safetensors", metadata={"format": "pt"})


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; CheckpointError where there is none."""
    if not path.is_file():
        raise CheckpointError(
            f"{path.parent} has no {path.name}.", "Is this the folder of a Sa2VA checkpoint?"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}).", "Download it again.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no JSON object.", "Download it again.")
    return content


def _read_grounding(folder: Path) -> dict[str, Any]:
    for path in (folder / "grounding.json", folder.parent / "grounding.json"):
        if path.exists():
            return read_json(path)
    return {}


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint folder, shards in order of name."""
    if (folder / _INDEX).exists():
        shards = sorted(set(read_json(folder / _INDEX).get("weight_map", {}).values()))
        # An index may name only plain files beside it, never a path elsewhere.
        outside = [name for name in shards if Path(name).name != name]
        if outside:
            raise CheckpointError(f"{folder / _INDEX} names files elsewhere: {', '.join(outside)}.")
        missing = [name for name in shards if not (folder / name).is_file()]
        if missing:
            raise CheckpointError(
                f"{folder} lacks {', '.join(missing)}.", "Download the missing shards."
            )
        return [folder / name for name in shards]
    files = sorted(folder.glob("*.safetensors"))
    if files:
        return files
    pickled = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth") for p in folder.glob(pattern))
    if pickled:
        raise CheckpointError(
            f"{folder} holds only pickled weights ({', '.join(pickled)}); "
            "unpickling can run any code, so they are not opened.",
            "Convert them to safetensors on a machine that you can lose.",
        )
    raise CheckpointError(f"{folder} has no safetensors files.", "Download the weights.")


def _fill(
    model: Sa2VA,
    files: Iterable[Path],
    device: torch.device,
    dtype: torch.dtype,
    quantizer: Quantizer | None,
) -> None:
    """Give an empty model its weights, one at a time straight onto the device."""
    layers = {f"{name}.weight": layer for name, layer in model.named_modules()}
    weights = {}
    for name, value in model.language.weight_names.ours(_read(files)):
        if quantizer and name in layers and quantizer.covers(layers[name]):
            layers[name].weight = quantizer.quantize(value.to(dtype), device)
        else:
            kept = torch.float32 if name.startswith("grounding.") else dtype
            # A copy in any case: what was read may be one part of several, or ill aligned.
            weights[name] = value.to(device, kept, copy=True)
    _tie_embeddings(weights, model.language)
    model.load_state_dict(weights, strict=False, assign=True)  # _check has compared them
    for module in model.modules():
        # What is computed and not loaded; rotary tables stay in float32, for places far back.
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.to(device))


def _announced(files: Iterable[Path], language: LanguageSide) -> dict[str, Tensor]:
    """What the files' headers promise, under our names: tensors without values."""
    shapes: dict[str, Tensor] = {}
    for path in files:
        with _opened(path) as shard:
            for name in shard.keys():  # noqa: SIM118 - a shard is not a mapping
                shapes[name] = torch.empty(shard.get_slice(name).get_shape(), device="meta")
    return dict(language.weight_names.ours(shapes.items()))


def _read(files: Iterable[Path]) -> Iterator[tuple[str, Tensor]]:
    """All weights, each read when it is asked for."""
    for path in files:
        with _opened(path) as shard:
            for name in shard.keys():  # noqa: SIM118 - a shard is not a mapping
                yield name, shard.get_tensor(name)


def _names(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        with _opened(path) as shard:
            yield from shard.keys()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        # Not mapped into memory: the pages of the file would count there a second time.
        with safe_open(path, framework="pt", backend="pread") as shard:
            yield shard
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is cut or damaged ({error}).", "Download it again."
        ) from error


def _kept(model: Sa2VA) -> Iterator[tuple[str, Tensor]]:
    """Our weights; a tied output head is left out."""
    head, _ = _output_head(model.language)
    for name, value in model.state_dict().items():
        if not (model.language.tied and name == head):
            yield name, value


def _tie_embeddings(weights: dict[str, Tensor], language: LanguageSide) -> None:
    head, embeddings = _output_head(language)
    if language.tied and head not in weights and embeddings in weights:
        # One parameter under two names: it stays one wherever the network is moved.
        shared = nn.Parameter(weights[embeddings], requires_grad=False)
        weights[head] = weights[embeddings] = shared


def _output_head(language: LanguageSide) -> tuple[str, str]:
    """The names of the output head's weight and of the embeddings'."""
    names = {id(module): name for name, module in language.named_modules()}
    embeddings = names[id(language.decoder.get_input_embeddings())]
    return f"language.{names[id(language.head)]}.weight", f"language.{embeddings}.weight"


def _check(model: Sa2VA, weights: Mapping[str, Tensor], folder: Path) -> None:
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    problems = {
        "missing": sorted(expected.keys() - weights.keys()),
        "unexpected": sorted(weights.keys() - expected.keys()),
        "misshaped": [
            f"{name} {tuple(weights[name].shape)} instead of {shape}"
            for name, shape in expected.items()
            if name in weights and tuple(weights[name].shape) != shape
        ],
    }
    if any(problems.values()):
        raise WeightsError(str(folder), problems)
