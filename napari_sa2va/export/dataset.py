"""What is exported: which frames and objects, of which stacks, in which part of a split."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.labelled import LabelledStack
from napari_sa2va.core.runs import Labels
from napari_sa2va.io import labels_dtype

PARTS = ("train", "val", "test")
DEFAULT_CATEGORY = "object"

SplitBy = Literal["object", "frame", "movie"]
ImageFiles = Literal["write", "reference", "none"]
Depth = Literal["rendered", "kept"]
Overlaps = Literal["refuse", "first"]


@dataclass(frozen=True)
class Split:
    """Shares of a training, a validation and a test set.

    Attributes
    ----------
    train, val, test : float
        Shares; they need not sum to 1.
    by : str
        ``movie``: whole stacks. ``frame``: blocks of frames in time, because neighbours look
        alike. ``object``: all frames in each part, with its own objects only; those that
        descend from each other stay together.
    seed : int
        Of the order in which stacks and objects are dealt out.

    Raises
    ------
    InputError
        A share is negative, all are 0, or `by` is unknown.
    """

    train: float = 0.8
    val: float = 0.1
    test: float = 0.1
    by: SplitBy = "frame"
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.shares) < 0 or not sum(self.shares) > 0:
            raise InputError(f"The shares {self.shares} are no split.", "Give e.g. 0.8, 0.1, 0.1.")
        _check_choice("split by", self.by, SplitBy)

    @property
    def shares(self) -> tuple[float, float, float]:
        """Of train, val and test."""
        return self.train, self.val, self.test


@dataclass(frozen=True)
class Options:
    """How to export.

    Attributes
    ----------
    frames : slice, optional
        The frames of each stack; default all.
    classes : sequence of str, optional
        Only objects of these classes, which are numbered in this order; default all, by name.
    split : Split, optional
        Default: nothing is split.
    verified_only : bool
        Only masks, and phrases, that a person confirmed; frames without such a mask are left out.
    image_files : str
        ``write`` image files, ``reference`` those that are there, or ``none``.
    depth : str
        ``rendered``: 8-bit RGB, as the model sees it. ``kept``: values and dtype as stored.
    overlaps : str
        Where a format has one object a pixel: ``refuse``, or the ``first`` id wins.

    Raises
    ------
    InputError
        A value is none of those.
    """

    frames: slice | None = None
    classes: Sequence[str] | None = None
    split: Split | None = None
    verified_only: bool = False
    image_files: ImageFiles = "write"
    depth: Depth = "rendered"
    overlaps: Overlaps = "refuse"

    def __post_init__(self) -> None:
        _check_choice("image_files", self.image_files, ImageFiles)
        _check_choice("depth", self.depth, Depth)
        _check_choice("overlaps", self.overlaps, Overlaps)


@dataclass
class Export:
    """What a format's writer gets.

    Attributes
    ----------
    folder : Path
        Where to write; it is empty.
    stacks : list of LabelledStack
        Surveyed, with names that are unique and fit for files.
    options : Options
        `image_files` is ``none`` where no stack has any.
    categories : list of str
        All classes, in the order in which they are numbered.
    ids : dict of (part, name) to dict
        Filled by formats that number objects anew: exported id to object id.
    orders : dict of (part, name) to list
        Filled by formats without ids: the objects of each frame in the order of their entries.
    """

    folder: Path
    stacks: list[LabelledStack]
    options: Options
    categories: list[str]
    ids: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)
    orders: dict[tuple[str, str], list[list[int]]] = field(default_factory=dict)

    def by_part(self) -> dict[str, list[LabelledStack]]:
        """The stacks of each part; the part is empty where nothing is split."""
        parts: dict[str, list[LabelledStack]] = {}
        for stack in self.stacks:
            parts.setdefault(stack.part, []).append(stack)
        return parts

    def category(self, stack: LabelledStack, object_id: int) -> int:
        """The number of an object's class, from 0."""
        return self.categories.index(category_of(stack, object_id))

    def phrases(self, stack: LabelledStack, object_id: int) -> list[str]:
        """The phrases that refer to an object and that nobody refused; or confirmed ones only."""
        return stack.record(object_id).referring(self.options.verified_only)

    def referred(self, stack: LabelledStack) -> dict[int, list[str]]:
        """What refers to each object, for formats of pairs of text and mask.

        An object without a phrase is called by its class. Where only what a person confirmed is
        wanted, it is left out: nobody said that the class tells it from others.

        Raises
        ------
        InputError
            Nothing is left in any stack.
        """
        if self.options.verified_only and not any(
            self.phrases(one, object_id) for one in self.stacks for object_id in one.object_ids
        ):
            raise InputError(
                "No phrase was confirmed by a person.",
                "Confirm some under Expressions, or export all.",
            )
        named = {object_id: self.phrases(stack, object_id) for object_id in stack.object_ids}
        if self.options.verified_only:
            return {object_id: phrases for object_id, phrases in named.items() if phrases}
        return {i: phrases or [category_of(stack, i)] for i, phrases in named.items()}

    def plane(self, stack: LabelledStack, frame: int) -> Labels:
        """The one label image (H, W) of a frame.

        Raises
        ------
        InputError
            Objects overlap, and `options.overlaps` says to refuse that.
        """
        first, *others = stack.planes(frame)
        if not others:
            return first
        # Where objects overlap, the lowest id wins, whatever plane it lies in.
        planes = np.stack([first, *others])
        covered = np.count_nonzero(planes, axis=0)
        if self.options.overlaps == "refuse" and covered.max() > 1:
            ids = np.unique(planes[:, covered > 1])
            raise InputError(
                f"Objects {', '.join(map(str, ids[ids > 0][:4]))} overlap in frame {frame} of "
                f"{stack.name}, and this format has one object a pixel.",
                "Choose a format that allows overlaps, e.g. coco, or let the first id win.",
            )
        highest = np.iinfo(planes.dtype).max
        lowest = np.where(planes == 0, highest, planes).min(axis=0)
        return np.where(covered > 0, lowest, 0).astype(planes.dtype)

    def renumbered(
        self, stack: LabelledStack, largest: int, from_one: bool = False
    ) -> dict[int, int]:
        """The id to write for each object, at most `largest`; noted in `ids` where it differs.

        Raises
        ------
        InputError
            There are more objects than ids.
        """
        objects = stack.object_ids
        if len(objects) > largest:
            raise InputError(
                f"{stack.name} has {len(objects)} objects, and this format holds {largest}.",
                "Choose fewer classes, or a format with larger ids.",
            )
        if from_one or (objects and objects[-1] > largest):
            written = {object_id: number for number, object_id in enumerate(objects, 1)}
            self.ids[stack.part, stack.name] = {new: old for old, new in written.items()}
            return written
        return {object_id: object_id for object_id in objects}


