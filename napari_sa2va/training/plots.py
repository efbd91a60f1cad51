"""The plots of a model's card; needs matplotlib, which the extra `train` brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

# Rows of a log: minutes and value, by stage.
Curves = Mapping[str, Sequence[tuple[float, float]]]

_DPI = 80
_SMOOTHED = 0.9


def plot_learning(curves: Curves, path: Path) -> None:
    """The loss of each stage over its time, with a running mean through its noise."""
    figure = Figure(figsize=(2.4 * max(2, len(curves)), 2.4), layout="constrained")
    axes = figure.subplots(1, len(curves), squeeze=False)[0]
    for axis, (stage, rows) in zip(axes, curves.items(), strict=True):
        minutes, losses = zip(*rows, strict=True)
        axis.plot(minutes, losses, color="0.8", linewidth=0.7)
        axis.plot(minutes, _smoothed(losses), color="C0", linewidth=1.4)
        axis.set_title(stage, fontsize=10)
        axis.set_xlabel("minutes", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0].set_ylabel("loss", fontsize=8)
    figure.savefig(path, dpi=_DPI)


def _smoothed(values: Sequence[float]) -> list[float]:
    mean, weight, smooth = 0.0, 0.0, []
    for value in values:
        mean = _SMOOTHED * mean + (1 - _SMOOTHED) * value
        weight = _SMOOTHED * weight + 1 - _SMOOTHED
        smooth.append(mean / weight)
    return smooth


def plot_reliability(calibration: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Predicted against true IoU by bin; an area tells how many masks a bin holds."""
    figure = Figure(figsize=(3.0 * len(calibration), 3.0), layout="constrained")
    axes = figure.subplots(1, len(calibration), squeeze=False)[0]
    for axis, (name, measured) in zip(axes, calibration.items(), strict=True):
        bins = [found for found in measured["bins"] if found["masks"]]
        scores, ious = ([found[key] for found in bins] for key in ("score", "iou"))
        share = [found["masks"] / measured["masks"] for found in bins]
        axis.plot((0, 1), (0, 1), color="0.7", linewidth=0.8, linestyle="--")
        axis.plot(scores, ious, color="C0", linewidth=1)
        axis.scatter(scores, ious, [12 + 300 * part for part in share], color="C0", alpha=0.6)
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axis.set_title(f"{name}: ECE {measured['error']:.3f}", fontsize=9)
        axis.set_xlabel("predicted IoU", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0].set_ylabel("true IoU", fontsize=8)
    figure.savefig(path, dpi=_DPI)
