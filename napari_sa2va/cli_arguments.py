"""Points, boxes, frames and models as they are typed on the command line."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError, Namespace
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, NamedTuple

import napari_sa2va
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.options import LoadOptions

if TYPE_CHECKING:
    from napari_sa2va.engine.engine import Engine

Point = tuple[float, float, bool]
Box = tuple[float, float, float, float]


class ObjectPoint(NamedTuple):
    """A click (y, x, positive) on an object."""

    object_id: int
    point: Point


class ObjectBox(NamedTuple):
    """A half-open box (y0, x0, y1, x1) around an object."""

    object_id: int
    box: Box


def parse_point(text: str) -> ObjectPoint:
    """``y,x[,+|-][@object]``: a click on an object, or with ``-`` beside it."""
    typed, object_id = _split_object(text)
    *numbers, sign = typed.split(",") if typed.endswith((",+", ",-")) else [*typed.split(","), "+"]
    y, x = _numbers(numbers, 2, f"{text!r} is not y,x[,+|-][@object], e.g. 40,62.5 or 12,30,-@2")
    return ObjectPoint(object_id, (y, x, sign == "+"))


def parse_box(text: str) -> ObjectBox:
    """``y0,x0,y1,x1[@object]``: a half-open box around an object."""
    typed, object_id = _split_object(text)
    y0, x0, y1, x1 = _numbers(
        typed.split(","), 4, f"{text!r} is not y0,x0,y1,x1[@object], e.g. 10,20,60,80"
    )
    if y1 <= y0 or x1 <= x0:
        raise ArgumentTypeError(f"the box {text!r} is empty: give its upper left corner first")
    return ObjectBox(object_id, (y0, x0, y1, x1))


def parse_frames(text: str) -> slice:
    """``A:B``: the frames from A to before B; either may be left out. ``A`` is one frame."""
    match = re.fullmatch(r"(\d*):(\d*)|(\d+)", text, re.ASCII)
    if not match:
        raise ArgumentTypeError(f"{text!r} is not A:B, e.g. 0:10, 5: or :20")
    first, last, only = match.groups()
    if only:
        return slice(int(only), int(only) + 1)
    return slice(int(first) if first else None, int(last) if last else None)


def parse_split(text: str) -> tuple[float, float, float]:
    """``TRAIN,VAL,TEST``: shares; the last may be left out."""
    parts = text.split(",")
    message = f"{text!r} is not train,val,test, e.g. 0.8,0.1,0.1"
    train, val, test = _numbers([*parts, "0"] if len(parts) == 2 else parts, 3, message)
    if min(train, val, test) < 0 or train + val + test == 0:
        raise ArgumentTypeError(message)
    return train, val, test


def parse_names(text: str) -> list[str]:
    """``a,b``: names in their order."""
    return [name.strip() for name in text.split(",") if name.strip()]


def frames_of(chosen: slice, count: int) -> range:
    """The chosen frames of a stack of `count`; InputError where there are none, or not all."""
    first = 0 if chosen.start is None else chosen.start
    last = count if chosen.stop is None else chosen.stop
    if not 0 <= first < last <= count:
        raise InputError(
            f"The frames {first}:{last} are no part of a stack of {count}.",
            f"Choose A:B with 0 <= A < B <= {count}.",
        )
    return range(first, last)


def load_engine(arguments: Namespace) -> Engine:
    """The model that was chosen; see `napari_sa2va.load`."""
    return napari_sa2va.load(arguments.model, **asdict(load_options(arguments)))


def load_options(arguments: Namespace) -> LoadOptions:
    """How a model is to be loaded; InputError where options do not go together."""
    return LoadOptions(**{one.name: getattr(arguments, one.name) for one in fields(LoadOptions)})


def _split_object(text: str) -> tuple[str, int]:
    typed, at, object_id = text.partition("@")
    if not at:
        return typed, 1
    if not (object_id.isascii() and object_id.isdecimal() and int(object_id) > 0):
        raise ArgumentTypeError(f"{text!r}: an object is a number from 1 on")
    return typed, int(object_id)


def _numbers(parts: list[str], count: int, message: str) -> list[float]:
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise ArgumentTypeError(message) from None
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ArgumentTypeError(message)
    return numbers
