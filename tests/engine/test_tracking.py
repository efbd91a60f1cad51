from __future__ import annotations

import itertools
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr

import napari_sa2va
from benchmarks.sam2_predictor import frame_pixels, predictor_masks
from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.session import Session
from tests.engine.conftest import CountingStack

CLICKS = {1: (32, 40), 2: (60, 60), 3: (10, 90)}


def click(session: Session, *objects: int, frame: int = 0) -> None:
    for object_id in objects:
        session.segment(object_id, frame, points=[(*CLICKS[object_id], True)])


def tracked(session: Session, **options: Any) -> dict[int, dict[int, np.ndarray]]:
    return dict(session.propagate(**options))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def test_objects_in_one_batch_are_tracked_as_they_are_alone(
    engine: Engine, stack: np.ndarray
) -> None:
    with engine.open(stack) as session:
        click(session, 1, 2, 3)
        together = tracked(session)
        assert session.encoded_frames == len(stack)
    for object_id in CLICKS:
        with engine.open(stack) as session:
            click(session, object_id)
            for frame, masks in tracked(session).items():
                assert 0 < masks[object_id].mean() < 1
                assert iou(masks[object_id], together[frame][object_id]) > 0.995


def test_objects_prompted_on_other_frames_share_a_session(
    engine: Engine, stack: np.ndarray
) -> None:
    with engine.open(stack) as session:
        click(session, 1)
        click(session, 2, frame=4)
        masks = tracked(session)
    assert all(set(masks[frame]) == {1} for frame in range(4))
    assert all(set(masks[frame]) == {1, 2} for frame in range(4, len(stack)))


@pytest.mark.parametrize("reverse", [False, True])
def test_clicks_track_as_in_the_predictor_of_sam2(
    engine: Engine, stack: np.ndarray, reverse: bool
) -> None:
    frame = len(stack) - 1 if reverse else 0
    # At SAM 2's own input size: the predictor and Sa2VA resize masks to other sizes differently.
    stack = np.pad(stack, ((0, 0), (0, 38), (0, 18)))
    assert stack.shape[1:] == (128, 128)
    with engine.open(stack) as session:
        click(session, 1, 2, frame=frame)
        ours = tracked(session, reverse=reverse)
        sam2 = session._runtime.model.grounding
        images = frame_pixels(session._frames, sam2.image_size)
        clicks = {object_id: CLICKS[object_id] for object_id in (1, 2)}
        expected = dict(predictor_masks(sam2, images, stack.shape[1:], clicks, frame, reverse))
    assert list(ours) == list(expected)
    for t, masks in expected.items():
        for object_id, mask in masks.items():
            assert iou(ours[t][object_id], mask) > 0.999


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr"])
def test_stacks_are_read_frame_by_frame(engine: Engine, stack: np.ndarray, kind: str) -> None:
    wrapped = {
        "numpy": lambda: stack,
        "dask": lambda: da.from_array(stack, chunks=(1, -1, -1)),
        "zarr": lambda: zarr.array(stack, chunks=(1, *stack.shape[1:])),
    }[kind]()
    with engine.open(wrapped) as session:
        click(session, 1)
        assert len(tracked(session)) == len(stack)


def test_only_needed_frames_are_read(engine: Engine, counting_stack: CountingStack) -> None:
    with engine.open(counting_stack) as session:
        click(session, 1, frame=3)
        assert counting_stack.read == [3]
        propagation = session.propagate(start=3)
        next(propagation)
        next(propagation)
        assert counting_stack.read == [3, 4]


def test_a_closed_propagation_keeps_what_was_done_and_goes_on_from_there(
    engine: Engine, stack: np.ndarray
) -> None:
    with engine.open(stack) as session:
        click(session, 1)
        whole = tracked(session)
    with engine.open(stack) as session:
        click(session, 1)
        first = session.propagate()
        begun = dict(itertools.islice(first, 5))
        first.close()
        assert list(session.scores[1]) == list(range(5))
        rest = tracked(session, start=5)
    for frame, masks in (begun | rest).items():
        assert iou(masks[1], whole[frame][1]) > 0.995


