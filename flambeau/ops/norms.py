"""Lengths of vectors and distances between them."""
from __future__ import annotations

import math

from .. import dtypes
from ..graph import Spec
from ._checks import TITLES
from ._op import S, T, composite, op, registry
from ._rules import reduced, wrap, wrap_all
from .core import filled
from .reduction import kept, over, sum


def _measured(x: Spec, ord, dim, keepdim, dtype) -> Spec:
    if isinstance(ord, (str, tuple)):
        raise TypeError(f"linalg_vector_norm(): argument 'ord' (position 2) must be Number, not {type(ord).__name__}")
    if x.dtype.category < dtypes.FLOATING:
        raise RuntimeError("linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
                           f"{TITLES[x.dtype.name]}")
    if dtype is not None:
        if dtype.category < dtypes.FLOATING:
            raise RuntimeError("linalg.vector_norm: dtype should be floating point or complex, but got "
                               f"{TITLES[dtype.name]}")
        if x.is_complex != dtype.is_complex:
            which, other = ("complex", "real") if x.is_complex else ("real", "complex")
            raise RuntimeError(f"linalg.vector_norm: dtype should be {which} for {which} inputs, but got "
                               f"{TITLES[dtype.name]}")
        if dtypes.promote(x.dtype, dtype) is not dtype:
            raise RuntimeError(f"linalg.vector_norm: the dtype of the input ({TITLES[x.dtype.name]}) should be "
                               f"convertible without narrowing to the specified dtype ({TITLES[dtype.name]})")
    out = reduced(x, dim, keepdim)
    if not x.numel and (ord < 0 or ord == math.inf):
        named = "inf" if ord == math.inf else f"{ord:g}"
        if dim is None or dim == ():
            raise RuntimeError(f"linalg.vector_norm cannot compute the {named} norm on an empty tensor because the "
                               "operation does not have an identity")
        for d in wrap_all(dim, x.ndim):
            if x.shape[d] == 0:
                raise RuntimeError(f"linalg.vector_norm cannot compute the {named} norm on the dimension {d}because "
                                   "this dimension is empty and the operation does not have an identity")
    return out.like(dtype=(dtype or x.dtype).to_real())


def _norm_grad(g, x, out, ord, dim, keepdim):
    g, norm = kept(g, x.spec, dim, keepdim), kept(out, x.spec, dim, keepdim)
    if ord == 0:
        return filled(g, x.shape, 0)
    if ord == 1:
        return x.sgn() * g
    if ord == 2:
        return g * (x / norm).masked_fill(norm.eq(0), 0)
    size = x.abs()
    if math.isinf(ord):
        chosen = size.eq(norm).logical_or(size.isnan())
        return x.sgn() * (g / sum(chosen, dim, True) * chosen)
    if ord < 2:
        power = (x.sgn() * size.pow(ord - 1)).masked_fill(x.eq(0), 0) if ord < 1 else x.sgn() * size.pow(ord - 1)
        return power * (g * norm.pow(1 - ord)).masked_fill(norm.eq(0), 0)
    return x * size.pow(ord - 2) * (g / norm.pow(ord - 1)).masked_fill(norm.eq(0), 0)


def _squares(x):
    return x * x if x.dtype.kind != "c" else x.real * x.real + x.imag * x.imag


@op(_measured, api="", static="ord", shown="LinalgVectorNorm", grad=_norm_grad,
    cases=[(S(2, 3),), (S(2, 3), 1), (S(2, 3), 3, 1), (S(2, 3), 0.5, 0, True), (S(2, 3), float("inf"), 1), (S(3), 2)],
    wrong=[((S(2, dtype="int64"),), RuntimeError, "Expected a floating point or complex")])
def _vector_norm(xp, x: T, ord=2, dim=None, keepdim=False, *, dtype=None):
    """See `vector_norm`."""
    if dtype is not None and not dtype.half:
        x = x.astype(dtype.numpy)
    axis = over(dim, x.ndim)
    if ord == 2:
        return xp.sqrt(xp.sum(_squares(x), axis=axis, keepdims=keepdim))
    size = xp.abs(x)
    if ord == 1:
        return xp.sum(size, axis=axis, keepdims=keepdim)
    if ord == 0:
        return xp.sum((size != 0).astype(size.dtype), axis=axis, keepdims=keepdim)
    if math.isinf(ord):
        return (xp.max if ord > 0 else xp.min)(size, axis=axis, keepdims=keepdim)
    return xp.sum(size ** ord, axis=axis, keepdims=keepdim) ** (1 / ord)


@_vector_norm.lower("numpy")
def _vector_norm_numpy(xp, x, ord=2, dim=None, keepdim=False, *, dtype=None):
    whole = x.ndim == 1 or over(dim, x.ndim) is None
    if whole and ord == 2 and dtype is None and not keepdim and x.dtype.kind == "f":
        flat = x.ravel()
        return xp.sqrt(flat.dot(flat))
    return _vector_norm.body(xp, x, ord, dim, keepdim, dtype=dtype)


@composite("linalg out")
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(sum of |x| ** ord) ** (1 / ord) over `dim` (an int, several, or all).

    For an `ord` of infinity the largest |x|, of minus infinity the smallest, of 0 how many are not zero.
    """
    return _vector_norm(x, ord, dim, keepdim, dtype=dtype)


@composite("torch method out", alias="functional.norm")
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """The `p`-norm of the elements along `dim` (an int, several, or all); "fro" is 2, "nuc" that of matrices."""
    if p is None or p == "fro" and (dim is None or isinstance(dim, int) or len(dim) <= 2):
        return _vector_norm(input, 2, dim, keepdim, dtype=dtype)
    if isinstance(p, str):
        matrices = tuple(range(input.ndim)) if dim is None else dim
        return registry["matrix_norm"](input, p, matrices, keepdim, dtype=dtype)
    return _vector_norm(input, p, dim, keepdim, dtype=dtype)


@composite("torch method inplace out")
def renorm(input, p, dim, maxnorm):
    """The slices of `input` along `dim`, those with a `p`-norm above `maxnorm` scaled down to it."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    dim = wrap(dim, input.ndim)
    lengths = _vector_norm(input, p, tuple(i for i in range(input.ndim) if i != dim), True)
    scale = maxnorm / (lengths + 1e-7)
    return input * scale.masked_fill(lengths.le(maxnorm), 1)


@composite("torch method")
def dist(input, other, p=2):
    """The `p`-norm of `input - other`."""
    difference = input - other
    if difference.dtype.category < dtypes.FLOATING:
        raise RuntimeError("norm(): input dtype should be either floating point or complex. Got "
                           f"{TITLES[difference.dtype.name]} instead.")
    return norm(difference, p)

