"""Referring video segmentation: ``meta_expressions.json`` and run-length masks or indexed PNG.

Layouts, as published:

- MeViS (https://github.com/henghuiding/MeViS): ``<split>/meta_expressions.json``,
  ``<split>/mask_dict.json`` and ``<split>/JPEGImages/<video>/<frame>.jpg``.
- ReVOS (https://github.com/cilinyan/ReVOS-api): ``meta_expressions_<split>_.json``,
  ``mask_dict.json`` and ``JPEGImages/<video>``; ``type_id`` 0 is referring, 1 reasoning.
- Ref-SAV (https://github.com/bytedance/Sa2VA, tools/eval/eval_ref_sav.py):
  ``meta_expressions_<split>.json``, ``mask_dict.json``, ``videos/<folder>/<video>.mp4`` or frames;
  ``type_id`` 0 is a long expression, 1 a short one.
- Ref-YouTube-VOS, and Ref-DAVIS in its layout (https://github.com/wjn922/ReferFormer,
  datasets/ytvos.py and tools/data/convert_davis_to_ytvos.py):
  ``meta_expressions/<split>/meta_expressions.json``, ``<split>/JPEGImages/<video>`` and indexed
  ``<split>/Annotations/<video>/<frame>.png`` with the expression's ``obj_id``.

An expression is ``{"exp": text, "anno_id": [...]}`` with annotations of ``mask_dict.json`` (a
run-length mask or null a frame), or ``{"exp": text, "obj_id": id}`` with indexed PNG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import FrameSource, RGBFrame
from napari_sa2va.evaluation.dataset import (
    Dataset,
    Masks,
    Sample,
    field_of,
    first_folder,
    image_frames,
    reading,
    required,
    union,
)
from napari_sa2va.export.reading import read_json
from napari_sa2va.export.rle import decode
from napari_sa2va.io import open_stack
from napari_sa2va.io.label_files import read_label_image

# What `type_id` means; others are left out of the overall figure, as in the official scripts.
_GROUPS = {"revos": ("referring", "reasoning"), "ref-sav": ("long", "short")}
_IMAGE_SUFFIX = ".jpg"


@dataclass(frozen=True)
class _Video:
    """A video's name, its frames' names in order, and how it is opened."""

    name: str
    names: Sequence[str]
    frames: Callable[[], FrameSource]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.frames().shape[1:]


def mevis(path: Path, split: str, images: Path | None) -> Dataset:
    """MeViS; `path` is the data set, or the folder of the split.

    Any other folder in this layout, such as an export, is no split of MeViS, and not called one:
    published figures are not put beside it.
    """
    folder = path / split if (path / split).is_dir() else path
    if folder.name != split:
        split = ""
    meta = required(folder / "meta_expressions.json")
    pictures = images or first_folder([folder / "JPEGImages"], "images")
    return _with_run_lengths("mevis", path, split, meta, _folder_of_images(pictures))


def revos(path: Path, split: str, images: Path | None) -> Dataset:
    """ReVOS; its images may lie in ``JPEGImages`` or beside the JSON files."""
    meta = _first_file([path / f"meta_expressions_{split}_.json", path / "meta_expressions.json"])
    pictures = images or first_folder([path / "JPEGImages", path], "images")
    return _with_run_lengths("revos", path, split, meta, _folder_of_images(pictures))


def ref_sav(path: Path, split: str, images: Path | None) -> Dataset:
    """Ref-SAV; frames come from videos, or from folders of images."""
    meta = _first_file([path / f"meta_expressions_{split}.json", path / "meta_expressions.json"])
    folders = [path / "videos", path / "JPEGImages"]
    pictures = images or first_folder(folders, "videos or images")
    return _with_run_lengths("ref-sav", path, split, meta, _videos_or_images(pictures))


def ref_youtube_vos(path: Path, split: str, images: Path | None) -> Dataset:
    """Ref-YouTube-VOS; only the split ``train`` was published with its masks."""
    return _with_indexed_images("ref-youtube-vos", path, split, images)


def ref_davis(path: Path, split: str, images: Path | None) -> Dataset:
    """Ref-DAVIS17 in the layout of Ref-YouTube-VOS, as ReferFormer's script converts it."""
    return _with_indexed_images("ref-davis", path, split, images)


def _with_run_lengths(
    kind: str, path: Path, split: str, meta: Path, opened: Callable[[str, Sequence[str]], Any]
) -> Dataset:
    tracks = read_json(_masks_beside(meta))
    groups = _GROUPS.get(kind, ())
    samples = []
    for video, number, expression, where in _expressions(meta, opened):
        with reading(f"{where}, field 'anno_id'"):
            annotations = [str(a) for a in field_of(expression, "anno_id", where)]
        for annotation in annotations:
            length = len(field_of(tracks, annotation, f"{meta.parent / 'mask_dict.json'}"))
            if length != len(video.names):
                raise InputError(
                    f"{meta.parent / 'mask_dict.json'}: annotation {annotation} has {length} "
                    f"masks, the video {video.name} {len(video.names)} frames.",
                    "Do the files belong together?",
                )
        group = ""
        if groups:
            with reading(f"{where}, field 'type_id'"):
                kind_of = int(field_of(expression, "type_id", where))
            group = groups[kind_of] if kind_of in range(len(groups)) else "other"
        truth = _decoded(tracks, annotations, video)
        samples.append(_sample(video, number, expression["exp"], truth, group))
    return Dataset(kind, kind, split, path, samples, averaged=groups)


