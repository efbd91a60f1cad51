"""Visual tokens that spell what they show."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.batches import Packer
from napari_sa2va.training.dense_labels import CELLS, COLOR_NAMES, NOUN_NAMES

SEEN = 0.3  # share of a patch that an object must cover to be spelled
COVERAGE, COLOR, NOUN = 0, 1, 2  # columns of the patch labels


class Speller:
    """Asks each visual token, read through the LLM's own output head, for its colour and noun.

    A word of the question then matches the places that show it, before any layer has learned to
    translate one into the other.
    """

    def __init__(self, packer: Packer) -> None:
        self.colors = torch.tensor([packer.encode(f" {name}")[0] for name in COLOR_NAMES])
        self.nouns = torch.tensor([packer.encode(f" {name}")[0] for name in NOUN_NAMES])

    def loss(self, model: Sa2VA, visual: Tensor, labels: Tensor) -> Tensor:
        """Mean over the tokens (B, V, C) that lie on an object of `patch_labels` (B, P, 6)."""
        of_tokens = _of_tokens(labels)
        on = of_tokens[..., COVERAGE] > SEEN
        llm = model.language.llm
        words = F.log_softmax(llm.lm_head(llm.model.norm(visual[on])), -1)
        said = of_tokens[on].long()
        loss = -words.gather(1, self.nouns.to(said.device)[said[:, NOUN], None]).mean()
        colored = said[:, COLOR] >= 0
        if colored.any():
            loss = (
                loss
                - words[colored]
                .gather(1, self.colors.to(said.device)[said[colored, COLOR], None])
                .mean()
            )
        return loss


def _of_tokens(labels: Tensor) -> Tensor:
    """Labels (B, V, 6) of the best covered of the four patches that each token is made of."""
    side = CELLS // 2
    fours = labels.unflatten(1, (side, 2, side, 2)).transpose(2, 3).flatten(3, 4)
    fours = fours.flatten(1, 2)
    best = fours[..., COVERAGE].argmax(-1)
    chosen = best[..., None, None].expand(-1, -1, 1, fours.shape[-1])
    return fours.gather(2, chosen)[:, :, 0]
