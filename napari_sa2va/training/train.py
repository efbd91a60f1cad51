"""Train the nano checkpoint: `python -m napari_sa2va.training.train --out DIR --nuclei DIR`.

The stages run in order; each writes what it trained to DIR/STAGE.safetensors and is skipped where
that file exists, so a run that was cut goes on. Stages that do not build on each other (`vision`
then `language`; `clicks`) may run as two processes into the same folder. Under `torchrun` the
processes share each stage and average their gradients.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from napari_sa2va.models.checkpoint import build_model, save_model
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.attention import use_float_attention
from napari_sa2va.training.configuration import CONFIG, GROUNDING
from napari_sa2va.training.initialise import initialise
from napari_sa2va.training.nuclei import read_nuclei
from napari_sa2va.training.recipe import MINUTES, STAGES, build_stage
from napari_sa2va.training.stage import SLOW, Stage
from napari_sa2va.training.tokenizer import build_tokenizer, template_corpus, write_tokenizer
from napari_sa2va.training.warm_start import warm_start

WEIGHT_DECAY = 0.03
WARM_UP = 60  # steps
EMA = 0.995
LOG_EVERY = 25  # steps
SAVE_EVERY = 120.0  # seconds
HEADS = "heads.safetensors"  # what helps in training is handed from stage to stage


def main() -> None:
    """Run the stages that are not done; with all of them done, write the checkpoint."""
    arguments = _arguments()
    torch.set_num_threads(1)
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
    out: Path = arguments.out
    tokenizer = _tokenizer(out)
    model = assemble(out, tokenizer, arguments.init, arguments.seed)
    nuclei = read_nuclei(arguments.nuclei, held_out=False) if arguments.nuclei else []
    for name in arguments.stages:
        if (out / f"{name}.safetensors").exists():
            continue
        seed = [arguments.seed, STAGES.index(name), _rank()]
        torch.manual_seed(arguments.seed)
        stage = build_stage(name, model, np.random.default_rng(seed), tokenizer, nuclei)
        run_stage(stage, out, arguments.minutes * MINUTES[name])
    if _rank() == 0 and all((out / f"{name}.safetensors").exists() for name in STAGES):
        write_checkpoint(model, out / "checkpoint", tokenizer)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the nano checkpoint of napari-sa2va.")
    parser.add_argument("--out", type=Path, required=True, help="where stages and logs go")
    parser.add_argument("--nuclei", type=Path, help="folder with NAME.tif and NAME_labels.tif")
    parser.add_argument("--init", type=Path, help="the study's weights to start from")
    parser.add_argument("--minutes", type=float, default=1.0, help="factor on each stage's time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES)
    return parser.parse_args()


def _tokenizer(out: Path) -> Tokenizer:
    if _rank() == 0 and not (out / "tokenizer.json").exists():
        write_tokenizer(build_tokenizer(template_corpus()), out)
    if dist.is_initialized():
        dist.barrier()
    tokenizer: Tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    return tokenizer


def assemble(out: Path, tokenizer: Tokenizer, init: Path | None, seed: int) -> Sa2VA:
    """The model as the stages that are done have left it."""
    torch.manual_seed(seed)
    model = build_model(CONFIG, GROUNDING)
    initialise(model)
    use_float_attention(model)
    if init is not None:
        warm_start(model, init, tokenizer)
    for name in STAGES:
        done = out / f"{name}.safetensors"
        if done.exists():
            model.load_state_dict(load_file(done), strict=False)
    return model.train()


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
            group["lr"] = group["pace"] * stage.learning_rate * rate(progress, step)
        losses = stage.losses(stage.draw())
        optimizer.zero_grad()
        losses["loss"].backward()
        _average_gradients(every)
        torch.nn.utils.clip_grad_norm_(every, 1.0)
        optimizer.step()
        step += 1
        _follow(mean, trained, step)
        log.add(step, (time.monotonic() - started) / 60, losses)
        if _rank() == 0 and time.monotonic() - saved > SAVE_EVERY:
            saved = time.monotonic()
            _save(resume, stage, trained, mean, optimizer, step, saved - started)
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(mean[name])
    if _rank() == 0:
        save_file(mean, out / f"{stage.name}.safetensors")
        if every[len(trained) :]:
            save_file(stage.heads.state_dict(), out / HEADS)
        resume.unlink(missing_ok=True)


def rate(progress: float, step: int) -> float:
    """Share of the learning rate: linear warm-up, a plateau for 40 % of the time, cosine to 3 %."""
    warm = min(1.0, (step + 1) / WARM_UP)
    fall = max(0.0, (progress - 0.4) / 0.6)
    return warm * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * fall)))


def _groups(stage: Stage, trained: dict[str, torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Parameters by pace and by whether they decay (matrices do)."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = defaultdict(list)
    for name, value in trained.items():
        pace = SLOW if stage.slow and name.startswith(stage.slow) else 1.0
        groups[pace, WEIGHT_DECAY if value.ndim >= 2 else 0.0].append(value)
    groups[1.0, 0.0].extend(stage.heads.parameters())
    return [
        {"params": values, "pace": pace, "weight_decay": decay}
        for (pace, decay), values in groups.items()
    ]


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def _agree(progress: float) -> float:
    """The first process's clock, so that all stop at the same step."""
    if not dist.is_initialized():
        return progress
    shared = torch.tensor([progress])
    dist.broadcast(shared, 0)
    return float(shared)


def _average_gradients(parameters: list[torch.nn.Parameter]) -> None:
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
def _follow(mean: dict[str, Tensor], trained: dict[str, torch.nn.Parameter], step: int) -> None:
    """Let the running mean follow; it forgets its start fast."""
    keep = min(EMA, (step + 1) / (step + 10))
    for name, value in trained.items():
        mean[name].lerp_(value, 1 - keep)


def _save(
    path: Path,
    stage: Stage,
    trained: dict[str, torch.nn.Parameter],
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
    trained: dict[str, torch.nn.Parameter],
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
        if _rank():
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


def write_checkpoint(model: Sa2VA, folder: Path, tokenizer: Tokenizer) -> None:
    """Write the model as a folder in the official layout, in bfloat16."""
    write_tokenizer(tokenizer, folder)
    for name, content in (("config.json", CONFIG), ("grounding.json", GROUNDING)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    save_model(model, folder, torch.bfloat16)


if __name__ == "__main__":
    main()
