"""Parity with the official implementation on the pack internvl_internlm2."""

from __future__ import annotations

import pytest

from napari_sa2va.engine.chat import Turn
from napari_sa2va.engine.engine import Engine
from tests.models.golden import Case, check_public_api, check_stack, check_without_image

PACK = "internvl_internlm2"

# The one earlier exchange of the pack's second turns; its image placeholders are ours to write.
EARLIER = ("Describe the image.", "The circle is red.")


@pytest.mark.parametrize("case", ["a_image", "c_regions", "e_wide"], indirect=True)
def test_images_meet_the_official_implementation(golden_engine: Engine, case: Case) -> None:
    check_stack(golden_engine, case)


@pytest.mark.parametrize("case", ["d2_image_followup"], indirect=True)
def test_a_second_turn_meets_the_official_implementation(golden_engine: Engine, case: Case) -> None:
    check_stack(golden_engine, case, [Turn(*EARLIER)])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["b_video"], indirect=True)
def test_video_meets_the_official_implementation(golden_engine: Engine, case: Case) -> None:
    check_stack(golden_engine, case)


@pytest.mark.parametrize("case", ["d1_text_followup"], indirect=True)
def test_a_turn_without_an_image_meets_the_official_implementation(
    golden_engine: Engine, case: Case
) -> None:
    check_without_image(golden_engine, case, [Turn(*EARLIER)])


@pytest.mark.parametrize("case", ["a_image", "c_regions", "d2_image_followup"], indirect=True)
def test_the_public_api_gives_the_official_answer(golden_engine: Engine, case: Case) -> None:
    check_public_api(golden_engine, case, [EARLIER] if "past_text" in case.inputs else None)
