from __future__ import annotations

import json

import pytest
import torch

from napari_sa2va.models.catalog import find_model
from napari_sa2va.models.grounding import NO_OBJ_SCORE, build_sam2, decode, encode_image
from tests.tiny import GROUNDING


@pytest.mark.parametrize("empties", [True, False])
def test_an_absent_object_has_an_empty_mask_where_the_checkpoint_says_so(empties: bool) -> None:
    torch.manual_seed(0)
    sam2 = build_sam2({**GROUNDING, "empty_where_absent": empties}).eval()
    with torch.inference_mode():
        sam2.sam_mask_decoder.pred_obj_score_head.layers[-1].bias -= 100
        features = encode_image(sam2, torch.randn(1, 3, 128, 128))
        found = decode(sam2, features.top, features, language=torch.randn(1, 1, 64))
    assert (found.presence < 0).all()
    assert bool((found.logits == NO_OBJ_SCORE).all()) == empties
    assert bool((found.scores == 0).all()) == empties


def test_the_bundled_model_empties_masks_of_absent_objects() -> None:
    settings = json.loads((find_model("nano") / "grounding.json").read_text("utf-8"))
    assert settings["empty_where_absent"] is True


def test_memory_is_made_cheaper_by_settings() -> None:
    settings = {
        "memory_attention_downsample": 2,
        "memory_fuser_layers": 1,
        "mask_downsampler_stride": 4,
    }
    full = {name: tensor.shape for name, tensor in build_sam2(GROUNDING).state_dict().items()}
    sam2 = build_sam2({**GROUNDING, **settings})
    width = GROUNDING["d_model"]
    for attention in (
        sam2.memory_attention.layers[0].self_attn,
        sam2.memory_attention.layers[0].cross_attn_image,
    ):
        assert attention.q_proj.out_features == width // 2
        assert attention.out_proj.out_features == width
    assert len(sam2.memory_encoder.fuser.layers) == 1
    assert full["memory_encoder.fuser.layers.1.dwconv.weight"][0] == width
    masks, features = torch.randn(2, 1, 128, 128), torch.randn(2, width, 8, 8)
    remembered = sam2.memory_encoder(features, masks)["vision_features"]
    assert remembered.shape == (2, 64, 8, 8)
    patches = sam2.memory_encoder.mask_downsampler.encoder[0]
    assert (patches.kernel_size, patches.stride, patches.padding) == ((4, 4), (4, 4), (0, 0))