def choose(stacks: Sequence[LabelledStack], options: Options) -> list[LabelledStack]:
    """What the options leave of surveyed stacks, part by part.

    Raises
    ------
    InputError
        Nothing is left, a range lies outside, or there is too little to split.
    """
    chosen = [_restricted(stack, options) for stack in stacks]
    chosen = [stack for stack in chosen if stack.shape[0]]
    if not chosen:
        raise InputError("No frame is left to export.", "Verify some masks, or export all.")
    if options.classes is not None and not any(stack.object_ids for stack in chosen):
        raise InputError(
            f"There is no object of the classes {', '.join(options.classes)}.",
            "Check their names.",
        )
    parts = list(chosen if options.split is None else _split(chosen, options.split))
    return _uniquely_named(parts)


def categories_of(stacks: Sequence[LabelledStack], options: Options) -> list[str]:
    """All classes, in the order in which they are numbered."""
    if options.classes is not None:
        return list(options.classes)
    found = {category_of(stack, i) for stack in stacks for i in stack.object_ids}
    return sorted(found or {DEFAULT_CATEGORY})


def category_of(stack: LabelledStack, object_id: int) -> str:
    """An object's class."""
    return stack.record(object_id).category or DEFAULT_CATEGORY


def relabelled(plane: Labels, written: dict[int, int]) -> npt.NDArray[Any]:
    """A label image with other ids; ids that are not among them become background."""
    dtype = labels_dtype(max(written.values(), default=0))
    if not written:
        return np.zeros(plane.shape, dtype)
    old = np.array(sorted(written), np.int64)
    new = np.array([0, *(written[i] for i in old.tolist())], dtype)
    place = np.searchsorted(old, plane)
    known = np.isin(plane, old)
    return new[np.where(known, place + 1, 0)]


