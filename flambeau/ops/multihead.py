"""Multi-head attention in one function: projections, heads, masks, biases, the weights as a second result."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import dtypes
from ._losses import size_of
from ._op import S, composite
from .attention import _attention, dropped, fitted
from .core import filled
from .joining import cat
from .linalg import linear, matmul

NEEDS_MASK = (
    "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
    "`generate_square_subsequent_mask` to create this mask."
)


def _check_dimensions(query: Any, key: Any, value: Any, padding: Any, mask: Any, heads: int) -> bool:
    """Whether there is a batch dimension; PyTorch's errors if the operands disagree about it."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    batched = query.ndim == 3
    kind = "batched (3-D)" if batched else "unbatched (2-D)"
    if not key.ndim == value.ndim == query.ndim:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {query.ndim}-D but found "
            f"{key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if padding is not None and padding.ndim != query.ndim - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {query.ndim - 1}-D but found "
            f"{padding.ndim}-D tensor instead"
        )
    if mask is not None:
        if mask.ndim not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {mask.ndim}-D "
                "tensor instead"
            )
        if not batched and mask.ndim == 3 and tuple(mask.shape) != (heads, query.shape[0], key.shape[0]):
            raise AssertionError(
                f"Expected `attn_mask` shape to be {(heads, query.shape[0], key.shape[0])} but got {mask.shape}"
            )
    return batched


def _added(mask: Any, name: str, like: Any) -> Any:
    """A mask as what is added to the scores: a boolean one, true where looking is forbidden, becomes 0 and -inf."""
    if mask.dtype is dtypes.bool_:
        return filled(like, size_of(mask), 0.0).masked_fill(mask, -math.inf)
    if mask.dtype.category != dtypes.FLOATING:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return mask


def _projected(query: Any, key: Any, value: Any, weight: Any, bias: Any, parts: tuple | None) -> tuple[Any, Any, Any]:
    """Queries, keys and values after their projections; one product where all three stand on one tensor."""
    embed = size_of(query)[-1]
    if parts is not None:
        biases = (None,) * 3 if bias is None else bias.chunk(3)
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), parts, biases, strict=True))
        return q, k, v
    if key is value:
        if query is key:
            joint = linear(query, weight, bias)
            return joint.narrow(-1, 0, embed), joint.narrow(-1, embed, embed), joint.narrow(-1, 2 * embed, embed)
        own, other = (None, None) if bias is None else (bias.narrow(0, 0, embed), bias.narrow(0, embed, 2 * embed))
        joint = linear(key, weight.narrow(0, embed, 2 * embed), other)
        return (
            linear(query, weight.narrow(0, 0, embed), own),
            joint.narrow(-1, 0, embed),
            joint.narrow(-1, embed, embed),
        )
    return _projected(query, key, value, None, bias, tuple(weight.chunk(3)))


def _widened(mask: Any) -> Any:
    """A mask with a column of zeros at the end: the new place may be looked at."""
    return cat((mask, filled(mask, (*size_of(mask)[:-1], 1), 0, mask.dtype)), -1)


