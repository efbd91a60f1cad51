"""What the catalog claims: counts against shapes, and a checkpoint from the Hub that loads."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import napari_sa2va
from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.catalog import find_entry
from napari_sa2va.models.checkpoint import load_model, load_prompt_model
from napari_sa2va.models.known import GROUNDING, PUBLISHED, Parameters
from napari_sa2va.models.shapes import count_parameters
from tests.hub_mock import HubMock
from tests.models.test_published_keys import WITH_KEYS
from tests.tiny import add_second_decoder, write_sam2

COUNTED = [known for known in PUBLISHED if known.name.partition("/")[2] in WITH_KEYS]


@pytest.mark.parametrize("known", COUNTED, ids=lambda known: known.name.partition("/")[2])
def test_parameters_are_those_of_the_official_shapes(known, shared: Path) -> None:
    path = shared / "golden" / "keys" / f"{known.name.partition('/')[2]}.json.gz"
    with gzip.open(path) as file:
        shapes = json.load(file)["keys"]
    grounding = sum(math.prod(s) for n, s in shapes.items() if n.startswith("grounding_encoder."))
    assert known.parameters.total == sum(map(math.prod, shapes.values()))
    assert known.parameters.grounding == grounding == GROUNDING


def test_a_sam2_alone_is_counted_as_grounding(tmp_path: Path) -> None:
    model = load_prompt_model(write_sam2(tmp_path))
    places = model.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    held = sum(value.numel() for value in model.state_dict().values())
    assert count_parameters(tmp_path) == Parameters(0, held + places.numel())  # it is there twice


def test_the_second_decoder_of_sa2va_i_is_counted(tiny_folder: Path, tmp_path: Path) -> None:
    one = count_parameters(tiny_folder)
    both = count_parameters(add_second_decoder(tiny_folder, tmp_path / "both"))
    decoder = load_model(tiny_folder).grounding.sam_mask_decoder.state_dict()
    size = sum(value.numel() for value in decoder.values())
    assert both == Parameters(one.language, one.grounding + size)


def test_names_are_published_once() -> None:
    names = [known.name for known in PUBLISHED]
    assert len(set(names)) == len(names)


def test_headers_tell_what_loading_finds(tiny_folder: Path) -> None:
    counted = count_parameters(tiny_folder)
    model = load_model(tiny_folder)
    grounding = sum(value.numel() for value in model.grounding.state_dict().values())
    everything = sum(value.numel() for value in model.state_dict().values())
    assert counted == Parameters(everything - grounding, grounding)


def test_memory_is_what_loading_takes(tiny_folder: Path) -> None:
    model = load_model(tiny_folder, dtype=torch.bfloat16)
    loaded = sum(v.numel() * v.element_size() for v in model.state_dict().values())
    assert count_parameters(tiny_folder).memory("bfloat16") == loaded


@pytest.mark.parametrize(
    "contents", [b"", b"\0" * 8, b"\xff" * 8 + b"{}", b"\x02" + b"\0" * 7 + b"[]"]
)
def test_a_file_that_is_no_safetensors_is_named(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(contents)
    with pytest.raises(CheckpointError, match=r"x\.safetensors is cut or damaged"):
        count_parameters(tmp_path)


def test_a_checkpoint_in_shards_comes_from_the_hub_and_loads(
    hub: HubMock, tiny_folder: Path, tmp_path: Path
) -> None:
    hub.repositories["someone/sharded"] = _in_shards(tiny_folder, tmp_path / "shards")
    with napari_sa2va.load("someone/sharded", device="cpu") as engine:
        assert engine.name == "someone/sharded"
    entry = find_entry("someone/sharded")
    assert entry.folder is not None
    (entry.folder / "stray.safetensors").write_bytes(
        (tiny_folder / "model.safetensors").read_bytes()
    )
    assert find_entry("someone/sharded") == entry  # the index does not name it
    assert entry.known.parameters == count_parameters(tiny_folder)
    want = load_model(tiny_folder).state_dict()
    have = load_model(entry.folder).state_dict()
    assert all(torch.equal(have[name], value) for name, value in want.items())


def _in_shards(checkpoint: Path, folder: Path) -> dict[str, bytes]:
    """The files of a checkpoint whose weights are divided among three."""
    folder.mkdir()
    weights = load_file(checkpoint / "model.safetensors")
    index = {}
    for number in range(3):
        shard = f"model-{number + 1:05}-of-00003.safetensors"
        names = sorted(weights)[number::3]
        save_file({name: weights[name] for name in names}, folder / shard)
        index |= dict.fromkeys(names, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    settings = [path for path in checkpoint.iterdir() if path.suffix == ".json"]
    return {path.name: path.read_bytes() for path in [*settings, *folder.iterdir()]}
