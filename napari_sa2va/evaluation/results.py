"""What a run has found so far: a line a sample, appended at once, so that a run can go on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.evaluation.referring import Overlap
from napari_sa2va.export.rle import decode

RUN, LINES, PREDICTIONS = "run.json", "results.jsonl", "predictions"


@dataclass(frozen=True)
class Score:
    """How well one target of a sample was found.

    Attributes
    ----------
    target : int
    j, f : dict of str to float
        ``mean``, ``recall`` and ``decay`` over the frames that count; `f` is empty for images.
    overlap : Overlap
        Pixels over those frames.
    """

    target: int
    j: Mapping[str, float]
    f: Mapping[str, float]
    overlap: Overlap

    @property
    def value(self) -> float:
        """J&F; IoU where there is no F."""
        return (self.j["mean"] + self.f["mean"]) / 2 if self.f else self.j["mean"]


@dataclass(frozen=True)
class Result:
    """One line: a sample, and how well it went.

    Attributes
    ----------
    key, stack, text, group : str
        Of the sample.
    answer : str
        What the model said.
    seconds : float
        How long it took.
    scores : tuple of Score
        By target.
    """

    key: str
    stack: str
    text: str
    group: str
    answer: str
    seconds: float
    scores: tuple[Score, ...]

    def line(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str) -> Result:
        """Read a line; ValueError, KeyError or TypeError where it is damaged."""
        values = json.loads(line)
        scores = tuple(
            Score(**{**score, "overlap": Overlap(**score["overlap"])})
            for score in values.pop("scores")
        )
        return cls(**values, scores=scores)


class Results:
    """The folder of a run.

    Parameters
    ----------
    folder : Path
        Where the run is written; made if need be.
    settings : dict
        What the run is about: a run with other settings does not go on in its folder.

    Raises
    ------
    InputError
        The folder holds another run or other files, cannot be written, or a line is damaged.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.settings = dict(settings)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._claim()
            (folder / PREDICTIONS).mkdir(exist_ok=True)
            self.done = {result.key: result for result in self._read()}
        except OSError as error:
            raise _not_written(folder, error) from error

    def add(self, result: Result, masks: Mapping[str, Any]) -> None:
        """Append a line, on the disk before this returns; its masks lie there before it.

        A kill in between leaves at most an unfinished line, which `Results` removes.
        """
        file = self.masks_file(result.key)
        partial = file.with_suffix(".part")
        try:
            partial.write_text(json.dumps(masks), "utf-8")
            partial.replace(file)
            with (self.folder / LINES).open("a", encoding="utf-8") as stream:
                stream.write(result.line() + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise _not_written(self.folder, error) from error
        self.done[result.key] = result

    def masks_file(self, key: str) -> Path:
        """Where the masks of a sample are; keys may hold what file names may not."""
        name = hashlib.sha256(key.encode()).hexdigest()[:20]
        return self.folder / PREDICTIONS / f"{name}.json"

    def masks(self, key: str) -> dict[str, Any]:
        """What was found for a sample, as `encode_masks` has it.

        Raises
        ------
        InputError
            The file is missing or damaged.
        """
        file = self.masks_file(key)
        try:
            content: dict[str, Any] = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{file}, the masks of {key}, cannot be read ({error}).",
                f"Remove its line from {LINES}, and run again.",
            ) from error
        return content

    def _claim(self) -> None:
        file = self.folder / RUN
        if not file.exists():
            if any(self.folder.iterdir()):
                raise InputError(
                    f"{self.folder} is not empty and holds no run.", "Choose another --out."
                )
            partial = file.with_suffix(".part")
            partial.write_text(json.dumps(self.settings, ensure_ascii=False, indent=1), "utf-8")
            partial.replace(file)
            return
        try:
            before = json.loads(file.read_text("utf-8"))
            other = [n for n in self.settings if before.get(n) != self.settings[n]]
        except (ValueError, AttributeError) as error:
            raise InputError(f"{file} is damaged ({error}).", "Choose another --out.") from error
        if other:
            name = other[0]
            raise InputError(
                f"{self.folder} holds a run with {name} {before.get(name)!r}, not "
                f"{self.settings[name]!r}.",
                "Choose another --out, or the same settings to go on with it.",
            )

    def _read(self) -> list[Result]:
        file = self.folder / LINES
        if not file.exists():
            return []
        content = file.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # killed while it was written: that sample is done again
            with file.open("r+b") as stream:
                stream.truncate(whole)
        results = []
        for number, line in enumerate(content[:whole].decode("utf-8").splitlines(), 1):
            try:
                results.append(Result.from_line(line))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"Line {number} of {file} is damaged ({error!r}).",
                    "Remove that line: its sample is done again.",
                ) from error
        return results


def encode_mask(mask: BoolMask) -> dict[str, Any] | None:
    """A mask (H, W) as COCO's compressed run lengths, ready for JSON; None where it is empty."""
    if not mask.any():
        return None
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": encoded["counts"].decode("ascii")}


def decode_mask(encoded: Mapping[str, Any] | None, shape: Sequence[int]) -> BoolMask:
    """The mask of a shape (H, W) that `encode_mask` made."""
    height, width = shape
    return decode(encoded, height, width)


def apart(stored: Mapping[str, Any], frame: int) -> dict[int, BoolMask]:
    """The stored masks (H, W) of a frame; where they overlap, the lowest id has the pixel."""
    _, height, width = stored["shape"]
    taken = np.zeros((height, width), bool)
    masks = {}
    for object_id in sorted(map(int, stored["objects"])):
        encoded = stored["objects"][str(object_id)]["masks"][frame]
        masks[object_id] = decode(encoded, height, width) & ~taken
        taken |= masks[object_id]
    return masks


def _not_written(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"{folder} cannot be written ({error.strerror or error}).",
        "Free space or choose another --out; what is finished is kept, and the same command "
        "goes on.",
    )
