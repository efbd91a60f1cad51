"""Start from what an earlier checkpoint has learned, as far as the sizes agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from napari_sa2va.models.checkpoint import load_model
from napari_sa2va.models.sa2va import Sa2VA

WORDS = "language.llm.model.embed_tokens.weight"


@torch.no_grad()
def warm_start(model: Sa2VA, folder: Path, parts: Sequence[str], same_words: bool) -> list[str]:
    """Copy the weights of a checkpoint into a model, in place.

    Parameters
    ----------
    folder : Path
        A checkpoint in the official layout.
    parts : sequence of str
        Beginnings of the names of what is copied.
    same_words : bool
        The checkpoint has the model's tokenizer; else the embeddings of words mean others.

    Returns
    -------
    list of str
        Names of the model within `parts` that keep their starting values: the checkpoint has them
        in another shape, or not at all.
    """
    earlier = load_model(folder).state_dict()
    anew = []
    for name, value in model.state_dict().items():
        if not name.startswith(tuple(parts)):
            continue
        fits = name in earlier and earlier[name].shape == value.shape
        if fits and (same_words or name != WORDS):
            value.copy_(earlier[name])
        else:
            anew.append(name)
    return anew


@torch.no_grad()
def move_back(model: Sa2VA, folder: Path, share: float) -> None:
    """Move a trained model's weights by a share of the way back to the checkpoint it started from.

    What training made better mostly stays so, and what it forgot of images unlike its own mostly
    comes back (Wortsman et al., arXiv 2109.01903).
    """
    earlier = load_model(folder).state_dict()
    for name, value in model.named_parameters():  # each once: words are tied to the head
        value.lerp_(earlier[name].to(value), share)
