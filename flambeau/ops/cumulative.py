"""Running sums, products and extrema along a dimension, and differences and integrals of samples."""
from __future__ import annotations

import itertools

from .. import dtypes
from ..graph import Spec
from ._checks import TITLES
from ._op import S, T, composite, op, registry
from ._rules import wrap
from .core import counted, filled
from .elementwise import conj
from .reduction import _others_grad, _prod_others, is_tensor, ordered


def _running(name: str):
    def rule(input: Spec, dim, dtype) -> Spec:
        wrap(dim, input.ndim)
        if dtype is dtypes.bool_:
            raise NotImplementedError(f'"{name}_out_cpu" not implemented for \'Bool\'')
        return input.like(dtype=dtype or (dtypes.int64 if input.dtype.category < dtypes.FLOATING else input.dtype))
    return rule


def _started(input, dtype):
    """`input` as the type that is accumulated in: sixteen bits stay widened, so that only the result is rounded."""
    if dtype is None:
        return input.astype("int64") if input.dtype.kind in "iub" else input
    if dtype.category < dtypes.COMPLEX and input.dtype.kind == "c":
        input = input.real
    return input.astype(dtype.numpy).astype("float32") if dtype.half else input.astype(dtype.numpy)


@op(_running("cumsum"), api="torch method inplace out", grad=lambda g, dim: _reversed_cumsum(g, dim),
    cases=[(S(2, 3), 1), (S(2, 3), 0), (S(), 0), (S(4, dtype="bool"), 0)],
    wrong=[((S(2), 1), IndexError, "Dimension out of range")])
def cumsum(xp, input: T, dim, *, dtype=None):
    """y_i = x_1 + ... + x_i along `dim`."""
    x = _started(input, dtype)
    return xp.cumsum(x, axis=dim, dtype=x.dtype) if x.ndim else x


@op(lambda input, dim: input.like(), api="", grad=lambda g, dim: cumsum(g, dim),
    cases=[(S(2, 3), 1)])
def _reversed_cumsum(xp, input: T, dim):
    """y_i = x_i + ... + x_n along `dim`."""
    return xp.flip(xp.cumsum(xp.flip(input, axis=dim), axis=dim, dtype=input.dtype), axis=dim) if input.ndim else input


@op(_running("cumprod"), api="torch method inplace out", grad=lambda g, input, dim: _cumprod_backward(g, input, dim),
    cases=[(S(2, 3), 1), (S(2, 3), 0), (S(), 0)])
def cumprod(xp, input: T, dim, *, dtype=None):
    """y_i = x_1 * ... * x_i along `dim`."""
    x = _started(input, dtype)
    return xp.cumprod(x, axis=dim, dtype=x.dtype) if x.ndim else x


def _later(x):
    """The pairs (i, k) with k after i, for matrices of the size of the last dimension of `x`."""
    places = counted(x, x.shape[-1])
    return places.gt(places.unsqueeze(-1))


def _rows(x):
    """Matrices whose row i holds x_1 .. x_i, then ones."""
    n = x.shape[-1]
    return x.unsqueeze(-2).expand((*x.shape[:-1], n, n)).masked_fill(_later(x), 1)


def _cumprod_backward_input(g, other, dim):
    if not other.ndim:
        return g
    g, x = g.movedim(dim, -1), other.movedim(dim, -1)
    jacobian = _prod_others(_rows(x), -1).masked_fill(_later(x), 0)
    return (jacobian * g.unsqueeze(-2)).sum(-1).movedim(-1, dim)


def _cumprod_backward_other(g, input, other, dim):
    if not other.ndim:
        return filled(g, (), 0)
    weight = (input.movedim(dim, -1).unsqueeze(-1) * conj(g.movedim(dim, -1)).unsqueeze(-2))
    x = other.movedim(dim, -1)
    parts = _others_grad(weight.masked_fill(_later(x), 0), _rows(x), -1).masked_fill(_later(x), 0)
    return parts.sum(-2).movedim(-1, dim)


@op(lambda input, other, dim: input.like(), api="",
    grad=dict(input=_cumprod_backward_input, other=_cumprod_backward_other),
    cases=[(S(2, 3), S(2, 3), 1), (S(3, 2), S(3, 2), 0)])
