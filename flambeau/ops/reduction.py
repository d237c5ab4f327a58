"""Many numbers in, fewer out: sums, products, means, extrema, along one, several or all dimensions."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import TITLES
from ._op import S, T, composite, op
from ._rules import axes, reduced, wrap, wrap_all
from .core import counted, filled
from .elementwise import conj


def restored(g, input_spec: Spec, dim, keepdim: bool):
    """The gradient of a sum: `g` spread over the dimensions that the reduction took away."""
    return kept(g, input_spec, dim, keepdim).expand(input_spec.shape)


def kept(x, input_spec: Spec, dim, keepdim: bool):
    """A reduction's result with the dimensions that it took away as 1."""
    if not input_spec.ndim or keepdim:
        return x
    dims = wrap_all(dim, input_spec.ndim)
    return x.reshape(tuple(1 if i in dims else s for i, s in enumerate(input_spec.shape)))


def is_tensor(value: Any) -> bool:
    """Whether `value` is a tensor or a node, where PyTorch's signature allows other things too."""
    return hasattr(value, "requires_grad")


def over(dim: Any, ndim: int) -> Any:
    """NumPy's `axis` for `dim`, which has been checked: all dimensions if None, empty, or there are none."""
    return dim if ndim and dim is not None and dim != () else None


def count_over(s: Spec, dim: Any) -> int:
    """How many elements a reduction over `dim` brings together."""
    return math.prod([s.shape[d] for d in axes(dim, s.ndim)])


def _summed(input: Spec, dim, keepdim, dtype) -> Spec:
    found = dtype or (dtypes.int64 if input.dtype.category < dtypes.FLOATING else input.dtype)
    return reduced(input, dim, keepdim).like(dtype=found)


def _converted(input, dtype):
    """`input` as the type asked for; sixteen bits are widened again, so that only the result is rounded to them."""
    if dtype is None or input.dtype == dtype.numpy:
        return input
    if dtype.category < dtypes.COMPLEX and input.dtype.kind == "c":
        input = input.real
    return input.astype(dtype.numpy).astype("float32") if dtype.half else input.astype(dtype.numpy)


@op(
    _summed,
    api="torch method out",
    shown=lambda kind: "Sum" if kind.env["dim"] is None else "Sum1",
    grad=lambda g, input_spec, dim, keepdim: restored(g, input_spec, dim, keepdim),
    cases=[(S(2, 3),), (S(2, 3), 1), (S(2, 3, 4), (0, -1), True), (S(),), (S(2, 3, dtype="bool"),)],
    wrong=[((S(2), 1), IndexError, "Dimension out of range"), ((S(2, 2), (0, 0)), RuntimeError, "appears multiple")],
)
def sum(xp, input: T, dim=None, keepdim=False, *, dtype=None):
    """The sum of the elements, along `dim` (an int, several, or all). Integers and bool are summed as int64."""
    wide = "int64" if dtype is None and input.dtype.kind in "iub" else None
    return xp.sum(_converted(input, dtype), axis=over(dim, input.ndim), keepdims=keepdim, dtype=wide)


_LARGE, _ROW = 1 << 14, 1 << 10  # from so many elements on a product with ones is quicker; and its length


def added_up(xp, x, axis, keepdims):
    """The sum on NumPy: of large arrays in a third of the time, through BLAS, and in parts, to round less."""
    if x.size < _LARGE or x.dtype.kind != "f" or keepdims or not x.flags.c_contiguous:
        return xp.add.reduce(x, axis=axis, keepdims=keepdims)
    if x.ndim == 1 or axis is None:
        flat = x.reshape(-1)
        whole = flat.size - flat.size % _ROW
        rows = flat[:whole].reshape(-1, _ROW).dot(xp.ones(_ROW, x.dtype))
        return xp.add.reduce(rows) + xp.add.reduce(flat[whole:])
    if x.ndim == 2 and axis in (1, -1, (1,), (-1,)) and x.shape[1] <= 4 * _ROW:
        return x.dot(xp.ones(x.shape[1], x.dtype))
    if axis in (0, (0,)) and x.shape[0] >= 64:
        whole = x.shape[0] - x.shape[0] % 32  # in steps: NumPy adds row after row, and rounds at each
        parts = xp.add.reduce(x[:whole].reshape(-1, 32, *x.shape[1:]), axis=1)
        return xp.add.reduce(parts, axis=0) + xp.add.reduce(x[whole:], axis=0)
    return xp.add.reduce(x, axis=axis)


