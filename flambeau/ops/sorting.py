"""Order among the elements: sorting, the largest, the k-th, distinct ones, places in a sorted sequence."""
from __future__ import annotations

from .. import dtypes
from ..graph import Spec
from ._checks import TITLES
from ._op import S, T, composite, op
from ._rules import reduced, wrap
from .core import filled
from .reduction import is_tensor, ordered, placed


def _sorted(input: Spec, dim, descending, stable) -> tuple:
    wrap(dim, input.ndim)
    if input.is_complex:
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    return input.like(), input.like(dtype=dtypes.int64)


def _values_grad(g, out, input_spec, dim):
    return None if g[0] is None else placed(g[0], out[1], input_spec, dim)


def _order(xp, input, dim, descending):
    """The indices that sort along `dim`, equal elements in their order, NaN as the largest."""
    if not descending:
        return xp.argsort(input, axis=dim, stable=True)
    backward = xp.argsort(xp.flip(input, axis=dim), axis=dim, stable=True)
    return xp.flip(input.shape[dim] - 1 - backward, axis=dim)


@op(_sorted, api="", names="sort: values indices", shown="Sort", grad=_values_grad,
    cases=[(S(2, 3),), (S(2, 3), 0, True), (S(),)])
def _sort(xp, input: T, dim=-1, descending=False, stable=False):
    """The elements along `dim` in order, and where they were; equal elements keep their order, NaN is the largest."""
    if input.ndim == 0:
        return input, xp.zeros((), dtype="int64")
    indices = _order(xp, input, dim, descending)
    return xp.take_along_axis(input, indices, axis=dim), indices


@_sort.lower("xla")
def _sort_xla(xp, input, dim=-1, descending=False, stable=False):
    if input.ndim == 0:
        return input, xp.zeros((), dtype="int64")
    dim %= input.ndim
    places = xp.lax.broadcasted_iota("int64", input.shape, dim)
    if not descending:
        return xp.lax.sort((input, places), dimension=dim, is_stable=True, num_keys=1)
    turned = xp.flip(input, axis=dim), xp.flip(places, axis=dim)
    return [xp.flip(x, axis=dim) for x in xp.lax.sort(turned, dimension=dim, is_stable=True, num_keys=1)]


@composite("torch method out")
def sort(input, dim=-1, descending=False, *, stable=False):
    """(values, indices): the elements along `dim` in order, and where they were.

    Equal ones keep their order, stable or not; NaN is the largest.
    """
    return _sort(input, dim, bool(descending), bool(stable))


@composite("torch method out")
def argsort(input, dim=-1, descending=False, *, stable=False):
    """The indices that put the elements along `dim` in order."""
    return _sort(input, dim, bool(descending), bool(stable))[1]


@composite("torch method out")
def msort(input):
    """The elements along the first dimension in order."""
    return _sort(input, 0)[0]