def _cumprod_backward(xp, input: T, other: T, dim):
    """The gradient `input` of cumprod(other): sum over i >= k of g_i * product of x_1 .. x_i without x_k.

    Before the first zero that is a quotient; at it, the zero is taken for one; after it, all products vanish.
    """
    if other.ndim == 0:
        return input
    def backward_sum(x):
        return xp.flip(xp.cumsum(xp.flip(x, axis=dim), axis=dim), axis=dim)
    other = xp.conj(other)
    zero = other == 0
    seen = xp.cumsum(zero, axis=dim)
    one = xp.ones_like(other)
    filled_in = xp.where(zero & (seen == 1), one, other)
    before = backward_sum(input * xp.cumprod(other, axis=dim)) / xp.where(zero, one, other)
    at = backward_sum(xp.where(seen > 0, input * xp.cumprod(filled_in, axis=dim), xp.zeros_like(input)))
    out = xp.where(seen == 0, before, xp.where(zero & (seen == 1), at, xp.zeros_like(before)))
    return out.astype(input.dtype)


def _extremes(name: str):
    def rule(input: Spec, dim) -> tuple:
        d = wrap(dim, input.ndim)
        ordered(name + "_cpu", input)
        if input.ndim and input.shape[d] == 0 and input.numel:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
        return input.like(), input.like(dtype=dtypes.int64)
    return rule


def _extremes_grad(g, out, input_spec, dim):
    if g[0] is None or not input_spec.ndim:
        return g[0]
    return filled(g[0], input_spec.shape, 0).scatter_add(dim, out[1], g[0])


def _running_extreme(xp, accumulate, input, dim):
    if not input.ndim or not input.size:
        return input, xp.zeros(input.shape, dtype="int64")
    values = accumulate(input, axis=dim)
    places = xp.arange(input.shape[dim]).reshape([-1 if i == dim % input.ndim else 1 for i in range(input.ndim)])
    found = xp.where((input == values) | (input != input), places, xp.zeros_like(places))
    return values, xp.maximum.accumulate(found, axis=dim)


@op(_extremes("cummax"), names="values indices", api="torch method out", grad=_extremes_grad,
    cases=[(S(2, 3), 1), (S(), 0)])
def cummax(xp, input: T, dim):
    """The largest of x_1 .. x_i along `dim` for each i, and where it is (the last of equal ones)."""
    return _running_extreme(xp, xp.maximum.accumulate, input, dim)


@op(_extremes("cummin"), names="values indices", api="torch method out", grad=_extremes_grad,
    cases=[(S(2, 3), 1), (S(), 0)])
def cummin(xp, input: T, dim):
    """The smallest of x_1 .. x_i along `dim` for each i, and where it is (the last of equal ones)."""
    return _running_extreme(xp, xp.minimum.accumulate, input, dim)


def _log_running(input: Spec, dim) -> Spec:
    wrap(dim, input.ndim)
    if input.dtype.category < dtypes.FLOATING:
        raise NotImplementedError(f'"logcumsumexp_out_cpu" not implemented for \'{TITLES[input.dtype.name]}\'')
    return input.like()


def _log_cumsum(xp, input, dim):
    if not input.ndim:
        return input
    if input.dtype.kind != "c":
        return xp.logaddexp.accumulate(input.astype("float64"), axis=dim).astype(input.dtype)
    # step by step: the angle is the sum's, not brought back to -pi..pi
    x = xp.moveaxis(input, dim, 0)
    out = [x[0]] if len(x) else []
    for term in x[1:]:
        larger = out[-1].real >= term.real
        high, low = xp.where(larger, out[-1], term), xp.where(larger, term, out[-1])
        out.append(xp.where(xp.isinf(high.real), high, high + xp.log1p(xp.exp(low - high))))
    return xp.moveaxis(xp.stack(out), 0, dim) if out else input


@op(_log_running, api="torch method out", grad=lambda g, input, out, dim: _logcumsumexp_backward(g, input, out, dim),
    cases=[(S(2, 3), 1), (S(), 0)])
def logcumsumexp(xp, input: T, dim):
    """log(exp(x_1) + ... + exp(x_i)) along `dim`."""
    return _log_cumsum(xp, input, dim)


def _ratios(other, result, dim):
    """The matrices exp(x_k - y_i) for k up to i, else zero: what second derivatives go through."""
    x, y = other.movedim(dim, -1), result.movedim(dim, -1)
    return (x.unsqueeze(-2) - y.unsqueeze(-1)).masked_fill(_later(x), float("-inf")).exp()


