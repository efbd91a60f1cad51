"""What the commands of `napari-sa2va` do once their arguments are parsed."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from napari_sa2va.cli_arguments import (
    Box,
    ObjectBox,
    ObjectPoint,
    Point,
    frames_of,
    load_engine,
)
from napari_sa2va.core.answers import plain_text
from napari_sa2va.core.errors import InputError, Sa2VAError
from napari_sa2va.core.events import Reasoning, Token
from napari_sa2va.headless import Tracking
from napari_sa2va.io import labels_dtype, open_stack, write_labels
from napari_sa2va.io.labels import check_output

OK, NOTHING_FOUND = 0, 1

Clicks = dict[int, tuple[list[Point], Box | None]]


def segment(arguments: Namespace) -> int:
    """Segment objects, follow them, write their labels."""
    clicks = clicks_by_object(arguments.points, arguments.box)
    if not clicks and not arguments.text:
        raise InputError("There is no prompt.", "Give --text, --points or --box.")
    check_output(arguments.output, arguments.overwrite)
    stack = open_stack(arguments.stack)
    frames = frames_of(arguments.frames, stack.shape[0])
    frame = frames.start if arguments.frame is None else arguments.frame
    if frame not in frames:
        raise InputError(
            f"The prompts' frame {frame} is not among the frames {frames.start}:{frames.stop}.",
            "Choose --frame within --frames.",
        )
    with load_engine(arguments) as engine, engine.open(stack) as session:
        tracking = Tracking(session, frame)
        stopped = _track(tracking, clicks, arguments.text, frames)
        if tracking.objects:
            dtype = labels_dtype(max(tracking.objects))
            labels = tracking.labels()
            write_labels(
                arguments.output, labels, stack.shape, dtype, overwrite=arguments.overwrite
            )
    _report(tracking)
    if stopped is not None:
        done = (
            f"{arguments.output} holds what was finished"
            if tracking.objects
            else "nothing is written"
        )
        _complain(f"Stopped early: {done}.")
        raise stopped
    return OK if tracking.objects else NOTHING_FOUND


def ask(arguments: Namespace) -> int:
    """Print an answer as it is written; on stderr what the model thinks before."""
    stack = open_stack(arguments.stack)
    frames = None if arguments.frames is None else frames_of(arguments.frames, stack.shape[0])
    with load_engine(arguments) as engine, engine.open(stack) as session:
        reasoning, answer = _Growing(sys.stderr, "Reasoning: "), _Growing(sys.stdout)
        for event in session.ask(arguments.question, frames=frames, track=False):
            if isinstance(event, Reasoning):
                reasoning.add(event.text)
            elif isinstance(event, Token):
                reasoning.end()
                answer.add(event.text)
    reasoning.end()
    sys.stdout.write("\n")
    return OK


def demo(arguments: Namespace) -> int:
    """Show the bundled model on a sample, in napari or in two files."""
    if arguments.headless:
        from napari_sa2va.demo import run_headless

        result = run_headless(arguments.sample, arguments.output)
        for line in (*result.lines, str(result.labels), str(result.sheet)):
            _say(line)
        return OK
    if _has_no_screen():
        raise InputError("There is no screen to open napari on.", "Use demo --headless.")
    from napari_sa2va.widgets import open_demo

    open_demo(arguments.sample)
    return OK


def info(arguments: Namespace) -> int:
    """Print what is installed."""
    from napari_sa2va.info import describe_environment

    for name, value in describe_environment():
        _say(f"{name:<14} {value}")
    return OK


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "segment": segment,
    "ask": ask,
    "demo": demo,
    "info": info,
}


class _Growing:
    """Text that is printed as it is written, without what only steers the model."""

    def __init__(self, stream: TextIO, title: str = "") -> None:
        self._stream = stream
        self._title = title
        self._raw = self._shown = ""

    def add(self, piece: str) -> None:
        """More was written."""
        self._raw += piece
        plain = plain_text(self._raw)
        title = self._title if plain and not self._shown else ""
        self._stream.write(title + plain[len(self._shown) :])
        self._stream.flush()
        self._shown = plain

    def end(self) -> None:
        """Nothing more will be: what follows is another text."""
        if self._shown:
            self._stream.write("\n\n")
        self._raw = self._shown = ""


def clicks_by_object(points: Sequence[ObjectPoint], boxes: Sequence[ObjectBox]) -> Clicks:
    """Points and box of each object, in the order of ids; InputError for a second box."""
    box_of: dict[int, Box] = {}
    for object_id, box in boxes:
        if object_id in box_of:
            raise InputError(
                f"Object {object_id} has two boxes.", f"Name another object: ...@{object_id + 1}"
            )
        box_of[object_id] = box
    ids = sorted({*box_of, *(object_id for object_id, _ in points)})
    return {
        object_id: ([point for of, point in points if of == object_id], box_of.get(object_id))
        for object_id in ids
    }


def frame_ranges(frames: Sequence[int]) -> str:
    """Ascending frames as ``0-4, 7``."""
    ranges: list[list[int]] = []
    for frame in frames:
        if ranges and frame == ranges[-1][-1] + 1:
            ranges[-1][1:] = [frame]
        else:
            ranges.append([frame])
    return ", ".join("-".join(map(str, ends)) for ends in ranges)


def _track(
    tracking: Tracking, clicks: Clicks, texts: Sequence[str], frames: range
) -> KeyboardInterrupt | Sa2VAError | None:
    """Run all prompts and follow the objects; gives what ended it early, if anything did."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        prompting = progress.add_task("prompts", total=len(clicks) + len(texts))
        following = progress.add_task("frames", total=len(frames))
        try:
            for object_id, (points, box) in clicks.items():
                tracking.click(object_id, points, box)
                progress.advance(prompting)
            for text in texts:
                tracking.say(text)
                progress.advance(prompting)
        except KeyboardInterrupt as stop:
            return stop
        try:
            for _ in tracking.follow(frames):
                progress.advance(following)
        except (KeyboardInterrupt, Sa2VAError) as stop:  # the frames before are worth keeping
            return stop
    return None


def _report(tracking: Tracking) -> None:
    for text, said in tracking.unanswered:
        _complain(f'No object was found for "{text}". The model answered: {said}')
    for object_id, found in sorted(tracking.objects.items()):
        frames = found.frames
        number = f"{len(frames)} {'frame' if len(frames) == 1 else 'frames'}"
        where = f"{number}: {frame_ranges(frames)}" if frames else number
        _say(f"{object_id}  {found.phrase}  score {found.score:.2f}  {where}")


def _has_no_screen() -> bool:
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform == "linux" and not any(map(os.environ.get, screens))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")
