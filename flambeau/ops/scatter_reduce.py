"""Scattering that combines what meets at a position: sum, product, mean, greatest, least."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._op import S, T, composite, op
from ._rules import title, wrap
from .comparison import eq
from .core import counted, filled
from .indexing import _within, masked_fill
from .rearrange import _flip
from .scatter import _front, _scatter, check_index, check_values, gather, grid, lifted, scatter_add
from .shape import _expand, _view

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def _rule(input: Spec, dim: int, index: Spec, src: Spec, reduce: str) -> Spec:
    if reduce not in REDUCTIONS:
        raise RuntimeError("reduce argument must be either sum, prod, mean, amax or amin.")
    check_index("scatter_reduce", input, dim, index, src)
    if src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    return input.like()


def _count(input, dim, index, include_self):
    """How many values meet at each position, at least 1."""
    start = filled(input, input.shape, 1 if include_self else 0)
    total = scatter_add(start, dim, index, filled(input, index.shape, 1))
    return total if include_self else masked_fill(total, eq(total, 0), 1)


def _to_input(g, out, input, dim, index, src, reduce, include_self):
    if reduce == "mean":
        g = g / _count(input, dim, index, include_self)
    elif reduce in ("amax", "amin"):
        g = g * eq(input, out) / _ties(out, input, dim, index, src, include_self)
    elif reduce == "prod":
        others = _scatter_reduce(filled(input, input.shape, 1), dim, index, src, "prod", True)
        g = g * others
    return g if include_self else _scatter(g, dim, index, 0)


def _ties(out, input, dim, index, src, include_self):
    """How many values share in a greatest or least one."""
    own = _as_type(eq(input, out), out)
    if not include_self:
        own = _scatter(own, dim, index, 0)
    total = scatter_add(own, dim, index, _as_type(eq(src, gather(out, dim, index)), out))
    return masked_fill(total, eq(total, 0), 1)


def _as_type(x, like):
    from ._op import cast

    return cast(x, like.dtype)


def _to_src(g, out, input, dim, index, src, reduce, include_self):
    if reduce == "mean":
        g = g / _count(input, dim, index, include_self)
    if reduce in ("sum", "mean"):
        return gather(g, dim, index)
    if reduce in ("amax", "amin"):
        return gather(g / _ties(out, input, dim, index, src, include_self), dim, index) * eq(
            src, gather(out, dim, index)
        )
    zero = eq(src, 0)  # the product of the others, where the value itself is the only zero
    zeros = scatter_add(filled(g, g.shape, 0), dim, index, _as_type(zero, g))
    alone = zero & eq(gather(zeros, dim, index), 1)
    without = gather(
        g * _scatter_reduce(input, dim, index, masked_fill(src, alone, 1), "prod", include_self), dim, index
    )
    usual = gather(g * out, dim, index) / masked_fill(src, zero, 1)
    return masked_fill(usual, alone, 0) + without * _as_type(alone, g)


@op(
    _rule,
    api="",
    checks=True,
    shown="ScatterReduce",
    grad=dict(input=_to_input, src=_to_src),
    cases=[(S(4, 3), 0, S(2, 3, dtype="int64"), S(2, 3), how, own) for how in REDUCTIONS for own in (True, False)],
)
def _scatter_reduce(xp, input: T, dim, index: T, src: T, reduce, include_self):
    """`input` with the elements of `src` combined at `index` along `dim`."""
    shape = input.shape
    input, index, src = lifted(xp, input, index, src)
    if not index.size:
        return xp.reshape(input, shape)
    dim %= input.ndim
    check_values(xp, index, input.shape[dim], dim)
    key = grid(xp, index, dim)
    if not include_self:
        input = xp.at_set(input, key, _neutral(xp, input.dtype, reduce))
    found = xp.at_reduce(input, key, src, "sum" if reduce == "mean" else reduce)
    if reduce == "mean":
        start = xp.ones(input.shape, "int64") if include_self else xp.zeros(input.shape, "int64")
        count = xp.maximum(xp.at_add(start, key, 1), 1)
        found = (found // count if found.dtype.kind in "iub" else found / count).astype(input.dtype)
    return xp.reshape(found, shape)


def _neutral(xp: Any, dtype: Any, reduce: str) -> Any:
    """What leaves the others as they are."""
    if reduce in ("sum", "mean"):
        return xp.asarray(0, dtype=dtype)
    if reduce == "prod":
        return xp.asarray(1, dtype=dtype)
    if dtype.kind == "b":
        return xp.asarray(reduce == "amin")
    if dtype.kind in "iu":
        return xp.asarray(xp.iinfo(dtype).min if reduce == "amax" else xp.iinfo(dtype).max, dtype=dtype)
    return xp.asarray(-xp.inf if reduce == "amax" else xp.inf, dtype=dtype)


@composite("torch method inplace out")
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """`input` with the elements of `src` combined at `index` along `dim` by "sum", "prod", "mean", "amax" or "amin"."""
    if (
        tuple(src.shape) != tuple(index.shape)
        and src.ndim == index.ndim
        and all(i <= s for i, s in zip(index.shape, src.shape, strict=True))
    ):
        src = _front(src, tuple(index.shape))
    return _scatter_reduce(
        input.clone(), dim, index, src, reduce, bool(include_self)
    )  # in place, the gradient still reads what was


@composite("torch method inplace out")
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """`input` with the slices of `source` combined at `index` along `dim` by "prod", "mean", "amax" or "amin"."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"index_reduce(): Expected dtype int32/int64 for index but got: {title(index.dtype)}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"index_reduce(): self ({title(input.dtype)}) and source ({title(source.dtype)}) must have the same "
            "scalar type"
        )
    dim = wrap(dim, input.ndim)
    index = _within(index, 0, input.shape[dim] if input.ndim else 1, "index out of range in self")
    if input.ndim:
        index = (
            _view(index, tuple(-1 if i == dim else 1 for i in range(input.ndim)))
            if index.ndim
            else _view(index, (1,) * input.ndim)
        )
        if source.ndim < input.ndim:
            source = _view(source, tuple(index.shape))
        index = _expand(index, tuple(source.shape))
    return _scatter_reduce(input.clone(), dim, index, source, reduce, bool(include_self))


