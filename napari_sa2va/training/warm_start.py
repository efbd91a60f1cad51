"""Start from the weights of the feasibility study, which knew the same network by other names.

The study had no class token, other image statistics, a vocabulary of whole words and another
order of channels in the pixel shuffle; everything else fits as it is.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from napari_sa2va.models.grounding import IMAGE_STD
from napari_sa2va.models.internvl import pixel_shuffle
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.tokenizer import IMAGE_START, SEG, TURN_END, TURN_START

STUDY_STD = 0.25  # of all three channels
# The study's vocabulary after its eight special tokens.
STUDY_WORDS = """
, . ? a all and are biggest black blob blobs blue bottom bottommost brightest brown can cell
cells center circle circles closest coin coins color count cross crosses cyan darkest describe
dimmest down eight eleven ellipse ellipses every faster fastest fifteen find five four fourteen
give green how image in is it largest left leftmost many mask masks me moving nine no not nuclei
nucleus number object objects of one ones orange outline pink please purple red right rightmost
ring rings segment seven shape shapes show six sixteen smallest square squares star stars stays
still sure ten that the there thirteen three tiniest to top topmost triangle triangles twelve
two up what where which white with yellow yes you zero
"""
STUDY_SPECIAL = 8
SPECIAL_TWINS = {IMAGE_START: 2, TURN_START: 3, "user": 3, "assistant": 4, TURN_END: 5, SEG: 6}

_RENAMES = (
    (r"^vit\.cls$", "language.vision.embeddings.cls_token"),
    (r"^vit\.patch\.", "language.vision.embeddings.patch_embeddings.projection."),
    (r"^vit\.blocks\.(\d+)\.ls", r"language.vision.encoder.layer.\1.lambda_"),
    (
        r"^vit\.blocks\.(\d+)\.proj\.",
        r"language.vision.encoder.layer.\1.attention.projection_layer.",
    ),
    (r"^vit\.blocks\.(\d+)\.norm1\.", r"language.vision.encoder.layer.\1.layernorm_before."),
    (r"^vit\.blocks\.(\d+)\.norm2\.", r"language.vision.encoder.layer.\1.layernorm_after."),
    (r"^vit\.blocks\.(\d+)\.fc", r"language.vision.encoder.layer.\1.mlp.fc"),
    (r"^mlp1\.", "language.projector."),
    (r"^llm\.", "language.llm."),
    (r"^seg\.", "text_hidden_fcs."),
    (r"^sam\.", "grounding."),
)


def warm_start(model: Sa2VA, weights: Path, tokenizer: Tokenizer) -> None:
    """Copy what the study learned into a model, in place.

    Parameters
    ----------
    model : Sa2VA
        Of the nano size.
    weights : Path
        The study's safetensors file.
    tokenizer : Tokenizer
        The model's own; its tokens take the embeddings of the words that they spell.
    """
    study = {name: value.float() for name, value in load_file(weights).items()}
    known = dict(model.named_parameters()) | dict(model.named_buffers())
    with torch.no_grad():
        for name, value in _official(study).items():
            known[name].copy_(value.reshape(known[name].shape))
        position = known["language.vision.embeddings.position_embeddings"]
        position[:, 1:] = study["vit.pos"]
        position[:, 0] = 0
        _copy_words(
            known["language.llm.model.embed_tokens.weight"],
            study["llm.model.embed_tokens.weight"],
            tokenizer,
        )


def _official(study: dict[str, Tensor]) -> dict[str, Tensor]:
    skipped = ("mean", "std", "vit.pos", "llm.model.embed_tokens.weight")
    renamed: dict[str, Tensor] = {}
    for name, value in study.items():
        if name in skipped:
            continue
        fused = re.match(r"vit\.blocks\.(\d+)\.qkv\.(weight|bias)", name)
        if fused:
            attention = f"language.vision.encoder.layer.{fused[1]}.attention"
            for part, rows in zip("qkv", value.chunk(3), strict=True):
                renamed[f"{attention}.{part}_proj.{fused[2]}"] = rows
            continue
        for old, new in _RENAMES:
            name = re.sub(old, new, name)
        renamed[name] = value
    scale = IMAGE_STD[None, :, None, None] / STUDY_STD
    renamed["language.vision.embeddings.patch_embeddings.projection.weight"] *= scale
    renamed["grounding.image_encoder.trunk.patch_embed.proj.weight"] *= scale
    order = _shuffle_order(channels=renamed["language.projector.0.weight"].numel() // 4)
    for name in ("language.projector.0.weight", "language.projector.0.bias"):
        renamed[name] = renamed[name][order]
    renamed["language.projector.1.weight"] = renamed["language.projector.1.weight"][:, order]
    return renamed


def _shuffle_order(channels: int) -> Tensor:
    """Which of the study's channels (row, column, channel) each shuffled channel comes from."""
    numbered = torch.arange(4 * channels, dtype=torch.float32).reshape(1, 2, 2, channels)
    return pixel_shuffle(numbered, 0.5).flatten().long()


def _copy_words(rows: Tensor, study: Tensor, tokenizer: Tokenizer) -> None:
    """Tokens that spell a known word start from it; the others near the mean of all words."""
    index = {word: number for number, word in enumerate(STUDY_WORDS.split(), STUDY_SPECIAL)}
    mean, spread = study.mean(0), study.std(0)
    rows.copy_(mean + 0.5 * spread * torch.randn_like(rows))
    for token, number in tokenizer.get_vocab().items():
        word = token.removeprefix("Ġ").lower()
        twin = SPECIAL_TWINS.get(token, index.get(word))
        if twin is not None:
            # A little noise, or the forms of one word would stay twins forever.
            rows[number] = study[twin] + 0.1 * spread * torch.randn_like(mean)
