from __future__ import annotations

import pytest
import torch

from napari_sa2va.models.internvl import InternVL
from napari_sa2va.models.internvl_llms import build_llm

INTERNLM2 = {
    "architectures": ["InternLM2ForCausalLM"],
    "model_type": "internlm2",
    "bias": False,
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 1,
    "num_key_value_heads": 2,
    "rope_scaling": {"type": "dynamic", "factor": 2.0},
    "rope_theta": 10000,
    "vocab_size": 16,
}


def test_internlm2_scales_its_rotary_base_beyond_the_trained_length() -> None:
    llm, _ = build_llm(INTERNLM2, tied=False)
    rotary = llm.model.rotary_emb
    within, beyond = torch.arange(64)[None], torch.arange(96)[None]
    x = torch.zeros(1)
    # Dynamic NTK: base * (factor * n / trained - factor + 1) ** (d / (d - 2)), heads of d = 8.
    for positions, base in ((within, 10000), (beyond, 10000 * 2.0 ** (8 / 6))):
        cos, sin = rotary(x, positions)
        angles = positions[0, :, None] / base ** (torch.arange(0, 8, 2) / 8)
        torch.testing.assert_close(cos[0, :, :4], angles.cos(), atol=1e-4, rtol=0)
        torch.testing.assert_close(sin[0, :, :4], angles.sin(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("template", ["internlm2_chat", "internlm2-chat"])
def test_internlm2_reads_on_beyond_the_trained_length(template: str) -> None:
    vision = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "image_size": 28}
    with torch.device("meta"):
        language = InternVL(
            {"template": template, "llm_config": INTERNLM2, "vision_config": vision}
        )
    assert language.context_length == 128
