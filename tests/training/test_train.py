"""The one command that trains, from nothing to the card."""

import json
import subprocess
import sys

import numpy as np
import pytest

import napari_sa2va
from napari_sa2va.evaluation.overlap import iou
from napari_sa2va.training import train
from napari_sa2va.training.recipe import MINUTES, STAGES
from napari_sa2va.training.scenes import draw_scene
from napari_sa2va.training.visual_prompts import click


def test_the_command_writes_stages_logs_checkpoint_and_card(tmp_path):
    """A step or two a stage. Only clicks are measured: so raw an LLM never stops talking."""
    short = ["--minutes", "1e-4", "--measure", "3", "--only", "scenes"]
    train.main(["--out", str(tmp_path), *short])
    for stage in STAGES:
        assert (tmp_path / f"{stage}.safetensors").exists()
        assert (tmp_path / f"{stage}.csv").read_text().startswith("1,")
    card = (tmp_path / "checkpoint" / "README.md").read_text("utf-8")
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert all(f"| {stage} |" in card for stage in STAGES)
    assert figures["command"] in card
    image = np.zeros((64, 64, 3), np.uint8)
    with napari_sa2va.load(tmp_path / "checkpoint") as engine, engine.open(image) as session:
        found = session.segment(object_id=1, frame=0, points=[(9, 9, True)])
    assert found.mask.shape == (64, 64)


@pytest.mark.slow  # ten minutes of training
def test_ten_minutes_from_nothing_beat_everything_is_foreground(tmp_path):
    minutes = str(10 / sum(MINUTES.values()))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command = [*launcher, "-m", "napari_sa2va.training.train", "--out", str(tmp_path)]
    options = ["--minutes", minutes, "--measure", "8", "--only", "scenes", "tracking"]
    subprocess.run([*command, *options], check=True, capture_output=True)
    rng = np.random.default_rng(123)
    found, everything = [], []
    with napari_sa2va.load(tmp_path / "checkpoint") as engine:
        for _ in range(60):
            scene = draw_scene(rng)
            label = scene.objects[0].label
            ((x, y),) = click(rng, scene, label).points.tolist()
            with engine.open(scene.image) as session:
                mask = session.segment(object_id=1, frame=0, points=[(y, x, True)]).mask
            found.append(iou(mask, scene.labels == label))
            everything.append(iou(np.ones_like(mask), scene.labels == label))
    assert np.mean(found) > np.mean(everything)
    assert (tmp_path / "checkpoint" / "README.md").exists()
    assert all((tmp_path / f"{stage}.csv").exists() for stage in STAGES)
