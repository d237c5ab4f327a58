"""How many and where: counts, histograms, places of the elements that are not zero, sums over segments."""
from __future__ import annotations

import math

from .. import dtypes
from ..graph import Spec
from ._checks import TITLES
from ._op import S, T, Ts, composite, op, return_type
from ._rules import reduced, wrap
from .core import _to_copy, counted, filled
from .cumulative import diff
from .reduction import is_tensor, over
from .sorting import _searchsorted


@op(lambda input, dim: reduced(input, dim, False).like(dtype=dtypes.int64), api="torch method",
    cases=[(S(2, 3, dtype="int64"),), (S(2, 3, dtype="int64"), (0, 1))])
def count_nonzero(xp, input: T, dim=None):
    """How many elements are not zero, along `dim` (an int, several, or all)."""
    return xp.sum(input != 0, axis=over(dim, input.ndim), dtype="int64")


@op(None, api="", eager=True, detaches=True)
def _places(xp, input: T):
    """The indices of the elements that are not zero, one row each."""
    return xp.asarray(xp.argwhere(input != 0)).astype("int64")


@composite("torch method out")
def nonzero(input, *, as_tuple=False):
    """The indices of the elements that are not zero: (count, ndim), or `as_tuple`, one tensor for each dimension."""
    if as_tuple:
        places = _places(input if input.ndim else input.reshape((1,)))
        return tuple([places.select(1, i) for i in range(places.shape[1])])
    return _places(input)


@composite("torch method")
def argwhere(input):
    """The indices of the elements that are not zero, one row each."""
    return _places(input)


def _places_static(input: Spec, size, fill_value) -> Spec:
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    return input.like((size, input.ndim), dtypes.int64)


@op(_places_static, api="torch method out", detaches=True,
    cases=[(S(2, 3, dtype="int64"), {"size": 4})])
def nonzero_static(xp, input: T, *, size, fill_value=-1):
    """The indices of the first `size` elements that are not zero; rows that are left over hold `fill_value`."""
    if input.ndim == 0 or size == 0 or input.size == 0:
        return xp.full((size, input.ndim), fill_value, dtype="int64")
    flat = xp.flatnonzero(input)[:size] if xp.host else xp.nonzero(xp.ravel(input), size=size, fill_value=-1)[0]
    rows = xp.stack(xp.unravel_index(flat, input.shape), axis=-1).astype("int64")
    rows = xp.where((flat < 0)[:, None], fill_value, rows).astype("int64")
    return xp.concatenate([rows, xp.full((size - flat.shape[0], input.ndim), fill_value, dtype="int64")])


def _unraveled(indices, shape: tuple):
    rest, out = _to_copy(indices, dtypes.int64), []
    for size in reversed(shape):
        out.append(rest.remainder(size))
        rest = rest.floor_divide(size)
    return tuple(reversed(out))


@composite("torch")
def unravel_index(indices, shape):
    """The coordinates, one tensor for each dimension, of elements of a tensor of `shape` counted row by row."""
    if not is_tensor(indices) or indices.dtype.category != dtypes.INTEGER:
        found = f"{indices.dtype}" if is_tensor(indices) else f"{type(indices)}"
        raise TypeError(f"expected 'indices' to be integer dtype, but got {found}")
    if not isinstance(shape, (int, tuple, list)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    for size in shape:
        if not isinstance(size, int):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(size)}")
        if size < 0:
            raise ValueError(f"'shape' cannot have negative values, but got {shape}")
    return _unraveled(indices, shape)


# ---- histograms

@op(None, api="", eager=True, detaches=True, cases=[(S(5, dtype="int64"),), (S(5, dtype="int64"), S(5), 4)])
def _bincount(xp, input: T, weights: T = None, minlength=0):
    if input.dtype.kind not in "iu":
        name = TITLES[dtypes.dtype.by_numpy[input.dtype].name]
        raise NotImplementedError(f'"bincount_cpu" not implemented for \'{name}\'')
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if input.ndim != 1 or input.size and input.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return xp.bincount(input, minlength=minlength).astype("int64")
    if weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    kind = weights.dtype if weights.dtype in ("float32", "float64") else "float64"
    return xp.bincount(input, xp.asarray(weights, dtype="float64"), minlength).astype(kind)


_bincount.__doc__ = "See `bincount`."


@composite("torch method")
def bincount(input, weights=None, minlength=0):
    """How often each of 0, 1, ... comes in `input` (1-D, not negative), each time counting its weight.

    input (N,), weights (N,) -> (K,), K being one more than the largest element and at least `minlength`.
    """
    return _bincount(input, weights, minlength)


