"""Where answers look: at what the question names, and at how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.batches import LanguageBatch
from napari_sa2va.training.dense_labels import centres
from napari_sa2va.training.hearing import Heard
from napari_sa2va.training.looking import COUNTERS, LAYER, POINTERS, attention_logits
from napari_sa2va.training.scene import Scene

SIDE = 8  # visual tokens along each side of a frame
# What a counting head looks at where there is nothing to count weighs as much as so many objects:
# one head tells none from one, the other seven from eight.
SINKS = (1.0, 8.0)


@dataclass(frozen=True)
class Named:
    """What L turns name, in F frames of V visual tokens each.

    Attributes
    ----------
    shares : (L, F * V) tensor
        Share of each token in the named objects; all 0 where there are none.
    centres : (L, F * V) tensor
        How many of the objects have their centre there, in the first frame.
    means : tuple of str
        What each turn is.
    """

    shares: Tensor
    centres: Tensor
    means: tuple[str, ...]


def named_shares(masks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shares (F * V,) of a soft mask in F frames (F, G, G)."""
    cell = masks.shape[-1] // SIDE
    pooled = masks.reshape(len(masks), SIDE, cell, SIDE, cell).mean((2, 4)).ravel()
    return pooled / max(float(pooled.sum()), 1e-4)


def named_centres(scene: Scene, labels: Sequence[int], frames: int) -> NDArray[np.float32]:
    """Number of centres (F * V,) of some objects in each token; later frames have none."""
    first = centres([thing for thing in scene.objects if thing.label in labels], SIDE)
    return np.concatenate((first, np.zeros((frames - 1) * SIDE**2, np.float32)))


def guiding_losses(
    model: Sa2VA, heard: Heard, packed: LanguageBatch, named: Named, context: int
) -> dict[str, Tensor]:
    """Losses of where answers look: `guided` and `counted`, 0 where nothing is named.

    The pointing heads shall look at the named objects. The counting heads shall share their
    attention between the centres of the objects and the first token of the row, which weighs as
    much as `SINKS` objects: how much is left for it then tells how many there are, or none.
    """
    rows, columns, turns = packed.said_rows, packed.said_columns, packed.said_turns
    if not len(rows):
        nothing = heard.hidden.sum() * 0
        return {"guided": nothing, "counted": nothing}
    heads = slice(POINTERS.start, COUNTERS.stop)
    looks = attention_logits(
        model.language.llm, LAYER, heads, heard.entering[LAYER], packed.positions, rows, columns
    )
    visual = packed.ids[0] == context
    shares, there = named.shares[turns], named.shares.sum(1)[turns] > 0
    pointing = F.log_softmax(looks[there, POINTERS][..., visual], -1)
    target = shares[there, None].expand_as(pointing)
    guided = F.kl_div(pointing, target, reduction="none").sum(-1).mean() if there.any() else 0
    hidden = ~packed.visible[rows, 0, columns]
    counting = looks[:, COUNTERS].masked_fill(hidden[:, None], -torch.inf).log_softmax(-1)
    counted = _counting_loss(counting, visual, named.centres[turns])
    return {"guided": torch.as_tensor(guided), "counted": counted}


def _counting_loss(looks: Tensor, visual: Tensor, centres: Tensor) -> Tensor:
    """Divergence of log attention (K, H, T) from the shares of centres (K, V) and sinks."""
    sinks = torch.tensor(SINKS, device=looks.device).expand(len(looks), -1)[..., None]
    share = torch.cat((sinks, centres[:, None].expand(-1, len(SINKS), -1)), -1)
    share = share / share.sum(-1, keepdim=True)
    paid = torch.cat((looks[..., :1], looks[..., visual]), -1)
    return F.kl_div(paid, share, reduction="none").sum(-1).mean()
