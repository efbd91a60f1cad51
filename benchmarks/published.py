"""Random weights of a published size: loading, tokens and tracked frames a second, peak memory.

    python -m benchmarks.published 4B --device cuda --dtype bfloat16 --compile
    python -m benchmarks.published nano --device cpu --compile --objects 1 --frames 6

``1B`` and ``4B`` have the sizes of Sa2VA-1B and 4B, ``tiny`` is to try the benchmark itself, and
``nano`` is the bundled model. With ``--compile`` everything is measured again with
`torch.compile`, in the same process, and each figure stands beside the other with their ratio.

All is counted on the clock, and in this process's own processor time, which another program on the
same cores disturbs less; on a GPU only the clock tells. What is compiled is compiled before the
measuring begins; how long that took is told, too. Memory is the device's (of a CPU: what the
process has resident), at its peak since the load began.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as napari_sa2va.load does

import numpy as np
import torch

import napari_sa2va
from benchmarks.random_checkpoint import CONFIGS, write_checkpoint
from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.session import Session

MB = 2**20
RADIUS = 24

Taken = dict[str, tuple[float, float]]  # seconds on the clock, and of processor time


class Measuring:
    """Times what is done on a device."""

    def __init__(self, device: str) -> None:
        self._on_cuda = device.startswith("cuda")
        self.taken: Taken = {}

    @contextmanager
    def __call__(self, what: str, times: int = 1) -> Iterator[None]:
        """Seconds of one of so many."""
        self._wait()
        clock, cpu = time.perf_counter(), time.process_time()
        yield
        self._wait()
        clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
        self.taken[what] = clock / times, cpu / times

    def begin(self) -> None:
        """Peak memory counts from here."""
        if self._on_cuda:
            torch.cuda.reset_peak_memory_stats()

    @property
    def peak(self) -> int:
        """Bytes."""
        if self._on_cuda:
            return torch.cuda.max_memory_allocated()
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def _wait(self) -> None:
        if self._on_cuda:
            torch.cuda.synchronize()


def discs(frames: int, objects: int, side: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Frames (T, side, side), and where each disc lies in the first one."""
    rng = np.random.default_rng(0)
    starts = rng.uniform(2 * RADIUS, side - 2 * RADIUS, (objects, 2))
    y, x = np.mgrid[:side, :side]
    stack = rng.integers(0, 40, (frames, side, side)).astype(np.uint8)
    for t, frame in enumerate(stack):
        for cy, cx in starts + 2 * t:
            frame[(y - cy) ** 2 + (x - cx) ** 2 < RADIUS**2] = 200
    return stack, [(int(cy), int(cx)) for cy, cx in starts]


def write_tokens(session: Session, tokens: int) -> list[int]:
    """Answer with so many tokens, whatever they are."""
    chat = session._chat
    chat.forget()
    chat.stop_ids = set()
    seen = session._looking.look((0,), [])
    ids = chat.prompt(seen, [], "What is in this image?")
    return [step.token for step in chat.stream(ids, seen, limit=tokens)]


def track(session: Session, clicks: list[tuple[int, int]], start: int, stop: int) -> np.ndarray:
    """The masks (T, objects, H, W) of the frames from `start` to before `stop`."""
    if start == 1:
        for object_id, (y, x) in enumerate(clicks, 1):
            session.segment(object_id, points=[(y, x, True)])
    return np.stack(
        [np.stack(list(masks.values())) for _, masks in session.propagate(start=start, stop=stop)]
    )


def measure(
    model: str, arguments: argparse.Namespace, compiled: bool
) -> tuple[Measuring, list[int], list[np.ndarray]]:
    """What was taken, the tokens, and the masks by number of objects."""
    measuring, masks = Measuring(arguments.device), []
    measuring.begin()
    with measuring("load"):
        engine = napari_sa2va.load(
            model,
            arguments.device,
            arguments.dtype,
            compile=compiled,
            attention=arguments.attention,
            quantize=arguments.quantize,
        )
    with engine:
        tokens = _measure_tokens(engine, arguments, measuring)
        for objects in arguments.objects:
            masks.append(_measure_tracking(engine, arguments, objects, measuring))
    return measuring, tokens, masks


