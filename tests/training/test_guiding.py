"""Where answers look and what moved where: right attention costs 0, and belongs to its turn."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

import napari_sa2va
from napari_sa2va.models.checkpoint import load_model
from napari_sa2va.training import guiding, language, questions, references, speaking
from napari_sa2va.training.batches import Packer, Talk, named_turns
from napari_sa2va.training.clips import Clip
from napari_sa2va.training.following import UNTOLD, WAYS, matching_loss, tracks
from napari_sa2va.training.guiding import SIDE, SINKS, named_centres, named_shares
from napari_sa2va.training.meaning import Turn
from napari_sa2va.training.scene import SceneObject
from napari_sa2va.training.scenes import draw_scene
from napari_sa2va.training.speaking import Speaker
from napari_sa2va.training.stage import SceneSource

NANO = Path(napari_sa2va.__file__).parent / "models" / "nano"
MAKERS = (questions.existence, questions.count, questions.where, language.refusal)


@pytest.fixture(scope="module")
def packer() -> Packer:
    return Packer(Tokenizer.from_file(str(NANO / "tokenizer.json")))


def test_answers_are_numbered_by_their_turn(packer):
    frames = np.zeros((1, 256, 256, 3), np.uint8)
    named = Turn("Is there a star?", "Yes.", (), "existence", about=(3,))
    unnamed = Turn("What is it?", "A cell.", (), "overview")
    absent = Turn("Any red cell?", "No.", (), "existence", about=())
    talks = [Talk(frames, ((named, unnamed), (absent,))), Talk(frames, ((unnamed,), (named,)))]
    batch = packer.pack(talks)
    turns = named_turns(talks)
    assert [turn for _, turn in turns] == [named, absent, named]
    assert [talk is talks[1] for talk, _ in turns] == [False, False, True]
    for number, (_, turn) in enumerate(turns):
        said = batch.said_turns == number
        written = batch.targets[batch.said_rows[said], batch.said_columns[said]]
        assert written.tolist() == packer.encode(turn.answer + "<|im_end|>")


def test_a_meaning_knows_what_it_is_about():
    rng = np.random.default_rng(0)
    for _ in range(30):
        scene = draw_scene(rng, kind="shapes")
        for maker in MAKERS:
            meaning = maker(rng, scene)
            if meaning is None:
                continue
            about = meaning.said("en", rng).about
            if meaning.act == "count":
                assert len(about) == meaning.value
            elif meaning.act == "existence":
                assert bool(about) == meaning.value
            elif meaning.act == "absent":
                assert about == ()
        assert questions.overview(rng, scene).said("en", rng).about is None


def test_shares_and_centres_lie_where_the_objects_are():
    rng = np.random.default_rng(1)
    scene = draw_scene(rng, kind="shapes")
    for thing in scene.objects:
        share = named_shares(scene.target((thing.label,))[None])
        assert share.sum() == pytest.approx(1, abs=1e-5)
        centres = named_centres(scene, (thing.label,), frames=3).reshape(3, SIDE, SIDE)
        assert centres[1:].sum() == 0
        assert np.argwhere(centres[0]).tolist() == [[int(thing.y * SIDE), int(thing.x * SIDE)]]
    assert named_shares(scene.target(())[None]).sum() == 0


def test_attention_that_counts_costs_nothing():
    centres = torch.zeros(2, 64)
    centres[0, [3, 5]] = torch.tensor([2.0, 1.0])  # three objects; the second turn has none
    visual = torch.zeros(100, dtype=torch.bool)
    visual[10:74] = True
    looks = torch.full((2, len(SINKS), 100), 1e-9)
    for head, sink in enumerate(SINKS):
        looks[0, head, 0], looks[1, head, 0] = sink / (sink + 3), 1
        looks[0, head, 13], looks[0, head, 15] = 2 / (sink + 3), 1 / (sink + 3)
    cost = guiding._counting_loss(looks.log(), visual, centres)
    assert cost.item() == pytest.approx(0, abs=1e-4)
    assert guiding._counting_loss(looks.flip(0).log(), visual, centres) > 1


def test_what_moves_is_followed_from_the_first_frame_and_from_the_one_before():
    labels = np.zeros((3, 256, 256), np.uint8)
    for frame in range(3):
        labels[frame, 100:140, 20 + 30 * frame : 60 + 30 * frame] = 1
        labels[frame, 200:230, 200:230] = 2
    objects = tuple(
        SceneObject(label, 900, 0.5, 0.5, "cell", motion=motion)
        for label, motion in ((1, "moving"), (2, "still"))
    )
    clip = Clip(np.zeros((3, 256, 256, 3), np.uint8), labels, objects, "fluorescence")
    found = tracks([clip])
    assert set(found.ways.tolist()) == {WAYS.index("right"), WAYS.index("still")}
    for token, before, way in zip(found.tokens, found.before, found.ways, strict=True):
        frame, place = divmod(int(token), SIDE**2)
        assert frame in (1, 2)
        row, column = divmod(place, SIDE)
        shown = labels[frame, row * 32 : row * 32 + 32, column * 32 : column * 32 + 32]
        label = 1 if way == WAYS.index("right") else 2
        assert (shown == label).any()
        for head, then in enumerate((0, frame - 1)):
            share = (labels[then] == label).reshape(SIDE, 32, SIDE, 32).mean((1, 3)).ravel()
            expected = np.zeros((3, SIDE**2))
            expected[then] = share / share.sum()
            assert np.allclose(before[head], expected.ravel(), atol=1e-5)
    drifting = tuple(SceneObject(1, 900, 0.5, 0.5, "cell", motion="drifting") for _ in "a")
    unknown = tracks([Clip(clip.frames, labels, drifting, clip.kind)])
    assert set(unknown.ways.tolist()) == {UNTOLD}


def test_to_match_is_to_look_nowhere_else():
    places, before = torch.arange(2, 8), torch.zeros(1, 2, 6)
    before[0, 0, 1], before[0, 1, 4] = 1, 1
    visible = torch.arange(10)[None] < 9
    looks = torch.zeros(1, 2, 10)
    looks[0, 0, 3], looks[0, 1, 6] = 30, 30
    assert matching_loss(looks, visible, places, before).item() == pytest.approx(0, abs=1e-3)
    hidden, elsewhere = looks.clone(), looks.clone()
    hidden[..., 9], elsewhere[..., 8] = 60, 60
    assert matching_loss(hidden, visible, places, before).item() == pytest.approx(0, abs=1e-3)
    assert matching_loss(elsewhere, visible, places, before) > 10


def test_what_one_token_tells_weighs_more_than_the_words_around_it(packer, monkeypatch):
    source = SceneSource(np.random.default_rng(0))
    makers = (questions.count, language.requests(references.everything))
    speaker = Speaker(packer._tokenizer, source, images=2, turns=4, makers=makers)
    batch = speaker.about_images()
    stage = speaking.LanguageStage(load_model(NANO), packer._tokenizer)
    told = stage.losses(batch)
    monkeypatch.setattr(speaking, "ASKED_WEIGHTS", {})
    plain = stage.losses(batch)
    extra = 0.3 * plain["words_count"]
    assert extra > 0
    torch.testing.assert_close(told["loss"], plain["loss"] + extra)


def test_language_is_taught_what_leaves(packer):
    speaker = Speaker(packer._tokenizer, SceneSource(np.random.default_rng(2)))
    clips = [speaker._clip(5) for _ in range(40)]
    told = [thing.motion for clip in clips for thing in clip.objects]
    assert {"still", "moving", "leaving", "dividing"} <= set(told)
    here = [clip for clip in clips if not clip.shows_others]
    leaving = [
        (clip.labels[-1] == thing.label).any()
        for clip in here
        for thing in clip.objects
        if thing.motion == "leaving"
    ]
    # Some are gone in what is shown, some only later.
    assert {True, False} == {bool(it) for it in leaving}
    others = next(clip for clip in clips if clip.shows_others)
    assert len(speaker._clip_dialogues(others)) < speaker.turns


def test_the_first_frame_shows_no_motion():
    targets = torch.ones(2, 3, 4, 4)
    batch = SimpleNamespace(frame_targets=targets, means=("motion", "color"))
    shown = speaking._showing(batch)
    assert not shown[0, 0].any()
    assert shown[0, 1:].all()
    assert shown[1].all()
    assert targets.all()
