"""Full-size random weights of Sa2VA-1B on the CPU: time and memory of loading, and one question.

    python -m benchmarks.loading --dtype bfloat16

Writes them in the official layout into a temporary folder (2.3 GB), then loads them in a fresh
process, and asks for 16 tokens about an image. Memory is what the process has resident, pages of
files included (Linux only): before, which is what the imported libraries take, and at its peak
while loading.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path

import numpy as np
import torch

import napari_sa2va
from benchmarks.random_checkpoint import write_checkpoint
from napari_sa2va.engine import engine as _imported_before  # noqa: F401
from napari_sa2va.engine.chat import Chat
from napari_sa2va.models.shapes import count_parameters

NEW_TOKENS = 16
MB = 2**20


def measure(folder: Path, dtype: str, side: int) -> None:
    before, peak_before = _resident(), _peak()
    with _timed("loading"):
        engine = napari_sa2va.load(str(folder), device="cpu", dtype=dtype)
    peak = _peak()
    weights = count_parameters(folder).memory(dtype)
    files = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    print(f"Sa2VA-1B, random, {dtype}, {torch.get_num_threads()} threads")
    print(f"weights         {weights / MB:6.0f} MB in memory, {files / MB:.0f} MB on disk")
    print(f"resident        {before / MB:6.0f} MB before, {_resident() / MB:.0f} MB after")
    print(f"peak            {peak / MB:6.0f} MB ({peak_before / MB:.0f} MB before)")
    print(f"loading took    {(peak - before) / MB:6.0f} MB at its peak")
    print(f"  / weights     {(peak - before) / weights:6.3f}")
    print(f"peak / weights  {peak / weights:6.3f} with the libraries", flush=True)

    Chat.stream = partialmethod(Chat.stream, limit=NEW_TOKENS)
    image = np.random.default_rng(0).integers(0, 255, (side, side, 3)).astype(np.uint8)
    with engine, engine.open(image) as session:
        with _timed("a question"):
            session.ask("What is in this image?").result()
        with _timed("a click"):
            session.segment(1, points=[(240, 320, True)])
    print(f"peak of all     {_peak() / MB:6.0f} MB")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    """Seconds on the clock, and of processor time: another program may keep the cores busy."""
    clock, cpu = time.perf_counter(), time.process_time()
    yield
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    print(f"{what:15s} {clock:6.1f} s, {cpu:.1f} s of processor time", flush=True)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--side", type=int, default=448, help="of the image, in pixels")
    parser.add_argument("--folder", type=Path, help="of an earlier run; measure only")
    arguments = parser.parse_args()
    if arguments.folder is not None:
        measure(arguments.folder, arguments.dtype, arguments.side)
        return
    with tempfile.TemporaryDirectory() as name:
        write_checkpoint(Path(name), "1B")
        command = ["-m", "benchmarks.loading", "--folder", name, *sys.argv[1:]]
        subprocess.run([sys.executable, *command], check=True)


if __name__ == "__main__":
    main()
