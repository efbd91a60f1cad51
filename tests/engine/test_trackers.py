"""Which SAM 2 does what: the checkpoint's, its second decoder, and a plain one beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_sa2va
from benchmarks.sam2_predictor import frame_pixels, predictor_follows_masks, predictor_masks
from napari_sa2va.core.answers import Answer
from napari_sa2va.core.errors import CheckpointError, InputError
from napari_sa2va.core.events import Mask
from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.masks import full_size_mask
from napari_sa2va.engine.session import Session
from napari_sa2va.engine.tracker import Tracker
from napari_sa2va.models.checkpoint import load_model
from napari_sa2va.models.grounding import (
    decode,
    drop_first_decoder,
    encode_image,
    has_second_decoder,
)
from tests.engine.conftest import hidden_state
from tests.engine.test_tracking import CLICKS, click, iou, tracked
from tests.tiny import add_second_decoder, write_sam2

SPREAD = [0, 2, 5, 8, 11]  # five of twelve
ONE = "<p>it</p> [SEG]<|im_end|>"
TWO = "<p>it</p> [SEG] <p>that</p> [SEG]<|im_end|>"


@pytest.fixture(scope="module")
def both_decoders(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_second_decoder(tiny_folder, tmp_path_factory.mktemp("sa2va-i") / "checkpoint")


@pytest.fixture(scope="module")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prompt model that looks at larger images than the checkpoint's SAM 2."""
    return write_sam2(tmp_path_factory.mktemp("sam2.1"), size=192)


@pytest.fixture(scope="module")
def i_engine(both_decoders: Path) -> Iterator[Engine]:
    with load(both_decoders) as engine:
        yield engine


@pytest.fixture(scope="module")
def prompted(tiny_folder: Path, sam2_folder: Path) -> Iterator[Engine]:
    with load(tiny_folder, prompt_model=str(sam2_folder)) as engine:
        yield engine


def load(folder: Path, **options: Any) -> Engine:
    return napari_sa2va.load(str(folder), device="cpu", dtype="float32", **options)


def say(session: Session, writes: list[str], answer: str = ONE, **options: Any) -> Answer:
    writes.append(answer)
    return session.ask("it", remember=False, **options).result()