@composite(
    "nn.functional",
    cases=[(S(4, 2, 6), S(5, 2, 6), S(5, 2, 6), 6, 2, S(18, 6), S(18), None, None, False, 0.0, S(6, 6), S(6))],
)
def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    training=True,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    use_separate_proj_weight=False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights=True,
    is_causal=False,
):
    """Attention in `num_heads` parts of the features, between projections: the result and, if needed, the weights.

    query (L, N, E), key (S, N, E), value (S, N, E), or all without N -> (L, N, E) and (N, L, S), or (N, heads, L, S) if
    not averaged. A boolean mask is true where looking is forbidden, a float one is added: key_padding_mask (N, S),
    attn_mask (L, S) or (N * heads, L, S). Vaswani et al., arXiv 1706.03762.
    """
    batched = _check_dimensions(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same_key, same_value = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same_key else key.unsqueeze(1)
        value = key if same_value else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    rows, count, embed = size_of(query)
    places = size_of(key)[0]
    if is_causal and attn_mask is None:
        raise RuntimeError(NEEDS_MASK)
    if embed != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed}")
    width = embed // num_heads
    if width * num_heads != embed:
        raise AssertionError(f"embed_dim {embed} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if size_of(key)[:2] != size_of(value)[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
    elif size_of(key) != size_of(value):
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")

    if use_separate_proj_weight:
        parts = (q_proj_weight, k_proj_weight, v_proj_weight)
        for name, part in zip("qkv", parts, strict=True):
            if part is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        q, k, v = _projected(query, key, value, None, in_proj_bias, parts)
    else:
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias, None)

    mask, padding, causal = _masks(
        attn_mask, key_padding_mask, is_causal and not need_weights, q, rows, places, count * num_heads
    )
    if bias_k is None and bias_v is not None or bias_v is None and bias_k is not None:
        raise AssertionError(
            "bias_k is set but bias_v is None" if bias_v is None else "bias_v is set but bias_k is None"
        )
    if bias_k is not None:
        k, v = cat((k, bias_k.repeat(1, count, 1)), 0), cat((v, bias_v.repeat(1, count, 1)), 0)
        mask, padding = (None if m is None else _widened(m) for m in (mask, padding))

    q = q.reshape((rows, count, num_heads, width)).permute((1, 2, 0, 3))
    k = _heads(k, static_k, "static_k", count, num_heads, width)
    v = _heads(v, static_v, "static_v", count, num_heads, width)
    if add_zero_attn:
        zeros = filled(q, (count, num_heads, 1, width), 0)
        k, v = cat((k, zeros), 2), cat((v, zeros), 2)
        mask, padding = (None if m is None else _widened(m) for m in (mask, padding))
    if padding is not None:
        if size_of(padding) != (count, size_of(k)[2]):
            which = 0 if size_of(padding)[0] != count else 1
            raise AssertionError(
                f"Expected key_padded_mask.shape[{which}] to be {(count, size_of(k)[2])[which]}, but got "
                f"{size_of(padding)[which]}"
            )
        padding = padding.reshape((count, 1, 1, -1))
    if mask is not None and mask.ndim == 3:
        mask = mask.reshape((count, num_heads, *size_of(mask)[1:])) if size_of(mask)[0] != 1 else mask.unsqueeze(0)
    mask = padding if mask is None else mask if padding is None else mask + padding

    out, weights = _attention((q, k, v, mask), 1 / math.sqrt(width), causal and mask is None)
    if training and dropout_p > 0:
        weights = dropped(fitted(weights, q), dropout_p)
        out = matmul(weights, v)
    out = linear(out.permute((2, 0, 1, 3)).reshape((rows * count, embed)), out_proj_weight, out_proj_bias)
    out = out.reshape((rows, count, size_of(out)[1]))
    if not need_weights:
        return (out if batched else out.squeeze(1)), None
    weights = fitted(weights, q)
    if average_attn_weights:
        weights = weights.mean(1)
    return (out, weights) if batched else (out.squeeze(1), weights.squeeze(0))


def _masks(
    mask: Any, padding: Any, causal: bool, like: Any, rows: int, places: int, parts: int
) -> tuple[Any, Any, bool]:
    """Both masks in the form that is added, checked; and whether the mask may be left to the causal rule."""
    if mask is not None and padding is not None and mask.dtype is not padding.dtype:
        warnings.warn(
            "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if padding is not None:
        padding = _added(padding, "key_padding_mask", like)
    causal = causal and padding is None
    if mask is None or causal:
        return None, padding, causal
    mask = _added(mask, "attn_mask", like)
    expected = (rows, places) if mask.ndim == 2 else (parts, rows, places)
    if size_of(mask) != expected:
        raise RuntimeError(f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}.")
    return mask, padding, False


def _heads(x: Any, static: Any, name: str, count: int, heads: int, width: int) -> Any:
    """Keys or values (S, N, E) as (N, heads, S, E / heads); or those given as (N * heads, S, E / heads)."""
    if static is None:
        return x.reshape((size_of(x)[0], count, heads, width)).permute((1, 2, 0, 3))
    shape = size_of(static)
    for place, expected in ((0, count * heads), (2, width)):
        if shape[place] != expected:
            raise AssertionError(f"expecting {name}.size({place}) of {expected}, but got {shape[place]}")
    return static.reshape((count, heads, *shape[1:]))