@composite("torch method out")
def take_along_dim(input, indices, dim=None):
    """The elements of `input` at `indices` along `dim` (none: as if flat), the other dimensions broadcast."""
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} "
            f"dimensions for input, and {indices.ndim} dimensions for indices"
        )
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {title(indices.dtype)}")
    dim = wrap(dim, input.ndim)
    common = [max(a, b) if 0 not in (a, b) else 0 for a, b in zip(input.shape, indices.shape, strict=True)]
    input = _expand(
        input, tuple(n if i == dim else c for i, (n, c) in enumerate(zip(input.shape, common, strict=True)))
    )
    indices = _expand(
        indices, tuple(n if i == dim else c for i, (n, c) in enumerate(zip(indices.shape, common, strict=True)))
    )
    return gather(input, dim, _wrapped(indices, input.shape[dim]))


@op(lambda input, size: input.like(), api="", upcast=False, detaches=True, cases=[(S(3, dtype="int64"), 4)])
def _wrapped(xp, input: T, size):
    """Positions counted from the front."""
    return xp.where(input < 0, input + size, input)


# ---- repeated elements


@op(None, api="", eager=True, cases=[(S(3, dtype="int64"),)])
def _spread(xp, repeats: T):
    """Each position as often as `repeats` says."""
    if repeats.size and repeats.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return xp.repeat(xp.arange(repeats.size, dtype="int64"), repeats)


