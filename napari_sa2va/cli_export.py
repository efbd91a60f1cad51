"""What `napari-sa2va export` and `import` do once their arguments are parsed."""

from __future__ import annotations

import csv
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export import Options, Split, labelled_stacks, read, writing

OK = 0


class Row(NamedTuple):
    """What a table says about an object; empty or None where it says nothing."""

    phrases: list[str]
    category: str
    parent: int | None

    def told(self, record: ObjectRecord) -> ObjectRecord:
        """A record that says this, too; of what the table does not say, all stays."""
        parent = record.parent if self.parent is None else self.parent
        told = replace(record, category=self.category or record.category, parent=parent)
        if self.phrases:
            told.set_phrases(self.phrases)
        return told


def export(arguments: Namespace) -> int:
    """Write labels in a format that models are trained from."""
    labels = [Path(path) for path in arguments.labels]
    images = [Path(path) for path in arguments.images] or None
    stacks = labelled_stacks(labels, images)
    if arguments.objects is not None:
        rows = read_objects(arguments.objects)
        stacks = [_with_rows(stack, rows) for stack in stacks]
    split = None
    if arguments.split:
        train, val, test = arguments.split
        split = Split(train, val, test, arguments.split_by, arguments.seed)
    options = Options(
        frames=arguments.frames,
        classes=arguments.classes,
        split=split,
        verified_only=arguments.verified_only,
        image_files=arguments.image_files,
        depth=arguments.depth,
        overlaps=arguments.overlaps,
    )
    _write(stacks, arguments.output, arguments.format, options, arguments.overwrite)
    return OK


def import_(arguments: Namespace) -> int:
    """Read a data set, and write its labels."""
    stacks = read(arguments.dataset, arguments.format)
    options = Options(image_files="none", overlaps=arguments.overlaps)
    _write(stacks, arguments.output, arguments.to, options, arguments.overwrite)
    for stack in stacks:
        length, height, width = stack.shape
        part = f" ({stack.part})" if stack.part else ""
        sys.stdout.write(f"{stack.name}{part}: {length} frames of {height} x {width}, ")
        sys.stdout.write(f"{len(stack.object_ids)} objects\n")
    return OK


COMMANDS: dict[str, Callable[[Namespace], int]] = {"export": export, "import": import_}


def read_objects(file: Path) -> dict[int, Row]:
    """What a table says about objects, by id: phrase, class, parent; phrases parted by ``;``.

    Raises
    ------
    InputError
        It cannot be read, or has no column ``id``.
    """
    rows = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream):
                phrases = [p.strip() for p in (row.get("phrase") or "").split(";")]
                rows[int(row["id"])] = Row(
                    [p for p in phrases if p],
                    (row.get("class") or "").strip(),
                    int(row["parent"]) if row.get("parent") else None,
                )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{file} cannot be read as a table of objects ({error}).",
            "It is CSV with the columns id, phrase, class and parent; only id is needed.",
        ) from error
    return rows


def _with_rows(stack: LabelledStack, rows: Mapping[int, Row]) -> LabelledStack:
    told = {object_id: row.told(stack.record(object_id)) for object_id, row in rows.items()}
    return replace(stack, objects={**stack.objects, **told})


def _write(
    stacks: Sequence[LabelledStack], output: Path, name: str, options: Options, overwrite: bool
) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task("frames")
        for step in writing(stacks, output, name, options, overwrite=overwrite):
            shown.update(task, description=step.what, completed=step.done, total=step.total)
    sys.stdout.write(f"{output}\n")
