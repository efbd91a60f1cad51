"""The card says what the files say, and what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import napari_sa2va
from napari_sa2va.training.card import SHOWN, main
from napari_sa2va.training.checkpoint_facts import note_start, parameters, read_logs
from napari_sa2va.training.evaluation.cases import Case, Example
from napari_sa2va.training.evaluation.examples import choose, save_examples
from napari_sa2va.training.evaluation.report import origin, report
from napari_sa2va.training.sheets import draw, save_small

NANO = Path(napari_sa2va.__file__).parent / "models" / "nano"
TILE = 120


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    shutil.copytree(NANO, folder, ignore=shutil.ignore_patterns("README.md", "images"))
    return folder


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    for name in ("memory", "clicks"):
        rows = [
            f"{step},{step / 50:.2f},loss,{9 / step:.4f}\n{step},1,iou,0.5" for step in (25, 50)
        ]
        pace = ["50,1.00,pace,0.4000"] if name == "memory" else []
        (folder / f"{name}.csv").write_text("\n".join([*rows, *pace]) + "\n")
    return folder


def _figures(folder: Path, model: Path) -> Path:
    ramp = np.arange(TILE, dtype=np.uint8)[None, :, None]
    cases = []
    for group, task in SHOWN:
        for value in (0.2, 0.6, 1.0):
            image = np.broadcast_to(ramp, (TILE, TILE, 3))
            mask = np.zeros((TILE, TILE), bool)
            mask[20:60, 30:70] = True
            example = Example(image, mask, mask, ((30.0, 40.0, 1),))
            text = "빨간 원을 | 찾아 줘" if "[ko]" in task else "the red circle"
            said = "" if "click" in task or "box" in task else text
            cases.append(Case(group, task, value, len(cases), (), value, example, said))
    cases.append(Case("questions", "color", 0.0, 0, text="Which?", answer=("It is red.", "It is.")))
    about = {"command": "python -m evaluate FOLDER", "seed": 1, **origin(str(model))}
    path = folder / "figures.json"
    path.write_text(json.dumps(report(cases, about)), encoding="utf-8")
    save_examples(path.with_suffix(".npz"), choose(cases))
    return path


def test_a_full_card_has_all_parts_and_stays_small(checkpoint, logs, tmp_path) -> None:
    figures = _figures(tmp_path, checkpoint)
    note_start(logs, checkpoint, back=0.5)
    main([str(checkpoint), "--figures", str(figures), "--logs", str(logs)])
    card = (checkpoint / "README.md").read_text("utf-8")
    pictures = list((checkpoint / "images").glob("*.png"))
    assert len(pictures) == len(SHOWN) + 2
    assert sum(path.stat().st_size for path in pictures) < 600_000
    assert all(f"(images/{path.name})" in card for path in pictures)
    assert "python -m evaluate FOLDER" in card
    assert "| memory | 50 | 1 | 0.4 | 0.360 | 0.180 |" in card
    assert f"from the weights of `{checkpoint.name}`" in card
    assert "moved 50% of the way back" in card
    assert "`빨간 원을 / 찾아 줘`" in card
    assert "- **drawn scenes: click**: 0.60, aimed at 0.85." in card
    assert "- questions: shape was not measured." in card
    assert "`It is red.` | `It is.` | no |" in card
    assert "other weights" not in card
    assert str(tmp_path) not in card


def test_a_card_says_what_is_missing(checkpoint) -> None:
    main([str(checkpoint)])
    card = (checkpoint / "README.md").read_text("utf-8")
    for missing in ("The logs of its training", "The figures", "The pictures"):
        assert f"{missing} are missing" in card


def test_figures_of_other_weights_are_told(checkpoint, tmp_path) -> None:
    figures = _figures(tmp_path, checkpoint)
    content = json.loads(figures.read_text("utf-8")) | {"weights_sha256": "0"}
    figures.write_text(json.dumps(content), encoding="utf-8")
    main([str(checkpoint), "--figures", str(figures)])
    assert "of other weights" in (checkpoint / "README.md").read_text("utf-8")


def test_parts_add_up_to_all_parameters(checkpoint) -> None:
    counts = parameters(checkpoint)
    assert set(counts) >= {"vision tower", "language model", "grounding (SAM 2)"}
    # Two bytes each, and a header of names.
    size = (checkpoint / "model.safetensors").stat().st_size
    assert 0 < size - 2 * counts.total() < 200_000


def test_logs_come_in_the_order_of_training(logs) -> None:
    assert [(it.name, it.steps, it.minutes) for it in read_logs(logs)] == [
        ("clicks", 50, 1.0),
        ("memory", 50, 1.0),
    ]


def test_a_picture_shows_truth_mask_and_click() -> None:
    found, truth = np.zeros((2, 40, 40), bool)
    found[5:20, 5:20] = truth[10:30, 10:30] = True
    tile = np.asarray(
        draw(Example(np.zeros((40, 40, 3), np.uint8), truth, found, ((25.0, 25.0, 1),)))
    )
    assert tuple(tile[7, 7]) == (114, 63, 0)
    assert tuple(tile[9, 25]) == (255, 255, 255)
    assert tuple(tile[25, 25]) == (0, 220, 90)


def test_noise_is_made_to_fit(tmp_path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (120, 360, 3), np.uint8)
    save_small(Image.fromarray(noise), tmp_path / "noise.png", 9000)
    assert (tmp_path / "noise.png").stat().st_size <= 9000
