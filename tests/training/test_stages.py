"""Each stage takes one step on a tiny batch and trains what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

import napari_sa2va
from napari_sa2va.models.catalog import find_model
from napari_sa2va.models.checkpoint import build_model, load_model, read_json
from napari_sa2va.training import optimisation
from napari_sa2va.training.batches import ASSISTANT, USER, Packer, Talk
from napari_sa2va.training.clicking import Clicker, correct
from napari_sa2va.training.dense_labels import CELLS, COLOR_NAMES, NOUN_NAMES, dense_labels
from napari_sa2va.training.feeding import batches
from napari_sa2va.training.joining import JointSource
from napari_sa2va.training.losses import mask_losses, place_loss
from napari_sa2va.training.meaning import Turn
from napari_sa2va.training.optimisation import run_stage
from napari_sa2va.training.recipe import NAMES, STAGES, build_stage
from napari_sa2va.training.remembering import ClipSource
from napari_sa2va.training.scene import Scene, describe
from napari_sa2va.training.scenes import draw_scene
from napari_sa2va.training.seeing import Looker
from napari_sa2va.training.speaking import Speaker
from napari_sa2va.training.stage import SceneSource, Stage
from napari_sa2va.training.warm_start import move_back, warm_start
from napari_sa2va.training.zooming import window

NANO = Path(napari_sa2va.__file__).parent / "models" / "nano"


def _source(name: str):
    rng = np.random.default_rng(0)
    source = SceneSource(rng, fewest=2)
    large = SceneSource(rng, size=512)
    clicker = Clicker(source, large, images=(2, 1), prompts=2)
    speaker = Speaker(_tokenizer(), source, source, images=2, clips=1, extra=2, turns=3)
    return {
        "vision": lambda: Looker(source, source, images=2),
        "crops": lambda: Clicker(source, large, images=(2, 1), prompts=2, whole=0.0, side=128),
        "clicks": lambda: clicker,
        "naming": lambda: Speaker(
            _tokenizer(), source, images=2, turns=2, clips_every=None, makers=NAMES
        ),
        "language": lambda: speaker,
        "motion": lambda: Speaker(_tokenizer(), source, clips=1, clips_every=1, turns=3),
        "joint": lambda: JointSource(speaker, clicker),
        "memory": lambda: ClipSource(rng, clips=1, objects=2, lengths=(2,)),
    }[name]()


def _tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(NANO / "tokenizer.json"))


def _stage(name: str) -> Stage:
    model = load_model(NANO)
    return build_stage(name, model, _tokenizer())


@pytest.mark.parametrize("name", STAGES)
def test_one_step_changes_what_is_trained_and_nothing_else(name, tmp_path):
    stage, source = _stage(name), _source(name)
    before = {key: value.clone() for key, value in stage.model.state_dict().items()}
    trained = {key for key, _ in stage.parameters()}
    run_stage(stage, iter(source.draw, None), tmp_path, minutes=1e-3)
    after = stage.model.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert changed - {"language.llm.lm_head.weight"} <= trained  # tied to the embeddings
    assert (tmp_path / f"{name}.safetensors").exists()


def test_what_has_left_a_frame_teaches_only_that(tmp_path):
    stage, source = _stage("joint"), _source("joint")
    while (batch := source.draw()).spoken is None or batch.spoken.tracks is None:
        pass
    targets = torch.zeros_like(batch.spoken.frame_targets)
    dict(stage.parameters())  # sets what is trained
    losses = stage.losses(replace(batch, spoken=replace(batch.spoken, frame_targets=targets)))
    assert losses["presence"] > 0
    assert "iou_clip" not in losses
    losses["loss"].backward()
    decoder = stage.model.grounding.sam_mask_decoder
    assert any(it.grad.any() for it in decoder.pred_obj_score_head.parameters())
    assert all(it.grad is None for it in decoder.iou_prediction_head.parameters())


def test_pace_is_a_factor_on_the_learning_rates(tmp_path):
    stage, source = _stage("vision"), _source("vision")
    before = {name: value.clone() for name, value in stage.parameters()}
    run_stage(stage, iter(source.draw, None), tmp_path, minutes=1e-3, pace=0.0)
    assert all(torch.equal(value, before[name]) for name, value in stage.parameters())
    assert ",pace,0.0000\n" in (tmp_path / "vision.csv").read_text()


def test_a_run_that_was_cut_goes_on(tmp_path, monkeypatch):
    """The second run starts from the weights, the step and the log of the first."""
    stage, source = _stage("vision"), _source("vision")
    monkeypatch.setattr(optimisation, "LOG_EVERY", 1)
    monkeypatch.setattr(optimisation, "SAVE_EVERY", 0.0)
    drawn = [source.draw() for _ in range(3)]
    with pytest.raises(StopIteration):  # the cut: no fourth batch comes
        run_stage(stage, iter(drawn), tmp_path, minutes=60)
    weights = {name: value.clone() for name, value in stage.parameters()}
    again = _stage("vision")
    with pytest.raises(StopIteration):
        run_stage(again, iter(()), tmp_path, minutes=60)
    assert all(torch.equal(value, weights[name]) for name, value in again.parameters())
    with pytest.raises(StopIteration):
        run_stage(again, iter(drawn[:1]), tmp_path, minutes=60)
    steps = [row.split(",")[0] for row in (tmp_path / "vision.csv").read_text().splitlines()]
    assert sorted(set(steps)) == ["1", "2", "3", "4"]


def test_workers_draw_what_their_seeds_say():
    def made(rng):
        return Clicker(SceneSource(rng), SceneSource(rng, size=512), images=(1, 1), prompts=1)

    device = torch.device("cpu")
    workers = batches(made, [3], 2, device)
    first, second = next(workers), next(workers)
    again = next(batches(made, [3], 0, device))
    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.pixels[..., :9, :9], second.pixels[..., :9, :9])


def test_dense_labels_tell_what_is_drawn():
    """A disc of 40 px across in the middle of cell (4, 6)."""
    labels = np.zeros((256, 256), np.uint8)
    y, x = np.indices(labels.shape)
    labels[np.hypot(y + 0.5 - 72, x + 0.5 - 104) < 20] = 1
    image = np.repeat(labels[..., None] * np.uint8(204), 3, 2)
    objects = describe(labels, {1: {"noun": "circle", "color": "white"}})
    scene = Scene(image, labels, objects, "shapes")
    told = dense_labels([scene])
    cell = 4 * CELLS + 6
    color, noun = COLOR_NAMES.index("white"), NOUN_NAMES.index("circle")
    measured = [1, color, noun, 0, 0, np.log(np.sqrt(np.pi) * 20 / 20), 0.8]
    assert told.cells[0, cell].tolist() == pytest.approx(measured, abs=0.02)
    assert told.rays[0, cell].exp().mul(12).tolist() == pytest.approx([20] * 16, abs=3)
    assert told.rays[0, 0].isnan().all()
    assert told.things.tolist() == [[noun, 0]]
    assert told.owners[0].nonzero().flatten().tolist() == [
        row * CELLS + column
        for row in (3, 4, 5)
        for column in (5, 6, 7)
        if np.hypot(row - 4, column - 6) * 16 < 20
    ]


def test_enlarged_scenes_keep_image_and_labels_together():
    rng = np.random.default_rng(4)
    drawn = draw_scene(rng, kind="shapes")
    scene = replace(drawn, image=np.repeat(20 * drawn.labels[..., None], 3, 2))
    large = window(rng, scene, len(scene.labels), enlarged=2)
    assert large.image.shape == scene.image.shape
    assert large.labels.any()
    assert np.median(abs(large.image[..., 0].astype(int) - 20 * large.labels)) == 0
    assert {it.label for it in large.objects} <= {it.label for it in scene.objects}


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
    prompts = _source("clicks").draw().prompts
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


def test_what_a_checkpoint_lacks_starts_anew_and_is_named() -> None:
    nano = find_model("nano")
    config, grounding = (read_json(nano / f"{name}.json") for name in ("config", "grounding"))
    model = build_model(config, {**grounding, "memory_fuser_layers": 3})
    anew = warm_start(model, nano, ["grounding."], same_words=True)
    assert anew
    assert all(name.startswith("grounding.memory_encoder.fuser.layers.") for name in anew)
    same = "memory_encoder.pix_feat_proj.weight"
    kept = load_model(nano).state_dict()[f"grounding.{same}"]
    torch.testing.assert_close(model.grounding.get_parameter(same), kept)
    assert warm_start(build_model(config, grounding), nano, [""], same_words=True) == []


def test_trained_weights_are_moved_back_to_their_start() -> None:
    nano = find_model("nano")
    model = load_model(nano)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    move_back(model, nano, 0.25)
    start = load_model(nano).state_dict()
    moved = {name: value - start[name] for name, value in model.named_parameters()}
    for name, way in moved.items():
        torch.testing.assert_close(way, torch.full_like(way, 0.75), msg=name)
