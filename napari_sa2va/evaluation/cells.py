"""SEG and TRA of the Cell Tracking Challenge, through py-ctcmetrics."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile

from napari_sa2va.core.labelled import LabelledStack, LabelMasks
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.export.ctc import Track, read_tracks, tracks_of
from napari_sa2va.export.dataset import relabelled


def ctc_scores(
    truth: Path, shape: tuple[int, int, int], masks: Callable[[int], Mapping[int, BoolMask]]
) -> dict[str, float]:
    """SEG, TRA and DET of a result.

    Parameters
    ----------
    truth : Path
        The folder ``01_GT`` of a sequence.
    shape : tuple of int
        (T, H, W).
    masks : callable
        Takes a frame, gives the masks (H, W) that were found, by the label of the true track that
        was given. They do not overlap.

    Returns
    -------
    dict of str to float
        SEG is missing where the ground truth has no segmentation.
    """
    from ctc_metrics import evaluate_sequence  # of the extra "evaluate", and slow to import

    stack = _result(shape, masks, read_tracks(truth / "TRA" / "man_track.txt"))
    names = ["TRA", "DET"]
    if any((truth / "SEG").glob("man_seg*.tif")):
        names.append("SEG")
    if not stack.object_ids:
        return dict.fromkeys(names, 0.0)
    with (
        tempfile.TemporaryDirectory() as folder,
        redirect_stdout(io.StringIO()),  # it tells its steps
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Empty frame")
        write_result(stack, Path(folder))
        scores = evaluate_sequence(folder, str(truth), names, threads=1)
    return {name: float(scores[name]) for name in names}


def write_result(stack: LabelledStack, folder: Path) -> None:
    """Write ``mask000.tif`` ... and ``res_track.txt``, as the challenge takes results."""
    tracks, written, _ = tracks_of(stack)
    digits = max(3, len(str(stack.shape[0] - 1)))
    for frame in range(stack.shape[0]):
        (plane,) = stack.planes(frame)
        labels = relabelled(plane, written[frame]).astype(np.uint16)
        file = folder / f"mask{frame:0{digits}d}.tif"
        tifffile.imwrite(file, labels, photometric="minisblack", compression="zlib")
    lines = "".join(" ".join(map(str, track)) + "\n" for track in tracks)
    (folder / "res_track.txt").write_text(lines, "ascii")


def _result(
    shape: tuple[int, int, int],
    masks: Callable[[int], Mapping[int, BoolMask]],
    tracks: list[Track],
) -> LabelledStack:
    """What was found, with a parent's masks cut where it is told to divide."""
    divides: dict[int, int] = {}
    for track in tracks:
        if track.parent:
            first = divides.get(track.parent, track.first)
            divides[track.parent] = min(first, track.first)

    def kept(frame: int) -> list[tuple[int, BoolMask]]:
        return [
            (label, mask)
            for label, mask in masks(frame).items()
            if mask.any() and frame < divides.get(label, shape[0])
        ]

    stack = LabelledStack(LabelMasks(shape, kept), name="result")
    records = {track.label: ObjectRecord(track.label, parent=track.parent) for track in tracks}
    return replace(stack, objects=records)
