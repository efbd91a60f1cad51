"""Parity with the official implementation on the pack internvl_qwen2, within its tolerances."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import napari_sa2va
from napari_sa2va.engine.answering import project
from napari_sa2va.engine.chat import Step, Turn, Visual
from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.masks import full_size_mask
from napari_sa2va.engine.session import Session

# The one earlier exchange of the pack's second turns; its image placeholders are ours to write.
EARLIER = ("Describe the image.", "The circle is red.")


@dataclass
class Case:
    """A recorded case: arguments of the official call, and what came of it."""

    inputs: dict[str, Any]
    expected: dict[str, Any]
    arrays: dict[str, np.ndarray]
    folder: Path

    def image(self, name: str) -> np.ndarray:
        return np.array(Image.open(self.folder / name).convert("RGB"))

    @property
    def stack(self) -> np.ndarray:
        if "video" in self.inputs:
            return np.stack([self.image(name) for name in self.inputs["video"]])
        return self.image(self.inputs["image"])

    @property
    def regions(self) -> list[np.ndarray]:
        if "mask_prompts" not in self.inputs:
            return []
        labels = np.array(Image.open(self.folder / self.inputs["mask_prompts"]))
        return [labels == 1, labels == 2]

    @property
    def history(self) -> list[tuple[str, str]]:
        return [EARLIER] if "past_text" in self.inputs else []

    @property
    def text(self) -> str:
        return self.inputs["text"].replace("<image>", "")

    def masks(self, found: int) -> np.ndarray:
        """The final masks (T, H, W) of the `found`-th [SEG]."""
        height, width = self.expected["masks_shape"][-2:]
        bits = self.arrays["masks_packed"][found]
        return np.unpackbits(bits, axis=1, count=height * width).reshape(-1, height, width) > 0


@pytest.fixture(scope="module")
def engine(golden_qwen2: Path) -> Iterator[Engine]:
    with napari_sa2va.load(str(golden_qwen2), device="cpu", dtype="float32") as engine:
        yield engine


@pytest.fixture
def case(request: pytest.FixtureRequest, shared: Path) -> Case:
    pack = shared / "golden" / "internvl_qwen2"
    recorded = json.loads((pack / "cases" / f"{request.param}.json").read_text(encoding="utf-8"))
    arrays = dict(np.load(pack / "cases" / f"{request.param}.npz"))
    return Case(recorded["inputs"], recorded["expected"], arrays, pack / "inputs")


def check_text(session: Session, visual: Visual, case: Case) -> list[Step]:
    """Prompt, generated tokens and the logits that chose them; gives the steps."""
    past = [Turn(*turn) for turn in case.history]
    ids = session._chat.prompt(visual, past, case.text)
    assert ids == case.arrays["input_ids"].tolist()
    steps = list(session._chat.stream(ids, visual))
    assert [step.token for step in steps] == case.arrays["generated_ids"].tolist()
    logits = torch.stack([step.logits for step in steps])
    np.testing.assert_allclose(logits, case.arrays["step_logits"], atol=2e-4)
    return steps


def check_grounding(session: Session, steps: list[Step], case: Case) -> None:
    """Projected [SEG] embeddings, mask logits, predicted IoUs and final masks."""
    seg = session._runtime.tokens.seg
    hidden = [step.hidden for step in steps if step.token == seg]
    np.testing.assert_allclose(torch.stack(hidden), case.arrays["seg_hidden"], atol=1e-4)
    embeddings = {n: project(session._runtime, value) for n, value in enumerate(hidden, 1)}
    projected = torch.stack(list(embeddings.values()))
    np.testing.assert_allclose(projected, case.arrays["seg_embed"], atol=2e-4)

    frames, shape = session.shape[0], session.shape[1:]
    for frame in range(frames):
        if frame < min(frames, 5):
            masks = session._tracker.condition_on_language(frame, embeddings)
        else:
            masks = session._tracker.track(frame, list(embeddings))
        for n, found in masks.items():
            logits = case.arrays["low_res_logits_stride8_f32"][n - 1, frame]
            np.testing.assert_allclose(found.logits[0, ::8, ::8], logits, atol=3e-4)
            assert found.score == pytest.approx(case.arrays["ious"][n - 1, frame].max(), abs=1e-4)
            mask = full_size_mask(found.logits, 1024, shape)
            assert_same_mask(mask, case.masks(n - 1)[frame])


def assert_same_mask(mask: np.ndarray, expected: np.ndarray) -> None:
    assert (mask != expected).mean() <= 2e-4
    assert (mask & expected).sum() / (mask | expected).sum() >= 0.999


@pytest.mark.parametrize(
    "case", ["a_image", "c_regions", "d2_image_followup", "e_wide"], indirect=True
)
def test_images_meet_the_official_implementation(engine: Engine, case: Case) -> None:
    with engine.open(case.stack) as session:
        visual = session._looking.look((0,), case.regions)
        check_grounding(session, check_text(session, visual, case), case)
        assert session.encoded_frames == 1


@pytest.mark.slow
@pytest.mark.parametrize("case", ["b_video"], indirect=True)
def test_video_meets_the_official_implementation(engine: Engine, case: Case) -> None:
    with engine.open(case.stack) as session:
        visual = session._looking.look((0, 1, 2, 3, 4), [])
        check_grounding(session, check_text(session, visual, case), case)
        assert session.encoded_frames == 8


@pytest.mark.parametrize("case", ["d1_text_followup"], indirect=True)
def test_a_turn_without_an_image_meets_the_official_implementation(
    engine: Engine, case: Case
) -> None:
    with engine.open(np.zeros((4, 4), np.uint8)) as session:
        nothing = Visual((), "", torch.zeros(0, 64))
        check_text(session, nothing, case)


@pytest.mark.parametrize("case", ["a_image", "c_regions", "d2_image_followup"], indirect=True)
def test_the_public_api_gives_the_official_answer(engine: Engine, case: Case) -> None:
    with engine.open(case.stack) as session:
        answer = session.ask(
            case.text, regions=case.regions or None, history=case.history or None
        ).result()
    assert answer.text == case.expected["prediction"]
    assert len(answer.objects) == case.expected["n_masks"]
    for n, found in enumerate(answer.objects):
        assert found.masks.shape == (1, *case.stack.shape[:2])
        assert_same_mask(found.masks[0], case.masks(n)[0])
