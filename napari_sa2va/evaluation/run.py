"""A run over a data set: every sample asked, scored and written down, resumable at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import groupby
from typing import Any

import napari_sa2va
from napari_sa2va.backend.base import BackendSession
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Progress
from napari_sa2va.core.frames import FrameSource
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.evaluation.asking import Found, find
from napari_sa2va.evaluation.dataset import Dataset, Masks, PromptKind, Sample, absent
from napari_sa2va.evaluation.kinds import kind_named
from napari_sa2va.evaluation.overlap import boundary_f, iou, over_time
from napari_sa2va.evaluation.referring import overlap
from napari_sa2va.evaluation.results import Result, Results, Score, encode_mask

Open = Callable[[FrameSource], BackendSession]


def settings_of(
    dataset: Dataset, model: Mapping[str, str], question: str = "", prompt: PromptKind = "mask"
) -> dict[str, str]:
    """What a run is about; only a run with the same settings goes on in its folder.

    Parameters
    ----------
    dataset : Dataset
        What the run is over.
    model : dict of str to str
        What is known of the model.
    question : str
        How a phrase is asked for, with ``{}`` in its place. Default: the kind's.
    prompt : {"mask", "box", "click"}
        How objects are given where nothing is said.

    Raises
    ------
    InputError
        The question has no place for a phrase.
    """
    usual = kind_named(dataset.kind).question
    asks = question or usual
    if usual and "{}" not in asks:
        raise InputError(f"The question {asks!r} has no place for a phrase.", "Put {} there.")
    return {
        "kind": dataset.kind,
        "dataset": str(dataset.path.absolute()),
        "name": dataset.name,
        "split": dataset.split,
        **model,
        "question": asks,
        "prompt": prompt,
        "software": f"napari-sa2va {napari_sa2va.__version__}",
    }


def run(
    dataset: Dataset, open_session: Open, results: Results, *, limit: int | None = None
) -> Iterator[Progress]:
    """Ask for every sample that has no line yet, and append its line.

    Nothing runs until it is iterated. It may be closed or killed at any moment: the same call goes
    on behind the last line.

    Parameters
    ----------
    dataset : Dataset
        See `napari_sa2va.evaluation.kinds.Kind.read`.
    open_session : callable
        Opens a stack on a backend, such as `napari_sa2va.backend.base.Backend.open`.
    results : Results
        Where lines and masks go; made with `settings_of` the run.
    limit : int, optional
        Only the first samples.

    Yields
    ------
    Progress
        Of the samples.

    Raises
    ------
    InputError
        The data set is damaged, or the folder cannot be written.
    BackendError
        The backend could not do it.
    """
    question, prompt = results.settings["question"], results.settings["prompt"]
    samples = dataset.samples[:limit]
    left = [sample for sample in samples if sample.key not in results.done]
    done = len(samples) - len(left)
    yield Progress(done, len(samples), "samples")
    with_f = kind_named(dataset.kind).measure == "J&F"
    for _, group in groupby(left, key=lambda sample: sample.stack):
        first, *more = group
        session = open_session(first.frames())
        try:
            for sample in (first, *more):
                started = time.perf_counter()
                found = find(session, sample, question, prompt)
                seconds = time.perf_counter() - started
                results.add(_result(sample, found, with_f, seconds), encode_masks(found))
                done += 1
                yield Progress(done, len(samples), "samples")
        finally:
            session.close()


def score(sample: Sample, found: Found, with_f: bool) -> tuple[Score, ...]:
    """How well each target of a sample was found."""
    scored = sample.scored(found.shape[0]) or range(found.shape[0])
    pairs: dict[int, list[tuple[BoolMask, BoolMask]]] = {t: [] for t in sample.targets}
    for frame in scored:
        true = sample.truth(frame)
        void = None if sample.void is None else sample.void(frame)
        masks = {1: found.together(frame)} if sample.text else found.apart(frame)
        _check_size(sample, found.shape, true)
        for target, both in pairs.items():
            ours = masks.get(target, absent(found.shape[1:]))
            both.append((_without(ours, void), true.get(target, absent(found.shape[1:]))))
    return tuple(_score(target, both, with_f) for target, both in pairs.items())


def encode_masks(found: Found) -> dict[str, Any]:
    """What was found, for JSON: by object, a run-length mask or null a frame, and scores."""
    frames = range(found.shape[0])
    return {
        "shape": list(found.shape),
        "objects": {
            str(object_id): {
                "masks": [encode_mask(masks[frame]) for frame in frames],
                "scores": [found.scores[object_id].get(frame, 0.0) for frame in frames],
            }
            for object_id, masks in found.masks.items()
        },
    }


def _result(sample: Sample, found: Found, with_f: bool, seconds: float) -> Result:
    return Result(
        sample.key,
        sample.stack,
        sample.text,
        sample.group,
        found.answer,
        round(seconds, 3),
        score(sample, found, with_f),
    )


def _score(target: int, pairs: list[tuple[BoolMask, BoolMask]], with_f: bool) -> Score:
    region = asdict(over_time([iou(found, true) for found, true in pairs]))
    contour = asdict(over_time([boundary_f(*both) for both in pairs])) if with_f else {}
    return Score(target, region, contour, overlap(pairs))


def _check_size(sample: Sample, shape: tuple[int, int, int], true: Masks) -> None:
    for mask in true.values():
        if mask.shape != shape[1:]:
            raise InputError(
                f"{sample.key}: the masks are {mask.shape}, the images {shape[1:]}.",
                "Do the files belong together?",
            )


def _without(mask: BoolMask, void: BoolMask | None) -> BoolMask:
    return mask if void is None else mask & ~void
