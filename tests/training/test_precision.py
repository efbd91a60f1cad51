"""Products in bfloat16, attention in float32."""

import torch
from torch.nn.functional import linear, scaled_dot_product_attention

from napari_sa2va.training.precision import low_precision


def test_products_are_in_bfloat16_and_attention_in_float32():
    x = torch.randn(1, 2, 5, 8)
    with low_precision(x):
        product = linear(x, torch.randn(8, 8))
        attended = scaled_dot_product_attention(product, product, value=product)
    assert product.dtype == torch.bfloat16
    assert attended.dtype == torch.float32
    wide = product.float()
    assert torch.equal(attended, scaled_dot_product_attention(wide, wide, wide))
