"""Scenes repeat by seed, and what is said of an object is what its pixels show."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va.training.bodies import COLORS
from napari_sa2va.training.clips import draw_clip
from napari_sa2va.training.drawing import SIZE
from napari_sa2va.training.nuclei import crop_nuclei, is_held_out, read_nuclei
from napari_sa2va.training.scene import MASK_STRIDE, MIN_AREA
from napari_sa2va.training.scenes import KINDS, draw_scene
from napari_sa2va.training.visual_prompts import BOX_END, BOX_START, POSITIVE, box, click

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
    for _ in range(5):
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


def test_a_dividing_cell_keeps_one_label():
    rng = np.random.default_rng(3)
    clips = [draw_clip(rng, 6, kind="fluorescence", steady=True) for _ in range(12)]
    dividing = [
        (clip, thing) for clip in clips for thing in clip.objects if thing.motion == "dividing"
    ]
    assert dividing
    for clip, thing in dividing:
        assert set(np.unique(clip.labels)) <= {0, *range(1, 6)}
        assert (clip.labels[-1] == thing.label).any() or thing.y in (0, 1)


def test_still_objects_stay_and_moving_ones_move():
    rng = np.random.default_rng(4)
    for _ in range(6):
        clip = draw_clip(rng, 4, most=1, kind="shapes", steady=True)
        (thing,) = clip.objects
        first, last = clip.labels[0] == thing.label, clip.labels[-1] == thing.label
        assert np.array_equal(first, last) == (thing.motion == "still")


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
    for _ in range(10):
        scene = crop_nuclei(rng, training)
        assert scene.image.shape == (SIZE, SIZE, 3)
        assert {thing.noun for thing in scene.objects} == {"nucleus"}
        assert all((scene.labels == thing.label).any() for thing in scene.objects)


@pytest.mark.skipif(not SHARED_NUCLEI.is_dir(), reason="needs the nuclei of ../shared/data")
def test_real_nuclei_hold_out_a_fifth():
    names = [path.stem for path in SHARED_NUCLEI.glob("*_labels.tif")]
    held = [name for name in names if is_held_out(name.removesuffix("_labels"))]
    assert len(held) / len(names) == pytest.approx(0.2, abs=0.01)
