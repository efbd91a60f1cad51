"""One stage's steps: optimisers, a running mean of the weights, a log, a file to resume from."""

from __future__ import annotations

import csv
import math
import time
from collections import defaultdict
from collections.abc import Iterator
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
EMA = 0.997
LOG_EVERY = 25  # steps
SAVE_EVERY = 120.0  # seconds
PACE = "pace"  # as the log has it
# Layers of the towers and of the LLM, whose matrices Muon (Jordan et al. 2024) makes step evenly
# in all directions: they learn in half the steps that AdamW takes.
LAYERS = (
    "language.vision.encoder.",
    "language.llm.model.layers.",
    "grounding.image_encoder.trunk.blocks.",
    "grounding.sam_mask_decoder.transformer.",
    "grounding.memory_attention.layers.",
    "grounding.memory_encoder.fuser.layers.",
)

Parameters = dict[str, nn.Parameter]


def run_stage(
    stage: Stage[Any], batches: Iterator[Any], out: Path, minutes: float, pace: float = 1.0
) -> None:
    """Train one stage for a time; what it trained ends as a running mean in the model.

    Parameters
    ----------
    stage : Stage
        Its model is on the device of the batches.
    batches : iterator
        Batches for `Stage.losses`, without end.
    out : Path
        Where STAGE.safetensors (the trained weights), STAGE.csv (the log) and, until the stage is
        done, STAGE.resume.pt are written.
    minutes : float
        How long, counting the time before an interruption.
    pace : float, optional
        Factor on the stage's learning rates; the log has it, too.
    """
    trained = dict(stage.parameters())
    every = [*trained.values(), *stage.heads.parameters()]
    optimizers = _optimizers(stage, trained)
    mean = {name: value.detach().clone() for name, value in trained.items()}
    heads, resume = out / f"{stage.name}.heads.safetensors", resume_file(out, stage.name)
    step, spent = _resume(resume, stage, trained, mean, optimizers)
    started = saved = time.monotonic() - spent
    log = _Log(out / f"{stage.name}.csv", step)
    while (progress := _agree((time.monotonic() - started) / 60 / minutes)) < 1:
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["full_rate"] * pace * rate(progress)
        losses = stage.losses(next(batches))
        for optimizer in optimizers:
            optimizer.zero_grad()
        losses["loss"].backward()
        _average_gradients(every)
        nn.utils.clip_grad_norm_(every, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step += 1
        _follow(mean, trained, step)
        log.add(step, (time.monotonic() - started) / 60, losses | {PACE: torch.tensor(pace)})
        if rank() == 0 and time.monotonic() - saved > SAVE_EVERY:
            saved = time.monotonic()
            _save(resume, stage, trained, mean, optimizers, step, saved - started)
    log.write(step, minutes)
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(mean[name])
    if rank() == 0:
        save_file(mean, out / f"{stage.name}.safetensors")
        if every[len(trained) :]:
            save_file(stage.heads.state_dict(), heads)
        resume.unlink(missing_ok=True)


def resume_file(out: Path, name: str) -> Path:
    """Where a stage that is not done keeps its state."""
    return out / f"{name}.resume.pt"


def load_heads(stage: Stage[Any], out: Path, name: str) -> None:
    """Take the heads that an earlier stage has trained, where there are any."""
    path = out / f"{name}.heads.safetensors"
    if path.exists():
        stage.heads.load_state_dict(load_file(path))


def rate(progress: float) -> float:
    """Share of the learning rate: linear warm-up, a plateau for 40 % of the time, cosine to 3 %."""
    warm = min(1.0, (progress + 0.001) / WARM_UP)
    fall = max(0.0, (progress - 0.4) / 0.6)
    return warm * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * fall)))


def _optimizers(stage: Stage[Any], trained: Parameters) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of layers where the stage gives it a rate, AdamW for all else."""
    matrices: dict[float, list[nn.Parameter]] = defaultdict(list)
    others: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, value in trained.items():
        pace = SLOW if stage.slow and name.startswith(stage.slow) else 1.0
        if stage.matrix_rate and value.ndim == 2 and name.startswith(LAYERS):
            matrices[pace * stage.matrix_rate].append(value)
        else:
            decay = WEIGHT_DECAY if value.ndim >= 2 else 0.0
            others[pace * stage.learning_rate, decay].append(value)
    others[stage.learning_rate, 0.0].extend(stage.heads.parameters())
    adamw = torch.optim.AdamW(
        [
            {"params": values, "full_rate": full, "weight_decay": decay}
            for (full, decay), values in others.items()
        ],
        betas=(0.9, 0.98),
    )
    if not matrices:
        return [adamw]
    muon = torch.optim.Muon(
        [{"params": values, "full_rate": full} for full, values in matrices.items()],
        weight_decay=WEIGHT_DECAY,
        adjust_lr_fn="match_rms_adamw",
    )
    return [adamw, muon]


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
def _follow(mean: dict[str, Tensor], trained: Parameters, step: int) -> None:
    """Let the running mean follow; it forgets its start fast."""
    keep = min(EMA, (step + 1) / (step + 10))
    torch._foreach_lerp_([mean[name] for name in trained], list(trained.values()), 1 - keep)


def _save(
    path: Path,
    stage: Stage[Any],
    trained: Parameters,
    mean: dict[str, Tensor],
    optimizers: list[torch.optim.Optimizer],
    step: int,
    spent: float,
) -> None:
    state = {
        "trained": {name: value.detach() for name, value in trained.items()},
        "mean": mean,
        "heads": stage.heads.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "step": step,
        "spent": spent,
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


@torch.no_grad()
def _resume(
    path: Path,
    stage: Stage[Any],
    trained: Parameters,
    mean: dict[str, Tensor],
    optimizers: list[torch.optim.Optimizer],
) -> tuple[int, float]:
    """Steps and seconds already done; 0 and 0 where there is nothing to resume."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    for name, value in trained.items():
        value.copy_(state["trained"][name])
        mean[name].copy_(state["mean"][name])
    stage.heads.load_state_dict(state["heads"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"]), float(state["spent"])


class _Log:
    """Means over some steps as lines of a CSV file: step, minutes, quantity, value.

    A run that resumes overwrites what was logged after the state that it resumes from.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        self._sums: dict[str, list[float]] = defaultdict(list)
        if rank() == 0 and path.exists():
            with path.open(newline="") as file:
                kept = [row for row in csv.reader(file) if int(row[0]) <= step]
            with path.open("w", newline="") as file:
                csv.writer(file).writerows(kept)

    def add(self, step: int, minutes: float, losses: dict[str, Tensor]) -> None:
        if rank():
            return
        for name, value in losses.items():
            self._sums[name].append(float(value.detach()))
        if step % LOG_EVERY == 0:
            self.write(step, minutes)

    def write(self, step: int, minutes: float) -> None:
        """Write what has gathered since the last line."""
        with self._path.open("a", newline="") as file:
            writer = csv.writer(file)
            for name, values in self._sums.items():
                writer.writerow((step, f"{minutes:.2f}", name, f"{np.mean(values):.4f}"))
        self._sums.clear()
