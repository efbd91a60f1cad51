"""What a data set asks, and what is true."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import FrameSource
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.io.arrays import FileFrames
from napari_sa2va.io.images import ImageFiles

Masks = Mapping[int, BoolMask]
PromptKind = Literal["mask", "box", "click"]


@dataclass(frozen=True)
class Sample:
    """What is asked of a stack at once: a text, or objects that are prompted and followed.

    Attributes
    ----------
    key : str
        Its name within the data set, the same in every run.
    stack : str
        The video or image. Samples of one stack come one after the other.
    frames : callable
        Opens the stack; nothing is read before.
    truth : callable
        Takes a frame, gives the true masks (H, W) by target; a target without one is absent.
        A text has the one target 1: all it refers to.
    text : str
        What is referred to; empty where objects are prompted.
    prompts : dict of int to int
        By target: the frame in which it is prompted.
    group : str
        What its figures are listed under, besides all.
    scored : callable
        Takes the number of frames, gives those that count. Default: all.
    void : callable, optional
        Takes a frame, gives the pixels (H, W) that do not count.
    category : int
        The class that is asked for, where instances are counted.
    """

    key: str
    stack: str
    frames: Callable[[], FrameSource]
    truth: Callable[[int], Masks]
    text: str = ""
    prompts: Mapping[int, int] = field(default_factory=dict)
    group: str = ""
    scored: Callable[[int], Sequence[int]] = range
    void: Callable[[int], BoolMask] | None = None
    category: int = 0

    @property
    def targets(self) -> list[int]:
        """What is scored by itself."""
        return [1] if self.text else sorted(self.prompts)


@dataclass(frozen=True)
class Dataset:
    """A data set, or a part of one.

    Attributes
    ----------
    kind : str
        A key of `napari_sa2va.evaluation.kinds.KINDS`.
    name : str
        Under which published figures are known, such as ``refcoco+``.
    split : str
        Which part.
    path : Path
        Where it lies.
    samples : list of Sample
        In the order of work.
    averaged : tuple of str
        Groups whose mean is the overall figure; empty where all samples count alike.
    truth_files : dict of str to Path
        By stack: files that a measure reads by itself.
    """

    kind: str
    name: str
    split: str
    path: Path
    samples: Sequence[Sample]
    averaged: tuple[str, ...] = ()
    truth_files: Mapping[str, Path] = field(default_factory=dict)


def image_frames(files: Sequence[Path], path: Path) -> Callable[[], FrameSource]:
    """Image files as frames, in the order given; their headers are read when it is opened."""

    @cache
    def opened() -> FrameSource:
        return FileFrames(ImageFiles(files), path)

    return opened


def absent(shape: tuple[int, int]) -> BoolMask:
    """The mask (H, W) of what is not there."""
    return np.zeros(shape, bool)


def union(masks: Collection[BoolMask], shape: tuple[int, int]) -> BoolMask:
    """All masks (H, W) together."""
    return np.logical_or.reduce(list(masks)) if masks else absent(shape)


def first_folder(candidates: Sequence[Path], what: str) -> Path:
    """The first folder that is there; InputError names all where none is."""
    for folder in candidates:
        if folder.is_dir():
            return folder
    tried = ", ".join(map(str, candidates))
    raise InputError(f"There are no {what}: looked for {tried}.", "Is the data set complete?")


def required(file: Path) -> Path:
    """A file that must be there; InputError where it is not."""
    if not file.is_file():
        raise InputError(
            f"There is no {file}.", "Is this the folder of the data set, and the split right?"
        )
    return file


def field_of(entry: Any, name: str, where: str) -> Any:
    """A field of a JSON object; InputError says where it is missing."""
    try:
        return entry[name]
    except (LookupError, TypeError) as error:
        raise InputError(f"{where} has no field {name!r}.", "Is it of this kind?") from error


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Values of another kind than expected become an InputError that says where they are."""
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{where} cannot be read ({error!r}).", "Is it damaged?") from error