def _restricted(stack: LabelledStack, options: Options) -> LabelledStack:
    frames: Sequence[int] = range(stack.shape[0])
    if options.frames is not None:
        frames = frames[options.frames]
        if not frames:
            raise InputError(
                f"The frames {options.frames.start}:{options.frames.stop} are no part of "
                f"{stack.name}, which has {stack.shape[0]}.",
                "Choose others.",
            )
        stack = stack.select(frames)
    if options.classes is not None:
        wanted = {i for i in stack.object_ids if category_of(stack, i) in options.classes}
        stack = stack.select(keep=lambda _: wanted)
    if options.verified_only:
        records = [stack.record(object_id) for object_id in stack.object_ids]
        stack = stack.select(
            keep=lambda frame: {r.object_id for r in records if frame in r.verified_frames}
        )
        stack = stack.select([frame for frame, ids in enumerate(stack.present) if ids])
    return stack


def _split(stacks: Sequence[LabelledStack], split: Split) -> Iterator[LabelledStack]:
    if split.by == "movie":
        order = list(stacks)
        random.Random(split.seed).shuffle(order)
        for part, share in _shared_out(order, split, "stacks"):
            yield from (stack.select(part=part) for stack in share)
        return
    for stack in stacks:
        if split.by == "frame":
            frames = range(stack.shape[0])
            for part, share in _shared_out(frames, split, f"frames of {stack.name}"):
                yield stack.select(list(share), part=part)
        else:
            families = _families(stack)
            random.Random(split.seed).shuffle(families)
            of = f"objects of {stack.name} that do not descend from each other"
            for part, share in _shared_out(families, split, of):
                ids = frozenset().union(*share)
                yield stack.select(keep=_always(ids), part=part)


def _always(ids: Collection[int]) -> Any:
    return lambda _frame: ids


def _shared_out(
    things: Sequence[Any], split: Split, what: str
) -> Iterator[tuple[str, Sequence[Any]]]:
    shares = [(part, share) for part, share in zip(PARTS, split.shares, strict=True) if share]
    if len(things) < len(shares):
        raise InputError(
            f"{len(things)} {what} cannot be split into {len(shares)} parts.",
            "Split by something else, or give the empty part the share 0.",
        )
    total = sum(split.shares)
    start, given = 0, 0.0
    for left, (part, share) in zip(range(len(shares) - 1, -1, -1), shares, strict=True):
        given += share
        # Each part gets one at least, and leaves one to each that follows.
        stop = round(len(things) * given / total)
        stop = min(max(stop, start + 1), len(things) - left)
        yield part, things[start:stop]
        start = stop


def _families(stack: LabelledStack) -> list[frozenset[int]]:
    """Objects that descend from each other, together."""

    def eldest(object_id: int) -> int:
        seen = {object_id}
        while (parent := stack.record(object_id).parent) and parent not in seen:
            seen.add(parent)
            object_id = parent
        return object_id

    families: dict[int, set[int]] = {}
    for object_id in stack.object_ids:
        families.setdefault(eldest(object_id), set()).add(object_id)
    return [frozenset(family) for _, family in sorted(families.items())]


def _uniquely_named(stacks: Sequence[LabelledStack]) -> list[LabelledStack]:
    taken: set[tuple[str, str]] = set()
    named = []
    for stack in stacks:
        safe = re.sub(r'[\x00-\x1f/\\:*?"<>|]+', "_", stack.name).strip(" ._") or "stack"
        name, number = safe, 1
        while (stack.part, name.casefold()) in taken:
            number += 1
            name = f"{safe}-{number}"
        taken.add((stack.part, name.casefold()))
        renamed = replace(stack, name=name)
        renamed.__dict__["present"] = stack.present
        named.append(renamed)
    return named


def _check_choice(what: str, value: str, choices: Any) -> None:
    if value not in get_args(choices):
        raise InputError(
            f"{what!r} is one of {', '.join(get_args(choices))}, not {value!r}.", "Choose one."
        )
