"""Train the nano checkpoint: `python -m napari_sa2va.training.train --out DIR --nuclei DIR`.

The stages run in order; each writes what it trained to DIR/STAGE.safetensors and is skipped where
that file exists, so a run that was cut goes on. Stages that do not build on each other (`vision`
then `language`; `crops` then `clicks`) may run as two processes into the same folder. Under
`torchrun` the processes share each stage and average their gradients. On a GPU `--workers` draw.
In the end DIR/checkpoint holds the checkpoint, measured, with its card.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tokenizers import Tokenizer

from napari_sa2va.models.checkpoint import build_model, save_model
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training import evaluate
from napari_sa2va.training.card import write_card
from napari_sa2va.training.checkpoint_facts import note_start
from napari_sa2va.training.configuration import CONFIG, GROUNDING
from napari_sa2va.training.feeding import batches
from napari_sa2va.training.initialise import initialise
from napari_sa2va.training.nuclei import NucleiImage, read_nuclei
from napari_sa2va.training.optimisation import load_heads, rank, resume_file, run_stage
from napari_sa2va.training.recipe import MINUTES, STAGES, build_source, build_stage
from napari_sa2va.training.stage import Source
from napari_sa2va.training.tokenizer import build_tokenizer, template_corpus, write_tokenizer
from napari_sa2va.training.warm_start import move_back, warm_start

_log = logging.getLogger(__name__)

# Whose heads a stage goes on with.
HEADS_OF = {"joint": "vision"}


def main(options: Sequence[str] | None = None) -> None:
    """Run the stages that are not done; with all of them done, write the checkpoint."""
    arguments = _arguments(options)
    device = torch.device(arguments.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
    out: Path = arguments.out
    tokenizer = _tokenizer(out)
    model = assemble(out, arguments.seed, arguments.init, arguments.init_parts).to(device)
    if rank() == 0 and arguments.init:
        note_start(out, arguments.init, arguments.back)
    nuclei = read_nuclei(arguments.nuclei, held_out=False) if arguments.nuclei else []
    for name in arguments.stages:
        if (out / f"{name}.safetensors").exists():
            continue
        _train(name, model, tokenizer, nuclei, arguments)
    if rank() == 0 and all((out / f"{name}.safetensors").exists() for name in STAGES):
        if arguments.back:
            move_back(model, arguments.init, arguments.back)
        write_checkpoint(model.cpu(), out / "checkpoint", tokenizer)
        _report(arguments)


def _report(arguments: argparse.Namespace) -> None:
    """Measure the checkpoint and write its card."""
    out, nuclei, scenes = arguments.out, arguments.nuclei, arguments.measure
    figures = out / "figures.json"
    options = ["--scenes", scenes, "--clips", max(1, scenes // 8), "--json", figures]
    options += ["--nuclei", nuclei] if nuclei else []
    options += ["--only", *arguments.only]
    evaluate.main([str(word) for word in (out / "checkpoint", *options)])
    write_card(out / "checkpoint", figures, out)


def _train(
    name: str,
    model: Sa2VA,
    tokenizer: Tokenizer,
    nuclei: list[NucleiImage],
    arguments: argparse.Namespace,
) -> None:
    def source(rng: np.random.Generator) -> Source[Any]:
        return build_source(name, rng, tokenizer, nuclei)

    out, device = arguments.out, next(model.parameters()).device
    torch.manual_seed(arguments.seed)
    stage = build_stage(name, model, tokenizer)
    if name in HEADS_OF:
        load_heads(stage, out, HEADS_OF[name])
    stage.heads.to(device)
    # A run that goes on draws what it has not drawn yet.
    resumed = int(resume_file(out, name).stat().st_mtime) if resume_file(out, name).exists() else 0
    seed = [arguments.seed, STAGES.index(name), rank(), resumed]
    stream = batches(source, seed, arguments.workers, device)
    run_stage(stage, stream, out, arguments.minutes * MINUTES[name], arguments.pace)


def _arguments(options: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the nano checkpoint of napari-sa2va.")
    parser.add_argument("--out", type=Path, required=True, help="where stages and logs go")
    parser.add_argument("--nuclei", type=Path, help="folder with NAME.tif and NAME_labels.tif")
    parser.add_argument("--init", type=Path, help="a checkpoint's folder to start from")
    parser.add_argument(
        "--init-parts",
        nargs="+",
        default=[""],
        metavar="NAME",
        help="take only weights whose names begin so, such as grounding.",
    )
    parser.add_argument(
        "--back",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="move the trained weights by this share of the way back to those of --init",
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="factor on each stage's time")
    parser.add_argument(
        "--pace",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="on the learning rates; below 1, weights that are good already forget less",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument(
        "--measure", type=int, default=300, metavar="SCENES", help="as `evaluate --scenes`"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=evaluate.GROUPS,
        choices=evaluate.GROUPS,
        metavar="GROUP",
        help="what is measured, as `evaluate --only`",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw (0: none)")
    arguments = parser.parse_args(options)
    if arguments.back and arguments.init is None:
        parser.error("--back needs --init: there is nothing to go back to")
    return arguments


def _tokenizer(out: Path) -> Tokenizer:
    if rank() == 0 and not (out / "tokenizer.json").exists():
        write_tokenizer(build_tokenizer(template_corpus()), out)
    if dist.is_initialized():
        dist.barrier()
    tokenizer: Tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    return tokenizer


def assemble(out: Path, seed: int, init: Path | None = None, parts: Sequence[str] = ("",)) -> Sa2VA:
    """The model as the stages that are done have left it."""
    torch.manual_seed(seed)
    model = build_model(CONFIG, GROUNDING)
    initialise(model)
    if init is not None:
        words = [(folder / "tokenizer.json").read_bytes() for folder in (init, out)]
        anew = warm_start(model, init, parts, same_words=words[0] == words[1])
        if anew and rank() == 0:
            _log.warning("%s does not fit; these start anew: %s", init, ", ".join(anew))
    for name in STAGES:
        done = out / f"{name}.safetensors"
        if done.exists():
            model.load_state_dict(load_file(done), strict=False)
    # SAM 2's memory has dropout, which so small a network cannot afford.
    return model.eval()


def write_checkpoint(model: Sa2VA, folder: Path, tokenizer: Tokenizer) -> None:
    """Write the model as a folder in the official layout, in bfloat16."""
    write_tokenizer(tokenizer, folder)
    for name, content in (("config.json", CONFIG), ("grounding.json", GROUNDING)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    save_model(model, folder, torch.bfloat16)


if __name__ == "__main__":
    main()