def _top(input: Spec, k, dim, largest, sorted) -> tuple:
    d = wrap(dim, input.ndim)
    if input.is_complex or input.dtype is dtypes.bool_:
        raise RuntimeError(f"{' topk' if input.is_complex else 'topk'} does not support "
                           f"{'complex' if input.is_complex else 'bool'} dtypes on CPU")
    if not 0 <= k <= (input.shape[d] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    shape = [k if i == d else s for i, s in enumerate(input.shape)]
    return input.like(shape), input.like(shape, dtypes.int64)


@op(_top, names="values indices", api="torch method out", grad=_values_grad,
    cases=[(S(2, 3), 2), (S(3, 2), 1, 0, False), (S(100), 3)],
    wrong=[((S(2), 3), RuntimeError, "selected index k out of range")])
def topk(xp, input: T, k, dim=-1, largest=True, sorted=True):
    """(values, indices): the `k` largest (or smallest) elements along `dim`, in order. NaN is the largest."""
    if input.ndim == 0:
        return input, xp.zeros((), dtype="int64")
    indices = xp.take(_order(xp, input, dim, largest), xp.arange(k), axis=dim)
    return xp.take_along_axis(input, indices, axis=dim), indices


@topk.lower("xla")
def _topk_xla(xp, input, k, dim=-1, largest=True, sorted=True):
    if input.ndim == 0:
        return input, xp.zeros((), dtype="int64")
    rows = xp.moveaxis(input, dim, -1)
    if largest:
        values, indices = xp.lax.top_k(rows, k)
    elif input.dtype.kind in "iu":
        indices = xp.lax.top_k(~rows, k)[1]
        values = xp.take_along_axis(rows, indices, axis=-1)
    else:
        values, indices = [x[..., :k] for x in _sort_xla(xp, rows)]
    return xp.moveaxis(values, -1, dim), xp.moveaxis(indices, -1, dim).astype("int64")


@topk.lower("numpy")
def _topk_numpy(xp, input, k, dim=-1, largest=True, sorted=True):
    size = input.shape[dim] if input.ndim else 0
    if k == 1 and size:
        indices = (xp.argmax if largest else xp.argmin)(input, axis=dim, keepdims=True)
        if input.dtype.kind == "f" and not largest:     # argmin stops at NaN, which is the largest
            indices = xp.argmin(xp.where(input != input, xp.inf, input), axis=dim, keepdims=True)
        return xp.take_along_axis(input, indices, axis=dim), indices
    if size < 64 or 4 * k > size or k == 0:
        return topk.body(xp, input, k, dim, largest, sorted)
    part = xp.argpartition(input, size - k if largest else k - 1, axis=dim)
    part = xp.take(part, range(size - k, size) if largest else range(k), axis=dim)
    found = xp.take_along_axis(input, part, axis=dim)
    order = _order(xp, found, dim, largest)
    return xp.take_along_axis(found, order, axis=dim), xp.take_along_axis(part, order, axis=dim)


def _ranked(input: Spec, k, dim, keepdim) -> tuple:
    d = wrap(dim, input.ndim)
    ordered("kthvalue_cpu", input, "bc")
    if input.ndim and input.shape[d] == 0:
        raise IndexError(f"kthvalue(): Expected reduction dim {d} to have non-zero size.")
    if not 1 <= k <= (input.shape[d] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {d}")
    out = reduced(input, d, keepdim)
    return out, out.like(dtype=dtypes.int64)


def _ranked_grad(g, out, input_spec, dim, keepdim):
    return None if g[0] is None else placed(g[0], out[1], input_spec, dim, keepdim)


@op(_ranked, names="values indices", api="torch method out", grad=_ranked_grad,
    cases=[(S(2, 3), 2), (S(3, 2), 1, 0, True)],
    wrong=[((S(2), 3), RuntimeError, "selected number k out of range")])
def kthvalue(xp, input: T, k, dim=-1, keepdim=False):
    """(values, indices): the `k`-th smallest element along `dim`, k counted from 1, and where it is."""
    if input.ndim == 0:
        return input, xp.zeros((), dtype="int64")
    return at_rank(xp, input, k - 1, dim, keepdim)


def at_rank(xp, input, rank, dim, keepdim):
    """The element of a rank (counted from 0) along `dim`, and where it is."""
    order = xp.argpartition(input, rank, axis=dim) if xp.host else xp.argsort(input, axis=dim)
    indices = xp.take(order, xp.asarray([rank]), axis=dim)
    values = xp.take_along_axis(input, indices, axis=dim)
    return (values, indices) if keepdim else (xp.squeeze(values, axis=dim), xp.squeeze(indices, axis=dim))


# ---- distinct elements

def _narrow_float(xp, input):
    """`input` as a type that NumPy can sort: bfloat16 as float32."""
    return input.astype("float32") if input.dtype.kind == "V" else input


@op(None, api="", eager=True, detaches=True)
def _unique(xp, input: T, dim=None):
    """(values, places of the elements among them, how often each comes), in ascending order."""
    if dim is not None and any(s == 0 for i, s in enumerate(input.shape) if i != dim % max(1, input.ndim)):
        if input.size == 0 and input.shape[dim] == 0:
            return input, xp.zeros(0, "int64"), xp.zeros(0, "int64")
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    values, inverse, counts = xp.unique(_narrow_float(xp, input), axis=dim if input.ndim else None, equal_nan=False,
                                        return_inverse=True, return_counts=True)
    shape = input.shape if dim is None or not input.ndim else (input.shape[dim],)
    return values.astype(input.dtype), xp.reshape(inverse, shape).astype("int64"), counts.astype("int64")


@op(None, api="", eager=True, detaches=True)
def _runs(xp, input: T, dim=None):
    """As `_unique`, of runs of equal elements, in the order they come."""
    flat = xp.ravel(input) if dim is None or not input.ndim else xp.moveaxis(input, dim, 0)
    n = flat.shape[0]
    if dim is not None and input.ndim and input.size == 0 and n:
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique_consecutive cannot be "
                           "applied")
    rows = xp.reshape(flat, (n, -1)) if flat.size else xp.zeros((n, 1), dtype=flat.dtype)
    starts = xp.concatenate([xp.ones(1 if n else 0, dtype="bool"), xp.any(rows[1:] != rows[:-1], axis=1)])
    first = xp.flatnonzero(starts)
    inverse = xp.cumsum(starts) - 1
    counts = xp.diff(xp.append(first, n))
    values = flat[first] if dim is None or not input.ndim else xp.moveaxis(flat[first], 0, dim)
    return values, xp.reshape(inverse, input.shape if dim is None else (n,)).astype("int64"), counts.astype("int64")


def _asked(found, return_inverse, return_counts):
    values, inverse, counts = found
    if not return_inverse and not return_counts:
        return values
    return (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))


