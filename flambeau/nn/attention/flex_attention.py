"""Attention with a score function of the user's (torch.nn.attention.flex_attention): refused when it is called."""

from __future__ import annotations

from ..._refusing import module_getattr

_DEFAULT_SPARSE_BLOCK_SIZE = 128

__getattr__ = module_getattr(
    "torch.nn.attention.flex_attention", "use F.scaled_dot_product_attention with an attn_mask", globals()
)
