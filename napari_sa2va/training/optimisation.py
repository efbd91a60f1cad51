"""One stage's steps: AdamW, a running mean of the weights, a log, and a file to resume from."""

from __future__ import annotations

import csv
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from napari_sa2va.training.stage import SLOW, Stage

WEIGHT_DECAY = 0.03
WARM_UP = 0.05  # of the time
EMA = 0.995
LOG_EVERY = 25  # steps
SAVE_EVERY = 120.0  # seconds
HEADS = "heads.safetensors"  # what helps in training is handed from stage to stage


def run_stage(stage: Stage, out: Path, minutes: float) -> None:
    """Train one stage for a time; what it trained ends as a running mean in the model."""
    trained = dict(stage.parameters())
    every = [*trained.values(), *stage.heads.parameters()]
    optimizer = torch.optim.AdamW(_groups(stage, trained), betas=(0.9, 0.98))
    mean = {name: value.detach().clone() for name, value in trained.items()}
    resume = out / f"{stage.name}.resume.pt"
    if (out / HEADS).exists() and every[len(trained) :]:
        stage.heads.load_state_dict(load_file(out / HEADS))
    step, spent = _resume(resume, stage, trained, mean, optimizer)
    started = saved = time.monotonic() - spent
    log = _Log(out / f"{stage.name}.csv")
    while (progress := _agree((time.monotonic() - started) / 60 / minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = group["pace"] * stage.learning_rate * rate(progress)
        losses = stage.losses(stage.draw())
        optimizer.zero_grad()
        losses["loss"].backward()
        _average_gradients(every)
        nn.utils.clip_grad_norm_(every, 1.0)
        optimizer.step()
        step += 1
        _follow(mean, trained, step)
        log.add(step, (time.monotonic() - started) / 60, losses)
        if rank() == 0 and time.monotonic() - saved > SAVE_EVERY:
            saved = time.monotonic()
            _save(resume, stage, trained, mean, optimizer, step, saved - started)
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(mean[name])
    if rank() == 0:
        save_file(mean, out / f"{stage.name}.safetensors")
        if every[len(trained) :]:
            save_file(stage.heads.state_dict(), out / HEADS)
        resume.unlink(missing_ok=True)


def rate(progress: float) -> float:
    """Share of the learning rate: linear warm-up, a plateau for 40 % of the time, cosine to 3 %."""
    warm = min(1.0, (progress + 0.001) / WARM_UP)
    fall = max(0.0, (progress - 0.4) / 0.6)
    return warm * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * fall)))


def _groups(stage: Stage, trained: dict[str, nn.Parameter]) -> list[dict[str, Any]]:
    """Parameters by pace and by whether they decay (matrices do)."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, value in trained.items():
        pace = SLOW if stage.slow and name.startswith(stage.slow) else 1.0
        groups[pace, WEIGHT_DECAY if value.ndim >= 2 else 0.0].append(value)
    groups[1.0, 0.0].extend(stage.heads.parameters())
    return [
        {"params": values, "pace": pace, "weight_decay": decay}
        for (pace, decay), values in groups.items()
    ]


def rank() -> int:
    """Number of this process, 0 where there is only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def _agree(progress: float) -> float:
    """The first process's clock, so that all stop at the same step."""
    if not dist.is_initialized():
        return progress
    shared = torch.tensor([progress])
    dist.broadcast(shared, 0)
    return float(shared)


def _average_gradients(parameters: list[nn.Parameter]) -> None:
    if not dist.is_initialized():
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    start = 0
    for parameter in parameters:
        parameter.grad = flat[start : start + parameter.numel()].view_as(parameter)
        start += parameter.numel()


@torch.no_grad()
def _follow(mean: dict[str, Tensor], trained: dict[str, nn.Parameter], step: int) -> None:
    """Let the running mean follow; it forgets its start fast."""
    keep = min(EMA, (step + 1) / (step + 10))
    for name, value in trained.items():
        mean[name].lerp_(value, 1 - keep)


def _save(
    path: Path,
    stage: Stage,
    trained: dict[str, nn.Parameter],
    mean: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    step: int,
    spent: float,
) -> None:
    state = {
        "trained": {name: value.detach() for name, value in trained.items()},
        "mean": mean,
        "heads": stage.heads.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "spent": spent,
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


@torch.no_grad()
def _resume(
    path: Path,
    stage: Stage,
    trained: dict[str, nn.Parameter],
    mean: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> tuple[int, float]:
    """Steps and seconds already done; 0 and 0 where there is nothing to resume."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    for name, value in trained.items():
        value.copy_(state["trained"][name])
        mean[name].copy_(state["mean"][name])
    stage.heads.load_state_dict(state["heads"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"]), float(state["spent"])


class _Log:
    """Means over some steps as lines of a CSV file: step, minutes, quantity, value."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sums: dict[str, list[float]] = defaultdict(list)

    def add(self, step: int, minutes: float, losses: dict[str, Tensor]) -> None:
        if rank():
            return
        for name, value in losses.items():
            self._sums[name].append(float(value.detach()))
        if step % LOG_EVERY:
            return
        with self._path.open("a", newline="") as file:
            writer = csv.writer(file)
            for name, values in self._sums.items():
                writer.writerow((step, f"{minutes:.2f}", name, f"{np.mean(values):.4f}"))
        self._sums.clear()
