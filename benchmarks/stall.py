"""Longest stall of the Qt thread while nano propagates through 100 frames in the dock.

    xvfb-run -a python -m benchmarks.stall

A timer on the Qt thread ticks every 2 ms; what is late is a stall.
"""

from __future__ import annotations

import time

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from benchmarks.memory import DrawnStack
from napari_sa2va.widgets import Sa2VAWidget

FRAMES = 100


def run(widget: Sa2VAWidget, start: object) -> list[float]:
    """Start a run and tick until it has stopped; seconds between ticks."""
    loop, ticks = QEventLoop(), []
    timer = QTimer(interval=2)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    widget.workbench.stopped.connect(lambda *_: loop.quit())
    timer.start()
    QTimer.singleShot(0, start)
    loop.exec_() if hasattr(loop, "exec_") else loop.exec()
    timer.stop()
    return list(np.diff(ticks))


def main() -> None:
    drawn = DrawnStack(FRAMES)
    viewer = napari.Viewer()
    viewer.add_image(np.stack([drawn[t] for t in range(FRAMES)]), name="disc")
    viewer.dims.set_current_step(0, 0)
    widget = Sa2VAWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.add_points()
    viewer.layers["Sa2VA points"].add([[0, 256, 256]])
    run(widget, widget.segment)
    gaps = run(widget, lambda: widget.propagate("forward"))
    labels = viewer.layers["Sa2VA labels"].data
    print(f"{int(labels.any((1, 2)).sum())} of {FRAMES} frames have labels, {sum(gaps):.1f} s")
    worst = 1000 * np.sort(gaps)[::-1]
    print(f"longest stall {worst[0]:.0f} ms; the next {', '.join(f'{v:.0f}' for v in worst[1:6])}")
    viewer.close()


if __name__ == "__main__":
    main()
