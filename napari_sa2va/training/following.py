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
MOVED = 4 / 256  # of the image's side: less may be still, less than half of it is
CLEAR = 2.0  # a way is clear where it outweighs the other axis so many times
UNTOLD = -1


@dataclass(frozen=True)
class Tracks:
    """What N visual tokens of later frames show, against the first frame.

    Attributes
    ----------
    rows, tokens : (N,) tensors
        Which row, and which visual token of it.
    before : (N, V) tensor
        Share of each token of the first frame in the same object.
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
        first = label_coverage(clip.labels[0], SIDE).reshape(SIDE**2, -1)
        start = _centres(clip.labels[0])
        for frame in range(1, len(clip.labels)):
            covered = label_coverage(clip.labels[frame], SIDE).reshape(SIDE**2, -1)
            covered = covered[:, : first.shape[1]]
            moved = _centres(clip.labels[frame]) - start
            best = covered[:, 1:].argmax(1) + 1 if covered.shape[1] > 1 else np.zeros(SIDE**2, int)
            for token in np.flatnonzero(covered[np.arange(SIDE**2), best] > SEEN):
                label = int(best[token])
                if label not in told or not first[:, label].any():
                    continue
                rows.append(row)
                tokens.append(frame * SIDE**2 + int(token))
                before.append(first[:, label] / first[:, label].sum())
                clear = told[label] in ("moving", "still")
                ways.append(_way(moved[label]) if clear else UNTOLD)
    return Tracks(
        rows=torch.tensor(rows, dtype=torch.long),
        tokens=torch.tensor(tokens, dtype=torch.long),
        before=torch.from_numpy(np.array(before, np.float32).reshape(-1, SIDE**2)),
        ways=torch.tensor(ways, dtype=torch.long),
    )


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
        )[..., places[: SIDE**2]]
        before = found.before[:, None].expand_as(looks)
        losses = {
            "matched": F.kl_div(F.log_softmax(looks, -1), before, reduction="none").sum(-1).mean()
        }
        told = found.ways != UNTOLD
        if told.any():
            llm = model.language.llm
            states = heard.entering[LAYER][found.rows[told], columns[told]]
            words = llm.lm_head(llm.model.norm(states))[:, self.words]
            losses["moved"] = F.cross_entropy(words, found.ways[told])
            right = words.argmax(-1) == found.ways[told]
            losses["way_accuracy"] = right.float().mean()
        return losses
