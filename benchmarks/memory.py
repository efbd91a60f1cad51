"""Peak memory of propagating one object with nano: does it grow with the number of frames?

    python -m benchmarks.memory 100 1000

Each length runs in a process of its own, over a stack that is drawn frame by frame. Masks are
dropped as they come, so that only what the session keeps is measured.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import numpy as np


class DrawnStack:
    """A moving disc, drawn when a frame is read."""

    def __init__(self, frames: int) -> None:
        self.shape = (frames, 512, 512)
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, index: int) -> np.ndarray:
        y, x = np.mgrid[:512, :512]
        centre = 256 + 120 * np.sin(index / 25)
        inside = (y - 256) ** 2 + (x - centre) ** 2 < 1600
        noise = np.random.default_rng(index).integers(0, 40, (512, 512))
        return np.where(inside, 200, noise).astype(np.uint8)


def peak_of(frames: int) -> None:
    import napari_sa2va

    engine = napari_sa2va.load("nano", device="cpu")
    with engine, engine.open(DrawnStack(frames)) as session:
        session.segment(1, points=[(256, 256, True)])
        done = sum(1 for _ in session.propagate())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(done, peak / (1024 if sys.platform == "linux" else 2**20))


def main() -> None:
    if sys.argv[1] == "--one":
        peak_of(int(sys.argv[2]))
        return
    peaks = {}
    for frames in map(int, sys.argv[1:]):
        command = [sys.executable, "-m", "benchmarks.memory", "--one", str(frames)]
        done, peak = subprocess.check_output(command, text=True).split()
        peaks[int(done)] = float(peak)
        print(f"{done} frames: peak {float(peak):.0f} MB", flush=True)
    if len(peaks) > 1:
        print(f"difference: {max(peaks.values()) - min(peaks.values()):.0f} MB")


if __name__ == "__main__":
    main()