def _log_weighted(g, other, result, dim):
    if not other.ndim:
        return g
    return (conj(_ratios(other, result, dim)) * g.movedim(dim, -1).unsqueeze(-2)).sum(-1).movedim(-1, dim)


@op(lambda input, other, result, dim: input.like(), api="",
    grad=dict(input=_log_weighted, other=lambda g, out: g * out,
              result=lambda g, input, other, result, dim: -input * _log_weighted(g, other, result, dim)),
    cases=[(S(2, 3), S(2, 3), S(2, 3, low=1.5, high=2.5), 1)])
def _logcumsumexp_backward(xp, input: T, other: T, result: T, dim):
    """sum over i >= k of g_i * exp(x_k - y_i), where y is logcumsumexp(x): in logarithms, so that nothing overflows."""
    if not other.ndim:
        return input
    if other.dtype.kind == "c":
        top = xp.max(other.real, axis=dim, keepdims=True) if other.size else 0
        ahead = xp.flip(xp.cumsum(xp.flip(input * xp.conj(xp.exp(top - result)), axis=dim), axis=dim), axis=dim)
        return ahead * xp.conj(xp.exp(other - top))

    def ahead(part):
        weight = xp.where(xp.isinf(result) & (result < 0), -xp.inf, xp.log(part) - result).astype(input.dtype)
        return xp.exp(xp.flip(_log_cumsum(xp, xp.flip(weight, axis=dim), dim), axis=dim) + other)
    zero = xp.zeros_like(input)
    return ahead(xp.maximum(input, zero)) - ahead(xp.maximum(-input, zero))


# ---- differences and integrals

def joined(parts, dim):
    """The parts one after the other along `dim`."""
    return registry["cat"](tuple(parts), dim)


@composite("torch method out")
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """x_{i+1} - x_i along `dim`, `n` times; `prepend` and `append` are put before and after first."""
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap(dim, input.ndim)
    parts = [p for p in (prepend, input, append) if p is not None]
    for p in parts:
        if p.ndim != input.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
        for i in range(input.ndim):
            if i != dim and p.shape[i] != input.shape[i]:
                raise RuntimeError("diff expects the shape of tensor to prepend or append to match that of input "
                                   f"except along the differencing dimension; input.size({i}) = {input.shape[i]}, but "
                                   f"got tensor.size({i}) = {p.shape[i]}")
    if len(parts) > 1:
        input = joined(parts, dim)
    for _ in range(n):
        size = input.shape[dim]
        if size == 0:
            return input
        later, earlier = input.narrow(dim, 1, size - 1), input.narrow(dim, 0, size - 1)
        input = later.logical_xor(earlier) if input.dtype is dtypes.bool_ else later - earlier
    return input if n else input.clone()


def _steps(name: str, y, x, dx, dim: int):
    """The widths of the intervals between samples: a number, or a tensor that broadcasts against those of `y`."""
    if x is None:
        if dx is not None and is_tensor(dx) and dx.ndim:
            raise RuntimeError(f"{name}: Currently, we only support dx as a real number, got a tensor")
        return 1 if dx is None else dx
    if dx is not None:
        raise TypeError(f"{name}() received an invalid combination of arguments: both x and dx")
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        x = x.reshape(tuple(-1 if i == dim % y.ndim else 1 for i in range(y.ndim)))
        return diff(x, 1, dim)
    if x.ndim == 0:
        raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
    if y.ndim > x.ndim:
        x = x.reshape((1,) * (y.ndim - x.ndim) + tuple(x.shape))
    return diff(x, 1, dim - y.ndim if dim >= 0 else dim)


def _areas(name: str, y, x, dx, dim: int):
    steps = _steps(name, y, x, dx, dim)
    size = y.shape[dim]
    return (y.narrow(dim, 1, size - 1) + y.narrow(dim, 0, size - 1)) * steps / 2


@composite("torch", alias="trapz")
def trapezoid(y, x=None, *, dx=None, dim=-1):
    """The integral of samples `y` at places `x`, or `dx` apart, along `dim`, by the trapezoidal rule."""
    if not y.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap(dim, y.ndim)
    if y.shape[dim] == 0:
        return filled(y, [s for i, s in enumerate(y.shape) if i != dim], 0)
    _not_bool("trapezoid", y, x)
    return _areas("trapezoid", y, x, dx, dim).sum(dim)