def test_frames_are_encoded_once_while_their_embeddings_fit(
    engine: Engine, stack: np.ndarray
) -> None:
    with engine.open(stack) as session:
        click(session, 1, 2)
        tracked(session)
        tracked(session)
        assert session.encoded_frames == len(stack)
    with engine.open(stack, embedding_budget=1) as session:
        click(session, 1)
        tracked(session)
        tracked(session)
        # A conditioning frame keeps its mask, so the second run needs one frame less.
        assert session.encoded_frames == 2 * len(stack) - 1
        assert session._embeddings[0].nbytes < 2**20


def test_memory_does_not_grow_with_frames(engine: Engine, stack: np.ndarray) -> None:
    long = np.concatenate([stack] * 4)
    with engine.open(long) as session:
        click(session, 1)
        tracked(session)
        state = session._tracker.objects[1]
        assert len(state.recent) <= session._runtime.model.grounding.max_obj_ptrs_in_encoder + 1
        assert list(state.conditioning) == [0]


def test_a_correction_conditions_the_next_propagation(engine: Engine, stack: np.ndarray) -> None:
    corrected = np.zeros(stack.shape[1:], bool)
    corrected[40:70, 30:80] = True
    with engine.open(stack) as session:
        click(session, 1)
        before = tracked(session)
        session.segment(1, frame=6, mask=corrected)
        after = tracked(session)
    assert iou(after[6][1], corrected) > 0.97
    changed = [t for t in range(7, len(stack)) if not np.array_equal(before[t][1], after[t][1])]
    assert len(changed) == len(stack) - 7


def test_negative_points_alone_refine_a_mask_that_is_there(
    engine: Engine, stack: np.ndarray
) -> None:
    with engine.open(stack) as session:
        click(session, 1)
        tracked(session)
        refined = session.segment(1, frame=4, points=[(5, 5, False)])
        assert refined.mask.shape == stack.shape[1:]
        assert sorted(session._tracker.objects[1].conditioning) == [0, 4]


def test_objects_removed_while_they_are_followed_are_left_out(
    engine: Engine, stack: np.ndarray
) -> None:
    with engine.open(stack) as session:
        for object_id, box in ((1, (10, 10, 30, 30)), (2, (40, 40, 60, 60))):
            session.segment(object_id, box=box)
        frames = session.propagate()
        assert set(next(frames)[1]) == {1, 2}
        session.remove(1)
        assert [set(masks) for _, masks in frames] == [{2}] * (len(stack) - 1)
        frames = session.propagate()
        next(frames)
        session.reset()
        assert not any(masks for _, masks in frames)


def test_removed_objects_are_forgotten(engine: Engine, stack: np.ndarray) -> None:
    with engine.open(stack) as session:
        click(session, 1, 2)
        session.remove(1)
        assert set(next(session.propagate())[1]) == {2}
        session.reset()
        assert session.scores == {}


def test_reverse_goes_from_the_end_of_the_range(engine: Engine, stack: np.ndarray) -> None:
    with engine.open(stack) as session:
        click(session, 1, frame=8)
        assert list(tracked(session, start=2, stop=9, reverse=True)) == list(range(8, 1, -1))


def test_bfloat16_gives_nearly_the_same_masks(tiny_folder: Any, stack: np.ndarray) -> None:
    masks = {}
    for dtype in ("float32", "bfloat16"):
        engine = napari_sa2va.load(str(tiny_folder), "cpu", dtype)
        with engine, engine.open(stack) as session:
            click(session, 1)
            masks[dtype] = tracked(session, stop=4)
    for frame in range(4):
        assert iou(masks["float32"][frame][1], masks["bfloat16"][frame][1]) > 0.9


def test_a_correction_forgets_what_was_tracked_without_it(
    engine: Engine, stack: np.ndarray
) -> None:
    corrected = np.zeros(stack.shape[1:], bool)
    corrected[40:70, 30:80] = True
    with engine.open(stack) as session:
        click(session, 1)
        tracked(session)
        session.segment(1, frame=6, mask=corrected)
        resumed = tracked(session, start=7)
    with engine.open(stack) as session:
        click(session, 1)
        session.segment(1, frame=6, mask=corrected)
        fresh = tracked(session, start=7)
    for frame, masks in fresh.items():
        np.testing.assert_array_equal(masks[1], resumed[frame][1])