@sum.lower("numpy")
def _sum_numpy(xp, input, dim=None, keepdim=False, *, dtype=None):
    if dtype is None:
        if input.dtype.kind in "fcV":
            return added_up(xp, input, over(dim, input.ndim), keepdim)
        return xp.add.reduce(input, axis=over(dim, input.ndim), keepdims=keepdim, dtype="int64")
    # a sum of bool must add, not or
    return xp.add.reduce(
        _converted(input, dtype),
        axis=over(dim, input.ndim),
        keepdims=keepdim,
        dtype=dtype.numpy if dtype.category < dtypes.FLOATING else None,
    )


def _averaged(input: Spec, dim, keepdim, dtype) -> Spec:
    if (dtype or input.dtype).category < dtypes.FLOATING:
        which = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {which} dtype must be either a floating point or "
            f"complex dtype. Got: {TITLES[(dtype or input.dtype).name]}"
        )
    return reduced(input, dim, keepdim).like(dtype=dtype)


@op(
    _averaged,
    api="torch method out",
    shown=lambda kind: "Mean" if kind.env["dim"] is None else "Mean1",
    grad=lambda g, input_spec, dim, keepdim: restored(g / count_over(input_spec, dim), input_spec, dim, keepdim),
    cases=[(S(2, 3),), (S(2, 3), 1), (S(2, 3, 4), (0, -1), True), (S(),)],
    wrong=[((S(2, dtype="int64"),), RuntimeError, "could not infer output dtype")],
)
def mean(xp, input: T, dim=None, keepdim=False, *, dtype=None):
    """The mean of the elements, along `dim` (an int, several, or all)."""
    out = xp.sum(_converted(input, dtype), axis=over(dim, input.ndim), keepdims=keepdim)
    count = math.prod([input.shape[d] for d in axes(dim, input.ndim)])
    return out / count if count else out * xp.nan


@mean.lower("numpy")
def _mean_numpy(xp, input, dim=None, keepdim=False, *, dtype=None):
    out = added_up(xp, _converted(input, dtype), over(dim, input.ndim), keepdim)
    count = input.size // out.size if out.size else 0
    return out / count if count else out * xp.nan


def _without_nan(input):
    """`input` with zeros for NaN, differentiable where it is a number."""
    return input if input.dtype.category < dtypes.FLOATING else input.masked_fill(input.isnan(), 0)


@composite("torch method out")
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum of the elements that are not NaN."""
    if input.dtype.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    return sum(_without_nan(input), dim, keepdim, dtype=dtype)


@composite("torch method out")
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean of the elements that are not NaN."""
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {TITLES[input.dtype.name]}"
        )
    count = sum(input.isnan().logical_not(), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count


@composite("method")
def sum_to_size(input, *size):
    """`input` summed over the dimensions that `size` lacks or has as 1: what undoes broadcasting."""
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    ahead = input.ndim - len(shape)
    if ahead < 0 or builtins.any(s not in (1, own) for s, own in zip(shape, input.shape[ahead:], strict=True)):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(input.shape)}}}.")
    if not shape:
        return sum(input)
    dims = tuple(range(ahead)) + tuple(i + ahead for i, s in enumerate(shape) if s == 1 != input.shape[i + ahead])
    return sum(input, dims, True).reshape(shape) if dims else input


# ---- products


def _multiplied(input: Spec, dim, keepdim, dtype) -> Spec:
    if isinstance(dim, tuple):
        raise TypeError("prod(): argument 'dim' (position 2) must be int, not tuple")
    return _summed(input, dim, keepdim, dtype)


def _prod_grad(g, input, dim, keepdim):
    others = _prod_others(input, dim) if dim is not None else _prod_others(input.reshape((-1,)), 0).reshape(input.shape)
    return restored(g, input.spec, dim, keepdim) * conj(others)


@op(
    _multiplied,
    api="torch method out",
    shown=lambda kind: "Prod" if kind.env["dim"] is None else "Prod1",
    grad=_prod_grad,
    cases=[(S(2, 3),), (S(2, 3), 1), (S(2, 3), 0, True), (S(),), (S(4, dtype="int64"),)],
)
def prod(xp, input: T, dim=None, keepdim=False, *, dtype=None):
    """The product of the elements, along one dimension or all."""
    wide = "int64" if dtype is None and input.dtype.kind in "iub" else None
    return xp.prod(
        _converted(input, dtype),
        axis=over(dim, input.ndim),
        keepdims=keepdim,
        dtype=wide if dtype is None or dtype.half else dtype.numpy,
    )


