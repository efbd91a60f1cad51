"""What is meant is true of the scene, in the pixels; every turn has a mask for each [SEG]."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sa2va.training import language, places, questions
from napari_sa2va.training import references as refer
from napari_sa2va.training.absence import is_absent
from napari_sa2va.training.bodies import COLORS, NOUNS
from napari_sa2va.training.judging import judge
from napari_sa2va.training.meaning import LANGUAGES, MANY, Reference
from napari_sa2va.training.scene import Scene, SceneObject
from napari_sa2va.training.scenes import KINDS, draw_scene

SCENES = [draw_scene(np.random.default_rng([9, i]), kind=kind) for i in range(3) for kind in KINDS]
SEEDS = st.integers(0, 2**32 - 1)


def _class(scene: Scene, reference: Reference) -> list[SceneObject]:
    """The objects that the reference's noun and colour fit."""
    noun = reference.noun if reference.noun in NOUNS else None
    return refer.matching(scene, reference.color, noun)


def _made(maker, seed: int = 0):
    rng = np.random.default_rng(seed)
    for scene in SCENES:
        for _ in range(6):
            reference = maker(rng, scene)
            if reference is not None:
                yield scene, reference


def _thing(label: int, y: float, x: float, noun: str = "circle", **more) -> SceneObject:
    return SceneObject(label, more.pop("area", 400), y, x, noun, **more)


def _scene(*things: SceneObject, kind: str = "shapes") -> Scene:
    nothing = np.zeros((64, 64), np.uint8)
    return Scene(np.zeros((64, 64, 3), np.uint8), nothing, things, kind)


def test_sizes_are_ranked_in_the_pixels():
    made = list(_made(refer.by_size))
    assert len(made) > 20
    for scene, reference in made:
        areas = {t.label: int((scene.labels == t.label).sum()) for t in _class(scene, reference)}
        order = sorted(areas, key=areas.__getitem__, reverse=reference.rank == "largest")
        assert order[reference.nth - 1] == reference.labels[0]


def test_brightness_is_ranked():
    made = list(_made(refer.by_brightness))
    assert len(made) > 10
    for scene, reference in made:
        light = {t.label: t.brightness for t in _class(scene, reference)}
        order = sorted(light, key=light.__getitem__, reverse=reference.rank == "brightest")
        assert order[reference.nth - 1] == reference.labels[0]


def test_places_are_true_in_the_pixels():
    made = list(_made(refer.by_position))
    assert len(made) > 40
    for scene, reference in made:
        centres = {
            t.label: np.mean(np.nonzero(scene.labels == t.label), 1) / scene.labels.shape
            for t in _class(scene, reference)
        }
        y, x = places.POINTS.get(reference.place, (None, None))
        key = {
            "left": lambda it: it[1],
            "right": lambda it: -it[1],
            "top": lambda it: it[0],
            "bottom": lambda it: -it[0],
        }.get(reference.place) or (lambda it, y=y, x=x: np.hypot(it[0] - y, it[1] - x))
        assert min(centres, key=lambda label: key(centres[label])) == reference.labels[0]


def test_attributes_name_exactly_one_object():
    made = list(_made(refer.by_attribute))
    assert {it.means for _, it in made} == {"color", "shape", "color and shape"}
    for scene, reference in made:
        assert [thing.label for thing in _class(scene, reference)] == list(reference.labels)


def test_all_are_all_of_the_class():
    for scene, reference in _made(refer.everything):
        assert {thing.label for thing in _class(scene, reference)} == {*reference.labels}


def test_relations_hold_between_the_centres():
    made = list(_made(refer.by_relation))
    assert len(made) > 20
    for scene, reference in made:
        at = {thing.label: (thing.y, thing.x) for thing in scene.objects}
        (y, x), (y0, x0) = at[reference.labels[0]], at[reference.anchor.labels[0]]
        if reference.relation == "next":
            rest = [t for t in _class(scene, reference) if t.label != reference.anchor.labels[0]]
            nearest = min(rest, key=lambda t, y0=y0, x0=x0: np.hypot(t.y - y0, t.x - x0))
            assert nearest.label == reference.labels[0]
        else:
            along = {"left": x0 - x, "right": x - x0, "above": y0 - y, "below": y - y0}
            assert max(along, key=along.__getitem__) == reference.relation


def test_a_rival_that_is_nearly_as_near_forbids_a_relation():
    here, left = _thing(1, 0.5, 0.6, "star"), _thing(2, 0.5, 0.3)
    scenes = {
        (2,): _scene(here, left, _thing(3, 0.9, 0.6)),
        (): _scene(here, left, _thing(3, 0.3, 0.35)),
    }
    for allowed, scene in scenes.items():
        found = places._towards(here, [it for it in scene.objects if it is not here], "left")
        assert (() if found is None else (found.label,)) == allowed


