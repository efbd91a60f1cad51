"""Parity with the official implementation on the pack qwen3_vl."""

from __future__ import annotations

import pytest

from napari_sa2va.engine.engine import Engine
from tests.models.golden import (
    Case,
    check_prompted_seg,
    check_public_api,
    check_stack,
    check_without_image,
)

PACK = "qwen3_vl"


@pytest.mark.parametrize("case", ["a_image", "d2_image_followup", "e_wide"], indirect=True)
def test_images_meet_the_official_implementation(golden_engine: Engine, case: Case) -> None:
    # The official code ignores past text where there is an image.
    check_stack(golden_engine, case)


@pytest.mark.parametrize("case", ["c_seg_in_prompt"], indirect=True)
def test_seg_in_the_prompt_meets_the_official_implementation(
    golden_engine: Engine, case: Case
) -> None:
    check_prompted_seg(golden_engine, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["b_video"], indirect=True)
def test_video_meets_the_official_implementation(golden_engine: Engine, case: Case) -> None:
    check_stack(golden_engine, case)


@pytest.mark.parametrize("case", ["d1_text_followup"], indirect=True)
def test_a_turn_without_an_image_meets_the_official_implementation(
    golden_engine: Engine, case: Case
) -> None:
    # The official code puts past text before the user's, in one turn.
    check_without_image(golden_engine, case, text=case.inputs["past_text"] + case.text)


@pytest.mark.parametrize("case", ["a_image", "d2_image_followup", "e_wide"], indirect=True)
def test_the_public_api_gives_the_official_answer(golden_engine: Engine, case: Case) -> None:
    check_public_api(golden_engine, case, None)


@pytest.mark.parametrize("case", ["a_image"], indirect=True)
def test_reusing_the_prefix_gives_the_official_answer(golden_engine: Engine, case: Case) -> None:
    with golden_engine.open(case.stack) as session:
        session.ask("Describe the image.", history=[]).result()
        answer = session.ask(case.text, history=[]).result()
    assert answer.text == case.expected["prediction"]
