"""A run that stands still until the user has done something about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.widgets._labels_writer import LabelsWriter
from napari_sa2va.widgets._undo import UndoStep
from napari_sa2va.widgets._updates import Interrupted, Update


@dataclass(frozen=True)
class Interruption:
    """What a run needs to go on.

    Attributes
    ----------
    why : Interrupted
        What happened.
    request : iterator of Update
        Goes on where it stands.
    step, writer
        What it has written so far, and with what.
    prompts : list of dict
        What its objects will be said to come from.
    records : dict of int to ObjectRecord
        The objects as they were when it was interrupted.
    """

    why: Interrupted
    request: Iterator[Update]
    step: UndoStep
    writer: LabelsWriter
    prompts: list[dict[str, Any]]
    records: dict[int, ObjectRecord]