def _binned(name: str, input: Spec, bins: int) -> None:
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f'"{name}" not implemented for \'{TITLES[input.dtype.name]}\'')
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")


def _histc(input: Spec, bins, min, max) -> Spec:
    _binned("histogram_cpu", input, bins)
    if not isinstance(min, float) and not isinstance(max, float) and min > max:
        raise RuntimeError("torch.histc: max must be larger than min")
    return input.like((bins,))


def _bounds(xp, x, low, high):
    """The range given, or that of the elements; one of no width grows by one (or a half, for `histogram`) both ways."""
    if low == high and x.size:
        low, high = x.min(), x.max()
    return low, high


@op(_histc, api="torch method out", static="min max", checks=True, detaches=True, upcast=False,
    cases=[(S(8), 4, 0, 1), (S(8), 4)],
    wrong=[((S(2), 0), RuntimeError, "bins must be > 0")])
def histc(xp, input: T, bins=100, min=0, max=0):
    """How many elements lie in each of `bins` equal intervals from `min` to `max`.

    If those are equal, from the smallest element to the largest. -> (bins,)
    """
    x = xp.ravel(input)
    low, high = _bounds(xp, x, min, max)
    xp.refuse(
        ~(xp.isfinite(low) & xp.isfinite(high)),
        lambda: RuntimeError(f"torch.histc: range of [{low:g}, {high:g}] is not finite"),
    )
    xp.refuse(low > high, lambda: RuntimeError("torch.histc: max must be larger than min"))
    even = xp.asarray(low == high)
    low, high = xp.asarray(low, dtype=x.dtype) - even, xp.asarray(high, dtype=x.dtype) + even
    inside = (x >= low) & (x <= high)
    place = xp.where(inside, (x - low) * xp.asarray(bins, dtype=x.dtype) / (high - low), 0).astype("int64")
    return xp.bincount(xp.minimum(place, bins - 1), inside, bins).astype(x.dtype) if xp.host else \
        xp.at_add(xp.zeros(bins, x.dtype), xp.minimum(place, bins - 1), inside.astype(x.dtype))


@op(None, api="", eager=True, detaches=True, cases=[(S(6, 2), None, (), (2, 3)), (S(4, 1), S(4), (S(3),))])
def _histogram(xp, input: T, weight: T = None, edges: Ts = (), bins=(), range=None, density=False):
    """Counts of the rows of `input`, and the edges used: those given, or of `bins` equal intervals for each column."""
    rows = xp.reshape(input, (-1, input.shape[-1]))
    edges = list(edges) or [_edges(xp, rows[:, d], n, range and range[2 * d:2 * d + 2], d) for d, n in enumerate(bins)]
    shape = tuple([len(e) - 1 for e in edges])
    inside, place = xp.ones(len(rows), dtype="bool"), xp.zeros(len(rows), dtype="int64")
    for d, e in enumerate(edges):
        x = rows[:, d]
        inside &= (x >= e[0]) & (x <= e[-1])            # the last edge belongs to the last interval
        place = place * shape[d] + xp.clip(xp.searchsorted(e, x, side="right") - 1, 0, shape[d] - 1)
    weights = inside if weight is None else xp.where(inside, xp.ravel(weight), 0)
    out = xp.reshape(xp.bincount(place, weights, math.prod(shape)), shape)
    if density:
        out = out / out.sum()
        for d, e in enumerate(edges):
            out = out / xp.reshape(xp.diff(e), [-1 if i == d else 1 for i, _ in enumerate(edges)])
    return (out.astype(input.dtype), *edges)


def _edges(xp, x, bins: int, limits, d: int):
    """The edges of `bins` equal intervals over the limits, or over the elements."""
    low, high = limits or ((x.min(), x.max()) if x.size else (0.0, 1.0))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histogramdd: dimension {d}'s range [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError(f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} for "
                           f"dimension {d}")
    if low == high and x.size:
        low, high = low - 0.5, high + 0.5
    return xp.linspace(low, high, bins + 1, dtype=x.dtype)


_CPP = {"float32": "float", "float64": "double"}


