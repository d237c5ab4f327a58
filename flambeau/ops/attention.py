"""Attention: weighted means of values, the weights a softmax of how well queries and keys agree."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..graph import Kind, Spec
from ._op import S, Ts, composite, op
from ._rules import broadcast_shapes, need_floating
from .core import _to_copy, filled
from .linalg import CPP_NAMES, matmul

EXAMPLE = (S(2, 4, 3), S(2, 5, 3), S(2, 5, 3))


def spoken(s: Spec) -> str:
    """What PyTorch's errors here call the dtype: its name in C++."""
    return CPP_NAMES.get(s.dtype.name, s.dtype.name)


def _batches(tensors: tuple) -> tuple[int, ...]:
    """The common leading dimensions of queries, keys and values."""
    query, key, value = tensors[:3]
    return broadcast_shapes(broadcast_shapes(query.shape[:-2], key.shape[:-2]), value.shape[:-2])


def _attended(tensors: tuple) -> tuple[Spec, Spec]:
    query, key, value, mask = tensors
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{spoken(query)} key.dtype: {spoken(key)} and value.dtype: {spoken(value)} instead."
        )
    if mask is not None and mask.dtype not in (dtypes.bool_, dtypes.float32, query.dtype):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {spoken(mask)} and  query.dtype: {spoken(query)} instead."
        )
    need_floating("softmax_lastdim_kernel_impl", query)
    rows, width, places = query.shape[-2], query.shape[-1], key.shape[-2]
    if width != key.shape[-1]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{width} and {key.shape[-1]}x{places})")
    batch = _batches(tensors)
    if value.shape[-2] != places and not batch:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{places} and {value.shape[-2]}x{value.shape[-1]})"
        )
    if value.shape[-2] != places:
        count = math.prod(batch)
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{count}, {places}] but got: [{count}, {value.shape[-2]}]."
        )
    scores = (*batch, rows, places)
    if mask is not None and broadcast_shapes(scores, mask.shape) != scores:
        raise RuntimeError(
            f"output with shape {list(scores)} doesn't match the broadcast shape "
            f"{list(broadcast_shapes(scores, mask.shape))}"
        )
    wide = dtypes.float32 if query.dtype.half else query.dtype  # the gradient needs the weights unrounded
    return query.like((*batch, rows, value.shape[-1])), query.like(scores, wide)


def _shown(kind: Kind) -> str:
    """PyTorch's CPU takes its fused kernel for four dimensions, matrix products otherwise."""
    return {4: "ScaledDotProductFlashAttentionForCpu", 2: "Mm"}.get(kind.spec[0].ndim, "UnsafeView")


def softmax_of_scores(xp: Any, scores: Any, mask: Any, is_causal: bool) -> Any:
    """The softmax of `scores` (..., L, S) where the mask allows; rows that may look nowhere are 0."""
    blocked = xp.asarray(-xp.inf, scores.dtype)
    if is_causal:
        scores = scores + xp.where(xp.tril(xp.ones(scores.shape[-2:], bool)), 0, blocked)
    if mask is not None:
        scores = scores + (xp.where(mask, 0, blocked) if mask.dtype == bool else mask.astype(scores.dtype))
    if not scores.size:
        return scores
    peak = xp.max(scores, axis=-1, keepdims=True)
    if mask is not None:
        peak = xp.where(peak == blocked, 0, peak)
    weights = xp.exp(scores - peak)
    norm = xp.sum(weights, axis=-1, keepdims=True)
    if mask is not None:
        norm = xp.where(norm == 0, 1, norm)
    return weights / norm


def _gradients(g, out, tensors, scale):
    query, key, value, mask = tensors
    given = g[0] if g[0] is not None else filled(query, out[0].shape, 0)
    masked = mask is not None and mask.spec.requires_grad
    found = _attention_backward((given, query, key, value, out[1], g[1]), scale, masked)
    return [*found, *([] if masked else [None])]


@op(
    _attended,
    api="",
    shown=_shown,
    grad=dict(tensors=_gradients),
    cases=[
        ((*EXAMPLE, None), 0.5, True),
        ((*EXAMPLE, S(4, 5)), 0.5),
        ((S(2, 4, 5, 3), S(1, 4, 6, 3), S(2, 1, 6, 2), None), 1.0),
    ],
)
def _attention(xp, tensors: Ts, scale=1.0, is_causal=False):
    """softmax(scale * query @ key.T + mask) @ value, and the softmax.

    tensors: query (..., L, E), key (..., S, E), value (..., S, V), mask that broadcasts to (..., L, S) or None: bool
    says where to look, floats are added -> (..., L, V), (..., L, S). Vaswani et al., arXiv 1706.03762.
    """
    query, key, value, mask = tensors
    scores = xp.matmul(query * scale, xp.swapaxes(key, -1, -2))
    weights = softmax_of_scores(xp, scores, mask, is_causal)
    batch = xp.broadcast_shapes(weights.shape[:-2], value.shape[:-2])
    weights = xp.broadcast_to(weights, (*batch, *weights.shape[-2:]))
    return xp.matmul(weights, value), weights


