"""The names and layouts of weights: official ones into ours, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# SAM 2 and what joins it to the language side are the same in every family.
_SHARED = (
    (
        "grounding_encoder.sam2_model.memory_encoder.fuser.layers.#.g_weight",
        "grounding.memory_encoder.fuser.layers.#.gamma",
    ),
    ("grounding_encoder.sam2_model.", "grounding."),
)


@dataclass(frozen=True)
class Fused:
    """One official weight (or bias) that is several of ours.

    Parameters
    ----------
    whole : str
        Its beginning in our tree, ``.`` at the end; layer numbers are ``#``.
    parts : tuple of str
        Ours, in the same manner.
    sizes : tuple of int
        How the rows of one group are shared among the parts.
    groups : int
        The rows of the parts alternate in so many groups.
    """

    whole: str
    parts: tuple[str, ...]
    sizes: tuple[int, ...]
    groups: int = 1

    def fits(self, value: Tensor) -> bool:
        """Whether a fused value has as many rows as its parts."""
        return value.ndim > 0 and len(value) % (self.groups * sum(self.sizes)) == 0

    def split(self, value: Tensor) -> list[Tensor]:
        """The parts (rows, ...) of a fused value (all rows, ...)."""
        grouped = value.unflatten(0, (self.groups, sum(self.sizes), -1))
        return [part.flatten(0, 2) for part in grouped.split(self.sizes, dim=1)]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """The fused value; the inverse of `split`."""
        grouped = [
            part.unflatten(0, (self.groups, size, -1))
            for part, size in zip(parts, self.sizes, strict=True)
        ]
        return torch.cat(grouped, dim=1).flatten(0, 2)


class WeightNames:
    """Renames the weights of one family.

    Parameters
    ----------
    prefixes : iterable of (official, ours)
        Beginnings of names, the most specific first. Layer numbers are ``#``.
    fused : sequence of Fused
        What is one weight there and several here; the names are ours.
    """

    def __init__(self, prefixes: Iterable[tuple[str, str]], fused: Sequence[Fused] = ()) -> None:
        pairs = (*prefixes, *_SHARED)
        self._to_ours = [_rename(official, ours) for official, ours in pairs]
        self._to_official = [_rename(ours, official) for official, ours in pairs]
        self._splits = [
            (fuse, _pattern(fuse.whole), [_template(part) for part in fuse.parts]) for fuse in fused
        ]
        self._joins = [
            (fuse, part, _pattern(name), _template(fuse.whole))
            for fuse in fused
            for part, name in enumerate(fuse.parts)
        ]

    def ours(self, official: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """Weights under our names; a name that is not known stays as it is."""
        for name, value in official:
            renamed = _first(name, self._to_ours)
            for fuse, whole, parts in self._splits:
                if whole.match(renamed) and fuse.fits(value):
                    names = [whole.sub(part, renamed, count=1) for part in parts]
                    yield from zip(names, fuse.split(value), strict=True)
                    break
            else:
                yield renamed, value

    def official(self, ours: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """Weights under their official names; the inverse of `ours`."""
        waiting: dict[str, dict[int, Tensor]] = {}
        for name, value in ours:
            for fuse, part, pattern, whole in self._joins:
                if pattern.match(name):
                    fused = pattern.sub(whole, name, count=1)
                    parts = waiting.setdefault(fused, {})
                    parts[part] = value
                    if len(parts) == len(fuse.parts):
                        joined = fuse.join([parts[n] for n in range(len(parts))])
                        yield _first(fused, self._to_official), joined
                    break
            else:
                yield _first(name, self._to_official), value


def _pattern(prefix: str) -> re.Pattern[str]:
    return re.compile(re.escape(prefix).replace(r"\#", r"(\d+)"))


def _template(prefix: str) -> str:
    return prefix.replace("#", r"\1")


def _rename(old: str, new: str) -> tuple[re.Pattern[str], str]:
    return _pattern(old), _template(new)


def _first(name: str, renames: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for pattern, new in renames:
        if pattern.match(name):
            return pattern.sub(new, name, count=1)
    return name