def _measure_tokens(
    engine: Engine, arguments: argparse.Namespace, measuring: Measuring
) -> list[int]:
    image = np.random.default_rng(0).integers(0, 255, (448, 448, 3)).astype(np.uint8)
    with engine.open(image) as session:
        with measuring("first token and the next"):
            write_tokens(session, 2)
        with measuring("first token"):
            write_tokens(session, 1)
        first = np.array(measuring.taken["first token"])
        with measuring("answer"):
            tokens = write_tokens(session, 1 + arguments.tokens)
        rest = (np.array(measuring.taken.pop("answer")) - first) / arguments.tokens
        measuring.taken["token"] = (rest[0], rest[1])
        return tokens


def _measure_tracking(
    engine: Engine, arguments: argparse.Namespace, objects: int, measuring: Measuring
) -> np.ndarray:
    frames = arguments.frames
    stack, clicks = discs(frames + 2, objects, arguments.side)
    with engine.open(stack) as session:
        with measuring(f"{objects} objects: clicks, first frame"):
            first = track(session, clicks, 1, 2)
        with measuring(f"{objects} objects: frame", frames):
            return np.concatenate([first, track(session, clicks, 2, frames + 2)])


def report(arguments: argparse.Namespace, runs: list[Measuring]) -> None:
    name = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else "CPU"
    weights = "" if arguments.size == "nano" else ", random"
    quantized = "" if arguments.quantize is None else f" with {arguments.quantize}"
    how = f"{arguments.dtype}{quantized}, {arguments.attention}"
    print(f"{arguments.size}{weights}, {how}, {name}, "
          f"{torch.get_num_threads()} threads, torch {torch.__version__}")  # fmt: skip
    heads = ("eager", "compiled", "eager/compiled")[: 1 if len(runs) == 1 else 3]
    for kind, which in (("on the clock", 0), ("processor time", 1)):
        print(f"{kind + ' [s]':34s}" + "".join(f"{head:>15s}" for head in heads))
        for what in runs[0].taken:
            values = [run.taken[what][which] for run in runs]
            if len(values) == 2:
                values.append(values[0] / values[1])
            print(f"{what:34s}" + "".join(f"{value:15.4f}" for value in values))
    for run, head in zip(runs, heads, strict=False):
        print(f"{head}: {1 / run.taken['token'][0]:.2f} tokens/s; peak {run.peak / MB:.0f} MiB")
        for objects in arguments.objects:
            frame = run.taken[f"{objects} objects: frame"][0]
            print(f"{head}: {1 / frame:.2f} frames/s with {objects} objects")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=("nano", *CONFIGS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--attention", default="sdpa")
    parser.add_argument("--quantize", choices=("int8", "int4"))
    parser.add_argument("--compile", action="store_true", help="measure that, too")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--objects", type=int, nargs="*", default=[1, 5, 20])
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--side", type=int, default=1024, help="of the frames, in pixels")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        model = arguments.size
        if model != "nano":
            write_checkpoint(Path(name), model)
            model = name
        results = [measure(model, arguments, False)]
        report(arguments, [results[0][0]])
        if not arguments.compile:
            return
        sys.stdout.flush()
        results.append(measure(model, arguments, True))
    (eager, tokens, masks), (compiled, other_tokens, other_masks) = results
    report(arguments, [eager, compiled])
    same = sum(a == b for a, b in zip(tokens, other_tokens, strict=True))
    print(f"equal tokens: {same} of {len(tokens)}")
    for objects, mine, other in zip(arguments.objects, masks, other_masks, strict=True):
        print(f"{objects} objects: {(mine != other).mean():.2e} of all pixels differ")


if __name__ == "__main__":
    main()
