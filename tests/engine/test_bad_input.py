from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_sa2va
from napari_sa2va.core.errors import InputError
from napari_sa2va.engine.engine import Engine


@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        ({}, "no prompt"),
        ({"points": [(200, 5, True)]}, "outside the frame of 90 x 110"),
        ({"points": [(float("nan"), 5, True)]}, "outside"),
        ({"points": [(5, 5)]}, r"not \(y, x, positive\)"),
        ({"points": [(5, 5, False)]}, "All points are negative"),
        ({"box": (10, 10, 10, 30)}, "is empty"),
        ({"box": (100, 10, 120, 30)}, "outside the frame"),
        ({"box": (1, 2, 3)}, "not"),
        ({"box": (0, 0, float("inf"), 3)}, "not finite"),
        ({"mask": np.zeros((90, 110))}, "mask is empty"),
        ({"mask": np.ones((5, 5))}, r"shape \(5, 5\)"),
        ({"points": [(5, 5, True)], "frame": 12}, "no frame 12: the stack has 12 frames"),
        ({"box": (1, 1, 9, 9), "frame": -1}, "no frame -1"),
        ({"points": [(5, 5, True)], "object_id": 0}, "0 is no object id"),
    ],
)
def test_prompts_are_checked(
    engine: Engine, stack: np.ndarray, prompts: dict[str, Any], says: str
) -> None:
    with engine.open(stack) as session:
        session.segment(1, points=[(30, 40, True)])
        with pytest.raises(InputError, match=says):
            session.segment(**({"object_id": 2} | prompts))
        assert set(session.scores) == {1}


@pytest.mark.parametrize("text", ["", "  \n", None])
def test_empty_text_is_refused(engine: Engine, stack: np.ndarray, text: Any) -> None:
    with engine.open(stack) as session, pytest.raises(InputError, match="text"):
        session.ask(text)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"frames": [12]}, "no frame 12"),
        ({"frames": []}, "No frame"),
        ({"regions": [np.ones((2, 2))]}, "region has the shape"),
    ],
)
def test_questions_are_checked(
    engine: Engine, stack: np.ndarray, options: dict[str, Any], says: str
) -> None:
    with engine.open(stack) as session, pytest.raises(InputError, match=says):
        session.ask("What is this?", **options)


def test_propagation_is_checked(engine: Engine, stack: np.ndarray) -> None:
    with engine.open(stack) as session:
        with pytest.raises(InputError, match="nothing to propagate"):
            session.propagate()
        session.segment(1, points=[(30, 40, True)])
        with pytest.raises(InputError, match="no object 5"):
            session.propagate(objects=[5])
        with pytest.raises(InputError, match="no range"):
            session.propagate(start=5, stop=40)
        with pytest.raises(InputError, match="no object 9"):
            session.remove(9)


@pytest.mark.parametrize(
    ("stack", "says"),
    [
        (np.zeros((0, 5, 5), np.uint8), "no frames"),
        (np.zeros((2, 0, 5), np.uint8), "no pixels"),
        (np.zeros(5), "not understood"),
        (np.zeros((2, 2, 5, 5, 5)), "not understood"),
        (np.zeros((5, 5), complex), "complex"),
        (np.array([["a", "b"]]), "<U1"),
    ],
)
def test_stacks_are_checked(engine: Engine, stack: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says):
        engine.open(stack)


@pytest.mark.parametrize(
    "frame",
    [
        np.full((40, 50), np.nan),
        np.full((40, 50), 7.0),
        np.zeros((40, 50), np.uint16),
        np.full((40, 50), -np.inf),
        np.zeros((1, 1), np.uint8),
        np.zeros((40, 50), bool),
        np.random.default_rng(0).random((40, 50, 3)),
    ],
    ids=["nan", "constant", "zeros", "infinite", "1x1", "bool", "float-rgb"],
)
def test_odd_frames_are_segmented(engine: Engine, frame: np.ndarray) -> None:
    with engine.open(frame) as session:
        mask = session.segment(1, points=[(0, 0, True)]).mask
    assert mask.shape == frame.shape[:2]
    assert mask.dtype == bool


@pytest.mark.slow
def test_a_huge_frame_is_segmented(engine: Engine) -> None:
    frame = np.zeros((20_000, 20_000), np.uint8)
    frame[4000:9000, 6000:12000] = 200
    with engine.open(frame) as session:
        mask = session.segment(1, box=(4000, 6000, 9000, 12000)).mask
    assert mask.shape == frame.shape


def test_a_closed_session_says_so(engine: Engine, stack: np.ndarray) -> None:
    session = engine.open(stack)
    session.close()
    with pytest.raises(InputError, match="session is closed"):
        session.segment(1, points=[(1, 1, True)])


def test_devices_and_dtypes_are_checked(tiny_folder: Any) -> None:
    with pytest.raises(InputError, match="device 'abacus'"):
        napari_sa2va.load(str(tiny_folder), device="abacus")
    with pytest.raises(InputError, match="dtype='int3'"):
        napari_sa2va.load(str(tiny_folder), dtype="int3")
