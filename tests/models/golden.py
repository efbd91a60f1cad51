"""Recorded cases of the official implementation, and checks of ours against them.

The tolerances are those of the packs' README.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from napari_sa2va.engine.answering import project
from napari_sa2va.engine.chat import Step, Turn
from napari_sa2va.engine.engine import Engine
from napari_sa2va.engine.masks import full_size_mask
from napari_sa2va.engine.session import Session
from napari_sa2va.models.language import MAX_VIDEO_FRAMES, Visual

# Pillow 13 resizes in another order, which moves the pixels of some Qwen-VL cases.
CASES = ("cases",) if int(PIL.__version__.partition(".")[0]) >= 13 else ("cases_pillow12", "cases")

NOTHING = Visual("", torch.zeros(0, 64))


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
    def text(self) -> str:
        return self.inputs["text"].replace("<image>", "")

    def masks(self, found: int) -> np.ndarray:
        """The final masks (T, H, W) of the `found`-th [SEG]."""
        height, width = self.expected["masks_shape"][-2:]
        bits = self.arrays["masks_packed"][found]
        return np.unpackbits(bits, axis=1, count=height * width).reshape(-1, height, width) > 0


def read_case(pack: Path, name: str) -> Case:
    """A case as it was recorded with the Pillow that is installed."""
    folder = next(pack / kind for kind in CASES if (pack / kind / f"{name}.json").exists())
    recorded = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    arrays = dict(np.load(folder / f"{name}.npz"))
    return Case(recorded["inputs"], recorded["expected"], arrays, pack / "inputs")


def look(session: Session, case: Case) -> Visual:
    """What the official code looks at: the first frames."""
    frames = tuple(range(min(session.shape[0], MAX_VIDEO_FRAMES)))
    return session._looking.look(frames, case.regions)


def check_text(
    session: Session, visual: Visual, case: Case, past: Sequence[Turn] = (), text: str | None = None
) -> list[Step]:
    """Prompt, generated tokens and the logits that chose them; gives the steps."""
    ids = session._chat.prompt(visual, past, case.text if text is None else text)
    assert ids == case.arrays["input_ids"].tolist()
    return check_answer(session, visual, case, ids)


def check_answer(session: Session, visual: Visual, case: Case, ids: Sequence[int]) -> list[Step]:
    """Tokens that follow a prompt, and the logits that chose them; gives the steps."""
    steps = list(session._chat.stream(ids, visual))
    assert [step.token for step in steps] == case.arrays["generated_ids"].tolist()
    logits = torch.stack([step.logits for step in steps])
    np.testing.assert_allclose(logits, case.arrays["step_logits"], atol=2e-4)
    return steps


def seg_hidden(session: Session, steps: Sequence[Step]) -> list[torch.Tensor]:
    """The hidden state (hidden,) of each [SEG] that was generated."""
    seg = session._runtime.tokens.seg
    return [step.hidden for step in steps if step.token == seg]


def check_grounding(session: Session, hidden: Sequence[torch.Tensor], case: Case) -> None:
    """Projected [SEG] embeddings, mask logits, predicted IoUs and final masks."""
    np.testing.assert_allclose(torch.stack(list(hidden)), case.arrays["seg_hidden"], atol=1e-4)
    embeddings = {n: project(session._runtime, value) for n, value in enumerate(hidden, 1)}
    projected = torch.stack(list(embeddings.values()))
    np.testing.assert_allclose(projected, case.arrays["seg_embed"], atol=2e-4)

    frames, shape = session.shape[0], session.shape[1:]
    for frame in range(frames):
        if frame < min(frames, MAX_VIDEO_FRAMES):
            masks = session._tracker.condition_on_language(frame, embeddings)
        else:
            masks = session._tracker.track(frame, list(embeddings))
        for n, found in masks.items():
            logits = case.arrays["low_res_logits_stride8_f32"][n - 1, frame]
            np.testing.assert_allclose(found.logits[0, ::8, ::8], logits, atol=3e-4)
            assert found.score == pytest.approx(case.arrays["ious"][n - 1, frame].max(), abs=1e-4)
            mask = full_size_mask(found.logits, 1024, shape)
            assert_same_mask(mask, case.masks(n - 1)[frame])


def check_pixels(engine: Engine, case: Case) -> None:
    """What the vision tower reads, within what another torchvision may change."""
    language, arrays = engine._runtime.model.language, case.arrays
    stack = case.stack if "video" in case.inputs else case.stack[None]
    frames = list(stack[:MAX_VIDEO_FRAMES])
    if "image_grid_thw" in arrays:
        patches, grids = language.patches(frames)
        assert [(1, *grid) for grid in grids] == [tuple(row) for row in arrays["image_grid_thw"]]
        np.testing.assert_allclose(patches[::97], arrays["pixel_values_rows"], atol=1e-6)
        return
    several = len(frames) > 1
    tiles = language.video_pixels(frames) if several else language.image_pixels(frames[0])
    strided = tiles[:, :, ::32, ::32]
    np.testing.assert_allclose(strided, arrays["pixel_values_stride32"], atol=1e-6)


def check_looking(visual: Visual, case: Case) -> None:
    """The visual tokens, as the LLM gets them."""
    if "image_grid_thw" in case.arrays:  # Qwen-VL: all images in a row
        seen = visual.embeddings[::37]
        for layer, recorded in zip(
            visual.deepstack, case.arrays.get("deepstack_sub", ()), strict=True
        ):
            np.testing.assert_allclose(layer[::37], recorded, atol=1e-4)
    else:  # InternVL: tile by tile, the regions' tokens after them
        tiles = case.expected["vision_embeds"]["shape"][0]
        seen = visual.embeddings[: tiles * 256].unflatten(0, (tiles, 256))[:, ::37]
    np.testing.assert_allclose(seen, case.arrays["vision_embeds_sub"], atol=1e-4)


def check_stack(engine: Engine, case: Case, past: Sequence[Turn] = ()) -> None:
    """A whole case with an image or a video, step by step."""
    check_pixels(engine, case)
    with engine.open(case.stack) as session:
        visual = look(session, case)
        check_looking(visual, case)
        steps = check_text(session, visual, case, past)
        check_grounding(session, seg_hidden(session, steps), case)
        assert session.encoded_frames == session.shape[0]


def check_without_image(
    engine: Engine, case: Case, past: Sequence[Turn] = (), text: str | None = None
) -> None:
    """A whole case without an image."""
    with engine.open(np.zeros((4, 4), np.uint8)) as session:
        check_text(session, NOTHING, case, past, text)


def check_prompted_seg(engine: Engine, case: Case) -> None:
    """A whole case whose prompt has a raw [SEG], which the public API would escape."""
    tokens, ids = engine._runtime.tokens, case.arrays["input_ids"].tolist()
    assert tokens.encode_markup(case.expected["prompt_text"]) == ids
    with engine.open(case.stack) as session:
        visual = look(session, case)
        steps = check_answer(session, visual, case, ids)
        hidden = read_all(session, visual, ids)
        np.testing.assert_allclose(hidden[-1], case.arrays["prompt_last_hidden"], atol=1e-4)
        prompted = [hidden[place] for place, token in enumerate(ids) if token == tokens.seg]
        check_grounding(session, [*prompted, *seg_hidden(session, steps)], case)


@torch.inference_mode()
def read_all(session: Session, visual: Visual, ids: Sequence[int]) -> torch.Tensor:
    """Hidden states (n, hidden) of a whole prompt."""
    states: list[torch.Tensor] = []
    chat, language = session._chat, session._runtime.model.language
    chat.forget()
    with pytest.MonkeyPatch.context() as patch:
        read = language.read
        patch.setattr(language, "read", lambda *args: states.append(read(*args)) or states[-1])
        chat._prefill(ids, visual)
    return states[0]


def check_public_api(engine: Engine, case: Case, history: list[tuple[str, str]] | None) -> None:
    """The answer and its masks, as a user gets them."""
    with engine.open(case.stack) as session:
        answer = session.ask(case.text, regions=case.regions or None, history=history).result()
    assert answer.text == case.expected["prediction"]
    assert len(answer.objects) == case.expected["n_masks"]
    for n, found in enumerate(answer.objects):
        expected = case.masks(n)
        assert found.masks.shape == expected.shape
        for mask, official in zip(found.masks, expected, strict=True):
            assert_same_mask(mask, official)


def assert_same_mask(mask: np.ndarray, expected: np.ndarray) -> None:
    assert (mask != expected).mean() <= 2e-4
    assert (mask & expected).sum() / (mask | expected).sum() >= 0.999
