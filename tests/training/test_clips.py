"""Clips repeat by seed, and what they are said to show is what their pixels show."""

import numpy as np
import pytest

from napari_sa2va.training.bodies import Body
from napari_sa2va.training.camera import draw_camera
from napari_sa2va.training.clips import Clip, draw_clip
from napari_sa2va.training.courses import draw_courses
from napari_sa2va.training.dividing import Division
from napari_sa2va.training.drawing import paint
from napari_sa2va.training.scene import SceneObject
from napari_sa2va.training.scenes import KINDS
from napari_sa2va.training.styles import draw_style

STEADY = [
    draw_clip(np.random.default_rng([4, i]), 5, kind=kind, steady=True)
    for i in range(2)
    for kind in KINDS
]
AXES = {"left": (1, -1), "right": (1, 1), "up": (0, -1), "down": (0, 1)}


def _middle(labels: np.ndarray, label: int) -> np.ndarray:
    return np.argwhere(labels == label).mean(0)


@pytest.mark.parametrize("size", [256, 512])
def test_equal_seeds_draw_equal_clips(size):
    first, again = (draw_clip(np.random.default_rng(5), 3, size=size) for _ in range(2))
    assert first.frames.shape == (3, size, size, 3)
    assert first.labels.shape == (3, size, size)
    assert np.array_equal(first.frames, again.frames)
    assert first.objects == again.objects
    assert first.targets((first.objects[0].label,)).shape == (3, size // 4, size // 4)


def test_frames_that_are_spread_are_those_of_the_whole_clip():
    whole = draw_clip(np.random.default_rng(3), 9, kind="shapes")
    spread = draw_clip(np.random.default_rng(3), 3, kind="shapes", every=4)
    assert np.array_equal(spread.labels, whole.labels[::4])
    assert (whole.labels[0] != whole.labels[-1]).any()


def test_what_is_told_reaches_beyond_what_is_shown():
    for seed in range(6):
        whole = draw_clip(np.random.default_rng(seed), 16, kind="shapes")
        start = draw_clip(np.random.default_rng(seed), 5, kind="shapes", beyond=11)
        assert np.array_equal(start.labels, whole.labels[:5])
        assert start.objects == whole.objects


def test_a_clip_knows_whether_it_shows_what_is_not_listed():
    labels = np.zeros((2, 64, 64), np.uint8)
    labels[:, 8:24, 8:24] = 1
    listed = Clip(
        np.zeros((2, 64, 64, 3), np.uint8), labels, (SceneObject(1, 256, 0, 0, "circle"),), "shapes"
    )
    assert not listed.shows_others
    labels[1, 40:56, 40:56] = 2
    assert listed.shows_others


def test_steady_objects_are_there_from_the_first_frame_to_the_last():
    for clip in STEADY:
        for thing in clip.objects:
            shown = [(frame == thing.label).sum() for frame in clip.labels]
            assert shown[0] == thing.area
            assert min(shown) >= 0.3 * thing.area
            assert thing.motion in ("still", "moving", "dividing", "drifting")


def test_motion_words_follow_the_pixels():
    seen = set()
    for clip in STEADY:
        for thing in clip.objects:
            first, last = (_middle(clip.labels[at], thing.label) for at in (0, -1))
            whole = (clip.labels[-1] == thing.label).sum() > 0.9 * thing.area
            if thing.motion == "still" and whole:
                assert np.abs(last - first).max() < 4
                assert thing.direction is None
                assert thing.speed == 0
            if thing.motion == "moving" and whole:
                assert np.hypot(*(last - first)) > 1
                assert thing.speed * 256 * 4 == pytest.approx(np.hypot(*(last - first)), rel=0.35)
            if thing.motion == "moving" and thing.direction:
                axis, sign = AXES[thing.direction]
                assert (last - first)[axis] * sign > 0
            seen.add(thing.motion)
    assert seen >= {"still", "moving", "dividing"}


def test_one_moves_often_alone():
    counts = [sum(it.motion == "moving" for it in clip.objects) for clip in STEADY]
    assert counts.count(1) >= 2


def test_a_divided_cell_is_two_parts_under_one_label():
    mother = Body("blob", "cell", 128, 128, 30)
    halves = (Body("blob", "cell", 0, 0, 20), Body("blob", "cell", 0, 0, 20))
    division = Division(0, 2, 0.0, halves)
    assert division.at(mother, 1)[1] == []
    hidden, daughters = division.at(mother, 4)
    assert not hidden.visible
    style = draw_style(np.random.default_rng(0), "fluorescence")
    labels = paint(daughters, style).labels
    assert labels[128, 128] == 0
    assert labels[128, 105] == 1
    assert labels[128, 151] == 2


def test_a_dividing_cell_keeps_its_label():
    dividing = [
        (clip, thing) for clip in STEADY for thing in clip.objects if thing.motion == "dividing"
    ]
    assert dividing
    for clip, thing in dividing:
        assert clip.labels.max() <= 5
        assert (clip.labels[-1] == thing.label).any()


def test_what_leaves_is_gone_at_the_end():
    rng = np.random.default_rng(2)
    left = 0
    for _ in range(10):
        clip = draw_clip(rng, 5, kind="shapes")
        for thing in clip.objects:
            gone = not (clip.labels[-1] == thing.label).any()
            assert gone == (thing.motion == "leaving") or thing.motion == "drifting"
            left += gone
    assert left


def test_some_leave_enter_vanish_or_come_back():
    rng = np.random.default_rng(6)
    fates = set()
    for _ in range(100):
        body = Body("circle", "circle", 50, 100, 20)
        (course,) = draw_courses(rng, [body], 5, 256, 1.0, steady=False)
        y = body.y + course.offsets[:, 0]
        if y[-1] < -20 or not course.seen[-1]:
            fates.add("left")
        elif y[0] < -20:
            fates.add("entered")
        elif not course.seen.all():
            fates.add("came back")
    assert fates == {"left", "entered", "came back"}


def test_courses_cross():
    rng = np.random.default_rng(3)
    nearest = []
    for _ in range(60):
        bodies = [Body("circle", "circle", 60, x, 14) for x in (60, 190)]
        courses = draw_courses(rng, bodies, 6, 256, 1.0, steady=True)
        ways = [
            [(body.y, body.x) for body in (course.at(body, frame) for frame in range(6))]
            for body, course in zip(bodies, courses, strict=True)
        ]
        gaps = np.hypot(*(np.array(ways[0]) - np.array(ways[1])).T)
        assert gaps[0] > 26
        nearest.append(gaps.min())
    # They meet in a share of the clips, and most of the others keep apart.
    assert 3 <= np.sum(np.array(nearest) < 20) <= 30


def test_the_camera_drifts_in_focus_light_and_place():
    rng = np.random.default_rng(4)
    cameras = [draw_camera(rng, 5, 1.0, steady=False) for _ in range(60)]
    assert any(camera.blur.max() > 0.5 for camera in cameras)
    assert any(camera.light.min() < 0.9 for camera in cameras)
    drifting = [camera for camera in cameras if camera.drifts]
    assert drifting
    assert all((camera.stage[0] == 0).all() for camera in cameras)
    style = draw_style(rng, "coins")
    moved = drifting[0].look(style, 4).background
    y, x = (int(part) for part in drifting[0].stage[4])
    assert moved[128 + y, 128 + x] == style.background[128, 128]
