"""Distances and angles between vectors."""
from __future__ import annotations

import math

from .. import dtypes
from ..graph import Spec
from ._op import S, T, composite, op
from ._rules import broadcast_shapes, title, wrap
from .core import filled
from .norms import _vector_norm

MODES = {
    "use_mm_for_euclid_dist_if_necessary": None,
    "use_mm_for_euclid_dist": True,
    "donot_use_mm_for_euclid_dist": False,
}


def _measured(x1: Spec, x2: Spec, p, compute_mode) -> Spec:
    for name, x in (("X1", x1), ("X2", x2)):
        if x.dtype.category != dtypes.FLOATING:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {title(x.dtype)}")
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if compute_mode not in MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    shape = (*broadcast_shapes(x1.shape[:-2], x2.shape[:-2]), x1.shape[-2], x2.shape[-2])
    if x1.dtype is not x2.dtype:
        raise RuntimeError(f"expected scalar type {title(x1.dtype)} but found {title(x2.dtype)}")
    if x1.dtype.half:
        raise NotImplementedError(f'"cdist" not implemented for \'{title(x1.dtype)}\'')
    return x1.like(shape)


def _weighed(g, x1, x2, out, p):
    """How each distance pulls at the pairs of vectors: (..., P, R, M), from its gradient."""
    difference = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    g, out = g.unsqueeze(-1), out.unsqueeze(-1)
    if p == 1:
        return difference.sign() * g
    if math.isinf(p):
        return difference.sign() * difference.abs().eq(out) * g
    size = difference.abs()
    # at distance 0 (and, for p < 1, at equal coordinates) the slope is taken as 0
    nowhere = out.eq(0).logical_or(size.eq(0)) if p < 2 else out.eq(0)
    return (
        difference.sign()
        * (size.masked_fill(nowhere, 1) / out.masked_fill(nowhere, 1)).pow(p - 1).masked_fill(nowhere, 0)
        * g
    )


def _to_first(g, x1, x2, out, p):
    if p == 0 or not out.spec.numel or not x1.shape[-1]:
        return filled(g, x1.shape, 0)
    if p == 2:
        near = out.eq(0)
        weight = (g / out.masked_fill(near, 1)).masked_fill(near, 0)
        return weight.sum(-1, True) * x1 - weight @ x2
    return _weighed(g, x1, x2, out, p).sum(-2)


@op(
    _measured,
    api="",
    static="p",
    shown="Cdist",
    grad=dict(
        x1=lambda g, x1, x2, out, p: _to_first(g, x1, x2, out, p),
        x2=lambda g, x1, x2, out, p: _to_first(g.mT, x2, x1, out.mT, p),
    ),
    cases=[
        (S(4, 3), S(5, 3), 2.0, "use_mm_for_euclid_dist"),
        (S(4, 3), S(5, 3), 1.0, "donot_use_mm_for_euclid_dist"),
        (S(2, 4, 3), S(5, 3), 3.0, "donot_use_mm_for_euclid_dist"),
    ],
)
def _cdist(xp, x1: T, x2: T, p, compute_mode):
    """The `p`-norm distance of every row of `x1` to every row of `x2`."""
    if not x1.shape[-1]:
        return xp.zeros((*broadcast_shapes(x1.shape[:-2], x2.shape[:-2]), x1.shape[-2], x2.shape[-2]), dtype=x1.dtype)
    product = MODES[compute_mode]
    if p == 2 and (product or product is None and max(x1.shape[-2], x2.shape[-2]) > 25):
        squares = xp.sum(x1 * x1, axis=-1)[..., :, None] + xp.sum(x2 * x2, axis=-1)[..., None, :]
        return xp.sqrt(xp.maximum(squares - 2 * xp.matmul(x1, xp.swapaxes(x2, -1, -2)), 0))
    size = xp.abs(x1[..., :, None, :] - x2[..., None, :, :])
    if p == 0:
        return xp.sum(size != 0, axis=-1).astype(size.dtype)
    if p == 1:
        return xp.sum(size, axis=-1)
    if p == 2:
        return xp.sqrt(xp.sum(size * size, axis=-1))
    return xp.max(size, axis=-1) if math.isinf(p) else xp.sum(size ** p, axis=-1) ** (1 / p)


@composite("torch", cases=[(S(4, 3), S(5, 3))],
           wrong=[((S(4, 3), S(4, 2)), RuntimeError, "X1 and X2 must have the same number of columns. X1: 3 X2: 2")])
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The `p`-norm distance of every row of `x1` to every row of `x2`: (*, P, M), (*, R, M) -> (*, P, R).

    With p 2 and more than 25 rows the distances come from a matrix product, unless `compute_mode` is
    "donot_use_mm_for_euclid_dist".
    """
    if compute_mode is None:
        compute_mode = "use_mm_for_euclid_dist_if_necessary"
    return _cdist(x1, x2, float(p), compute_mode)


@op(
    lambda input, which: input.like((input.shape[0] * (input.shape[0] - 1) // 2,), dtypes.int64),
    api="",
    upcast=False,
    detaches=True,
    cases=[(S(4, 2), 0)],
)
def _pair_index(xp, input: T, which):
    """Row numbers of all pairs i < j of rows of `input`: i if `which` is 0, j if it is 1."""
    return xp.triu_indices(input.shape[0], 1)[which].astype("int64")


@composite("torch", alias="nn.functional.pdist", cases=[(S(4, 3),), (S(4, 3), 1.0)],
           wrong=[((S(4),), RuntimeError, "pdist only supports 2D tensors, got: 1D")])
def pdist(input, p=2.0):
    """The `p`-norm distance of every pair of rows: (N, M) -> (N * (N - 1) / 2,)."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if input.dtype.category != dtypes.FLOATING:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    difference = input.index_select(0, _pair_index(input, 0)) - input.index_select(0, _pair_index(input, 1))
    if not input.shape[1]:
        return difference.sum(-1)
    return _vector_norm(difference, float(p), -1)


@composite("torch", alias="nn.functional.pairwise_distance", cases=[(S(4, 3), S(4, 3)), (S(4, 3), S(3), 1.0)])
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The `p`-norm of `x1 - x2 + eps` along the last dimension."""
    return _vector_norm(x1 - x2 + eps, float(p), -1, keepdim)


@composite("torch", alias="nn.functional.cosine_similarity", cases=[(S(4, 3), S(4, 3)), (S(4, 3), S(3), -1)])
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """(x1 . x2) / (max(|x1|, eps) * max(|x2|, eps)) along `dim`: 1 for equal directions, -1 for opposite ones."""
    common = dtypes.promote(x1.dtype, x2.dtype)
    if common.category < dtypes.FLOATING:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {title(common)}")
    shape = broadcast_shapes(x1.shape, x2.shape)
    place = wrap(dim, len(shape)) - max(len(shape), 1)
    x1, x2 = (x if -place <= x.ndim and x.shape[place] == shape[place] else x.expand(shape) for x in (x1, x2))
    x1, x2 = x1 * filled(x1, (), 1, common), x2 * filled(x2, (), 1, common)
    n1, n2 = _length(x1, place, eps), _length(x2, place, eps)
    return (x1 / n1 * (x2 / n2)).sum(place)


def _length(x, dim, eps):
    """The length of vectors, at least `eps`; its gradient is that of the length either way."""
    length = _vector_norm(x, 2, dim, True)
    return length + (length.detach().clamp(min=eps) - length.detach())
