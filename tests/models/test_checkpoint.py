from __future__ import annotations

import json
import shutil
import weakref
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import napari_sa2va
from napari_sa2va.core.errors import CheckpointError, WeightsError
from napari_sa2va.models import checkpoint
from napari_sa2va.models.catalog import find_model
from napari_sa2va.models.checkpoint import (
    build_model,
    carries_second_decoder,
    load_model,
    save_model,
)
from napari_sa2va.models.empty import Empty
from napari_sa2va.models.tokens import Tokens
from tests.tiny import GROUNDING, add_second_decoder, config


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def rewrite(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, folder / "model.safetensors")


def test_saving_and_loading_give_the_same_weights(folder: Path, tmp_path: Path) -> None:
    before = weights(folder)
    save_model(load_model(folder), tmp_path, torch.float32)
    after = load_file(tmp_path / "model.safetensors")
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_checkpoint_of_sa2va_i_keeps_both_decoders(folder: Path, tmp_path: Path) -> None:
    assert not carries_second_decoder(folder)
    both = add_second_decoder(folder, tmp_path / "both")
    assert carries_second_decoder(both)
    before = weights(both)
    assert "grounding_encoder.sam2_model.sam_mask_decoder_modified.iou_token.weight" in before
    save_model(load_model(both), tmp_path, torch.float32)
    after = load_file(tmp_path / "model.safetensors")
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)

    del before["grounding_encoder.sam2_model.sam_mask_decoder_modified.iou_token.weight"]
    rewrite(both, before)
    with pytest.raises(WeightsError, match=r"sam_mask_decoder_modified\.iou_token"):
        load_model(both)


def test_official_names_are_written(folder: Path) -> None:
    names = weights(folder)
    assert "vision_model.encoder.layers.0.attn.qkv.weight" in names
    assert "mlp1.3.bias" in names
    assert "grounding_encoder.sam2_model.memory_encoder.fuser.layers.0.g_weight" in names
    assert not [name for name in names if name.startswith(("language.", "grounding."))]


def test_shards_are_read(folder: Path) -> None:
    tensors = weights(folder)
    expected = load_model(folder).state_dict()
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, part in shards.items():
        save_file({name: tensors[name] for name in part}, folder / shard)
    (folder / "model.safetensors").unlink()
    index = {name: shard for shard, part in shards.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    loaded = load_model(folder).state_dict()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)

    (folder / "b.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks b\.safetensors"):
        load_model(folder)


