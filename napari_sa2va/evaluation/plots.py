"""The plots of a run; needs matplotlib, which the extra `evaluate` brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

_DPI = 100
_BINS = 20


def plot_distribution(values: Mapping[str, Sequence[float]], name: str, path: Path) -> None:
    """How many targets reach which J&F or IoU, by group."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 3.0), layout="constrained")
    axes = figure.subplots()
    edges = [place / _BINS for place in range(_BINS + 1)]
    for group, numbers in values.items():
        axes.hist(numbers, bins=edges, histtype="step", label=f"{group} ({len(numbers)})")
    axes.set(xlim=(0, 1), xlabel=name, ylabel="how many")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=_DPI)


def plot_comparison(rows: Sequence[tuple[str, float, bool]], name: str, path: Path) -> None:
    """The run's figure beside published ones: (model, percent, whether it is the run)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 0.6 + 0.26 * len(rows)), layout="constrained")
    axes = figure.subplots()
    # Places, not names: two sources may have a model of one name.
    places = range(len(rows))[::-1]
    colors = ["C1" if own else "C0" for _, _, own in rows]
    bars = axes.barh(places, [value for _, value, _ in rows], color=colors)
    axes.set_yticks(places, [model for model, _, _ in rows], fontsize=8)
    axes.bar_label(bars, fmt="%.1f", fontsize=8, padding=2)
    axes.set(xlim=(0, 108), xlabel=f"{name} in percent")
    figure.savefig(path, dpi=_DPI)