def _back(tensors: tuple, masked: bool) -> tuple:
    g, query, key, value, weights, _ = tensors
    batch = weights.shape[:-2]
    found = tuple(s.like((*batch, *s.shape[-2:])) for s in (query, key, value))
    return (*found, query.like(weights.shape)) if masked else found


def _t(x):
    return x.transpose(-1, -2)


def _second(g, tensors, scale, masked):
    """The gradient of the gradient, its operands taken for independent; u flows into the gradient of the scores."""
    given, query, key, value, weights, extra = tensors
    weights = fitted(weights, query)
    none = filled(query, (), 0)
    a, b, c = (filled(like, like.shape, 0) if x is None else x for x, like in zip(g, (query, key, value), strict=False))
    u = scale * (matmul(a, _t(key)) + matmul(query, _t(b)))
    if masked and g[3] is not None:
        u = u + g[3]
    slope = matmul(given, _t(value)) + (none if extra is None else extra)
    mean = (slope * weights).sum(-1, True)
    into_scores = weights * (slope - mean)
    into_slope = weights * (u - (u * weights).sum(-1, True))
    into_weights = u * (slope - mean) - slope * (u * weights).sum(-1, True) + matmul(given, _t(c))
    return [
        matmul(into_slope, value) + matmul(weights, c),
        scale * matmul(into_scores, b),
        scale * matmul(_t(into_scores), a),
        matmul(_t(into_slope), given),
        into_weights,
        into_slope if extra is not None else None,
    ]


@op(
    _back,
    api="",
    grad=dict(tensors=_second),
    cases=[
        ((S(2, 4, 3), *EXAMPLE, S(2, 4, 5), None), 0.5),
        ((S(2, 4, 3), *EXAMPLE, S(2, 4, 5), S(2, 4, 5)), 0.5, True),
    ],
)
def _attention_backward(xp, tensors: Ts, scale=1.0, masked=False):
    """The gradients of attention with respect to query, key, value and (if `masked`) the mask."""
    g, query, key, value, weights, extra = tensors
    into_value = xp.matmul(xp.swapaxes(weights, -1, -2), g)
    slope = xp.matmul(g, xp.swapaxes(value, -1, -2))
    if extra is not None:
        slope = slope + extra
    slope = slope * weights
    slope = slope - weights * xp.sum(slope, axis=-1, keepdims=True)
    scaled = slope * scale
    found = xp.matmul(scaled, key), xp.matmul(xp.swapaxes(scaled, -1, -2), query), into_value
    return (*found, slope) if masked else found


def fitted(weights: Any, like: Any) -> Any:
    """`weights` in the dtype of `like`, which may be narrower."""
    return weights if weights.dtype is like.dtype else _to_copy(weights, like.dtype)


def dropped(weights: Any, p: float) -> Any:
    """`weights`, some of them zeroed at random and the rest scaled up."""
    from ..nn.random_functional import dropout  # random numbers are drawn by the layer above, at the call

    return dropout(weights, p, True)


@composite("nn.functional", cases=[EXAMPLE, (*EXAMPLE, {"is_causal": True}), (*EXAMPLE, S(4, 5), {"scale": 0.3})])
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """softmax(query @ key.T * scale + attn_mask) @ value: means of the values, weighted by how queries and keys agree.

    query (..., L, E), key (..., S, E), value (..., S, V) -> (..., L, V). A boolean attn_mask says where a query may
    look; a float one is added. `is_causal` lets query i look at keys up to i. scale is 1 / sqrt(E) unless given.
    `enable_gqa` lets several heads of queries (dimension -3) share one head of keys and values.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        key, value = _shared(query, key), _shared(query, value)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.ndim and query.shape[-1] else 1.0
    out, weights = _attention((query, key, value, attn_mask), float(scale), is_causal)
    if dropout_p > 0:
        return matmul(dropped(fitted(weights, query), dropout_p), value)
    return out


def _shared(query: Any, other: Any) -> Any:
    """Keys or values with each head repeated for the heads of queries that share it."""
    heads, own = query.shape[-3], other.shape[-3]
    if heads == own:
        return other
    if own == 0 or heads % own:
        raise RuntimeError("Number of heads in key and value must divide the number of heads in ")
    return other.repeat_interleave(heads // own, -3)