def test_an_index_cannot_name_files_elsewhere(folder: Path) -> None:
    index = {"weight_map": {"x": "../other/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="files elsewhere"):
        load_model(folder)


def test_the_trunk_may_be_described_beside_the_folder(folder: Path) -> None:
    (folder / "grounding.json").rename(folder.parent / "grounding.json")
    assert load_model(folder).grounding.image_size == 128


def test_a_tied_output_head_may_be_left_out(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["llm_config"]["tie_word_embeddings"] = True
    (folder / "config.json").write_text(json.dumps(config))
    tensors = weights(folder)
    del tensors["language_model.lm_head.weight"]
    rewrite(folder, tensors)
    llm = load_model(folder).language.llm
    assert llm.lm_head.weight is llm.model.embed_tokens.weight


def test_weights_are_read_one_at_a_time(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[weakref.ref[torch.Tensor]] = []

    class Shard:
        def __init__(self, *args: object, **options: object) -> None:
            self.shard = safe_open(*args, **options)
            self.keys, self.get_slice = self.shard.keys, self.shard.get_slice

        def __enter__(self) -> Shard:
            return self

        def __exit__(self, *exception: object) -> None:
            self.shard.__exit__(*exception)

        def get_tensor(self, name: str) -> torch.Tensor:
            assert sum(one() is not None for one in read) <= 1
            value = self.shard.get_tensor(name)
            read.append(weakref.ref(value))
            return value

    monkeypatch.setattr(checkpoint, "safe_open", Shard)
    load_model(tiny_folder)
    assert len(read) == len(weights(tiny_folder))


def test_weights_of_a_large_model_are_never_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(512)
    settings["llm_config"] |= {"hidden_size": 2**20, "intermediate_size": 2**24}
    settings["vision_config"] |= {"hidden_size": 2**20}
    with Empty():
        model = build_model(settings, GROUNDING)  # 2^46 numbers would fit no machine
    large = [value for value in model.parameters() if value.numel() > 2**26]
    assert large
    assert all(value.is_meta for value in large)


def test_what_is_computed_has_its_values_in_float32(tiny_folder: Path) -> None:
    half = load_model(tiny_folder, dtype=torch.bfloat16)
    whole = build_model(config(512), GROUNDING)
    tables = dict(whole.named_buffers())
    computed = {n: b for n, b in half.named_buffers() if n not in half.state_dict()}
    assert any("inv_freq" in name for name in computed)
    for name, table in computed.items():
        assert torch.equal(table, tables[name]), name
        assert table.dtype == tables[name].dtype
    assert half.language.llm.lm_head.weight.dtype == torch.bfloat16
    assert half.grounding.maskmem_tpos_enc.dtype == torch.float32


def test_all_weights_that_do_not_fit_are_listed(folder: Path) -> None:
    tensors = weights(folder)
    del tensors["mlp1.3.bias"]
    tensors["something.else"] = torch.zeros(1)
    tensors["text_hidden_fcs.0.bias"] = torch.zeros(7)
    tensors["vision_model.encoder.layers.0.attn.qkv.bias"] = torch.zeros(7)
    rewrite(folder, tensors)
    with pytest.raises(WeightsError) as caught:
        load_model(folder)
    assert caught.value.problems == {
        "missing": [
            "language.projector.3.bias",
            *(f"language.vision.encoder.layer.0.attention.{part}_proj.bias" for part in "kqv"),
        ],
        "unexpected": ["language.vision.encoder.layer.0.attention.qkv.bias", "something.else"],
        "misshaped": ["text_hidden_fcs.0.bias (7,) instead of (32,)"],
    }
    assert "misshaped (1): text_hidden_fcs.0.bias" in str(caught.value)


def test_a_cut_file_is_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is cut or damaged"):
        load_model(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="only pickled weights"):
        load_model(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_missing_files_are_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match="has no"):
        napari_sa2va.load(str(folder))


@pytest.mark.parametrize("name", ["config.json", "grounding.json", "tokenizer.json"])
def test_damaged_files_are_named(folder: Path, name: str) -> None:
    (folder / name).write_text('{"cut": ')
    with pytest.raises(CheckpointError, match="is damaged"):
        napari_sa2va.load(str(folder))


@pytest.mark.parametrize(
    ("file", "path", "value", "says"),
    [
        ("config.json", ("template",), "other_chat", "template 'other_chat'"),
        ("config.json", ("llm_config", "architectures"), ["MambaForCausalLM"], "MambaForCausalLM"),
        ("config.json", ("select_layer",), -4, "select_layer"),
        ("grounding.json", ("depth",), 3, "unknown settings: depth"),
    ],
)
def test_unknown_settings_are_refused(
    folder: Path, file: str, path: tuple[str, ...], value: object, says: str
) -> None:
    settings = json.loads((folder / file).read_text())
    target = settings
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    (folder / file).write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=says):
        load_model(folder)


def test_code_in_a_folder_is_not_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_evil.Evil", "AutoConfig": "modeling_evil.Evil"}
    config["llm_config"]["auto_map"] = {"AutoModel": "modeling_evil.Evil"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    napari_sa2va.load(str(folder)).close()
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("name", ["nowhere", "/no/such/folder", "./x", "a/b/c"])
def test_names_of_nothing_are_explained(name: str) -> None:
    with pytest.raises(CheckpointError, match="There is no model"):
        find_model(name)


def test_a_hub_that_cannot_be_reached_is_explained() -> None:
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        find_model("nobody/no-such-model")  # conftest sets HF_HUB_OFFLINE


def test_a_tokenizer_without_seg_is_refused(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace("[SEG]", "[CUT]"))
    with pytest.raises(CheckpointError, match=r"no token \[SEG\]"):
        Tokens(folder)