@composite("torch method")
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements (or slices along `dim`) in ascending order.

    If asked for, with them which of them each element of the input is, and how often each comes.
    """
    if dim is not None:
        wrap(dim, input.ndim)
    ordered("unique" if dim is None else "unique_dim", input)
    return _asked(_unique(input, dim), return_inverse, return_counts)


@composite("torch method")
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """One of each run of equal elements (or slices along `dim`).

    If asked for, with them which of them each element of the input is in, and how long the runs are.
    """
    if dim is not None:
        wrap(dim, input.ndim)
    ordered("unique" if dim is None else "unique_dim", input)
    return _asked(_runs(input, dim), return_inverse, return_counts)


# ---- places in a sorted sequence

def _located(sorted_sequence: Spec, input: Spec, out_int32, right) -> Spec:
    bounds, values = sorted_sequence.shape, input.shape
    if not bounds:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 "
                           "dimension")
    if not values and len(bounds) != 1:
        raise RuntimeError("torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension "
                           f"is 1, but we got boundaries tensor dim({len(bounds)}) and input value's dim(0) numel(1)")
    if len(bounds) != 1 and (len(bounds) != len(values) or bounds[:-1] != values[:-1]):
        raise RuntimeError("torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions "
                           "of boundaries tensor and input value tensor must match, but we got boundaries tensor "
                           f"{list(bounds)} and input value tensor {list(values)}")
    return input.like(dtype=dtypes.int32 if out_int32 else dtypes.int64)


@op(_located, promote=True, api="", detaches=True,
    cases=[(S(3), S(2, 2)), (S(2, 3), S(2, 4), True, True)],
    wrong=[((S(2, 3), S(3, 3)), RuntimeError, "boundaries tensor should be 1 dimension")])
def _searchsorted(xp, sorted_sequence: T, input: T, out_int32=False, right=False):
    """Where each element of `input` would go in its row of `sorted_sequence`: before equal ones, after if `right`."""
    kind = "int32" if out_int32 else "int64"
    if sorted_sequence.ndim == 1:
        return xp.asarray(xp.searchsorted(sorted_sequence, input, side="right" if right else "left")).astype(kind)
    # sorted together with the row, an element's place is the count of the row's elements before it
    n = input.shape[-1]
    parts = [sorted_sequence, input] if right else [input, sorted_sequence]
    first = sorted_sequence.shape[-1] if right else 0
    order = xp.argsort(xp.concatenate(parts, axis=-1), axis=-1, stable=True)
    bound = (order < first) if right else (order >= n)
    places = xp.take_along_axis(xp.cumsum(bound, axis=-1), xp.argsort(order, axis=-1), axis=-1)
    return places[..., first:first + n].astype(kind)


def _to_right(right: bool, side) -> bool:
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got side of left while "
                           "right was True")
    return bool(right) or side == "right"


@composite("torch out")
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where each element of `input` (or a number) would go in its row of `sorted_sequence` for it to stay sorted.

    Before equal elements, or after them if `right` (or `side="right"`). `sorter`: indices that sort the rows.
    """
    right = _to_right(right, side)
    if not is_tensor(input):
        input = filled(sorted_sequence, (), input, None if isinstance(input, int) else dtypes.default_dtype())
    if sorter is not None:
        if tuple(sorter.shape) != tuple(sorted_sequence.shape):
            raise RuntimeError("torch.searchsorted(): boundary and sorter must have the same size, but got boundary "
                               f"tensor {list(sorted_sequence.shape)}and got sorter tensor {list(sorter.shape)}")
        if sorter.dtype is not dtypes.int64:
            raise RuntimeError("torch.searchsorted(): sorter must be a tensor of long dtype but got dtype "
                               f"{TITLES[sorter.dtype.name]}")
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    return _searchsorted(sorted_sequence, input, bool(out_int32), right)


@composite("torch out")
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """Which interval between the sorted `boundaries` (1-D) each element of `input` (or a number) lies in."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def _contained(elements: Spec, test_elements: Spec, assume_unique, invert, given: tuple) -> Spec:
    for s in given:
        if s.dtype is dtypes.bool_ or s.is_complex:
            raise RuntimeError(f"Unsupported input type encountered for isin(): {TITLES[s.dtype.name]}")
    if not assume_unique and elements.weak and test_elements.weak:
        raise TypeError("isin() received an invalid combination of arguments - got (int, int)")
    return elements.like(dtype=dtypes.bool_)


@op(_contained, promote="elements test_elements", api="torch out", detaches=True,
    cases=[(S(4, dtype="int64"), S(2, dtype="int64"))])
def isin(xp, elements: T, test_elements: T, *, assume_unique=False, invert=False):
    """Whether each element is among `test_elements`, or (`invert`) is not."""
    return xp.isin(elements, test_elements, invert=invert)
