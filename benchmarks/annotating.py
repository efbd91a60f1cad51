"""How well, and with how many interactions, a drawn stack is annotated in the dock.

    xvfb-run -a python -m benchmarks.annotating
    xvfb-run -a python -m benchmarks.annotating --samples dividing_cells --corrections 2

Each object of a sample is annotated through the widgets as a user would: say it, follow it both
ways, then go to the worst frame, click on what is wrong there, and follow it again. Cells, which no
words tell apart, are clicked instead. A description, a click and a press of a button are one
interaction each. J&F is told over all frames and objects.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEventLoop, QTimer
from scipy import ndimage

from napari_sa2va import sample_data
from napari_sa2va.evaluation.overlap import boundary_f, iou
from napari_sa2va.widgets import Sa2VAWidget

SAMPLES = ("moving_shapes", "dividing_cells")
SPOKEN = ("moving_shapes",)


class Annotator:
    """A person at the dock: counts what they do."""

    def __init__(self, name: str) -> None:
        self.sample = getattr(sample_data, f"draw_{name}")()
        data, options, _ = getattr(sample_data, name)()[0]
        self.viewer = napari.Viewer()
        self.image = self.viewer.add_image(data, **options)
        self.viewer.dims.set_current_step(0, 0)
        self.dock = Sa2VAWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.dock)
        self.interactions = 0

    def do(self, action: Callable[[], Any]) -> str:
        """One interaction that starts a run; how the run ended."""
        self.interactions += 1
        loop, ended, workbench = QEventLoop(), [], self.dock.workbench

        def start() -> None:
            action()
            if not workbench.runner.is_running and not ended:
                loop.quit()  # it was refused

        workbench.stopped.connect(ended.append)
        workbench.stopped.connect(loop.quit)
        QTimer.singleShot(0, start)
        loop.exec()
        workbench.stopped.disconnect(ended.append)
        workbench.stopped.disconnect(loop.quit)
        if not ended:
            raise SystemExit(f"The dock refused: {notification_manager.records[-1].message}")
        return ended[0]

    def go_to(self, frame: int) -> None:
        """Move the slider: looking is no interaction."""
        self.viewer.dims.set_current_step(0, frame)

    def say(self, text: str) -> int | None:
        """Describe an object; the label that it got."""
        before = set(self.dock.workbench.records)
        self.dock.prompts.text.setText(text)
        self.do(self.dock.segment)
        found = set(self.dock.workbench.records) - before
        return min(found, default=None)

    def click(self, label: int, frame: int, y: float, x: float, positive: bool) -> None:
        """Click on an object, or beside it, and segment."""
        self.dock.prompts.object_id.setValue(label)
        self.dock.prompts.negative.setChecked(not positive)
        self.dock.add_points()
        self.dock.prompting.layers.points(self.image).add((frame, y, x))
        self.interactions += 1
        self.do(self.dock.segment)
        self.dock.prompts.negative.setChecked(False)

    def click_new(self, frame: int, y: float, x: float, positive: bool = True) -> int:
        """Click on what is no object yet; its label."""
        self.dock.new_object()
        label: int = self.dock.prompts.object_id.value()
        self.click(label, frame, y, x, positive)
        return label

    def follow(self, label: int) -> None:
        """Follow one object both ways."""
        self.dock.select_object(label)
        self.dock.runs.only_selected.setChecked(True)
        self.do(lambda: self.dock.propagate("both"))

    def masks(self, label: int | None) -> Any:
        layer = None if self.dock.workbench.objects is None else self.dock.workbench.objects.layer
        shape = self.sample.labels.shape
        return np.zeros(shape, bool) if layer is None or label is None else layer.data == label


def scores(found: Any, true: Any) -> list[float]:
    """J&F of each frame; a frame in which neither is counts as right."""
    return [
        (iou(f, t) + boundary_f(f, t)) / 2 if f.any() or t.any() else 1.0
        for f, t in zip(found, true, strict=True)
    ]


def place_to_click(found: Any, true: Any) -> tuple[float, float, bool]:
    """The middle of the largest error in a frame: (y, x), and whether it lies on the object."""
    numbers, count = ndimage.label(found ^ true)
    areas = np.bincount(numbers.ravel(), minlength=count + 1)
    areas[0] = 0
    inside = ndimage.distance_transform_edt(np.pad(numbers == areas.argmax(), 1))[1:-1, 1:-1]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return float(y), float(x), bool(true[y, x])


def swaps(person: Annotator, labels: dict[int, int | None]) -> int:
    """In how many frames an object covers more of another one than of itself."""
    count = 0
    for true_id, label in labels.items():
        for found, true in zip(person.masks(label), person.sample.labels, strict=True):
            covered = true[found]
            covered = covered[covered > 0]
            count += bool(len(covered)) and int(np.bincount(covered).argmax()) != true_id
    return count


def annotate(name: str, corrections: int) -> None:
    person, began = Annotator(name), time.perf_counter()
    before, after, labels = [], [], {}
    for true_id, phrase in person.sample.phrases.items():
        true = person.sample.labels == true_id
        here = int(np.flatnonzero(true.any((1, 2)))[0])
        person.go_to(here)
        if name in SPOKEN:
            label = person.say(phrase)
        else:
            label = person.click_new(here, *place_to_click(np.zeros_like(true[here]), true[here]))
        if label is not None:
            person.follow(label)
        before.append(np.mean(scores(person.masks(label), true)))
        for _ in range(corrections):
            now = scores(person.masks(label), true)
            worst = int(np.argmin([s if t.any() else 2 for s, t in zip(now, true, strict=True)]))
            if now[worst] > 0.95:
                break
            spot = place_to_click(person.masks(label)[worst], true[worst])
            person.go_to(worst)
            if label is None:
                label = person.click_new(worst, *spot)
            else:
                person.click(label, worst, *spot)
            person.follow(label)
        labels[true_id] = label
        after.append(np.mean(scores(person.masks(label), true)))
        print(f"  {phrase:32s} J&F {before[-1]:.3f} -> {after[-1]:.3f}", flush=True)
    print(
        f"{name}: J&F {np.mean(before):.3f} followed, {np.mean(after):.3f} with {corrections} "
        f"correction(s) each; {person.interactions} interactions for {len(after)} objects over "
        f"{len(person.sample.labels)} frames; {time.perf_counter() - began:.0f} s",
        flush=True,
    )
    print(f"  frames in which an object lies on another's place: {swaps(person, labels)}")
    low = [s for r in person.dock.workbench.records.values() for s in r.scores.values() if s > 0]
    if low:
        print(f"  scores: lowest {min(low):.2f}, 5 % below {np.percentile(low, 5):.2f}")
    person.viewer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", nargs="+", choices=SAMPLES, default=list(SAMPLES))
    parser.add_argument("--corrections", type=int, default=1)
    arguments = parser.parse_args()
    for name in arguments.samples:
        annotate(name, arguments.corrections)


if __name__ == "__main__":
    main()
