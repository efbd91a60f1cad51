"""SAM 2 as transformers names it: the same weights give the same results here and there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Sam2VideoConfig, Sam2VideoModel

from napari_sa2va.core.errors import CheckpointError, WeightsError
from napari_sa2va.core.prompts import frame_prompts
from napari_sa2va.engine.runtime import autocast
from napari_sa2va.engine.tracker import Tracker
from napari_sa2va.models.checkpoint import load_prompt_model
from napari_sa2va.models.grounding import build_sam2, encode_image, grounding_pixels
from napari_sa2va.models.known import PUBLISHED as PUBLISHED_MODELS
from napari_sa2va.models.known import Parameters
from napari_sa2va.models.sam2_names import NAMES, from_transformers, sam2_settings
from tests.tiny import SAM2_VIDEO, write_sam2

# What the published config.json say beyond the defaults, from transformers' conversion script.
PUBLISHED: dict[str, dict[str, Any]] = {
    "tiny": {},
    "small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
    "base-plus": {
        "hidden_size": 112,
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 3, 16, 3],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "large": {
        "hidden_size": 144,
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 6, 36, 4],
        "global_attention_blocks": [23, 33, 43],
        "window_size_per_stage": [8, 4, 16, 8],
    },
}
FRAMES, SIDE = 6, 128


def config_of(backbone: dict[str, Any]) -> dict[str, Any]:
    widths = backbone.get("embed_dim_per_stage", [96, 192, 384, 768])
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": {"model_type": "sam2_hiera_det_model", **backbone},
        "backbone_channel_list": widths[::-1],
    }
    return {"model_type": "sam2_video", "vision_config": vision}


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_published_weights_fit(size: str) -> None:
    config = config_of(PUBLISHED[size])
    with torch.device("meta"):
        theirs = Sam2VideoModel(Sam2VideoConfig.from_dict(config)).state_dict()
    again = theirs.pop("prompt_encoder.shared_embedding.positional_embedding")
    assert again.shape == theirs["shared_image_embedding.positional_embedding"].shape
    ours = build_sam2(sam2_settings(config, "it")).state_dict()
    assert shapes(NAMES.ours(theirs.items())) == shapes(ours.items())
    assert shapes(NAMES.official(ours.items())) == shapes(theirs.items())
    (known,) = (known for known in PUBLISHED_MODELS if known.name.endswith(f"hiera-{size}"))
    counted = sum(value.numel() for value in ours.values())
    assert known.parameters == Parameters(0, counted)


def shapes(weights: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in weights}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sam2(tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    """Normalised frames (T, 3, S, S) of a disc that moves."""
    y, x = np.mgrid[:SIDE, :SIDE]
    frames = np.random.default_rng(0).integers(0, 60, (FRAMES, SIDE, SIDE, 3)).astype(np.uint8)
    for t, frame in enumerate(frames):
        frame[(y - 40 - 4 * t) ** 2 + (x - 50 - 5 * t) ** 2 < 500] = 220
    return torch.cat([grounding_pixels(frame, SIDE, plain=True) for frame in frames])


PROMPTS = {
    "a click": {"points": [(40, 50, True)]},
    "clicks": {"points": [(40, 50, True), (100, 100, False)]},
    "a box": {"box": (18, 28, 63, 73)},
}


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("what", PROMPTS)
@torch.inference_mode()
def test_prompts_and_memory_are_those_of_transformers(
    folder: Path, pixels: torch.Tensor, what: str, absent: bool
) -> None:
    theirs, ours = Sam2VideoModel.from_pretrained(folder).eval(), load_prompt_model(folder)
    biases = [
        theirs.mask_decoder.pred_obj_score_head.proj_out.bias,
        ours.sam_mask_decoder.pred_obj_score_head.layers[-1].bias,
    ]

    def judge(frame: int) -> None:
        """Let both judge that the object is there, or not in the first frame."""
        for bias in biases:
            bias.fill_(-100 if absent and frame == 0 else 100)

    features = [encode_image(ours, frame[None]) for frame in pixels]
    for frame, found in zip(pixels, features, strict=True):
        expected = theirs.get_image_features(frame[None]).fpn_hidden_states
        for level, wanted in zip(found[:3], expected, strict=True):
            torch.testing.assert_close(level.flatten(2).permute(2, 0, 1), wanted, atol=1e-5, rtol=0)

    prompts = frame_prompts((SIDE, SIDE), **{"points": None, "box": None, **PROMPTS[what]})
    tracker = Tracker(
        ours,
        features.__getitem__,
        (FRAMES, SIDE, SIDE),
        lambda: autocast(torch.device("cpu"), torch.float32),
    )
    points = tracker._points(prompts, torch.device("cpu"))
    assert points is not None
    for frame, wanted in enumerate(transformers_masks(theirs, pixels, points, judge)):
        judge(frame)
        if frame == 0:
            found = tracker.condition_on_prompts(1, 0, prompts)
        else:
            found = tracker.track(frame, [1])[1]
        assert bool((wanted == -1024).all()) == (absent and frame == 0)
        torch.testing.assert_close(found.logits, wanted[0], atol=2e-5, rtol=1e-5)


def transformers_masks(
    model: Sam2VideoModel,
    pixels: torch.Tensor,
    points: tuple[torch.Tensor, torch.Tensor],
    judge: Callable[[int], None],
) -> Iterator[torch.Tensor]:
    """Logits (1, 1, h, w) of an object in all frames, as transformers tracks it."""
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    session = Sam2VideoInferenceSession(
        video=pixels, video_height=SIDE, video_width=SIDE, dtype=torch.float32
    )
    coordinates, labels = points
    index = session.obj_id_to_idx(1)
    session.add_point_inputs(
        index, 0, {"point_coords": coordinates[None], "point_labels": labels[None]}
    )
    session.obj_with_new_inputs.append(1)
    for frame in range(FRAMES):
        judge(frame)
        yield model(session, frame_idx=frame).pred_masks


def test_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(CheckpointError, match="no SAM 2 as transformers writes it"):
        load_prompt_model(tmp_path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"memory_attention_num_attention_heads": 2}, "memory_attention_num_attention_heads = 2"),
        ({"image_size": [128, 256]}, r"image_size = \[128, 256\]"),
        ({"num_maskmem": "many"}, "is damaged"),
    ],
)
def test_a_sam2_of_another_kind_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(CheckpointError, match=told):
        sam2_settings({**SAM2_VIDEO, **changed}, "it")


def test_missing_weights_are_listed(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["memory_attention_num_layers"] = 2
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"missing .*memory_attention\.layers\.1\.linear1\.bias"):
        load_prompt_model(tmp_path)


def test_two_encodings_of_places_are_refused() -> None:
    weights = {
        "shared_image_embedding.positional_embedding": torch.zeros(2, 4),
        "prompt_encoder.shared_embedding.positional_embedding": torch.ones(2, 4),
    }
    with pytest.raises(CheckpointError, match="differently"):
        from_transformers(weights, "it")
    one = {name: torch.ones(2, 4) for name in weights}
    (name,) = dict(from_transformers(one, "it"))
    assert name == "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
