"""Scenes repeat by seed, and what is said of an object is what its pixels show."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va.training.bodies import COLORS, NOUNS, SHAPES, Body
from napari_sa2va.training.drawing import SIZE, paint
from napari_sa2va.training.filaments import filament_distance
from napari_sa2va.training.nuclei import crop_nuclei, is_held_out, read_nuclei
from napari_sa2va.training.optics import blur
from napari_sa2va.training.placing import CROWD
from napari_sa2va.training.scene import MASK_STRIDE, MIN_AREA, Scene, describe
from napari_sa2va.training.scenes import KINDS, draw_scene
from napari_sa2va.training.stage import SceneSource
from napari_sa2va.training.styles import draw_style
from napari_sa2va.training.visual_prompts import (
    BOX_END,
    BOX_START,
    NEGATIVE,
    POSITIVE,
    box,
    click,
    draw_prompt,
)

SHARED_NUCLEI = Path(__file__).parents[3] / "shared" / "data" / "nuclei"


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_draw_equal_scenes(kind):
    first, again = (draw_scene(np.random.default_rng(5), kind=kind) for _ in range(2))
    other = draw_scene(np.random.default_rng(6), kind=kind)
    assert np.array_equal(first.image, again.image)
    assert first.objects == again.objects
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_measure_their_labels(kind):
    rng = np.random.default_rng(1)
    for _ in range(2):
        scene = draw_scene(rng, kind=kind)
        assert scene.image.shape == (SIZE, SIZE, 3)
        assert scene.coverage.shape[:2] == (SIZE // MASK_STRIDE, SIZE // MASK_STRIDE)
        for thing in scene.objects:
            rows, columns = np.nonzero(scene.labels == thing.label)
            assert thing.area == len(rows) >= MIN_AREA
            assert thing.y * SIZE == pytest.approx(rows.mean() + 0.5, abs=0.01)
            assert thing.x * SIZE == pytest.approx(columns.mean() + 0.5, abs=0.01)
            share = scene.target((thing.label,)).sum() * MASK_STRIDE**2
            assert share == pytest.approx(thing.area, rel=1e-4)


def test_the_colour_said_is_the_nearest_to_the_pixels():
    rng = np.random.default_rng(2)
    names, palette = list(COLORS), np.array(list(COLORS.values()))
    right = []
    for _ in range(20):
        scene = draw_scene(rng, kind="shapes")
        for thing in scene.objects:
            middle = np.median(scene.image[scene.labels == thing.label] / 255, axis=0)
            right.append(names[np.abs(palette - middle).sum(1).argmin()] == thing.color)
    # Noise and shading move some; most must agree.
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("size", [256, 512])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_at_both_sizes_with_all_that_is_seen_listed(kind, size):
    scene = draw_scene(np.random.default_rng(7), kind=kind, size=size)
    assert scene.image.shape == (size, size, 3)
    assert scene.image.dtype == scene.labels.dtype == np.uint8
    assert scene.coverage.shape[:2] == (size // MASK_STRIDE, size // MASK_STRIDE)
    assert {thing.label for thing in scene.objects} == set(np.unique(scene.labels)) - {0}
    nouns = {thing.noun for thing in scene.objects}
    assert nouns <= set(NOUNS)
    assert nouns <= set(SHAPES) if kind == "shapes" else len(nouns) == 1
    least = MIN_AREA * (size / 256) ** 2
    assert all(thing.area >= least for thing in scene.objects)


@pytest.mark.parametrize("kind", KINDS)
def test_crowded_fields_hold_many_objects_of_similar_size(kind):
    scene = draw_scene(np.random.default_rng(8), most=60, kind=kind)
    assert 15 <= len(scene.objects) <= 62
    reach = [np.sqrt(thing.area) for thing in scene.objects]
    assert np.std(reach) < 0.45 * np.mean(reach)


def test_objects_differ_from_what_surrounds_them():
    rng = np.random.default_rng(9)
    contrasts = []
    for kind in ("fluorescence", "beads", "bacteria", "coins"):
        for _ in range(3):
            scene = draw_scene(rng, kind=kind)
            grey = scene.image.astype(float).max(-1)
            inside, outside = grey[scene.labels > 0], grey[scene.labels == 0]
            contrasts.append(abs(np.median(inside) - np.median(outside)) / 255)
    assert np.median(contrasts) > 0.1


def test_brightness_is_said_only_where_light_is_signal():
    rng = np.random.default_rng(10)
    for kind in ("shapes", "phase", "histology", "coins"):
        assert {it.brightness for it in draw_scene(rng, kind=kind).objects} == {None}
    scenes = [draw_scene(rng, kind="fluorescence") for _ in range(3)]
    bright = [(it.brightness, s, it) for s in scenes for it in s.objects if it.brightness]
    assert bright
    for brightness, scene, thing in bright:
        pixels = scene.image[scene.labels == thing.label].max(-1)
        assert brightness == pytest.approx(pixels.mean() / 255, abs=1e-6)


def test_upper_bodies_hide_lower_ones_and_occluders_have_no_label():
    style = draw_style(np.random.default_rng(11), "coins")
    low, high = (Body("circle", "coin", 100, x, 30) for x in (100, 120))
    bar = Body("bar", "", 100, 110, 60, angle=np.pi / 2, aspect=0.1, labelled=False)
    canvas = paint([low, high, bar], style)
    assert canvas.labels[100, 80] == 1
    assert canvas.labels[100, 123] == 2
    assert canvas.labels[100, 110] == 0
    assert canvas.areas[0] == pytest.approx(np.pi * 30**2, rel=0.02)


def test_filaments_measure_their_distance():
    path = np.array([[[0, -1, 0.1], [0, 1, 0.1]]], np.float32)
    line = np.linspace(-1.5, 1.5, 61, dtype=np.float32)
    distance = filament_distance(path, line[:, None], line[None], 0.5)
    assert distance[30, 30] == pytest.approx(-0.1, abs=1e-5)
    assert distance[34, 30] == pytest.approx(0.1, abs=1e-5)
    assert distance[0, 0] == pytest.approx(0.5)


def test_blur_keeps_the_light_and_spreads_it():
    image = np.zeros((96, 96, 3), np.float32)
    image[48, 48] = 1
    blurred = blur(image, 2.0)
    assert blurred.sum((0, 1)) == pytest.approx([1, 1, 1], rel=1e-4)
    assert blurred[48, 48, 0] == pytest.approx(1 / (2 * np.pi * 4), rel=0.03)
    assert np.allclose(blurred[40:57, 40:57, 0], blurred[40:57, 40:57, 0].T)


def test_small_objects_can_be_clicked_but_are_not_talked_about():
    labels = np.zeros((256, 256), np.uint8)
    labels[10:30, 10:30], labels[50:55, 50:55], labels[80:82, 80:82] = 1, 2, 3
    said = {number: {"noun": "nucleus"} for number in (1, 2, 3)}
    scene = Scene(np.zeros((256, 256, 3), np.uint8), labels, describe(labels, said), "fluorescence")
    assert [thing.label for thing in scene.objects] == [1]
    assert scene.clickable == (1, 2)
    rng = np.random.default_rng(0)
    assert {draw_prompt(rng, scene, 1).target for _ in range(20)} == {1, 2}


@pytest.mark.parametrize("objects", [1, 2])
def test_a_scene_without_background_can_be_clicked(objects):
    labels = np.ones((256, 256), np.uint8)
    labels[:, 128:] = objects
    said = {number: {"noun": "nucleus"} for number in range(1, objects + 1)}
    scene = Scene(np.zeros((256, 256, 3), np.uint8), labels, describe(labels, said), "fluorescence")
    rng = np.random.default_rng(0)
    for prompt in (draw_prompt(rng, scene, 3, target=1) for _ in range(40)):
        for (x, y), kind in zip(prompt.points.astype(int), prompt.kinds, strict=True):
            if kind in (NEGATIVE, POSITIVE):
                assert (labels[y, x] == 1) == (kind == POSITIVE)


def test_most_scenes_with_many_objects_can_be_counted():
    source = SceneSource(np.random.default_rng(0), crowded=1.0, kind="beads", reuse=0.0)
    counts = [len(source.draw().objects) for _ in range(30)]
    assert sum(count < CROWD for count in counts) >= 4
    assert sum(CROWD <= count <= 22 for count in counts) >= 6
    assert sum(count > 22 for count in counts) >= 4


def test_a_negative_click_is_mostly_on_the_nearest_other_object():
    labels = np.zeros((SIZE, SIZE), np.uint8)
    for label, x in enumerate((10, 60, 140, 220), 1):
        labels[100:130, x : x + 30] = label
    image = np.repeat((labels > 0)[..., None].astype(np.uint8) * 200, 3, 2)
    said = {label: {"noun": "square"} for label in range(1, 5)}
    scene = Scene(image, labels, describe(labels, said), "shapes")
    rng = np.random.default_rng(0)
    hit = []
    for _ in range(600):
        prompt = draw_prompt(rng, scene, 2, target=1)
        if prompt.kinds[1] == NEGATIVE:
            x, y = prompt.points[1].astype(int)
            hit.append(int(labels[y, x]))
    on_others = [label for label in hit if label]
    assert on_others.count(2) > len(on_others) / 2
    assert set(on_others) == {2, 3, 4}


def test_visual_prompts_lie_on_their_object():
    rng = np.random.default_rng(5)
    for _ in range(10):
        scene = draw_scene(rng)
        label = scene.objects[0].label
        clicked = click(rng, scene, label)
        x, y = clicked.points[0].astype(int)
        assert scene.labels[y, x] == label
        assert clicked.kinds.tolist() == [POSITIVE]
        around = box(rng, scene, label)
        assert around.kinds.tolist() == [BOX_START, BOX_END]
        middle = around.points.mean(0)
        rows, columns = np.nonzero(scene.labels == label)
        extent = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
        assert np.abs(middle - extent).max() < 8


def _write_nuclei(folder: Path, number: int, grey: bool) -> None:
    labels = np.zeros((120, 90), np.uint16)
    labels[20:50, 10:40], labels[70:100, 50:80] = 1, 7
    image = np.where(labels > 0, 3000, 200).astype(np.uint16)
    if not grey:
        image = np.repeat((image // 16)[..., None], 3, 2).astype(np.uint8)
    name = f"{'fluorescence' if grey else 'histology'}_{number:03d}"
    tifffile.imwrite(folder / f"{name}.tif", image)
    tifffile.imwrite(folder / f"{name}_labels.tif", labels)


def test_nuclei_are_split_by_name_and_cropped(tmp_path):
    for number in range(10):
        _write_nuclei(tmp_path, number, grey=number % 2 == 0)
    training, held_out = (read_nuclei(tmp_path, held_out=side) for side in (False, True))
    assert sorted(image.name[-3:] for image in held_out) == ["004", "009"]
    assert len(training) == 8
    rng = np.random.default_rng(0)
    for number in range(10):
        size = SIZE if number % 2 else 512
        scene = crop_nuclei(rng, training, size)
        assert scene.image.shape == (size, size, 3)
        assert scene.kind in ("fluorescence", "histology")
        assert {thing.noun for thing in scene.objects} == {"nucleus"}
        assert all((scene.labels == thing.label).any() for thing in scene.objects)


@pytest.mark.skipif(not SHARED_NUCLEI.is_dir(), reason="needs the nuclei of ../shared/data")
def test_real_nuclei_hold_out_a_fifth():
    names = [path.stem for path in SHARED_NUCLEI.glob("*_labels.tif")]
    held = [name for name in names if is_held_out(name.removesuffix("_labels"))]
    assert len(held) / len(names) == pytest.approx(0.2, abs=0.01)