def _with_indexed_images(kind: str, path: Path, split: str, images: Path | None) -> Dataset:
    meta = required(path / "meta_expressions" / split / "meta_expressions.json")
    annotations = path / split / "Annotations"
    if not annotations.is_dir():
        raise InputError(
            f"There is no {annotations}: this split has no masks to compare with.",
            "Choose a --split that was published with its masks"
            + (", such as train." if kind == "ref-youtube-vos" else "."),
        )
    pictures = images or first_folder([path / split / "JPEGImages"], "images")
    samples = []
    for video, number, expression, where in _expressions(meta, _folder_of_images(pictures)):
        with reading(f"{where}, field 'obj_id'"):
            object_id = int(field_of(expression, "obj_id", where))
        files = [annotations / video.name / f"{name}.png" for name in video.names]
        truth = _indexed(files, object_id)
        samples.append(_sample(video, number, expression["exp"], truth))
    return Dataset(kind, kind, split, path, samples)


def _expressions(
    meta: Path, opened: Callable[[str, Sequence[str]], Callable[[], FrameSource]]
) -> Iterator[tuple[_Video, str, Mapping[str, Any], str]]:
    """Each expression of each video, and where it stands."""
    videos = field_of(read_json(meta), "videos", str(meta))
    with reading(str(meta)):
        for name, entry in videos.items():
            here = f"{meta}: video {name}"
            # Masks are in the order in which the frames are listed.
            names = list(map(str, field_of(entry, "frames", here)))
            video = _Video(name, names, opened(name, names))
            for number, expression in field_of(entry, "expressions", here).items():
                where = f"{here}, expression {number}"
                if not str(field_of(expression, "exp", where)).strip():
                    raise InputError(f"{where} has an empty 'exp'.", "Is it damaged?")
                yield video, number, expression, where


def _sample(
    video: _Video, number: str, text: str, truth: Callable[[int], Masks], group: str = ""
) -> Sample:
    key = f"{video.name}/{number}"
    return Sample(key, video.name, video.frames, truth, text=text.strip(), group=group)


def _decoded(
    tracks: Mapping[str, Any], annotations: Sequence[str], video: _Video
) -> Callable[[int], Masks]:
    def truth(frame: int) -> Masks:
        height, width = video.size
        masks = [decode(tracks[a][frame], height, width) for a in annotations if tracks[a][frame]]
        return {1: union(masks, (height, width))}

    return truth


def _indexed(files: Sequence[Path], object_id: int) -> Callable[[int], Masks]:
    def truth(frame: int) -> Masks:
        return {1: np.equal(read_label_image(files[frame]), object_id)}

    return truth


def _folder_of_images(
    pictures: Path,
) -> Callable[[str, Sequence[str]], Callable[[], FrameSource]]:
    def opened(video: str, names: Sequence[str]) -> Callable[[], FrameSource]:
        folder = pictures / video
        return image_frames([folder / f"{name}{_IMAGE_SUFFIX}" for name in names], folder)

    return opened


def _videos_or_images(
    pictures: Path,
) -> Callable[[str, Sequence[str]], Callable[[], FrameSource]]:
    from_images = _folder_of_images(pictures)

    def opened(video: str, names: Sequence[str]) -> Callable[[], FrameSource]:
        if (pictures / video).is_dir():
            return from_images(video, names)
        # SA-V keeps videos in folders named after the first digits of their number.
        files = [pictures / f"{video}.mp4", pictures / video[: len("sav_000")] / f"{video}.mp4"]
        return cache(lambda: _ChosenFrames(_first_file(files), names))

    return opened


class _ChosenFrames:
    """Those frames of a video file that are annotated: a frame's name is its number."""

    def __init__(self, file: Path, names: Sequence[str]) -> None:
        self._video = open_stack(file)
        with reading(f"{file}: the names of its frames"):
            self._numbers = [int(name) for name in names]
        last = max(self._numbers, default=0)
        if last >= self._video.shape[0]:
            raise InputError(
                f"{file} has {self._video.shape[0]} frames, and frame {last} is annotated.",
                "Is the video complete?",
            )
        self.shape = (len(names), *self._video.shape[1:])

    def frame(self, index: int) -> RGBFrame:
        return self._video.frame(self._numbers[index])


def _masks_beside(meta: Path) -> Path:
    masks = meta.parent / "mask_dict.json"
    if masks.is_file():
        return masks
    if masks.with_suffix(".pkl").is_file():
        raise InputError(
            f"{masks.with_suffix('.pkl')} is a pickle, which can run any code, and is not read.",
            f"Save its content as {masks.name}.",
        )
    raise InputError(
        f"There is no {masks}: this split has no masks to compare with.",
        "Choose a --split that was published with its masks, such as valid_u of MeViS.",
    )


def _first_file(files: Sequence[Path]) -> Path:
    for file in files:
        if file.is_file():
            return file
    tried = " nor ".join(map(str, files))
    raise InputError(
        f"There is no {tried}.", "Is this the folder of the data set, and the split right?"
    )
