"""How visual tokens of a clip learn what moved where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.batches import LanguageBatch, Packer
from napari_sa2va.training.clips import Clip
from napari_sa2va.training.guiding import SIDE
from napari_sa2va.training.hearing import Heard
from napari_sa2va.training.looking import LAYER, MATCHERS, MATCHING_LAYER, attention_logits
from napari_sa2va.training.scene import label_coverage

SEEN = 0.15  # share of a token that an object must cover to be followed
WAYS = ("left", "right", "up", "down", "still")
WAY_WEIGHTS = torch.tensor((1, 1, 1, 1, 0.3))  # most things are still
MOVED = 4 / 256  # of the image's side: less may be still, less than half of it is
CLEAR = 2.0  # a way is clear where it outweighs the other axis so many times
UNTOLD = -1
HIDDEN = -1e4  # finite, so that what none shall look at costs nothing


@dataclass(frozen=True)
class Tracks:
    """What N visual tokens of later frames show, against the first frame.

    Attributes
    ----------
    rows, tokens : (N,) tensors
        Which row, and which visual token of it.
    before : (N, 2, F * V) tensor
        Share of each token in the same object, in the first frame and in the frame before.
    ways : (N,) tensor
        Which of `WAYS` it has gone; -1 where that is not clear.
    """

    rows: Tensor
    tokens: Tensor
    before: Tensor
    ways: Tensor


def tracks(clips: Sequence[Clip]) -> Tracks:
    """Follow the objects of some clips; one row each."""
    rows, tokens, before, ways = [], [], [], []
    for row, clip in enumerate(clips):
        told = {thing.label: thing.motion for thing in clip.objects}
        covered = _covered(clip.labels)
        start = _centres(clip.labels[0])
        for frame in range(1, len(clip.labels)):
            moved = _centres(clip.labels[frame]) - start
            best = covered[frame, 1:].argmax(0) + 1
            for token in np.flatnonzero(covered[frame, best, np.arange(SIDE**2)] > SEEN):
                label = int(best[token])
                seen = covered[[0, frame - 1], label]
                if label not in told or not seen.any(1).all():
                    continue
                shares = np.zeros((2, len(covered), SIDE**2), np.float32)
                shares[(0, 1), (0, frame - 1)] = seen / seen.sum(1, keepdims=True)
                rows.append(row)
                tokens.append(frame * SIDE**2 + int(token))
                before.append(shares.reshape(2, -1))
                clear = told[label] in ("moving", "still", "leaving")
                ways.append(_way(moved[label]) if clear else UNTOLD)
    width = len(clips[0].labels) * SIDE**2
    return Tracks(
        rows=torch.tensor(rows, dtype=torch.long),
        tokens=torch.tensor(tokens, dtype=torch.long),
        before=torch.from_numpy(np.array(before, np.float32).reshape(-1, 2, width)),
        ways=torch.tensor(ways, dtype=torch.long),
    )


def _covered(labels: np.ndarray) -> np.ndarray:
    """Share of each token in each label: (T, labels, V)."""
    count = int(labels.max()) + 2  # one label at least
    covered = np.zeros((len(labels), count, SIDE**2), np.float32)
    for frame, own in enumerate(labels):
        shares = label_coverage(own, SIDE).reshape(SIDE**2, -1)
        covered[frame, : shares.shape[1]] = shares.T
    return covered


def _centres(labels: np.ndarray) -> np.ndarray:
    """Centres (256, 2) in fractions of the sides, NaN for labels that are not there."""
    side = len(labels)
    flat = labels.ravel()
    areas = np.bincount(flat, minlength=256).astype(float)
    areas[areas == 0] = np.nan
    y, x = np.divmod(np.arange(side * side), side)
    sums = [np.bincount(flat, at, minlength=256) / areas / side for at in (y, x)]
    return np.stack(sums, 1)


def _way(moved: np.ndarray) -> int:
    """Which of `WAYS` an offset (y, x) is; -1 where it is none clearly."""
    y, x = (float(part) for part in moved)
    way = np.hypot(y, x)
    if way < MOVED / 2:
        return WAYS.index("still")
    if way < MOVED:
        return UNTOLD
    if abs(x) > CLEAR * abs(y):
        return WAYS.index("right" if x > 0 else "left")
    if abs(y) > CLEAR * abs(x):
        return WAYS.index("down" if y > 0 else "up")
    return UNTOLD


def matching_loss(looks: Tensor, visible: Tensor, places: Tensor, before: Tensor) -> Tensor:
    """Make heads look at an object where it was, and at nothing else.

    What they bring then is the place in the first frame and the one in the frame before: the way
    is their difference. (A share among the tokens of those frames only would let the heads pay
    nearly all of their attention elsewhere.)

    Parameters
    ----------
    looks : (N, H, T) tensor
        Attention before the softmax.
    visible : (N, T) bool tensor
        What comes before.
    places : (F * V,) tensor
        Where the visual tokens are.
    before : (N, H, F * V) tensor
        As in `Tracks`.
    """
    paid = looks.masked_fill(~visible[:, None], HIDDEN).log_softmax(-1)[..., places]
    return F.kl_div(paid, before, reduction="none").sum(-1).mean()


class Follower:
    """Asks visual tokens where their object was, and, read through the output head, its way.

    What [SEG] shall point at by its motion is then in the tokens, as colours and nouns are.
    """

    def __init__(self, packer: Packer) -> None:
        self.words = torch.tensor([packer.encode(f" {way}")[0] for way in WAYS])

    def losses(
        self, model: Sa2VA, heard: Heard, packed: LanguageBatch, found: Tracks, context: int
    ) -> dict[str, Tensor]:
        """`matched` and `moved`, and the share of ways told rightly; none without tokens."""
        if not len(found.rows):
            return {}
        places = torch.nonzero(packed.ids[0] == context)[:, 0]
        columns = places[found.tokens]
        looks = attention_logits(
            model.language.llm,
            MATCHING_LAYER,
            MATCHERS,
            heard.entering[MATCHING_LAYER],
            packed.positions,
            found.rows,
            columns,
        )
        visible = packed.visible[found.rows, 0, columns]
        losses = {"matched": matching_loss(looks, visible, places, found.before)}
        told = found.ways != UNTOLD
        if told.any():
            llm = model.language.llm
            states = heard.entering[LAYER][found.rows[told], columns[told]]
            words = llm.lm_head(llm.model.norm(states))[:, self.words]
            losses["moved"] = F.cross_entropy(words, found.ways[told], WAY_WEIGHTS.to(words))
            right = words.argmax(-1) == found.ways[told]
            losses["way_accuracy"] = right.float().mean()
        return losses
