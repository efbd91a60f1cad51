"""Taught attention is the attention that the LLM pays; looks and places that are right cost 0."""

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from napari_sa2va.training.looking import LAYER, POINTERS, attention_logits
from napari_sa2va.training.losses import own_place_loss, pointing_loss


def test_the_taught_logits_are_those_of_the_layer():
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=50,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=LAYER + 2,
        num_attention_heads=4,
        num_key_value_heads=4,
        attn_implementation="eager",
    )
    llm = Qwen2ForCausalLM(config).eval()
    ids = torch.randint(50, (2, 12))
    with torch.no_grad():
        seen = llm.model(ids, output_hidden_states=True, output_attentions=True)
        entering = seen.hidden_states[LAYER]
        rows, columns = torch.tensor([0, 1]), torch.tensor([11, 7])
        positions = torch.arange(12).expand(2, 12)
        logits = attention_logits(llm, LAYER, POINTERS, entering, positions, rows, columns)
    for looking, row, column in zip(logits, rows, columns, strict=True):
        paid = seen.attentions[LAYER][row, POINTERS, column, : column + 1]
        assert torch.allclose(looking[:, : column + 1].softmax(-1), paid, atol=1e-5)


def test_looking_at_the_mask_costs_nothing():
    target = torch.zeros(1, 2, 64, 64)
    target[0, 1, 8:24, 8:24] = 1  # four tokens of the second frame
    looks = torch.zeros(1, 2, 2, 8, 8)
    looks[:, :, 1, 1:3, 1:3] = 30
    assert pointing_loss(looks.flatten(2), target).max() == pytest.approx(0, abs=1e-3)
    assert pointing_loss(-looks.flatten(2), target).min() > 1


def test_a_token_that_says_where_it_is_costs_nothing():
    codes = torch.eye(256).reshape(1, 256, 16, 16)
    own = torch.eye(64).reshape(64, 1, 8, 8).repeat_interleave(2, 2).repeat_interleave(2, 3)
    told = own.reshape(1, 64, 256) * 8 * 30
    assert own_place_loss(told, codes).item() == pytest.approx(0, abs=1e-3)
    assert own_place_loss(told.roll(1, 1), codes).item() > 1
