"""The one command that trains, from nothing to the card."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_sa2va
from napari_sa2va.training.evaluation.metrics import iou
from napari_sa2va.training.recipe import MINUTES, STAGES
from napari_sa2va.training.scenes import draw_scene
from napari_sa2va.training.visual_prompts import click


def _train(out: Path, *options: str, processes: int = 1) -> None:
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    command = [sys.executable, *launcher, "-m", "napari_sa2va.training.train", "--out", str(out)]
    subprocess.run([*command, *options], check=True, capture_output=True, text=True)


def test_the_command_writes_stages_logs_checkpoint_and_card(tmp_path):
    """One step a stage; a second run finds all done."""
    _train(tmp_path, "--minutes", "1e-9", "--measure", "3")
    for stage in STAGES:
        assert (tmp_path / f"{stage}.safetensors").exists()
        assert (tmp_path / f"{stage}.csv").read_text().startswith("1,")
    card = (tmp_path / "checkpoint" / "README.md").read_text("utf-8")
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert all(f"| {stage} |" in card for stage in STAGES)
    assert figures["command"] in card
    with napari_sa2va.load(tmp_path / "checkpoint") as engine:
        assert engine.open(np.zeros((64, 64, 3), np.uint8)).segment(points=[(9, 9, True)]).mask.any


@pytest.mark.slow  # ten minutes of training
def test_ten_minutes_from_nothing_beat_everything_is_foreground(tmp_path):
    minutes = 10 / sum(MINUTES.values())
    _train(tmp_path, "--minutes", str(minutes), "--measure", "8", processes=2)
    rng = np.random.default_rng(123)
    found, everything = [], []
    with napari_sa2va.load(tmp_path / "checkpoint") as engine:
        for _ in range(60):
            scene = draw_scene(rng)
            label = scene.objects[0].label
            ((x, y),) = click(rng, scene, label).points.tolist()
            with engine.open(scene.image) as session:
                mask = session.segment(points=[(y, x, True)]).mask
            found.append(iou(mask, scene.labels == label))
            everything.append(iou(scene.labels > 0, scene.labels == label))
    assert np.mean(found) > np.mean(everything)
    assert (tmp_path / "checkpoint" / "README.md").exists()
    assert all((tmp_path / f"{stage}.csv").exists() for stage in STAGES)
