"""What is minimised."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

FOREGROUND_WEIGHT = 4.0  # small objects would otherwise count for nothing
DICE_SMOOTHING = 8.0


class MaskLosses(NamedTuple):
    """Per mask: (N,) each; `iou` is measured, not minimised."""

    cross_entropy: Tensor
    dice: Tensor
    iou: Tensor


def mask_losses(logits: Tensor, targets: Tensor) -> MaskLosses:
    """Weighted cross-entropy and dice of logits (N, G, G) against soft masks (N, G, G)."""
    logits, targets = logits.float().flatten(1), targets.flatten(1)
    weights = 1 + FOREGROUND_WEIGHT * targets
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    entropy = (entropy * weights).sum(1) / weights.sum(1)
    soft = logits.sigmoid()
    overlap = 2 * (soft * targets).sum(1) + DICE_SMOOTHING
    dice = 1 - overlap / (soft.square().sum(1) + targets.square().sum(1) + DICE_SMOOTHING)
    return MaskLosses(entropy, dice, mask_iou(logits.detach(), targets))


def mask_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """IoU of (N, P) logits above 0 with (N, P) masks above a half; 0 where both are empty."""
    found, true = logits > 0, targets > 0.5
    return (found & true).sum(1) / (found | true).sum(1).clamp(min=1)


def place_loss(embeddings: Tensor, dense_positions: Tensor, targets: Tensor) -> Tensor:
    """Make a projected [SEG] a soft click: it shall match the position codes of its mask.

    SAM's decoder finds a click because the click's embedding is the position code of its place.
    A [SEG] embedding that is close to the codes of its mask is understood at once by a decoder
    that knows only clicks, and the language side can be trained without SAM 2.

    Parameters
    ----------
    embeddings : (N, C) tensor
        Projected [SEG] states.
    dense_positions : (1, C, h, w) tensor
        The prompt encoder's position code of every cell of the image embedding.
    targets : (N, G, G) tensor
        Soft masks.

    Returns
    -------
    (N,) tensor
        Divergence from the mask's share of each cell to the softmax of the matches.
    """
    codes = dense_positions[0].flatten(1)
    side = dense_positions.shape[-1]
    share = F.avg_pool2d(targets[:, None], targets.shape[-1] // side).flatten(1)
    share = share / share.sum(1, keepdim=True).clamp(min=1e-4)
    matches = F.log_softmax(embeddings.float() @ codes / 8, 1)
    return F.kl_div(matches, share, reduction="none").sum(1)


def own_place_loss(embeddings: Tensor, dense_positions: Tensor) -> Tensor:
    """Make what is projected from visual tokens match the position codes of their own places.

    Whatever looks at a token then finds there where it is; without this the LLM knows after a few
    hundred steps which tokens a phrase means, but not how to say to SAM 2 where they are.

    Parameters
    ----------
    embeddings : (B, V, C) tensor
        Projected states of the V visual tokens of one frame, on a square grid.
    dense_positions : (1, C, h, w) tensor
        As in `place_loss`.

    Returns
    -------
    scalar tensor
        Mean divergence from a token's own cells to the softmax of its matches.
    """
    codes = dense_positions[0].flatten(1)
    height, width = dense_positions.shape[-2:]
    side = math.isqrt(embeddings.shape[1])
    own = torch.eye(side**2, device=codes.device).unflatten(1, (1, side, side))
    share = F.interpolate(own, (height, width), mode="nearest").flatten(1)
    matches = F.log_softmax(embeddings.float() @ codes / 8, -1)
    share = (share / share.sum(1, keepdim=True)).expand_as(matches)
    return F.kl_div(matches, share, reduction="none").sum(-1).mean()


def pointing_loss(looks: Tensor, targets: Tensor) -> Tensor:
    """Make attention heads look at the visual tokens of a mask.

    Parameters
    ----------
    looks : (N, H, F * V) tensor
        Attention of [SEG] tokens before the softmax, to the visual tokens of F frames.
    targets : (N, F, G, G) tensor
        Soft masks; the V tokens of a frame lie on a square grid.

    Returns
    -------
    (N, H) tensor
        Divergence from the mask's share of each token to the softmax of the attention.
    """
    side = math.isqrt(looks.shape[-1] // targets.shape[1])
    share = F.avg_pool2d(targets, targets.shape[-1] // side).flatten(1)
    share = (share / share.sum(1, keepdim=True).clamp(min=1e-4))[:, None].expand_as(looks)
    return F.kl_div(F.log_softmax(looks, -1), share, reduction="none").sum(-1)


def next_token_loss(
    hidden: Tensor, head: torch.nn.Module, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Cross-entropy and accuracy where targets (B, T) are not -100; hidden (B, T, C)."""
    answered = targets >= 0
    logits = head(hidden[answered]).float()
    accuracy = (logits.argmax(-1) == targets[answered]).float().mean()
    return F.cross_entropy(logits, targets[answered]), accuracy.detach()


def word_losses(hidden: Tensor, head: torch.nn.Module, targets: Tensor) -> Tensor:
    """Cross-entropy (N,) of states (N, C)."""
    return F.cross_entropy(head(hidden).float(), targets, reduction="none")
