"""Words agree with the masks that they stand for."""

import numpy as np
import pytest

from napari_sa2va.training import language, questions
from napari_sa2va.training import references as refer
from napari_sa2va.training.bodies import COLORS, SHAPES
from napari_sa2va.training.clips import draw_clip
from napari_sa2va.training.scene import Scene, SceneObject
from napari_sa2va.training.scenes import KINDS, draw_scene

SCENES = [draw_scene(np.random.default_rng([9, i]), kind=kind) for i in range(4) for kind in KINDS]


def _things(scene: Scene, labels: tuple[int, ...]) -> list[SceneObject]:
    return [thing for thing in scene.objects if thing.label in labels]


def _true_in_pixels(reference: refer.Reference, scene: Scene) -> bool:
    """Judge a phrase from the labels alone."""
    areas = {t.label: (scene.labels == t.label).sum() for t in scene.objects}
    words, label = reference.phrase.split(), reference.labels[0]
    if reference.means == "size":
        extreme = max if words[1] in refer.LARGEST else min
        return label == extreme(areas, key=areas.__getitem__)
    rows, columns = np.nonzero(scene.labels == label)
    side = words[-1] if words[-1] in refer.SIDES else words[1].removesuffix("most")
    if reference.means == "position" and side in refer.SIDES and "corner" not in words:
        axis, sign = {"left": (1, 1), "right": (1, -1), "top": (0, 1), "bottom": (0, -1)}[side]
        if (len(words) > 2 and words[-2] in ("top", "bottom")) or words[1] in ("top", "bottom"):
            return True  # a corner, judged by distance, not by one axis
        centres = {
            t.label: sign * np.mean(np.nonzero(scene.labels == t.label)[axis])
            for t in scene.objects
        }
        return label == min(centres, key=centres.__getitem__)
    return len(rows) == len(columns) > 0


@pytest.mark.parametrize("maker", [refer.by_size, refer.by_position, refer.by_attribute])
def test_phrases_are_true_in_the_pixels(maker):
    rng, made = np.random.default_rng(0), 0
    for scene in SCENES:
        for _ in range(4):
            reference = maker(rng, scene)
            if reference is not None:
                made += 1
                assert _true_in_pixels(reference, scene), reference
    assert made > 20


def test_attributes_name_exactly_one_object():
    rng = np.random.default_rng(1)
    for scene in SCENES:
        reference = refer.by_attribute(rng, scene)
        if reference is None:
            continue
        (thing,) = _things(scene, reference.labels)
        said = reference.phrase.split()
        assert [word for word in said if word in COLORS] in ([], [thing.color])
        assert [word for word in said if word in SHAPES] in ([], [thing.noun])


def test_what_is_absent_is_absent():
    rng = np.random.default_rng(2)
    for scene in SCENES:
        *color, noun = refer.absent(rng, scene).split()
        assert not refer.matching(scene, color[0] if color else None, noun)


def test_every_seg_has_its_mask_and_counts_are_true():
    rng = np.random.default_rng(3)
    for scene in SCENES:
        for _ in range(10):
            turn = language.say(rng, scene)
            assert turn.answer.count("[SEG]") == len(turn.targets)
            assert all(_things(scene, labels) for labels in turn.targets)
            assert "{" not in turn.question + turn.answer
        total = questions.counted(len(scene.objects), "object")
        if scene.kind == "coins":
            assert questions.count(rng, scene).answer.split()[2] == total.split()[0]


def test_motion_names_the_only_one_that_moves():
    rng, made = np.random.default_rng(4), 0
    for _ in range(12):
        clip = draw_clip(rng, 3, steady=True)
        reference = refer.by_motion(rng, clip.scene())
        if reference is None:
            continue
        made += 1
        motion = reference.phrase.split()[1]
        same = [thing.label for thing in clip.objects if thing.motion == motion]
        assert tuple(same) == reference.labels
    assert made
