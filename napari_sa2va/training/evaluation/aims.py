"""What the bundled model is meant to reach: the table of its card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from napari_sa2va.training.evaluation import questions, real, texts, tracking, visual
from napari_sa2va.training.evaluation.statistics import Figure


@dataclass(frozen=True)
class Aim:
    """A bound on one mean."""

    group: str
    task: str
    quantity: str
    bound: float
    is_most: bool = False  # else the bound is the least

    def is_reached(self, mean: float) -> bool:
        """Whether a measured mean keeps the bound."""
        return mean <= self.bound if self.is_most else mean >= self.bound


@dataclass(frozen=True)
class Row:
    """An aim and what was measured; None where it was not."""

    aim: Aim
    figure: Figure | None

    @property
    def is_reached(self) -> bool | None:
        return None if self.figure is None else self.aim.is_reached(self.figure.mean)


KOREAN_LOSS = 0.05
TEXT_AIMS = {
    "color, shape": 0.80,
    "position": 0.80,
    "size": 0.70,
    "brightness": 0.65,
    "relation": 0.60,
    "all": 0.87,
}
AIMS = (
    Aim(visual.GROUP, "click", "IoU", 0.85),
    Aim(visual.GROUP, "box", "IoU", 0.90),
    Aim(visual.GROUP, "three clicks", "IoU", 0.90),
    *(Aim(texts.GROUP, task, "IoU", bound) for task, bound in TEXT_AIMS.items()),
    Aim(texts.GROUP, texts.ABSENT, "share right", 0.90),
    *(
        Aim(texts.GROUP, texts.lower_by(task), "difference", KOREAN_LOSS, is_most=True)
        for task in (*TEXT_AIMS, texts.ABSENT)
    ),
    Aim(tracking.GROUP, "box, J&F", "J&F", 0.80),
    Aim(tracking.GROUP, "box, presence right", "share of frames", 0.95),
    Aim(tracking.GROUP, tracking.MOTION, "IoU", 0.60),
    *(
        Aim(questions.GROUP, task, "share right", bound)
        for task, bound in {
            "yes or no": 0.95,
            "color": 0.90,
            "shape": 0.80,
            "where": 0.80,
            questions.EXACT: 0.75,
            questions.WITHIN_ONE: 0.85,
        }.items()
    ),
    Aim(real.NUCLEI, "fluorescence: click", "IoU", 0.75),
    Aim(real.NUCLEI, "fluorescence: box", "IoU", 0.80),
    Aim(real.NUCLEI, "fluorescence: all", "IoU", 0.85),
    Aim(real.NUCLEI, "histology: click", "IoU", 0.50),
    Aim(real.NUCLEI, "histology: box", "IoU", 0.60),
    Aim(real.NUCLEI, "histology: all", "IoU", 0.70),
    Aim(real.COINS, "click", "IoU", 0.75),
    Aim(real.COINS, "all", "IoU", 0.90),
)


def rows(figures: Mapping[str, Mapping[str, Figure]]) -> Iterator[Row]:
    """Each aim beside what was measured."""
    for aim in AIMS:
        yield Row(aim, figures.get(aim.group, {}).get(aim.task))