@composite("torch")
def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """The running integral of samples `y` at places `x`, or `dx` apart, along `dim`, by the trapezoidal rule."""
    if not y.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    dim = wrap(dim, y.ndim)
    if y.shape[dim] == 0:
        return filled(y, y.shape, 0)
    _not_bool("cumulative_trapezoid", y, x)
    return _areas("cumulative_trapezoid", y, x, dx, dim).cumsum(dim)


def _not_bool(name: str, y, x) -> None:
    if y.dtype is dtypes.bool_ or x is not None and x.dtype is dtypes.bool_:
        raise RuntimeError(f"{name}: received a bool input for `{'y' if y.dtype is dtypes.bool_ else 'x'}`, but bool "
                           "is not supported")


# ---- finite differences

def _at_end(x, y, z, a, b):
    """The derivative at the first of three samples, `a` and `b` apart, of the parabola through them."""
    return y * ((a + b) / (a * b)) - x * ((a + a + b) / (a * (a + b))) - z * (a / (b * (a + b)))


def _along(input, spacing, dim: int, edge_order: int):
    """The derivative along one dimension, of `edge_order` at the ends. `spacing`: a number, or the places."""
    size = input.shape[dim]
    piece = lambda start, length: input.narrow(dim, start, length)  # noqa: E731
    if not (is_tensor(spacing) and spacing.ndim):
        step = spacing
        inner = (piece(2, size - 2) - piece(0, size - 2)) / (2 * step)
        if edge_order == 1:
            first, last = (piece(1, 1) - piece(0, 1)) / step, (piece(size - 1, 1) - piece(size - 2, 1)) / step
        else:
            first = (piece(1, 1) * 4 - piece(0, 1) * 3 - piece(2, 1)) / (2 * step)
            last = (piece(size - 1, 1) * 3 - piece(size - 2, 1) * 4 + piece(size - 3, 1)) / (2 * step)
        return joined([first, inner, last], dim)
    steps = diff(spacing).reshape(tuple(-1 if i == dim else 1 for i in range(input.ndim)))
    near = lambda start, length: steps.narrow(dim, start, length)  # noqa: E731
    a, b = near(0, size - 2), near(1, size - 2)
    inner = (piece(2, size - 2) * (a / (b * (a + b))) + piece(1, size - 2) * ((b - a) / (a * b))
             - piece(0, size - 2) * (b / (a * (a + b))))
    if edge_order == 1:
        first = (piece(1, 1) - piece(0, 1)) / near(0, 1)
        last = (piece(size - 1, 1) - piece(size - 2, 1)) / near(size - 2, 1)
        return joined([first, inner, last], dim)
    first = _at_end(piece(0, 1), piece(1, 1), piece(2, 1), near(0, 1), near(1, 1))
    last = -_at_end(piece(size - 1, 1), piece(size - 2, 1), piece(size - 3, 1), near(size - 2, 1), near(size - 3, 1))
    return joined([first, inner, last], dim)


@composite("torch")
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """The derivatives of samples along each of `dim`, as a tuple: central differences, one-sided ones at the ends.

    `spacing`: a number, one number for each dimension, or one 1-D tensor of places for each.
    """
    given = range(input.ndim) if dim is None else dim if isinstance(dim, (tuple, list)) else [dim]
    dims = tuple([wrap(d, input.ndim) for d in given])
    several = isinstance(spacing, (tuple, list))
    spacing = 1 if spacing is None else spacing
    if several and len(spacing) != len(dims):
        raise RuntimeError("torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to "
                           f"'self.dim() = {input.ndim}', since dim argument was not given, but got a list of length "
                           f"{len(spacing)}" if dim is None else
                           "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim "
                           f"arguments to have the same length, but got a spacing argument of length {len(spacing)} "
                           f"and a dim argument of length {len(dims)}.")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if input.dtype is dtypes.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    for i, d in enumerate(dims):
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
        if input.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
        if several and is_tensor(spacing[i]) and spacing[i].ndim > 1:
            raise RuntimeError("torch.gradient expected each element of spacing to have one dimension, but got an "
                               f"element with {spacing[i].ndim} dimensions!")
    each = spacing if several else itertools.repeat(spacing)
    return tuple([_along(input, s, d, edge_order) for s, d in zip(each, dims, strict=False)])
