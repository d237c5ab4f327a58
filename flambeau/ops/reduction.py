"""Many numbers in, fewer out: sums, means, extrema, along one, several or all dimensions."""
from __future__ import annotations

from .. import dtypes
from ..graph import Spec
from ._op import T, op
from ._rules import axes, reduced, wrap_all


def restored(g, input_spec: Spec, dim, keepdim: bool):
    """The gradient of a sum: `g` spread over the dimensions that the reduction took away."""
    if input_spec.ndim and not keepdim:
        dims = wrap_all(dim, input_spec.ndim)
        g = g.reshape(tuple(1 if i in dims else s for i, s in enumerate(input_spec.shape)))
    return g.expand(input_spec.shape)


def _summed(input: Spec, dim, keepdim, dtype) -> Spec:
    found = dtype or (dtypes.int64 if input.dtype.category < dtypes.FLOATING else input.dtype)
    return reduced(input, dim, keepdim).like(dtype=found)


@op(_summed, api="torch method out", grad=lambda g, input_spec, dim, keepdim: restored(g, input_spec, dim, keepdim))
def sum(xp, input: T, dim=None, keepdim=False, *, dtype=None):
    """The sum of the elements, along `dim` (an int, several, or all). Integers and bool are summed as int64."""
    wide = dtype.numpy if dtype is not None else None if input.dtype.kind in "fcV" else "int64"
    return xp.sum(input, axis=axes(dim, input.ndim), keepdims=keepdim, dtype=wide)


def _averaged(input: Spec, dim, keepdim, dtype) -> Spec:
    if (dtype or input.dtype).category < dtypes.FLOATING:
        raise RuntimeError(f"mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
                           f"Got: {_title(input.dtype)}")
    return reduced(input, dim, keepdim).like(dtype=dtype)


def _title(dtype: dtypes.dtype) -> str:
    return {"int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool"}.get(dtype.name, dtype.name)


def _count(s: Spec, dim) -> int:
    count = 1
    for d in wrap_all(dim, s.ndim):
        count *= s.shape[d]
    return count


@op(_averaged, api="torch method out",
    grad=lambda g, input_spec, dim, keepdim: restored(g / _count(input_spec, dim), input_spec, dim, keepdim))
def mean(xp, input: T, dim=None, keepdim=False, *, dtype=None):
    """The mean of the elements, along `dim` (an int, several, or all)."""
    over = axes(dim, input.ndim)
    count = 1
    for d in over:
        count *= input.shape[d]
    total = xp.sum(input, axis=over, keepdims=keepdim, dtype=None if dtype is None else dtype.numpy)
    return total / count if count else total * xp.nan
