"""Running sums, products and extrema along a dimension, and differences and integrals of samples."""
from __future__ import annotations

from .. import dtypes
from ..graph import Spec
from ._op import T, op
from ._rules import wrap


def running(input: Spec, dim, dtype) -> Spec:
    """As the operand; integers and bool are accumulated as int64."""
    wrap(dim, input.ndim)
    return input.like(dtype=dtype or (dtypes.int64 if input.dtype.category < dtypes.FLOATING else input.dtype))


def _started(input, dtype):
    """`input` as the type that is accumulated in: sixteen bits stay widened, so that only the result is rounded."""
    if dtype is None:
        return input.astype("int64") if input.dtype.kind in "iub" else input
    if dtype.category < dtypes.COMPLEX and input.dtype.kind == "c":
        input = input.real
    return input.astype(dtype.numpy).astype("float32") if dtype.half else input.astype(dtype.numpy)


@op(running, api="torch method inplace out", grad=lambda g, dim: _reversed_cumsum(g, dim))
def cumsum(xp, input: T, dim, *, dtype=None):
    """y_i = x_1 + ... + x_i along `dim`."""
    x = _started(input, dtype)
    return xp.cumsum(x, axis=dim, dtype=x.dtype) if x.ndim else x


@op(lambda input, dim: input.like(), api="", grad=lambda g, dim: cumsum(g, dim), cases=())
def _reversed_cumsum(xp, input: T, dim):
    """y_i = x_i + ... + x_n along `dim`."""
    return xp.flip(xp.cumsum(xp.flip(input, axis=dim), axis=dim, dtype=input.dtype), axis=dim) if input.ndim else input
