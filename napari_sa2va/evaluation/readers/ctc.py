"""Cell Tracking Challenge: each track is given in its first frame and followed.

``01/t000.tif``, ``01_GT/TRA/man_track000.tif``, ``01_GT/TRA/man_track.txt`` and
``01_GT/SEG/man_seg000.tif`` (https://celltrackingchallenge.net/datasets/). That a cell divides, and
when, is told; SEG and TRA then measure how well it is segmented and followed.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from napari_sa2va.core.errors import InputError
from napari_sa2va.evaluation.dataset import Dataset, Masks, Sample, image_frames
from napari_sa2va.export.ctc import Track, read_tracks
from napari_sa2va.export.images import image_files
from napari_sa2va.io.images import natural_key
from napari_sa2va.io.label_files import read_label_image

_TRACKS = "man_track.txt"


def read(path: Path, split: str, images: Path | None) -> Dataset:
    """Read the sequences ``01``, ``02``, ... of a folder, or of a folder `split` in it."""
    folder = path / split
    truth = sorted(folder.glob(f"*_GT/TRA/{_TRACKS}"))
    if not truth:
        raise InputError(f"There is no 01_GT/TRA/{_TRACKS} in {folder}.", "Is it complete?")
    samples, truth_files = [], {}
    for tracks in truth:
        sequence = tracks.parents[1].name.removesuffix("_GT")
        samples.append(_sample(sequence, tracks, (images or folder) / sequence))
        truth_files[sequence] = tracks.parents[1]
    return Dataset("ctc", "ctc", split, path, samples, truth_files=truth_files)


def _sample(sequence: str, tracks: Path, pictures: Path) -> Sample:
    found = tracks.parent.glob("man_track*.tif")
    labels = sorted((f for f in found if re.fullmatch(r"man_track\d+", f.stem)), key=natural_key)
    frames = sorted(image_files(pictures), key=natural_key)
    if len(frames) != len(labels):
        raise InputError(
            f"There are {len(frames)} images in {pictures} and {len(labels)} label images in "
            f"{tracks.parent}.",
            "Is the data set complete?",
        )
    known = read_tracks(tracks)
    for track in known:
        if not 0 <= track.first <= track.last < len(labels):
            raise InputError(
                f"{tracks}: track {track.label} goes from frame {track.first} to {track.last} of "
                f"{len(labels)}.",
                "Do the files belong together?",
            )

    def truth(frame: int) -> Masks:
        plane = read_label_image(labels[frame])
        return {t.label: np.equal(plane, t.label) for t in known if _is_in(t, frame)}

    return Sample(
        sequence,
        sequence,
        image_frames(frames, pictures),
        truth,
        prompts={track.label: track.first for track in known},
    )


def _is_in(track: Track, frame: int) -> bool:
    return track.first <= frame <= track.last
