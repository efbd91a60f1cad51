"""One object for each piece of what a description finds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from napari_sa2va.backend.base import BackendSession
from napari_sa2va.core.events import Event, Mask, ObjectFound, Progress, Reasoning, Token
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.regions import Region
from napari_sa2va.core.review import measure
from napari_sa2va.widgets._updates import Interrupted, MaskWritten, Update
from napari_sa2va.widgets._work import Work, to_the_end

# Pieces smaller than this share of the typical one are specks.
_SPECK = 0.1


def pieces(mask: BoolMask) -> list[tuple[Region, BoolMask]]:
    """The separate pieces of a mask (H, W), each in its half-open box (y0, x0, y1, x1).

    Pixels that touch at a side or a corner belong together. Pieces smaller than a tenth of the
    median one are left out.
    """
    numbers, count = ndimage.label(mask, structure=np.ones((3, 3)))
    if count == 0:
        return []
    areas = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    least = _SPECK * float(np.median(areas))
    return [
        ((rows.start, columns.start, rows.stop, columns.stop), numbers[rows, columns] == number)
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), 1)
        if areas[number - 1] >= least
    ]


def apply_pieces(work: Work, session: BackendSession, events: Iterator[Event]) -> Iterator[Update]:
    """Make an object of each piece of each mask; pieces that are objects already stay as they are.

    The model's own objects are forgotten: each piece is shown to it by its mask.
    """
    found: dict[int, ObjectFound] = {}
    for event in to_the_end(work, session, events):
        match event:
            case ObjectFound():
                found[event.object_id] = event
            case Mask() if event.object_id in found:
                yield from _write_pieces(work, found[event.object_id], event)
            case Token() | Reasoning() | Progress() | Interrupted():
                yield event
    for object_id in found:
        session.remove(object_id)


def _write_pieces(work: Work, found: ObjectFound, mask: Mask) -> Iterator[Update]:
    geometry = work.frames.geometry
    step, (y, x, bottom, right) = geometry.step, geometry.box
    for (y0, x0, y1, x1), piece in pieces(mask.mask):
        box = (
            y + y0 * step,
            x + x0 * step,
            min(y + y1 * step, bottom),
            min(x + x1 * step, right),
        )
        part = work.writer.within(box, step)
        one = Mask(mask.frame, 0, piece, mask.score)
        if part.twin(one) is not None:
            continue
        label = work.new_label()
        part.write(Mask(mask.frame, label, piece, mask.score))
        yield ObjectFound(label, found.phrase, found.span)
        facts = measure(piece, box[:2], step, sent=mask.mask.size)
        yield MaskWritten(mask.frame, label, mask.score, facts)
