"""Small data sets in published layouts, and a model that knows their truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_sa2va.core.answers import Answer
from napari_sa2va.core.events import Event, Failed, Finished, Mask, Progress
from napari_sa2va.core.frames import ArrayFrames, FrameSource
from napari_sa2va.core.labelled import LabelArray, LabelledStack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.evaluation.results import encode_mask
from tests.export.examples import blobs, images_of

Video = npt.NDArray[np.bool_]
Answers = Callable[[str], Mapping[int, Video]]


def discs(seed: int, length: int = 9, height: int = 70, width: int = 110) -> Video:
    """Discs that come, go and move, drawn with integers: the same everywhere; (T, H, W)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    masks = np.zeros((length, height, width), bool)
    for _ in range(3):
        cy, cx, r, dy, dx, first = rng.integers(
            (5, 5, 5, -3, -4, 0), (height, width, 25, 4, 5, 4)
        ).tolist()
        for frame in range(first, length):
            distance = (y - cy - dy * frame) ** 2 + (x - cx - dx * frame) ** 2
            masks[frame] |= (distance < r * r) & (distance >= (r // 3) ** 2)
    return masks


def stack(name: str = "cells", size: int = 96) -> LabelledStack:
    """Five frames of three discs, 1 and 2 with phrases in common; none is in the second frame."""
    labels = blobs(size=size)
    records = {
        1: ObjectRecord(1, "the upper left disc", expressions=["every disc"]),
        2: ObjectRecord(2, "the middle disc", expressions=["every disc"]),
        7: ObjectRecord(7, "오른쪽 원", expressions=["every disc"]),
    }
    images = ArrayFrames(images_of(labels))
    return LabelledStack(LabelArray(labels), records, name, images=images)


def write_images(folder: Path, names: Sequence[str], images: Sequence[Any]) -> None:
    """JPEG or PNG files, as their names say."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(names, images, strict=True):
        Image.fromarray(np.asarray(image, np.uint8)).save(folder / name)


def write_json(file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return file


def run_lengths(masks: Video) -> list[Any]:
    """As mask_dict.json has them: null where there is nothing."""
    return [encode_mask(mask) for mask in masks]


class Oracle:
    """A backend whose answers are given; what is asked of it is kept.

    Parameters
    ----------
    answers : callable
        Takes what is asked, gives masks (T, H, W) by object; none for a text without a target.
    followed : callable, optional
        Takes an object that is prompted, gives its masks in all frames.
    """

    def __init__(
        self,
        answers: Answers = lambda _: {},
        followed: Callable[[FrameSource, int], Video] | None = None,
        fails_at: str = "",
    ) -> None:
        self.answers = answers
        self.followed = followed
        self.fails_at = fails_at
        self.asked: list[str] = []
        self.prompts: list[dict[str, Any]] = []
        self.opened = 0
        self.closed = 0

    def open(self, frames: FrameSource) -> OracleSession:
        self.opened += 1
        return OracleSession(self, frames)


class OracleSession:
    def __init__(self, oracle: Oracle, frames: FrameSource) -> None:
        self._oracle = oracle
        self._frames = frames
        self._objects: list[int] = []
        self.shape = frames.shape

    def ask(self, text: str, **options: Any) -> Iterator[Event]:
        assert options == {"track": True, "remember": False}
        assert not self._objects, "what was asked before was not forgotten"
        self._oracle.asked.append(text)
        if text == self._oracle.fails_at:
            yield Failed("The model is gone.", "Start it again.")
            return
        found = self._oracle.answers(text)
        self._objects += found
        for frame in range(self.shape[0]):
            for object_id, masks in found.items():
                yield Mask(frame, object_id, masks[frame], 0.5 + 0.1 * object_id)
            yield Progress(frame + 1, self.shape[0], "frames")
        yield Finished(Answer("It is [SEG]." if found else "There is none."))

    def segment(self, object_id: int, frame: int, **prompt: Any) -> Iterator[Event]:
        self._oracle.prompts.append({"object": object_id, "frame": frame, **prompt})
        self._objects.append(object_id)
        yield Finished()

    def propagate(self) -> Iterator[Event]:
        assert self._oracle.followed is not None
        for object_id in self._objects:
            masks = self._oracle.followed(self._frames, object_id)
            for frame in range(self.shape[0]):
                yield Mask(frame, object_id, masks[frame], 0.9)
        yield Finished()

    def reset(self) -> None:
        self._objects.clear()

    def close(self) -> None:
        self._oracle.closed += 1
