"""Several ways to say one thing: a few usual ones, and rarer ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Generator = np.random.Generator


@dataclass(frozen=True)
class Forms:
    """Usual forms, drawn with the probability `share`, and the other ones.

    Without a generator the first usual form is taken, so that there is one plain way to say all.
    """

    usual: tuple[str, ...]
    others: tuple[str, ...] = ()
    share: float = 0.5

    def draw(self, rng: Generator | None) -> str:
        if rng is None:
            return self.usual[0]
        rare = self.others and rng.random() >= self.share
        forms = self.others if rare else self.usual
        return forms[int(rng.random() * len(forms))]

    def __iter__(self) -> Iterator[str]:
        return iter((*self.usual, *self.others))


def words(usual: str, *others: str, share: float = 0.75) -> Forms:
    """A word with its synonyms."""
    return Forms((usual,), others, share)


def chance(rng: Generator | None, probability: float) -> bool:
    """Whether to do what is not the plain way."""
    return rng is not None and bool(rng.random() < probability)
