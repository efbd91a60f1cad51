"""Train the nano checkpoint: `python -m napari_sa2va.training.train --out DIR --nuclei DIR`.

The stages run in order; each writes what it trained to DIR/STAGE.safetensors and is skipped where
that file exists, so a run that was cut goes on. Stages that do not build on each other (`vision`
then `language`; `clicks`) may run as two processes into the same folder. Under `torchrun` the
processes share each stage and average their gradients.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tokenizers import Tokenizer

from napari_sa2va.models.checkpoint import build_model, save_model
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.attention import use_float_attention
from napari_sa2va.training.configuration import CONFIG, GROUNDING
from napari_sa2va.training.initialise import initialise
from napari_sa2va.training.nuclei import read_nuclei
from napari_sa2va.training.optimisation import rank, run_stage
from napari_sa2va.training.recipe import MINUTES, STAGES, build_stage
from napari_sa2va.training.tokenizer import build_tokenizer, template_corpus, write_tokenizer
from napari_sa2va.training.warm_start import warm_start


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
        seed = [arguments.seed, STAGES.index(name), rank()]
        torch.manual_seed(arguments.seed)
        stage = build_stage(name, model, np.random.default_rng(seed), tokenizer, nuclei)
        run_stage(stage, out, arguments.minutes * MINUTES[name])
    if rank() == 0 and all((out / f"{name}.safetensors").exists() for name in STAGES):
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
    if rank() == 0 and not (out / "tokenizer.json").exists():
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
