from __future__ import annotations

import torch

from napari_sa2va.models.weight_names import Fused, WeightNames

# Two groups of two query heads, a key and a value head; heads of one row.
WQKV = Fused("llm.#.wqkv.", ("llm.#.q.", "llm.#.k.", "llm.#.v."), sizes=(2, 1, 1), groups=2)
NAMES = WeightNames([("model.layers.#.", "llm.#.")], [WQKV])


def test_grouped_queries_keys_and_values_are_taken_apart() -> None:
    fused = torch.arange(8.0)[:, None]
    ours = dict(NAMES.ours([("model.layers.3.wqkv.weight", fused)]))
    assert {name: value.flatten().tolist() for name, value in ours.items()} == {
        "llm.3.q.weight": [0, 1, 4, 5],
        "llm.3.k.weight": [2, 6],
        "llm.3.v.weight": [3, 7],
    }


def test_official_weights_come_back_as_they_were() -> None:
    official = {
        "model.layers.0.wqkv.weight": torch.randn(16, 3),
        "model.layers.0.wqkv.bias": torch.randn(16),
        "model.layers.11.norm.weight": torch.randn(3),
        "something.else": torch.randn(1),
    }
    back = dict(NAMES.official(NAMES.ours(official.items())))
    assert back.keys() == official.keys()
    assert all(torch.equal(back[name], official[name]) for name in official)
