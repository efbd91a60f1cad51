"""Exporting 50 objects of 1024 x 1024 to COCO run lengths: processor time and peak memory.

    python -m benchmarks.export 200

The labels are drawn when a frame is read. The same masks are encoded by pycocotools' own `encode`,
one by one, in another process: with the copy into column-major order that it asks for, and the
masks made beforehand, outside the measured time. Processor time, because a busy machine makes the
two wait by different amounts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDE, OBJECTS = 1024, 50


class DrawnLabels:
    """Discs that move and pulsate, drawn when a frame is read."""

    def __init__(self, frames: int) -> None:
        self.shape = (frames, SIDE, SIDE)
        self.dtype = np.dtype(np.uint16)

    def __getitem__(self, frame: int) -> np.ndarray:
        labels = np.zeros((SIDE, SIDE), np.uint16)
        y, x = np.mgrid[-60:61, -60:61]
        for number in range(OBJECTS):
            row, column = divmod(number, 8)
            centre_y = 80 + 140 * row + round(15 * np.sin(frame / 9 + number))
            centre_x = 80 + 120 * column + round(15 * np.cos(frame / 7 + number))
            inside = y**2 + x**2 < (45 + 10 * np.sin(frame / 5 + number)) ** 2
            area = labels[centre_y - 60 : centre_y + 61, centre_x - 60 : centre_x + 61]
            fit = inside[: area.shape[0], : area.shape[1]]
            area[fit] = number + 1
        return labels


def export(frames: int) -> float:
    from napari_sa2va.export import write

    labels = DrawnLabels(frames)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        path = write(labels, Path(folder) / "out", "coco")
        seconds = time.process_time() - start
        size = (path / "annotations" / "instances_default.json").stat().st_size
        print(f"# {size / 2**20:.1f} MB of JSON", file=sys.stderr)
    start = time.process_time()
    for frame in range(frames):
        _ = labels[frame]
    # Each frame is drawn twice: once to see which objects there are, once to write.
    return seconds - 2 * (time.process_time() - start)


def pycocotools(frames: int) -> float:
    from pycocotools import mask as coco_mask

    labels, seconds = DrawnLabels(frames), 0.0
    for frame in range(frames):
        plane = labels[frame]
        masks = [(plane == i).view(np.uint8) for i in range(1, OBJECTS + 1)]
        start = time.process_time()
        for mask in masks:
            rle = coco_mask.encode(np.asfortranarray(mask))
            coco_mask.area(rle), coco_mask.toBbox(rle), rle["counts"].decode()
        seconds += time.process_time() - start
    return seconds


def main() -> None:
    if sys.argv[1] in ("export", "pycocotools"):
        seconds = globals()[sys.argv[1]](int(sys.argv[2]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(seconds, peak / (1024 if sys.platform == "linux" else 2**20))
        return
    for frames in map(int, sys.argv[1:]):
        for what in ("export", "pycocotools"):
            command = [sys.executable, "-m", "benchmarks.export", what, str(frames)]
            seconds, peak = map(float, subprocess.check_output(command, text=True).split())
            print(
                f"{frames} frames of {OBJECTS} objects, {what}: {seconds:.1f} s "
                f"({1000 * seconds / frames:.1f} ms a frame), peak {peak:.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