@composite("torch method")
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each slice of `input` along `dim` (none: each element) `repeats` times: a number, or one for each slice."""
    if repeats is None:
        repeats = input
        _check_repeats(repeats)
        return _spread(repeats)
    if dim is None:
        input, dim = input.reshape(-1), 0
    dim = wrap(dim, input.ndim)
    if input.ndim == 0:
        input = _view(input, (1,))
    size = input.shape[dim]
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        shape = tuple(input.shape)
        wide = _expand(
            _view(input, (*shape[: dim + 1], 1, *shape[dim + 1 :])), (*shape[: dim + 1], repeats, *shape[dim + 1 :])
        )
        return wide.reshape((*shape[:dim], size * repeats, *shape[dim + 1 :])).clone()
    _check_repeats(repeats)
    if repeats.ndim == 0 or repeats.shape[0] == 1:
        repeats = _expand(repeats.reshape(-1), (size,))
    elif repeats.shape[0] != size:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats.shape[0]} and "
            f"input.size({dim}) = {size}"
        )
    return input.index_select(dim, _spread(repeats))


def _check_repeats(repeats: Any) -> None:
    if repeats.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("repeats has to be Long or Int tensor")


# ---- numbers spread over a new dimension


@op(
    lambda input, num_classes: input.like((*input.shape, num_classes)),
    api="",
    checks=True,
    detaches=True,
    cases=[(S(3, dtype="int64"), 4)],
    wrong=[((S(3, dtype="int64", low=4, high=6), 3), RuntimeError, "Class values must be smaller")],
)
def _one_hot(xp, input: T, num_classes):
    """Zeros with a one at the position that each number says."""
    xp.refuse(input < 0, lambda: RuntimeError("Class values must be non-negative."))
    xp.refuse(input >= num_classes, lambda: RuntimeError("Class values must be smaller than num_classes."))
    return xp.asarray(xp.expand_dims(input, -1) == xp.arange(num_classes)).astype("int64")


@op(None, api="", eager=True, cases=[(S(3, dtype="int64"),)])
def _classes(xp, input: T):
    """One more than the greatest of `input`."""
    return xp.asarray(int(input.max()) + 1)


@composite("nn.functional")
def one_hot(tensor, num_classes=-1):
    """Vectors of zeros with a one at the position that each integer says.

    tensor (*) -> (*, num_classes), by default one more than the greatest.
    """
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        if 0 in tensor.shape:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = max(1, int(_classes(tensor)))
    elif num_classes < 1 and 0 in tensor.shape:
        raise RuntimeError("num_classes should be positive")
    return _one_hot(tensor, num_classes)


def _powers(input: Spec, n: int) -> Spec:
    return input.like((input.shape[0], n), dtype=dtypes.int64 if input.dtype.category < dtypes.FLOATING else None)


@op(
    _powers,
    api="",
    cases=[(S(3), 4)],
    shown="Vander",
    grad=lambda g, input, n: (
        (g.narrow(1, 1, n - 1) * _vander(input, n - 1) * counted(g, n, 1, 1, g.dtype)).sum(1)
        if n > 1
        else filled(g, input.shape, 0)
    ),
)
def _vander(xp, input: T, n):
    """The powers 0 to n - 1 of each element, a row each."""
    wide = input if input.dtype.kind in "fcV" else input.astype("int64")
    return xp.cumprod(
        xp.concatenate(
            [
                xp.ones((wide.shape[0], min(n, 1)), wide.dtype),
                xp.broadcast_to(wide[:, None], (wide.shape[0], max(n - 1, 0))),
            ],
            axis=1,
        ),
        axis=1,
    )


@composite("torch")
def vander(x, N=None, increasing=False):
    """The powers N - 1 to 0 (or, `increasing`, 0 to N - 1) of the elements of a vector, a row each."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    if N is not None and N < 0:
        raise RuntimeError("N must be non-negative.")
    found = _vander(x, x.shape[0] if N is None else N)
    return found if increasing else _flip(found, (1,))


@composite("", alias="linalg.vander", cases=[(S(2, 3),), (S(4), {"N": 3})])
def _linalg_vander(x, *, N=None):
    """The powers 0 to N - 1 of the elements of vectors (..., n): (..., n, N); N is n unless given."""
    x = x if x.ndim else x.reshape(1)
    n = x.shape[-1] if N is None else N
    if n <= 1:
        raise RuntimeError("N must be greater than 1.")
    return _vander(x.reshape(-1), n).reshape(*x.shape, n)
