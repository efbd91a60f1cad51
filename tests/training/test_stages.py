"""Each stage takes one step on a tiny batch and trains what it says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

import napari_sa2va
from napari_sa2va.models.checkpoint import load_model
from napari_sa2va.training.attention import use_float_attention
from napari_sa2va.training.batches import ASSISTANT, USER, Packer, Talk
from napari_sa2va.training.clicking import Clicker, ClicksStage, correct
from napari_sa2va.training.joining import JointStage
from napari_sa2va.training.losses import mask_losses, place_loss
from napari_sa2va.training.optimisation import run_stage
from napari_sa2va.training.questions import Turn
from napari_sa2va.training.remembering import MemoryStage
from napari_sa2va.training.seeing import VisionStage
from napari_sa2va.training.speaking import LanguageStage, Speaker
from napari_sa2va.training.stage import SceneSource, Stage

NANO = Path(napari_sa2va.__file__).parent / "models" / "nano"


def _stage(name: str) -> Stage:
    model = load_model(NANO)
    use_float_attention(model)
    rng = np.random.default_rng(0)
    source = SceneSource(rng, fewest=2)
    tokenizer = Tokenizer.from_file(str(NANO / "tokenizer.json"))
    speaker = Speaker(rng, tokenizer, source, source, images=2, clips=1, extra=2, turns=3)
    clicker = Clicker(rng, source, images=2, prompts=2)
    return {
        "vision": lambda: VisionStage(model, source, images=2),
        "clicks": lambda: ClicksStage(model, clicker),
        "language": lambda: LanguageStage(model, speaker),
        "joint": lambda: JointStage(model, speaker, clicker),
        "memory": lambda: MemoryStage(model, rng, clips=1, objects=2, lengths=(2,)),
    }[name]()


@pytest.mark.parametrize("name", ["vision", "clicks", "language", "joint", "memory"])
def test_one_step_changes_what_is_trained_and_nothing_else(name, tmp_path):
    stage = _stage(name)
    before = {key: value.clone() for key, value in stage.model.state_dict().items()}
    trained = {key for key, _ in stage.parameters()}
    run_stage(stage, tmp_path, minutes=1e-3)
    after = stage.model.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert changed - {"language.llm.lm_head.weight"} <= trained  # tied to the embeddings
    assert (tmp_path / f"{name}.safetensors").exists()


def test_a_batch_is_in_the_official_prompt_format():
    tokenizer = Tokenizer.from_file(str(NANO / "tokenizer.json"))
    packer = Packer(tokenizer)
    first = Turn("Segment the cell.", "Sure, [SEG].", ((1,),), "size")
    second = Turn("How many cells are there?", "There is one cell.", (), "count")
    frames = np.zeros((2, 256, 256, 3), np.uint8)
    batch = packer.pack([Talk(frames, ((first, second),))])
    image = "<img>" + "<IMG_CONTEXT>" * 64 + "</img>"
    assert tokenizer.decode(batch.ids[0].tolist(), skip_special_tokens=False) == (
        f"{USER}{image}\n{image}{first.question}{ASSISTANT}{first.answer}<|im_end|>\n"
        f"{USER}{second.question}{ASSISTANT}{second.answer}<|im_end|>"
    )
    answers = batch.targets[0][batch.targets[0] >= 0].tolist()
    assert tokenizer.decode(answers, skip_special_tokens=False) == (
        f"{first.answer}<|im_end|>{second.answer}<|im_end|>"
    )
    assert batch.ids[0, batch.seg_columns].tolist() == [tokenizer.token_to_id("[SEG]")]


def test_dialogues_about_one_image_do_not_see_each_other():
    packer = Packer(Tokenizer.from_file(str(NANO / "tokenizer.json")))
    turn = Turn("What is it?", "It is a cell.", (), "overview")
    batch = packer.pack([Talk(np.zeros((1, 256, 256, 3), np.uint8), ((turn,), (turn,)))])
    prefix = len(packer.prefix(1))
    length = (batch.ids.shape[1] - prefix) // 2
    visible = batch.visible[0, 0]
    assert not visible[prefix + length :, prefix : prefix + length].any()
    assert visible[prefix:, :prefix].all()
    first, second = batch.positions[0, prefix:].split(length)
    assert torch.equal(first, second)


def test_a_correction_goes_where_the_mask_is_wrong():
    stage = _stage("clicks")
    assert isinstance(stage, ClicksStage)
    prompts = stage.draw().prompts
    missed_all, _ = correct(prompts, torch.full_like(prompts.targets, -5.0))
    assert (missed_all.kinds[:, -1] == 1).all()
    x, y = missed_all.points[:, -1].long().unbind(1)
    assert (prompts.targets[torch.arange(len(x)), y // 4, x // 4] > 0).all()


def test_perfect_masks_and_places_cost_nothing():
    target = torch.zeros(1, 64, 64)
    target[:, 8:24, 8:24] = 1
    losses = mask_losses(40 * (target - 0.5), target)
    assert losses.iou.item() == 1
    assert losses.dice.item() == pytest.approx(0, abs=1e-3)
    codes = torch.eye(256).reshape(1, 256, 16, 16)
    share = torch.zeros(256)
    share.reshape(16, 16)[2:6, 2:6] = 8 * 30
    assert place_loss(share[None], codes, target).item() == pytest.approx(0, abs=1e-3)
    assert place_loss(-share[None], codes, target).item() > 1
