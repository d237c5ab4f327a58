"""Statistics of the elements: variance, median, quantiles, correlation."""
from __future__ import annotations

import math
import warnings

from .. import dtypes
from ..graph import Spec
from ._checks import TITLES
from ._op import S, T, composite, op, registry
from ._rules import reduced, wrap
from .core import _to_copy, filled
from .reduction import count_over, is_tensor, kept, over, placed, restored, shared_all
from .sorting import at_rank, sort


def _deviation(name: str, both: bool = False):
    def rule(input: Spec, dim, correction, keepdim):
        if input.dtype.category < dtypes.FLOATING:
            raise RuntimeError(f"{name if both else 'std and var'} only support floating point and complex dtypes")
        out = reduced(input, dim, keepdim)
        if count_over(input, dim) - correction <= 0 and out.numel:
            warnings.warn(f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
                          "reduction factor (input numel divided by output numel).", UserWarning, stacklevel=2)
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
    add = xp.add.reduce if xp.host else xp.sum
    middle = add(input, axis=axis, keepdims=True)
    middle = middle / (input.size // middle.size if middle.size and input.size else xp.nan)
    centred = input - middle
    square = centred * centred if input.dtype.kind != "c" else centred.real * centred.real + centred.imag * centred.imag
    total = add(square, axis=axis, keepdims=keepdim)
    count = input.size // middle.size if middle.size else 1
    free = count - correction
    if free > 0:
        square = total / free
    else:
        square = total / xp.zeros_like(total) if free and input.size else total * xp.nan
    return square, middle if keepdim else xp.reshape(middle, total.shape)


@op(_deviation("var"), api="", shown="Var", static="correction", grad=_var_grad,
    cases=[(S(2, 3),), (S(2, 3), 1, 0), (S(2, 3), (0, 1), 1, True)],
    wrong=[((S(2, dtype="int64"),), RuntimeError, "only support floating point")])
def _var(xp, input: T, dim=None, correction=1, keepdim=False):
    """sum((x - mean) ** 2) / (n - correction), over `dim`."""
    return _spread(xp, input, dim, correction, keepdim)[0]


@op(_deviation("std"), api="", shown="Std", static="correction", grad=_std_grad,
    cases=[(S(2, 3),), (S(2, 3), 1, 0), (S(2, 3), (0, 1), 1, True)])
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


@op(_deviation("var_mean", True), api="", shown="VarMean", static="correction",
    grad=_with_mean(lambda g, input, out, dim, correction, keepdim: _var_grad(g, input, dim, correction, keepdim)),
    cases=[(S(2, 3),), (S(2, 3), 1, 0)])
def _var_mean(xp, input: T, dim=None, correction=1, keepdim=False):
    """Variance and mean over `dim`."""
    return _spread(xp, input, dim, correction, keepdim)


@op(_deviation("std_mean", True), api="", shown="StdMean", static="correction", grad=_with_mean(_std_grad),
    cases=[(S(2, 3),), (S(2, 3), 1, 0)])
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


# ---- medians and quantiles

def _middle(input: Spec, dim, keepdim) -> tuple:
    d = wrap(dim, input.ndim)
    if input.dtype is dtypes.bool_ or input.is_complex:
        raise NotImplementedError(f'"median_out" not implemented for \'{TITLES[input.dtype.name]}\'')
    if input.ndim and input.shape[d] == 0:
        raise IndexError(f"median(): Expected reduction dim {d} to have non-zero size.")
    out = reduced(input, d, keepdim)
    return out, out.like(dtype=dtypes.int64)


def _middle_all(input: Spec) -> Spec:
    if input.dtype is dtypes.bool_ or input.is_complex:
        raise NotImplementedError(f'"median_cpu" not implemented for \'{TITLES[input.dtype.name]}\'')
    return input.like(())


def _ranked_grad(g, out, input_spec, dim, keepdim):
    return None if g[0] is None else placed(g[0], out[1], input_spec, dim, keepdim)


def _median_along(xp, input, dim):
    """The lower median and where it is; NaN where there is one."""
    values, indices = at_rank(xp, input, (input.shape[dim] - 1) // 2, dim, True)
    if input.dtype.kind in "iu":
        return values, indices
    strange = xp.isnan(input)
    indices = xp.where(xp.any(strange, axis=dim, keepdims=True), xp.argmax(strange, axis=dim, keepdims=True), indices)
    return xp.take_along_axis(input, indices, axis=dim), indices


def _nanmedian_along(xp, input, dim):
    order = xp.argsort(input, axis=dim)                 # NaN comes last
    count = xp.sum(input == input, axis=dim, keepdims=True)
    indices = xp.take_along_axis(order, xp.maximum(count - 1, 0) // 2, axis=dim)
    return xp.take_along_axis(input, indices, axis=dim), indices


def _one(xp, find, input, dim, keepdim):
    if input.ndim == 0:
        return input, xp.zeros((), dtype="int64")
    found = find(xp, input, dim)
    return found if keepdim else tuple([xp.squeeze(f, axis=dim) for f in found])


def _of_all(xp, find, input):
    flat = xp.ravel(input)
    if flat.size == 0:
        return xp.full((), xp.nan if input.dtype.kind == "f" else xp.iinfo(input.dtype).min, dtype=input.dtype)
    return find(xp, flat, 0)[0][0]


@op(_middle, api="", names="median: values indices", shown="Median", grad=_ranked_grad,
    cases=[(S(2, 3), 1), (S(4, 2), 0, True), (S(), 0)],
    wrong=[((S(0, 2), 0), IndexError, "to have non-zero size")])
def _median_dim(xp, input: T, dim, keepdim=False):
    """The lower median along `dim`, and where it is; NaN where there is one."""
    return _one(xp, _median_along, input, dim, keepdim)


@op(_middle, api="", names="nanmedian: values indices", shown="Nanmedian", grad=_ranked_grad,
    cases=[(S(2, 3), 1), (S(4, 2), 0, True), (S(), 0)])
def _nanmedian_dim(xp, input: T, dim, keepdim=False):
    """The lower median of what is not NaN along `dim`, and where it is."""
    return _one(xp, _nanmedian_along, input, dim, keepdim)


@op(_middle_all, api="", shown="Median", grad=shared_all)
def _median_all(xp, input: T):
    """The lower median of all elements; NaN if there is one."""
    return _of_all(xp, _median_along, input)


@op(_middle_all, api="", shown="Nanmedian", grad=shared_all)
def _nanmedian_all(xp, input: T):
    """The lower median of all elements that are not NaN."""
    return _of_all(xp, _nanmedian_along, input)


@composite("torch method out")
def median(input, dim=None, keepdim=False):
    """The lower median of all elements, or (values, indices) along `dim`; NaN where there is one."""
    return _median_all(input) if dim is None else _median_dim(input, dim, keepdim)


@composite("torch method out")
def nanmedian(input, dim=None, keepdim=False):
    """The lower median of what is not NaN: of all elements, or (values, indices) along `dim`."""
    return _nanmedian_all(input) if dim is None else _nanmedian_dim(input, dim, keepdim)


def _commonest(input: Spec, dim, keepdim) -> tuple:
    d = wrap(dim, input.ndim)
    if input.is_complex:
        raise NotImplementedError(f'"mode_cpu" not implemented for \'{TITLES[input.dtype.name]}\'')
    if input.ndim and input.shape[d] == 0:
        raise IndexError(f"mode(): Expected reduction dim {d} to have non-zero size.")
    out = reduced(input, d, keepdim)
    return out, out.like(dtype=dtypes.int64)


@op(_commonest, names="values indices", api="torch method out", grad=_ranked_grad,
    cases=[(S(2, 3),), (S(4, dtype="int64"),), (S(2, 3), 0, True)])
def mode(xp, input: T, dim=-1, keepdim=False):
    """(values, indices): the commonest element along `dim`, of equally common ones the smallest, and its last place."""
    return _one(xp, _mode_along, input, dim, keepdim)


def _mode_along(xp, input, dim):
    order = xp.argsort(input, axis=dim, stable=True)
    x = xp.moveaxis(xp.take_along_axis(input, order, axis=dim), dim, -1)
    places = xp.arange(x.shape[-1])
    new = xp.concatenate([xp.ones_like(x[..., :1], dtype="bool"), x[..., 1:] != x[..., :-1]], axis=-1)
    run = places - xp.maximum.accumulate(xp.where(new, places, 0), axis=-1)     # how many equal ones come before
    best = xp.moveaxis(xp.argmax(run, axis=-1, keepdims=True), -1, dim)
    indices = xp.take_along_axis(order, best, axis=dim)
    return xp.take_along_axis(input, indices, axis=dim), indices


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _check_quantile(name: str, input, q, interpolation: str) -> None:
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if 0 in input.shape:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but "
                           f"got {interpolation}")
    if not is_tensor(q):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
        return
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if not bool(q.ge(0).logical_and(q.le(1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")


def _quantile(name: str, input, q, dim, keepdim: bool, interpolation: str, ranks_of):
    _check_quantile(name, input, q, interpolation)
    x = input.reshape((-1,)) if dim is None or not input.ndim else input.movedim(wrap(dim, input.ndim), -1)
    if dim is not None:
        wrap(dim, input.ndim)
    several = is_tensor(q) and q.ndim == 1
    points = q.reshape((-1,)) if is_tensor(q) else filled(input, (1,), float(q))
    ranks = ranks_of(x, points)
    ordered = sort(x)[0]
    if interpolation in ("lower", "higher", "nearest"):
        ranks = {"lower": ranks.floor, "higher": ranks.ceil, "nearest": ranks.round}[interpolation]()
        out = ordered.gather(-1, _to_copy(ranks, dtypes.int64))
    else:
        below = ranks.floor()
        low = ordered.gather(-1, _to_copy(below, dtypes.int64))
        high = ordered.gather(-1, _to_copy(ranks.ceil(), dtypes.int64))
        weight = ranks - below if interpolation == "linear" else (ranks - below).ceil() * 0.5
        out = low.lerp(high, weight)
    if dim is None:
        left = [1] * input.ndim * keepdim
    else:
        gone = wrap(dim, input.ndim)
        left = [1 if i == gone else s for i, s in enumerate(input.shape) if keepdim or i != gone]
    return out.movedim(-1, 0).reshape((*([out.shape[-1]] if several else []), *left))


def _all_ranks(x, points):
    ranks = points * (x.shape[-1] - 1)
    return ranks.expand((*x.shape[:-1], points.shape[0])).masked_fill(x.isnan().any(-1, True), x.shape[-1] - 1)


def _number_ranks(x, points):
    return (points * (x.eq(x).sum(-1, True) - 1)).clamp_min(0)


@composite("torch method out")
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The `q`-quantiles along `dim`, or of all elements; NaN where there is one.

    `q`: a number from 0 to 1, or a 1-D tensor, whose size then comes first in the result's shape.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, _all_ranks)


@composite("torch method out")
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """As `quantile`, of what is not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, _number_ranks)


# ---- correlation

def _check_weights(name: str, weights, input, integral: bool) -> None:
    if weights.ndim > 1:
        raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
                           f"{weights.ndim} dimensions")
    wanted = dtypes.INTEGER if integral else dtypes.FLOATING
    if weights.dtype.category != wanted:
        raise RuntimeError(f"cov(): expected {name} to have {'integral' if integral else 'floating point'} dtype but "
                           f"got {name} with {TITLES[weights.dtype.name]} dtype")
    if math.prod(weights.shape) != input.shape[-1]:
        raise RuntimeError(f"cov(): expected {name} to have the same numel as there are observations in the input but "
                           f"got {math.prod(weights.shape)} != {input.shape[-1]}")
    if bool(weights.lt(0).any()):
        raise RuntimeError(f"cov(): {name} cannot be negative")


@composite("torch method")
def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariances of the rows of `input` (variables, observations) -> (variables, variables).

    `fweights`: how often each observation counts (integers); `aweights`: how much.
    """
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} "
                           "dimensions")
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.reshape((1, -1)) if input.ndim < 2 else input
    if x.dtype.category < dtypes.FLOATING:
        x = _to_copy(x, dtypes.default_dtype())
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is not None:
            _check_weights(name, weights, x, name == "fweights")
    w = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    count = x.shape[1]
    if w is None:
        free = max(count - correction, 0)
        if count - correction <= 0:
            warnings.warn("cov(): degrees of freedom is <= 0", UserWarning, stacklevel=2)
        x = x - (x.mean(1, True) if count else 0)
        weighted = x
    else:
        total = w.sum()
        free = total - (correction if aweights is None else correction * (w * aweights).sum() / total)
        free = free.clamp_min(0)
        x = x - (x * w).sum(1, True) / total
        weighted = x * w
    out = weighted.matmul((x.conj() if x.dtype.is_complex else x).transpose(0, 1)) / free
    return out.reshape(()) if input.ndim < 2 or x.shape[0] == 1 else out


@composite("torch method")
def corrcoef(input):
    """The correlation coefficients of the rows of `input` (variables, observations) -> (variables, variables)."""
    if input.ndim > 2:
        raise RuntimeError("corrcoef(): expected input to have two or fewer dimensions but got an input with "
                           f"{input.ndim} dimensions")
    c = cov(input)
    if c.ndim == 0:
        return c / c
    deviation = c.diagonal().sqrt() if not c.dtype.is_complex else c.diagonal().real.sqrt()
    c = c / deviation.unsqueeze(-1) / deviation
    if not c.dtype.is_complex:
        return c.clamp(-1, 1)
    return registry["complex"](c.real.clamp(-1, 1), c.imag.clamp(-1, 1))
