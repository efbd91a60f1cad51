"""What `napari-sa2va models ...` does; imports no torch."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.core.units import readable_count, readable_size
from napari_sa2va.models.catalog import (
    Entry,
    add_model,
    ask_about,
    fetch_model,
    find_entry,
    list_models,
    remove_model,
)
from napari_sa2va.models.known import BUNDLED, SAM2, KnownModel
from napari_sa2va.models.pins import read_record, record_path

if TYPE_CHECKING:
    from napari_sa2va.models.download import Transfer

OK, DAMAGED = 0, 1

_UNKNOWN = "unknown until asked"
_OF_WEIGHTS = "weights; SAM 2 stays in float32"
_HEAD = ("MODEL", "KIND", "PARAMETERS", "BFLOAT16", "FLOAT32", "LICENCE", "LANGUAGES", "HERE")


def list_all(arguments: Namespace) -> int:
    """Print all models as a table."""
    rows = [_HEAD, *map(_row, list_models())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        _say("  ".join(cells).rstrip())
    _say(f"\nMemory is that of the weights alone. ?: {_UNKNOWN}, by `models info MODEL --ask`.")
    _say(f"{SAM2} takes clicks and boxes beside a Sa2VA: --prompt-model.")
    return OK


def info(arguments: Namespace) -> int:
    """Print what is known of one model."""
    entry = find_entry(arguments.model)
    if arguments.ask:
        entry = _asked(entry)
    for name, value in _facts(entry):
        _say(f"{name:<16} {value}")
    return OK


def add(arguments: Namespace) -> int:
    """Add a model to the list."""
    add_model(arguments.model)
    _say(f"{arguments.model} is on the list.")
    return OK


def download(arguments: Namespace) -> int:
    """Download a model, showing how far it is."""
    if arguments.model == BUNDLED or Path(arguments.model).expanduser().is_dir():
        raise CheckpointError(
            f"{arguments.model} is on this machine: there is nothing to download.",
            "Give an id on the Hub.",
        )
    fetching = fetch_model(arguments.model, arguments.revision)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    speed = TextColumn("{task.fields[speed]}")
    with Progress(*columns, speed, console=Console(stderr=True)) as progress:
        task = progress.add_task("asking", total=None, speed="")
        try:
            folder = _follow(fetching, progress, task)
        except KeyboardInterrupt:
            fetching.close()
            progress.stop()
            sys.stderr.write("What has arrived is kept: the same command goes on from there.\n")
            raise
    _say(f"{arguments.model} is complete in {folder}")
    return OK


def remove(arguments: Namespace) -> int:
    """Delete a model's files, or take a folder off the list."""
    name = arguments.model
    is_folder = Path(name).expanduser().is_absolute() or Path(name).expanduser().is_dir()
    freed = remove_model(name)
    if is_folder:
        _say(f"{name} is off the list; its files are untouched.")
    else:
        _say(f"{name} is removed: {readable_size(freed)} are free again.")
    return OK


def verify(arguments: Namespace) -> int:
    """Compare a model's files with the sizes and checksums that the Hub announced."""
    from napari_sa2va.models.installed import check_files, discard_file

    name = arguments.model
    pin = read_record().pins.get(name)
    if pin is None:
        raise CheckpointError(
            f"There are no checksums of {name}: {record_path()} does not know it.",
            "Only what `napari-sa2va models download` brought can be verified.",
        )
    damaged = 0
    for checked in check_files(name, pin):
        damaged += bool(checked.problem)
        _say(f"{checked.name}: {checked.problem or 'ok'}")
        if checked.problem and arguments.discard:
            discard_file(name, pin, checked.name)
    if damaged:
        way_out = (
            f"They are deleted: `napari-sa2va models download {name}` brings them anew."
            if arguments.discard
            else "`--discard` deletes them, so that a download brings only them anew."
        )
        sys.stderr.write(
            f"{damaged} of {len(pin.files)} files are not as the Hub announced them. {way_out}\n"
        )
    return DAMAGED if damaged else OK


MODELS: dict[str, Callable[[Namespace], int]] = {
    "list": list_all,
    "info": info,
    "add": add,
    "download": download,
    "remove": remove,
    "verify": verify,
}


def _follow(fetching: Generator[Transfer, None, Path], progress: Progress, task: TaskID) -> Path:
    while True:
        try:
            transfer = next(fetching)
        except StopIteration as done:
            return Path(done.value)
        progress.update(
            task,
            description=transfer.what,
            completed=transfer.done,
            total=transfer.total or None,
            speed=f"{readable_size(int(transfer.speed))}/s" if transfer.speed else "",
        )


def _asked(entry: Entry) -> Entry:
    """The entry with what the Hub says today; nothing is recorded."""
    asking = ask_about(entry)
    while True:
        try:
            next(asking)
        except StopIteration as answer:
            return answer.value


def _row(entry: Entry) -> tuple[str, ...]:
    known, counted = entry.known, entry.known.parameters
    return (
        known.name,
        known.kind or "?",
        readable_count(counted.total) if counted else "?",
        readable_size(counted.memory("bfloat16")) if counted else "?",
        readable_size(counted.memory("float32")) if counted else "?",
        known.licence or "?",
        _languages(known) or "?",
        _here(entry),
    )


def _facts(entry: Entry) -> list[tuple[str, str]]:
    known, counted, pin = entry.known, entry.known.parameters, entry.pin
    facts = [("model", known.name)]
    if known.kind == SAM2:
        facts.append(("kind", f"{SAM2}, takes clicks and boxes beside a Sa2VA: --prompt-model"))
    if known.base:
        facts += [("made from", known.base), ("language model", known.language_model)]
    if counted is None:
        facts += [("parameters", _UNKNOWN), ("memory", _UNKNOWN)]
    else:
        sides = f"{counted.language:,} language side, {counted.grounding:,} SAM 2"
        facts.append(("parameters", f"{counted.total:,}: {sides}"))
        facts += [
            (
                f"in {dtype}",
                f"{readable_size(counted.memory(dtype))} (weights; SAM 2 stays in float32)",
            )
            for dtype in ("bfloat16", "float16", "float32")
        ]
    facts += [
        ("licence", known.licence or _UNKNOWN),
        ("languages", _languages(known) or _UNKNOWN),
    ]
    if pin is not None or entry.folder is None:
        facts += [
            ("revision", pin.revision if pin else _UNKNOWN),
            ("download", f"{readable_size(pin.size)}, {len(pin.files)} files" if pin else _UNKNOWN),
        ]
    return [*facts, ("on this machine", str(entry.folder or _here(entry)))]


def _languages(known: KnownModel) -> str:
    return "none" if known.kind == SAM2 else ", ".join(known.languages)


def _here(entry: Entry) -> str:
    if entry.problem:
        return entry.problem
    if entry.known.name == BUNDLED:
        return "bundled"
    if entry.folder is not None:
        return "yes"
    if entry.pin is not None and entry.arrived:
        return f"{100 * entry.arrived // entry.pin.size} %"
    return "no"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