def off_diagonal(x, weight):
    """Matrices `x` (..., n, n) with `weight` on the diagonal."""
    places = counted(x, x.shape[-1])
    return x.masked_fill(places.unsqueeze(-1).eq(places), weight)


def _others_grad(g, input, dim):
    """Through the matrix whose row i is the vector with a one in place i: products of its rows are the result."""
    g, x = g.movedim(dim, -1), input.movedim(dim, -1)
    n = x.shape[-1] if input.ndim else 1
    if not input.ndim:
        return filled(g, (), 0)
    rows = off_diagonal(x.unsqueeze(-2).expand((*x.shape[:-1], n, n)), 1)
    parts = off_diagonal(g.unsqueeze(-1) * conj(_prod_others(rows, -1)), 0)
    return sum(parts, -2).movedim(-1, dim)


@op(lambda input, dim: input.like(), api="", grad=_others_grad, cases=[(S(2, 3), 1), (S(3, 2), 0)])
def _prod_others(xp, input: T, dim):
    """For each element, the product of the others along `dim`: exact where there are zeros."""
    if input.ndim == 0:
        return xp.ones_like(input)
    x = xp.moveaxis(input, dim, -1)
    one = xp.ones_like(x[..., :1])
    before = xp.cumprod(xp.concatenate([one, x[..., :-1]], axis=-1), axis=-1)
    after = xp.cumprod(xp.concatenate([one, x[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return xp.moveaxis((before * after).astype(x.dtype), -1, dim)


# ---- extrema


def nonempty(name: str, input: Spec, dim: Any) -> None:
    """Raises PyTorch's error where there is no element to choose."""
    if input.numel:
        return
    if dim is None or dim == ():
        if name in ("argmax()", "argmin()"):
            raise IndexError(f"{name}: Expected reduction dim to be specified for input.numel() == 0.")
        raise RuntimeError(
            f"{name}: Expected reduction dim to be specified for input.numel() == 0. Specify the "
            "reduction dim with the 'dim' argument."
        )
    for d in wrap_all(dim, input.ndim):
        if input.ndim and input.shape[d] == 0:
            raise IndexError(f"{name}: Expected reduction dim {d} to have non-zero size.")


def _extreme(name: str, kernel: str):
    def rule(input: Spec, dim, keepdim) -> Spec:
        out = reduced(input, dim, keepdim)
        nonempty(name, input, dim)
        ordered(kernel, input)
        return out

    return rule


def ordered(kernel: str, input: Any, refused: str = "c") -> None:
    """Raises PyTorch's error for complex numbers, which have no order (or for `refused`: b(ool), c(omplex)).

    `kernel` is the message up to its end, or the name of PyTorch's kernel.
    """
    if "bifc"[input.dtype.category] in refused:
        if "(" in kernel:
            raise RuntimeError(f"{kernel}: does not support {'complex' if input.dtype.is_complex else 'bool'} input")
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{TITLES[input.dtype.name]}'")


def largest(xp) -> Callable:
    """The reduction to the largest element; NumPy's bare one spares a layer of Python."""
    return xp.maximum.reduce if xp.host else xp.max


def smallest(xp) -> Callable:
    """The reduction to the smallest element."""
    return xp.minimum.reduce if xp.host else xp.min


def _shared(g, input, out, dim, keepdim):
    """Equal elements share the gradient of an extremum."""
    chosen = input.eq(kept(out, input.spec, dim, keepdim))
    return kept(g, input.spec, dim, keepdim) * chosen / sum(chosen, dim, True)


@op(
    _extreme("amax()", "max_values_cpu"),
    api="torch method out",
    grad=_shared,
    cases=[(S(2, 3),), (S(2, 3), 1), (S(2, 3, 4), (0, -1), True), (S(),)],
    wrong=[((S(0, 2), 0), IndexError, "to have non-zero size")],
)
def amax(xp, input: T, dim=(), keepdim=False):
    """The largest element along `dim` (an int, several, or all). Equal ones share the gradient."""
    return largest(xp)(input, axis=over(dim, input.ndim), keepdims=keepdim)


@op(
    _extreme("amin()", "min_values_cpu"),
    api="torch method out",
    grad=_shared,
    cases=[(S(2, 3),), (S(2, 3), 1), (S(2, 3, 4), (0, -1), True), (S(),)],
)
def amin(xp, input: T, dim=(), keepdim=False):
    """The smallest element along `dim` (an int, several, or all). Equal ones share the gradient."""
    return smallest(xp)(input, axis=over(dim, input.ndim), keepdims=keepdim)


def shared_all(g, input, out):
    """The gradient of an element of all: those equal to it share it."""
    chosen = input.eq(out).logical_or(input.isnan().logical_and(out.isnan()))
    return g * chosen / sum(chosen)


def _chosen_all(name: str):
    def rule(input: Spec) -> Spec:
        nonempty(name + "()", input, None)
        ordered(name + "_all", input)
        return input.like(())

    return rule


@op(_chosen_all("max"), api="", shown="Max1", grad=shared_all, cases=[(S(2, 3),), (S(),)])
def _max_all(xp, input: T):
    """The largest element of all."""
    return largest(xp)(input, axis=None)


@op(_chosen_all("min"), api="", shown="Min1", grad=shared_all, cases=[(S(2, 3),), (S(),)])
def _min_all(xp, input: T):
    """The smallest element of all."""
    return smallest(xp)(input, axis=None)


def placed(g, indices, input_spec: Spec, dim: int, keepdim: bool = True):
    """The gradient of elements chosen along `dim`: `g` at their places, zero elsewhere."""
    if input_spec.ndim == 0:
        return g
    if not keepdim:
        g, indices = g.unsqueeze(dim), indices.unsqueeze(dim)
    return filled(g, input_spec.shape, 0).scatter(dim, indices, g)


def _chosen(name: str):
    def rule(input: Spec, dim, keepdim) -> tuple:
        d = wrap(dim, input.ndim)
        ordered(name, input)
        nonempty(name, input, d)
        out = reduced(input, d, keepdim)
        return out, out.like(dtype=dtypes.int64)

    return rule


def _chosen_grad(g, out, input_spec, dim, keepdim):
    return None if g[0] is None else placed(g[0], out[1], input_spec, dim, keepdim)


def _select(choose, place, input, dim, keepdim):
    if input.ndim == 0:
        return input, place(input)
    return choose(input, axis=dim, keepdims=keepdim), place(input, axis=dim, keepdims=keepdim)


@op(
    _chosen("max()"),
    api="",
    names="max: values indices",
    shown="Max",
    grad=_chosen_grad,
    cases=[(S(2, 3), 1), (S(2, 3), 0, True), (S(), 0)],
    wrong=[((S(0, 2), 0), IndexError, "to have non-zero size"), ((S(2), 1), IndexError, "Dimension out of range")],
)
def _max_dim(xp, input: T, dim, keepdim=False):
    """The largest elements along `dim`, and where they are."""
    return _select(largest(xp), xp.argmax, input, dim, keepdim)


@op(
    _chosen("min()"),
    api="",
    names="min: values indices",
    shown="Min",
    grad=_chosen_grad,
    cases=[(S(2, 3), 1), (S(2, 3), 0, True), (S(), 0)],
)
def _min_dim(xp, input: T, dim, keepdim=False):
    """The smallest elements along `dim`, and where they are."""
    return _select(smallest(xp), xp.argmin, input, dim, keepdim)


@composite("torch method out")
def max(input, dim=None, keepdim=False, *, other=None):
    """The largest element of all; along `dim`, (values, indices); of two tensors, the larger elements."""
    if not is_tensor(input):
        raise TypeError(f"max(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    other = dim if is_tensor(dim) else other
    if other is not None:
        return input.maximum(other)
    return _max_all(input) if dim is None else _max_dim(input, dim, keepdim)


@composite("torch method out")
def min(input, dim=None, keepdim=False, *, other=None):
    """The smallest element of all; along `dim`, (values, indices); of two tensors, the smaller elements."""
    if not is_tensor(input):
        raise TypeError(f"min(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    other = dim if is_tensor(dim) else other
    if other is not None:
        return input.minimum(other)
    return _min_all(input) if dim is None else _min_dim(input, dim, keepdim)


def _range(input: Spec, dim, keepdim) -> tuple:
    if dim is not None:
        wrap(dim, input.ndim)
    if not input.numel and dim is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    nonempty("aminmax", input, dim)
    ordered("aminmax_cpu", input)
    out = reduced(input, dim, keepdim)
    return out, out.like()


def _range_grad(g, input, out, dim, keepdim):
    parts = [_shared(gi, input, oi, dim, keepdim) for gi, oi in zip(g, out, strict=True) if gi is not None]
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@op(
    _range,
    names="min max",
    api="torch method out",
    grad=_range_grad,
    cases=[(S(2, 3),), (S(2, 3), {"dim": 1}), (S(2, 3), {"dim": 0, "keepdim": True})],
)
def aminmax(xp, input: T, *, dim=None, keepdim=False):
    """The smallest and the largest element, of all or along `dim`."""
    axis = over(dim, input.ndim)
    return smallest(xp)(input, axis=axis, keepdims=keepdim), largest(xp)(input, axis=axis, keepdims=keepdim)


def _place(name: str):
    def rule(input: Spec, dim, keepdim) -> Spec:
        if dim is not None:
            wrap(dim, input.ndim)
        ordered(name, input, "bc")
        nonempty(name, input, dim)
        return reduced(input, dim, keepdim).like(dtype=dtypes.int64)

    return rule


@op(
    _place("argmax()"),
    api="torch method out",
    cases=[(S(2, 3),), (S(2, 3), 1), (S(2, 3), 0, True), (S(),)],
    wrong=[((S(0),), IndexError, "Expected reduction dim to be specified")],
)
def argmax(xp, input: T, dim=None, keepdim=False):
    """Where the largest element is: among all, counted row by row, or along `dim`. The first of equal ones."""
    return xp.argmax(input, axis=over(dim, input.ndim), keepdims=keepdim)


@op(_place("argmin()"), api="torch method out", cases=[(S(2, 3),), (S(2, 3), 1), (S(2, 3), 0, True), (S(),)])
def argmin(xp, input: T, dim=None, keepdim=False):
    """Where the smallest element is: among all, counted row by row, or along `dim`. The first of equal ones."""
    return xp.argmin(input, axis=over(dim, input.ndim), keepdims=keepdim)


def _decided(input: Spec, dim, keepdim) -> Spec:
    return reduced(input, dim, keepdim).like(dtype=dtypes.uint8 if input.dtype is dtypes.uint8 else dtypes.bool_)


@op(
    _decided,
    api="torch method out",
    cases=[(S(2, 3, dtype="bool"),), (S(2, 3, dtype="bool"), 1), (S(2, 3), (0, 1), True)],
)
def any(xp, input: T, dim=None, keepdim=False):
    """Whether some element is not zero, along `dim` (an int, several, or all)."""
    out = xp.any(input if input.dtype == "bool" else input != 0, axis=over(dim, input.ndim), keepdims=keepdim)
    return out.astype("uint8") if input.dtype == "uint8" else out


@op(
    _decided,
    api="torch method out",
    cases=[(S(2, 3, dtype="bool"),), (S(2, 3, dtype="bool"), 1), (S(2, 3), (0, 1), True)],
)
def all(xp, input: T, dim=None, keepdim=False):
    """Whether no element is zero, along `dim` (an int, several, or all)."""
    out = xp.all(input if input.dtype == "bool" else input != 0, axis=over(dim, input.ndim), keepdims=keepdim)
    return out.astype("uint8") if input.dtype == "uint8" else out


def _logsumexp_grad(g, input, out, dim, keepdim):
    spread = lambda x: kept(x, input.spec, dim, keepdim)  # noqa: E731
    return spread(g) * conj((input - spread(out)).exp())


@op(
    lambda input, dim, keepdim: reduced(input, dim, keepdim),
    promote=True,
    to_float=True,
    api="torch method out",
    alias="special.logsumexp",
    grad=_logsumexp_grad,
    cases=[(S(2, 3), 1), (S(2, 3), (0, 1), True), (S(), 0)],
)
def logsumexp(xp, input: T, dim, keepdim=False):
    """log(sum of exp(x)) along `dim` (an int or several), shifted by the maximum so that nothing overflows."""
    axis = over(dim, input.ndim)
    if input.size == 0:
        return xp.log(xp.sum(xp.exp(input), axis=axis, keepdims=keepdim))
    top = xp.max(input.real, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    out = xp.log(xp.sum(xp.exp(input - top), axis=axis, keepdims=True)) + top
    return out if keepdim else xp.squeeze(out, axis=axis)