@pytest.mark.parametrize(
    ("motions", "spoken"),
    [
        (("moving", "still", "still"), {("moving", (1,))}),
        (("moving", "moving", "still"), {("still", (3,))}),
        (("moving", "dividing", "still"), {("dividing", (2,))}),
        (("drifting", "drifting", "drifting"), set()),
        (("moving", "drifting", "still"), set()),
        (("still", "still", "still"), set()),
    ],
)
def test_motion_names_the_only_one(motions, spoken):
    scene = _scene(*(_thing(n, 0.3 * n, 0.5, motion=it) for n, it in enumerate(motions, 1)))
    rng = np.random.default_rng(4)
    made = filter(None, (refer.by_motion(rng, scene) for _ in range(30)))
    assert {(it.motion, it.labels) for it in made} == spoken


def test_directions_and_speeds_name_the_only_one():
    scene = _scene(
        _thing(1, 0.2, 0.5, motion="moving", direction="left", speed=0.02),
        _thing(2, 0.5, 0.5, motion="moving", direction="right", speed=0.05),
    )
    rng = np.random.default_rng(5)
    made = [refer.by_motion(rng, scene) for _ in range(40)]
    assert {(it.direction or it.rank, it.labels) for it in made} == {
        *(("left", (1,)), ("right", (2,)), ("fastest", (2,)))
    }


def test_what_is_absent_is_absent():
    rng = np.random.default_rng(2)
    for scene in SCENES:
        for _ in range(10):
            reference = refer.absent(rng, scene)
            noun = reference.noun if reference.noun in NOUNS else None
            assert not refer.matching(scene, reference.color, noun)


def test_what_may_pass_for_another_is_not_absent():
    cells = _scene(_thing(1, 0.5, 0.5, "cell"), kind="fluorescence")
    said = {noun for noun in NOUNS if is_absent(cells, None, noun)}
    assert said == {*("square", "triangle", "star", "cross", "coin", "fibre", "vessel")}
    assert is_absent(cells, "red", "cell")
    assert not is_absent(cells, "white", "cell")


@given(SEEDS, st.sampled_from(SCENES))
def test_every_seg_has_its_mask(seed, scene):
    turn = language.say(np.random.default_rng(seed), scene)
    labels = {thing.label for thing in scene.objects}
    assert turn.answer.count("[SEG]") == len(turn.targets)
    assert all(set(them) <= labels for them in turn.targets)
    assert not {"{", "}"} & {*turn.question, *turn.answer}


@given(SEEDS, st.sampled_from(SCENES))
def test_both_languages_say_the_same_and_are_right(seed, scene):
    rng = np.random.default_rng(seed)
    meaning = language.mean(rng, scene)
    turns = {name: meaning.said(name, rng) for name in LANGUAGES}
    english, korean = turns["en"], turns["ko"]
    assert (english.targets, english.value) == (korean.targets, korean.value)
    assert all(judge(turn, turn.answer) for turn in turns.values())
    assert english.question.isascii()
    assert any("가" <= letter <= "힣" for letter in korean.question)


def test_counts_are_those_of_the_labels():
    rng = np.random.default_rng(6)
    for scene in SCENES:
        meaning = questions.count(rng, scene)
        assert meaning.value == min(MANY, len(_class(scene, meaning.references[0])))


@pytest.mark.parametrize(("number", "told"), [(20, 20), (21, None), (25, None), (26, MANY)])
def test_many_is_said_only_where_it_is_clear(number, told):
    things = [_thing(label, 0.5, 0.5, "nucleus") for label in range(1, number + 1)]
    scene = _scene(*things, kind="fluorescence")
    for maker in (questions.count, questions.overview, questions.caption):
        meaning = maker(np.random.default_rng(0), scene)
        assert (None if meaning is None else meaning.value) == told


def test_existence_is_asked_in_vain_as_often_as_not():
    rng = np.random.default_rng(7)
    values = [questions.existence(rng, scene).value for scene in SCENES for _ in range(20)]
    assert 0.42 < np.mean(values) < 0.58


def test_shapes_are_asked_for_as_often_as_colours():
    rng = np.random.default_rng(8)
    shapes = [scene for scene in SCENES if scene.kind == "shapes"]
    means = Counter(it.means for it in (language.mean(rng, s) for s in shapes for _ in range(300)))
    assert means["shape"] > 0.8 * means["color"]


def test_a_region_is_only_told_clearly_inside_it():
    rng = np.random.default_rng(9)
    clear, unclear = _scene(_thing(1, 0.5, 0.9)), _scene(_thing(1, 0.5, 0.66))
    assert questions.where(rng, clear).value == "right"
    assert questions.where(rng, unclear) is None


def test_makers_and_language_can_be_chosen():
    rng = np.random.default_rng(10)
    turn = language.say(rng, SCENES[0], [questions.count], "ko")
    assert (turn.means, turn.language) == ("count", "ko")
    assert "개 있습니다." in turn.answer


def test_the_lexica_know_what_is_drawn():
    for name in LANGUAGES:
        for color in COLORS:
            for noun in NOUNS:
                assert Reference("class", (1,), noun, color).phrase(name)
