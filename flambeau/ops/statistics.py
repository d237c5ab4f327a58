"""Statistics of the elements: variance, median, quantiles, correlation."""
from __future__ import annotations

import warnings

from .. import dtypes
from ..graph import Spec
from ._op import T, composite, op
from ._rules import reduced
from .core import filled
from .reduction import count_over, kept, over, restored


def _deviation(name: str, both: bool = False):
    def rule(input: Spec, dim, correction, keepdim):
        if input.dtype.category < dtypes.FLOATING:
            raise RuntimeError(f"{name} only support floating point and complex dtypes")
        out = reduced(input, dim, keepdim)
        if count_over(input, dim) - correction <= 0 and out.numel:
            warnings.warn(f"{name.split()[0]}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
                          "(input numel divided by output numel).", UserWarning, stacklevel=2)
        real = out.like(dtype=input.dtype.to_real())
        return (real, out) if both else real
    return rule


def _var_grad(g, input, dim, correction, keepdim):
    free = count_over(input.spec, dim) - correction
    centred = input - input.mean(dim, True) if input.ndim else input - input
    g = kept(g, input.spec, dim, keepdim)
    if free <= 0:
        return g * filled(input, input.shape, float("nan")).masked_fill(centred.ne(0), float("inf"))
    return g * (2 / free) * centred


def _std_grad(g, input, out, dim, correction, keepdim):
    return _var_grad((g / (out * 2)).masked_fill(out.eq(0), 0), input, dim, correction, keepdim)


def _spread(xp, input, dim, correction, keepdim):
    """Variance and mean."""
    axis = over(dim, input.ndim)
    middle = xp.mean(input, axis=axis, keepdims=True)
    centred = input - middle
    square = centred * centred if input.dtype.kind != "c" else centred.real * centred.real + centred.imag * centred.imag
    total = xp.sum(square, axis=axis, keepdims=keepdim)
    count = input.size // middle.size if middle.size else 1
    free = count - correction
    square = total / free if free > 0 else total * xp.nan if free == 0 or not input.size else total / xp.zeros_like(total)
    return square, middle if keepdim else xp.reshape(middle, total.shape)


@op(_deviation("std and var"), api="", shown="Var", static="correction", grad=_var_grad, cases=())
def _var(xp, input: T, dim=None, correction=1, keepdim=False):
    """sum((x - mean) ** 2) / (n - correction), over `dim`."""
    return _spread(xp, input, dim, correction, keepdim)[0]


@op(_deviation("std and var"), api="", shown="Std", static="correction", grad=_std_grad, cases=())
def _std(xp, input: T, dim=None, correction=1, keepdim=False):
    """The square root of the variance over `dim`."""
    return xp.sqrt(_spread(xp, input, dim, correction, keepdim)[0])


def _divisor(dim, unbiased, correction):
    """The signatures of var and std: `(unbiased)`, `(dim, unbiased, keepdim)` and `(dim, *, correction, keepdim)`."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError("var() received an invalid combination of arguments: both unbiased and correction")
    return dim, (1 if correction is None else correction) if unbiased is None else int(unbiased)


@composite("torch method out")
def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """sum((x - mean) ** 2) / (n - correction) along `dim`; `unbiased` is an older word for a correction of 1."""
    dim, correction = _divisor(dim, unbiased, correction)
    return _var(input, dim, correction, keepdim)


@composite("torch method out")
def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The square root of the variance along `dim`; see `var`."""
    dim, correction = _divisor(dim, unbiased, correction)
    return _std(input, dim, correction, keepdim)


def _with_mean(first):
    def rule(g, input, out, dim, correction, keepdim):
        parts = [] if g[0] is None else [first(g[0], input, out[0], dim, correction, keepdim)]
        if g[1] is not None:
            parts.append(restored(g[1] / count_over(input.spec, dim), input.spec, dim, keepdim))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]
    return rule


@op(_deviation("std and var", True), api="", shown="VarMean", static="correction", cases=(),
    grad=_with_mean(lambda g, input, out, dim, correction, keepdim: _var_grad(g, input, dim, correction, keepdim)))
def _var_mean(xp, input: T, dim=None, correction=1, keepdim=False):
    """Variance and mean over `dim`."""
    return _spread(xp, input, dim, correction, keepdim)


@op(_deviation("std and var", True), api="", shown="StdMean", static="correction", cases=(), grad=_with_mean(_std_grad))
def _std_mean(xp, input: T, dim=None, correction=1, keepdim=False):
    """Standard deviation and mean over `dim`."""
    square, middle = _spread(xp, input, dim, correction, keepdim)
    return xp.sqrt(square), middle


@composite("torch")
def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The variance and the mean along `dim`; see `var`."""
    dim, correction = _divisor(dim, unbiased, correction)
    return _var_mean(input, dim, correction, keepdim)


@composite("torch")
def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The standard deviation and the mean along `dim`; see `var`."""
    dim, correction = _divisor(dim, unbiased, correction)
    return _std_mean(input, dim, correction, keepdim)
