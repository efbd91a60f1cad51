"""What `napari-sa2va eval` does once its arguments are parsed."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from napari_sa2va.backend.client import RemoteBackend, ServerConnector
from napari_sa2va.backend.local import LocalSession
from napari_sa2va.backend.turns import Turns
from napari_sa2va.cli_arguments import load_engine
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Progress as Step
from napari_sa2va.evaluation.figures import Figure
from napari_sa2va.evaluation.kinds import kind_named
from napari_sa2va.evaluation.report import REPORT, check_packages, write_report
from napari_sa2va.evaluation.results import Results
from napari_sa2va.evaluation.run import Open, run, settings_of

OK = 0

# What a server decides for itself.
_OURS = {
    "device": "auto",
    "dtype": "auto",
    "prompt_model": None,
    "grounding": "auto",
    "quantize": None,
    "offload": None,
}


def evaluate(arguments: Namespace) -> int:
    """Measure a model on a data set; what is finished is reported however it ends."""
    kind = kind_named(arguments.kind)
    for name, least in (("limit", 1), ("worst", 0)):
        number = getattr(arguments, name)
        if number is not None and number < least:
            raise InputError(f"--{name} must be at least {least}.", "Leave it out for the usual.")
    check_packages(kind.name)
    dataset = kind.read(arguments.dataset, arguments.split, arguments.images)
    question = arguments.question or kind.question
    with _model(arguments) as (open_session, model):
        settings = settings_of(dataset, model, question, arguments.prompt)
        results = Results(arguments.out, settings)
        try:
            _run(run(dataset, open_session, results, limit=arguments.limit))
        finally:
            # After Ctrl-C, too: what is finished is worth a look.
            _say(write_report(dataset, results, arguments.worst), arguments.out)
    return OK


@contextmanager
def _model(arguments: Namespace) -> Iterator[tuple[Open, dict[str, str]]]:
    """How a stack is opened, and what is known of the model."""
    if arguments.server:
        other = [name for name, usual in _OURS.items() if getattr(arguments, name) != usual]
        if other:
            raise InputError(
                f"--{other[0].replace('_', '-')} does not go with --server.",
                "Give it to napari-sa2va serve.",
            )
        connector = ServerConnector(arguments.server, _token(arguments.token_file))
        backend = RemoteBackend(connector, arguments.model)
        try:
            yield backend.open, {"model": arguments.model, "server": connector.place}
        finally:
            backend.close()
        return
    with load_engine(arguments) as engine:
        turns = Turns()
        model = {
            "model": arguments.model,
            "device": engine.device,
            "dtype": engine.dtype,
            "grounding": arguments.grounding,
            "prompt model": arguments.prompt_model or "",
            "quantize": arguments.quantize or "",
        }
        yield lambda frames: LocalSession(engine.open(frames), turns), model


def _token(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise InputError(f"The token file {file} cannot be read: {error}.", "Check it.") from error


def _run(steps: Iterator[Step]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task("samples", total=None)
        for step in steps:
            shown.update(task, completed=step.done, total=step.total)


def _say(found: list[Figure], folder: Path) -> None:
    if not found:
        sys.stderr.write("Nothing is finished, so there is no report.\n")
        return
    for figure in found:
        sys.stdout.write(f"{figure.group:<12} {figure.name:<9} {100 * figure.value:5.1f}")
        sys.stdout.write(f"  of {figure.count}\n")
    sys.stdout.write(f"{folder / REPORT}\n")
