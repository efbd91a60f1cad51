"""What every language can do with a meaning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from napari_sa2va.training.phrasing.forms import Generator

if TYPE_CHECKING:  # meanings say themselves through grammars
    from napari_sa2va.training.meaning import Meaning, Reference

MASK = "[SEG]"
Said = tuple[str, str]  # a question and its answer


class Grammar(ABC):
    """Says meanings in one language; without a generator in its plainest words."""

    def say(self, rng: Generator | None, meaning: Meaning) -> Said:
        """A question and its answer."""
        acts = {
            "request": self.request,
            "absent": self.absent,
            "count": self.count,
            "color": self.color,
            "shape": self.shape,
            "where": self.where,
            "existence": self.existence,
            "which": self.which,
            "overview": self.overview,
            "caption": self.caption,
            "movement": self.movement,
            "moves": self.moves,
            "nature": self.nature,
        }
        return acts[meaning.act](rng, meaning)

    @abstractmethod
    def phrase(self, rng: Generator | None, it: Reference) -> str:
        """A noun phrase that names what the reference means."""

    @abstractmethod
    def request(self, rng: Generator | None, meaning: Meaning) -> Said:
        """Ask for masks."""

    @abstractmethod
    def absent(self, rng: Generator | None, meaning: Meaning) -> Said:
        """Ask for the mask of what is not there."""

    @abstractmethod
    def count(self, rng: Generator | None, meaning: Meaning) -> Said:
        """How many there are."""

    @abstractmethod
    def color(self, rng: Generator | None, meaning: Meaning) -> Said:
        """Which colour it has."""

    @abstractmethod
    def shape(self, rng: Generator | None, meaning: Meaning) -> Said:
        """Which shape it has."""

    @abstractmethod
    def where(self, rng: Generator | None, meaning: Meaning) -> Said:
        """In which ninth of the image it lies."""

    @abstractmethod
    def existence(self, rng: Generator | None, meaning: Meaning) -> Said:
        """Whether it is there."""

    @abstractmethod
    def which(self, rng: Generator | None, meaning: Meaning) -> Said:
        """Colour and shape of what is named by something else; with its mask where asked."""

    @abstractmethod
    def overview(self, rng: Generator | None, meaning: Meaning) -> Said:
        """What the image shows."""

    @abstractmethod
    def caption(self, rng: Generator | None, meaning: Meaning) -> Said:
        """The same with masks."""

    @abstractmethod
    def movement(self, rng: Generator | None, meaning: Meaning) -> Said:
        """How it moves."""

    @abstractmethod
    def moves(self, rng: Generator | None, meaning: Meaning) -> Said:
        """Whether it moves."""

    @abstractmethod
    def nature(self, rng: Generator | None, meaning: Meaning) -> Said:
        """What kind of objects they are."""


def marked(phrase: str) -> str:
    """A phrase with its mask, as in grounded captions."""
    return f"<p> {phrase} </p> {MASK}"