def _check_histogram(input, bins: tuple, range, weight) -> None:
    """Raises PyTorch's errors for what `histogramdd` cannot count."""
    columns = input.shape[-1]
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    if len(bins) != columns:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    if weight is not None:
        if weight.dtype is not input.dtype:
            raise RuntimeError("torch.histogramdd: if weight tensor is provided, input tensor and weight tensor "
                               f"should have the same dtype, but got input({_CPP.get(input.dtype.name)}), and "
                               f"weight({_CPP.get(weight.dtype.name)})")
        if tuple(weight.shape) != tuple(input.shape)[:-1]:
            raise RuntimeError("torch.histogramdd: if weight tensor is provided it should have the same shape as the "
                               "input tensor excluding its innermost dimension, but got input with shape "
                               f"{list(input.shape)} and weight with shape {list(weight.shape)}")
    for d, b in enumerate(bins):
        if is_tensor(b):
            if b.ndim != 1:
                raise RuntimeError(f"torch.histogramdd: bins tensor should have one dimension, but got {b.ndim} "
                                   f"dimensions in the bins tensor for dimension {d}")
            if b.dtype is not input.dtype:
                raise RuntimeError("torch.histogramdd: input tensor and bins tensors should have the same dtype, but "
                                   f"got input with dtype {_CPP.get(input.dtype.name)} and bins for dimension {d} "
                                   f"with dtype {_CPP.get(b.dtype.name)}")
        elif b <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {b} for dimension {d}")
    if range is not None and len(range) != 2 * columns:
        raise RuntimeError(f"torch.histogramdd: for a {columns}-dimensional histogram range should have {2 * columns} "
                           f"elements, but got {len(range)}")
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f'"histogramdd" not implemented for \'{TITLES[input.dtype.name]}\'')


def _counted(input, bins: tuple, range, weight, density):
    _check_histogram(input, bins, range, weight)
    if is_tensor(bins[0]):
        return _histogram(input, weight, bins, (), None, bool(density))
    return _histogram(input, weight, (), bins, None if range is None else tuple(map(float, range)), bool(density))


_HISTOGRAM = return_type("histogram", "hist bin_edges")
_HISTOGRAMDD = return_type("histogramdd", "hist bin_edges")


@composite("torch method out")
def histogram(input, bins, *, range=None, weight=None, density=False):
    """(hist, bin_edges): how many elements (each counting its weight) lie in each interval; or their `density`.

    `bins`: how many equal intervals, from the smallest element to the largest or over `range`; or a tensor of edges.
    """
    if is_tensor(bins) and range is not None:
        raise TypeError("histogram() received an invalid combination of arguments - got (Tensor, Tensor, range=tuple)")
    if weight is not None and tuple(weight.shape) == tuple(input.shape):
        weight = weight.reshape((-1,))
    return _HISTOGRAM(*_counted(input.reshape((-1, 1)), (bins,), range, weight, density))


@composite("torch")
def histogramdd(input, bins, range=None, weight=None, density=False):
    """(hist, bin_edges): how many rows of `input` (..., N) lie in each cell of an N-dimensional grid. See `histogram`.

    `bins`: one number for all columns, or a sequence of numbers or of tensors of edges, one for each column.
    """
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    bins = (bins,) * input.shape[-1] if isinstance(bins, int) else tuple(bins)
    hist, *edges = _counted(input, bins, range, weight, density)
    return _HISTOGRAMDD(hist, tuple(edges))


# ---- segments

_START = {"sum": 0, "mean": 0, "prod": 1, "max": -math.inf, "min": math.inf, "amax": -math.inf, "amin": math.inf}
_WORD = {"mean": "sum", "max": "amax", "min": "amin"}


@composite("torch")
def segment_reduce(data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None):
    """The sum, mean, product, largest or smallest of each segment of `data` along `axis`.

    The segments follow one another: of `lengths` (..., S), or starting at `offsets` (..., S + 1). Each begins with
    `initial`. Raises RuntimeError unless the lengths add up to the size, or `unsafe`.
    """
    if reduce not in _START:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    axis = wrap(axis, data.ndim)
    if offsets is not None:
        lengths = diff(offsets)
    ends = lengths.cumsum(-1)
    size = data.shape[axis]
    if not unsafe and (bool((lengths < 0).any()) or bool((lengths.sum(-1) != size).any())):
        raise RuntimeError("segment_reduce(): Expected all rows of lengths along axis to sum to "
                           "data.size(lengths.dim()-1) when !unsafe.")
    segment = _searchsorted(ends, counted(data, size).expand((*ends.shape[:-1], size)), False, True)
    tail = (1,) * (data.ndim - axis - 1)
    segment = segment.reshape((*segment.shape, *tail)).expand(data.shape)
    first = _START[reduce] if initial is None else initial
    start = filled(data, (*data.shape[:axis], lengths.shape[-1], *data.shape[axis + 1:]), first)
    out = start.scatter_reduce(axis, segment, data, _WORD.get(reduce, reduce))
    if reduce != "mean":
        return out
    count = lengths.reshape((*lengths.shape, *tail))
    return out / (count if initial is None else count.clamp_min(1))