def test_sa2va_i_grounds_in_frames_spread_over_the_stack(
    i_engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    writes.append(ONE)
    with i_engine.open(stack) as session:
        events = [e for e in session.ask("it") if isinstance(e, Mask)]
        assert session.encoded_frames == len(stack)
    rest = [t for t in range(len(stack)) if t not in SPREAD]
    assert [event.frame for event in events] == SPREAD + rest


def test_a_short_stack_has_each_frame_once(
    i_engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    with i_engine.open(stack[:3]) as session:
        (found,) = say(session, writes).objects
    assert sorted(found.frame_scores) == [0, 1, 2]


def test_sa2va_i_finds_without_memory_and_follows_by_the_weights_of_sam2(
    i_engine: Engine, both_decoders: Path, stack: np.ndarray, writes: list[str]
) -> None:
    # At SAM 2's own input size: there the official code's predictor works.
    stack = np.pad(stack, ((0, 0), (0, 38), (0, 18)))
    with i_engine.open(stack) as session:
        found = say(session, writes).objects[0].masks
        frames = frame_pixels(session._frames, 128)

    tokens = i_engine._runtime.tokens
    hidden = hidden_state(tokens.encode_markup(ONE).index(tokens.seg))
    finetuned = load_model(both_decoders)
    drop_first_decoder(finetuned.grounding)
    sam2 = i_engine._runtime.model.grounding
    given = {}
    with torch.inference_mode():
        language = finetuned.text_hidden_fcs(hidden)[None, None]
        for frame in SPREAD:
            features = encode_image(finetuned.grounding, frames[frame][None])
            alone = features.top + finetuned.grounding.no_mem_embed[0, 0][:, None, None]
            logits = decode(
                finetuned.grounding, alone, features, language=language, multimask=True
            ).logits[0]
            mask = full_size_mask(logits, logits.shape[-1], stack.shape[1:])
            given[frame] = {1: torch.from_numpy(mask)}
    for frame, masks in predictor_follows_masks(sam2, frames, stack.shape[1:], given):
        assert 0.01 < masks[1].mean() < 0.99
        assert iou(found[frame], masks[1]) > 0.995


def test_the_way_of_grounding_can_be_chosen(
    i_engine: Engine, both_decoders: Path, stack: np.ndarray, writes: list[str]
) -> None:
    assert i_engine._runtime.grounding == "sa2va-i"
    with i_engine.open(stack) as session:
        improved = say(session, writes).objects[0].masks
    with load(both_decoders, grounding="sa2va") as engine:
        assert not has_second_decoder(engine._runtime.model.grounding)
        with engine.open(stack) as session:
            plain = say(session, writes).objects[0]
            assert list(session._tracker.objects[1].conditioning) == [0, 1, 2, 3, 4]
    assert not np.array_equal(plain.masks, improved)


def test_sa2va_i_needs_the_weights_of_sam2(tiny_folder: Path) -> None:
    with pytest.raises(InputError, match="does not carry them"):
        load(tiny_folder, grounding="sa2va-i")
    with pytest.raises(InputError, match="is not known"):
        load(tiny_folder, grounding="sa3va")


def test_sa2va_i_follows_by_the_prompt_model_of_an_ordinary_checkpoint(
    tiny_folder: Path, sam2_folder: Path, stack: np.ndarray, writes: list[str]
) -> None:
    with (
        load(tiny_folder, prompt_model=str(sam2_folder), grounding="sa2va-i") as engine,
        engine.open(stack) as session,
    ):
        found = say(session, writes, TWO).objects
        assert all(set(one.frame_scores) == set(range(len(stack))) for one in found)
        own, clicks = trackers(session)
        assert not own.objects
        assert [list(o.conditioning) for o in clicks.objects.values()] == [SPREAD, SPREAD]
        assert [cache.misses for cache in session._embeddings] == [5, len(stack)]


@pytest.mark.parametrize("reverse", [False, True])
def test_clicks_track_as_in_sam2_with_the_prompt_models_weights(
    prompted: Engine, stack: np.ndarray, reverse: bool
) -> None:
    frame = len(stack) - 1 if reverse else 0
    with prompted.open(stack) as session:
        click(session, 1, 2, frame=frame)
        ours = tracked(session, reverse=reverse)
        assert [cache.misses for cache in session._embeddings] == [0, len(stack)]
        sam2 = prompted._runtime.prompt_model
        images = frame_pixels(session._frames, 192, plain=True)
    clicks = {object_id: CLICKS[object_id] for object_id in (1, 2)}
    expected = dict(predictor_masks(sam2, images, stack.shape[1:], clicks, frame, reverse))
    assert list(ours) == list(expected)
    for t, masks in expected.items():
        for object_id, mask in masks.items():
            assert 0 < mask.mean() < 1
            assert iou(ours[t][object_id], mask) > 0.999


def test_a_click_hands_what_words_found_to_the_prompt_model(
    prompted: Engine, engine: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    with engine.open(stack) as session:
        alone = [one.masks for one in say(session, writes, TWO).objects]
    with prompted.open(stack) as session:
        said = [one.masks for one in say(session, writes, TWO).objects]
        np.testing.assert_array_equal(said, alone)  # text stays with the checkpoint
        own, clicks = trackers(session)
        assert (list(own.objects), list(clicks.objects)) == ([1, 2], [])
        session.segment(1, 7, points=[(30, 40, True)])
        assert (list(own.objects), list(clicks.objects)) == ([2], [1])
        assert list(clicks.objects[1].conditioning) == [0, 1, 2, 3, 4, 7]
        after = tracked(session)
        assert [cache.misses for cache in session._embeddings] == [len(stack), len(stack)]
    for t in range(5):  # masks of prompted frames are handed over as they are
        assert iou(after[t][1], said[0][t]) > 0.9
    assert not np.array_equal(after[9][1], said[0][9])
    for t in range(len(stack)):
        assert iou(after[t][2], said[1][t]) > 0.995


def test_negative_clicks_refine_a_mask_that_the_checkpoint_tracked(
    prompted: Engine, stack: np.ndarray, writes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []
    original = Tracker._start_mask

    def start_mask(self: Tracker, *arguments: Any) -> Any:
        starts.append(original(self, *arguments))
        return starts[-1]

    monkeypatch.setattr(Tracker, "_start_mask", start_mask)
    with prompted.open(stack) as session:
        masks = say(session, writes).objects[0].masks
        session.segment(1, 9, points=[(5, 5, False)])
    (start,) = starts
    assert start.shape == (1, 48, 48)
    assert iou(full_size_mask(start, 48, stack.shape[1:]), masks[9]) > 0.75


def test_a_frame_that_cannot_be_read_leaves_the_object_where_it_was(
    prompted: Engine, stack: np.ndarray, writes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with prompted.open(stack) as session:
        say(session, writes)
        with monkeypatch.context() as broken:
            broken.setattr(session._frames, "frame", lambda index: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                session.segment(1, 7, points=[(30, 40, True)])
        own, clicks = trackers(session)
        assert (list(own.objects), list(clicks.objects)) == ([1], [])
        assert session.segment(1, 7, points=[(30, 40, True)]).mask.shape == stack.shape[1:]


def test_objects_are_removed_wherever_they_are(
    prompted: Engine, stack: np.ndarray, writes: list[str]
) -> None:
    with prompted.open(stack) as session:
        say(session, writes)
        click(session, 2)
        assert sorted(session._tracker.objects) == [1, 2]
        session.remove(2)
        assert list(session._tracker.objects) == [1]
        session.reset()
        assert not session._tracker.objects


def test_models_in_each_others_places_are_refused(
    sam2_folder: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="no SAM 2 as transformers writes it"):
        load(tiny_folder, prompt_model=str(tiny_folder))
    shutil.copytree(sam2_folder, tmp_path, dirs_exist_ok=True)
    shutil.copyfile(tiny_folder / "tokenizer.json", tmp_path / "tokenizer.json")
    with pytest.raises(CheckpointError, match="understands no text"):
        load(tmp_path)


def trackers(session: Session) -> tuple[Tracker, Tracker]:
    own, clicks = session._tracker._all
    return own, clicks
