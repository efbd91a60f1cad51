"""Official checkpoint folders into our modules, and back. Safetensors only, no remote code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_sa2va.core.errors import CheckpointError, WeightsError
from napari_sa2va.models.grounding import build_sam2
from napari_sa2va.models.internvl import InternVL
from napari_sa2va.models.sa2va import Sa2VA

_INDEX = "model.safetensors.index.json"
_LM_HEAD, _EMBEDDINGS = "language.llm.lm_head.weight", "language.llm.model.embed_tokens.weight"

# The official beginning of a name and ours, the most specific first. Layer numbers are `#`.
_PREFIXES = (
    ("vision_model.embeddings.class_embedding", "language.vision.embeddings.cls_token"),
    (
        "vision_model.embeddings.position_embedding",
        "language.vision.embeddings.position_embeddings",
    ),
    (
        "vision_model.embeddings.patch_embedding.",
        "language.vision.embeddings.patch_embeddings.projection.",
    ),
    ("vision_model.encoder.layers.#.ls", "language.vision.encoder.layer.#.lambda_"),
    (
        "vision_model.encoder.layers.#.attn.proj.",
        "language.vision.encoder.layer.#.attention.projection_layer.",
    ),
    ("vision_model.encoder.layers.#.attn.", "language.vision.encoder.layer.#.attention."),
    ("vision_model.encoder.layers.#.norm1.", "language.vision.encoder.layer.#.layernorm_before."),
    ("vision_model.encoder.layers.#.norm2.", "language.vision.encoder.layer.#.layernorm_after."),
    ("vision_model.encoder.layers.#.", "language.vision.encoder.layer.#."),
    ("mlp1.", "language.projector."),
    ("language_model.", "language.llm."),
    (
        "grounding_encoder.sam2_model.memory_encoder.fuser.layers.#.g_weight",
        "grounding.memory_encoder.fuser.layers.#.gamma",
    ),
    ("grounding_encoder.sam2_model.", "grounding."),
)


def _renames(pairs: Iterable[tuple[str, str]]) -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(re.escape(old).replace(r"\#", r"(\d+)")), new.replace("#", r"\1"))
        for old, new in pairs
    ]


_TO_OURS = _renames(_PREFIXES)
_TO_OFFICIAL = _renames((ours, official) for official, ours in _PREFIXES)
_FUSED = re.compile(r"\.attention\.qkv\.(weight|bias)$")
_SPLIT = re.compile(r"\.attention\.([qkv])_proj\.(weight|bias)$")


def build_model(config: Mapping[str, Any], grounding: Mapping[str, Any]) -> Sa2VA:
    """A Sa2VA with random weights, from the contents of config.json and grounding.json."""
    return Sa2VA(InternVL(config), build_sam2(grounding))


def load_model(
    folder: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
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

    Raises
    ------
    CheckpointError
        A file is missing, damaged or pickled, or weights are missing, unexpected or misshaped;
        all of them are listed.
    """
    folder = Path(folder)
    config = read_json(folder / "config.json")
    grounding = _read_grounding(folder)
    files = weight_files(folder)
    # No memory and no time for random weights that are about to be replaced.
    with torch.device("meta"):
        language = InternVL(config)
    model = Sa2VA(language, build_sam2(grounding))
    weights = dict(_ours(_read(files)))
    _tie_embeddings(weights, config)
    _check(model, weights, folder)
    model.load_state_dict(weights, assign=True)
    _materialise_rotary(model)
    model.language.to(device=device, dtype=dtype)
    model.text_hidden_fcs.to(device=device, dtype=dtype)
    model.grounding.to(device=device, dtype=torch.float32)
    return model.eval().requires_grad_(False)


def save_model(model: Sa2VA, folder: str | Path, dtype: torch.dtype) -> None:
    """Write ``model.safetensors`` under the official names."""
    weights = {name: value.to(dtype).contiguous() for name, value in _official(model)}
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


def _read(files: Iterable[Path]) -> Iterator[tuple[str, Tensor]]:
    for path in files:
        try:
            with safe_open(path, framework="pt") as shard:
                for name in shard.keys():  # noqa: SIM118 - a shard is not a mapping
                    yield name, shard.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is cut or damaged ({error}).", "Download it again."
            ) from error


def _ours(official: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    for name, value in official:
        ours = _rename(name, _TO_OURS)
        if _FUSED.search(ours):
            for part, rows in zip("qkv", value.chunk(3), strict=True):
                yield _FUSED.sub(rf".attention.{part}_proj.\1", ours), rows
        else:
            yield ours, value


def _rename(name: str, renames: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, new in renames:
        if pattern.match(name):
            return pattern.sub(new, name, count=1)
    return name


def _official(model: Sa2VA) -> Iterator[tuple[str, Tensor]]:
    """Our weights under their official names; a tied output head is left out."""
    fused: dict[str, dict[str, Tensor]] = {}
    for name, value in model.state_dict().items():
        if name == _LM_HEAD and model.language.llm.config.tie_word_embeddings:
            continue
        part = _SPLIT.search(name)
        if part is None or not name.startswith("language.vision."):
            yield _rename(name, _TO_OFFICIAL), value
            continue
        whole = _SPLIT.sub(rf".attention.qkv.{part[2]}", name)
        fused.setdefault(whole, {})[part[1]] = value
        if len(fused[whole]) == 3:
            yield _rename(whole, _TO_OFFICIAL), torch.cat([fused[whole][p] for p in "qkv"])


def _tie_embeddings(weights: dict[str, Tensor], config: Mapping[str, Any]) -> None:
    tied = config["llm_config"].get("tie_word_embeddings", config.get("tie_word_embeddings", False))
    if tied and _LM_HEAD not in weights and _EMBEDDINGS in weights:
        weights[_LM_HEAD] = weights[_EMBEDDINGS]


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


def _materialise_rotary(model: Sa2VA) -> None:
    """Give the rotary table, which no checkpoint holds, its values."""
    llm = model.language.llm.model
    llm.rotary_emb = type(llm.rotary_emb)(config=llm.config)
