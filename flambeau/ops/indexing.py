"""Picking elements by position, and the same positions written: integers, slices, index tensors, masks."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import first_outside, outside
from ._op import S, T, Ts, composite, op
from ._rules import broadcast, broadcast_shapes, title, wrap
from .core import filled
from .shape import _expand, _view

# ---- integers, slices, new dimensions: one view
# A basic index is a tuple with an int (the dimension goes), None (a new one of size 1) or (start, stop, step) for each
# dimension from the front, all in range; dimensions that it does not reach are taken whole.


def keyed(index: tuple) -> tuple:
    """A basic index as arrays want it."""
    return tuple([slice(*k) if type(k) is tuple else k for k in index])


def basic_shape(shape: tuple, index: tuple) -> list[int]:
    """The shape that a basic index leaves."""
    found, at = [], 0
    for k in index:
        if k is None:
            found.append(1)
            continue
        if type(k) is tuple:
            start, stop, step = k
            found.append(max(0, -((start - stop) // step)))
        at += 1
    return found + list(shape[at:])


def _name_of(kind: Any) -> str:
    last = kind.env["index"][-1] if kind.env["index"] else (0, 0, 1)
    return "Unsqueeze" if last is None else "Slice" if type(last) is tuple else "Select"


@op(
    lambda input, index: input.like(basic_shape(input.shape, index)),
    api="",
    view=True,
    upcast=False,
    shown=_name_of,
    grad=lambda g, input_spec, index: _put_basic(filled(g, input_spec.shape, 0), g, index),
    put=lambda input, value, index: _put_basic(input, value, index),
    cases=[(S(4, 3), ((1, 4, 2), None, 0))],
)
def _basic(xp, input: T, index):
    """The part of `input` at a basic index."""
    return xp.asarray(input)[keyed(index)]


@op(
    lambda input, index: input.like(),
    api="",
    upcast=False,
    shown="CopySlices",
    promote="value",
    grad=dict(input=lambda g, index: _put_basic(g, 0, index), value=lambda g, index: _basic(g, index)),
    cases=[(S(4, 3), S(2, 1), ((1, 4, 2), None, 0)), (S(4), 2.5, ((0, 2, 1),))],
)
def _put_basic(xp, input: T, value: T, index):
    """`input` with `value`, broadcast, at a basic index."""
    return xp.at_set(input, keyed(index), converted(xp, value, input.dtype))


def converted(xp: Any, value: Any, dtype: Any) -> Any:
    """A number or array as elements of `dtype`; the integers wrap."""
    value = xp.asarray(value)
    return xp.real(value).astype(dtype) if value.dtype.kind == "c" and dtype.kind != "c" else value.astype(dtype)


def placed(input: Any, dim: int, key: Any) -> tuple:
    """The basic index of `input` with `key` at dimension `dim`."""
    return (*[(0, size, 1) for size in input.shape[:dim]], key)


@composite("torch method")
def select(input, dim, index):
    """The slice of `input` at `index` of dimension `dim`, which goes."""
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap(dim, input.ndim)
    size, index = input.shape[dim], int(index)
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}"
        )
    return _basic(input, placed(input, dim, index % size))


@composite("torch method")
def narrow(input, dim, start, length):
    """`length` slices of `input` from `start` on along `dim`."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    dim, start = wrap(dim, input.ndim), int(start)
    size = input.shape[dim]
    if not -size <= start <= size:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size}], but got {start})")
    start += size if start < 0 else 0
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return _basic(input, placed(input, dim, (start, start + length, 1)))


@composite("torch method")
def narrow_copy(input, dim, start, length):
    """A copy of `length` slices of `input` from `start` on along `dim`."""
    return narrow(input, dim, start, length).clone()


# ---- index tensors


def check_indices(indices: tuple) -> None:
    """Raises PyTorch's error unless every index tensor holds integers."""
    for index in indices:
        if index is not None and index.dtype not in (dtypes.int64, dtypes.int32):
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")


def index_shape(input: Spec, indices: tuple) -> tuple[int, ...]:
    """The shape of `input[indices]`, None standing for a whole dimension."""
    if len(indices) > input.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.ndim} (got {len(indices)})")
    check_indices(indices)
    given = [i for i, index in enumerate(indices) if index is not None]
    try:
        common = broadcast_shapes(*[indices[i].shape for i in given])
    except RuntimeError:
        shapes = ", ".join(str(list(indices[i].shape)) for i in given)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    if math.prod(common) and any(input.shape[i] == 0 for i in given):
        raise IndexError("index is out of bounds for dimension with size 0")
    rest = [size for i, size in enumerate(input.shape) if i not in given]
    first = given[0] if given and given[-1] - given[0] == len(given) - 1 else 0
    return (*rest[:first], *common, *rest[first:])


def key_of(indices: tuple) -> tuple:
    return tuple([slice(None) if index is None else index for index in indices])


def check_places(xp: Any, shape: tuple, indices: tuple) -> None:
    """Refuses positions out of range. (NumPy finds them by itself.)"""
    for dim, index in enumerate(indices):
        if index is not None:
            xp.refuse(outside(xp, index, -shape[dim], shape[dim]), lambda: out_of_range(xp, shape, indices))


def out_of_range(xp: Any, shape: tuple, indices: tuple) -> IndexError:
    """PyTorch's error for the first index tensor that holds a value out of range."""
    given = [(shape[dim], index) for dim, index in enumerate(indices) if index is not None]
    for place, (size, index) in enumerate(given):  # PyTorch counts the index tensors, not the dimensions
        bad = (index < -size) | (index >= size)
        if xp.any(bad):
            return IndexError(
                f"index {int(xp.asarray(index)[bad].reshape(-1)[0])} is out of bounds for dimension {place} with "
                f"size {size}"
            )
    return IndexError("index out of range")


@op(
    lambda input, indices: input.like(index_shape(input, indices)),
    api="",
    upcast=False,
    checks=True,
    grad=lambda g, input_spec, indices: _index_put(filled(g, input_spec.shape, 0), indices, g, True),
    cases=[(S(4, 3, 2), (S(5, dtype="int64"), None, S(2, 1, dtype="int64", high=2)))],
    wrong=[((S(4, 3), (S(5, dtype="int64", low=4, high=5),)), IndexError, "out of bounds")],
)
def _index(xp, input: T, indices: Ts):
    """`input[indices]`: index tensors (broadcast together), None for dimensions taken whole."""
    if xp.host:
        try:
            return xp.asarray(input)[key_of(indices)]
        except IndexError:
            raise out_of_range(xp, input.shape, indices) from None
    check_places(xp, input.shape, indices)
    return input[key_of(indices)]


def _put_shape(input: Spec, indices: tuple, values: Spec, accumulate: bool) -> Spec:
    found = index_shape(input, indices)
    if values.dtype is not input.dtype and not values.weak:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {title(input.dtype)} for the "
            "destination and "
            f"{title(values.dtype)} for the source."
        )
    try:
        fits = broadcast_shapes(found, values.shape) == found
    except RuntimeError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of "
            "shape "
            f"{list(found)}"
        )
    return input.like()


@op(
    _put_shape,
    api="",
    checks=True,
    upcast=False,
    promote="values",
    shown="IndexPut",
    grad=dict(
        input=lambda g, indices, accumulate: g if accumulate else _index_put(g, indices, 0, False),
        values=lambda g, indices: _index(g, indices),
    ),
    cases=[(S(4, 3), (S(5, dtype="int64"),), S(5, 3), True), (S(4, 3), (None, S(2, dtype="int64")), 1.5, True)],
)
def _index_put(xp, input: T, indices: Ts, values: T, accumulate):
    """`input` with `values`, broadcast, written to (or added at) the positions `indices`."""
    values = converted(xp, values, input.dtype)
    if not xp.host:
        check_places(xp, input.shape, indices)
    try:
        return (xp.at_add if accumulate else xp.at_set)(input, key_of(indices), values)
    except IndexError:
        raise out_of_range(xp, input.shape, indices) from None


@_index_put.lower("numpy")
def _index_put_numpy(np, input, indices, values, accumulate):
    if not accumulate:
        return _index_put.body(np, input, indices, values, False)
    input = np.array(input, order="C")
    places = np.arange(input.size).reshape(input.shape)
    try:
        places = places[key_of(indices)]  # a place may come several times; flat, `add.at` is several times quicker
    except IndexError:
        raise out_of_range(np, input.shape, indices) from None
    add_at(np, input.reshape(-1), places, values)
    return input


def add_at(np: Any, flat: Any, places: Any, values: Any) -> None:
    """Adds `values` to the array `flat` at `places`, one after the other; 16-bit floats are rounded once."""
    values = np.broadcast_to(converted(np, values, flat.dtype), places.shape).reshape(-1)
    if flat.dtype.itemsize == 2 and flat.dtype.kind in "fV":
        wide = flat.astype(np.float32)
        np.add.at(wide, places.reshape(-1), values.astype(np.float32))
        flat[:] = wide.astype(flat.dtype)
    else:
        np.add.at(flat, places.reshape(-1), values)


def _select_put(input, value, index, dim):
    return _index_put(input, (*[None] * dim, index.reshape(1)), value.unsqueeze(dim), False)


@op(
    lambda input, index, dim: input.like([s for i, s in enumerate(input.shape) if i != dim]),
    api="",
    upcast=False,
    checks=True,
    view=True,
    shown="Select",
    put=_select_put,
    cases=[(S(4, 3), S(dtype="int64"), 1)],
    grad=lambda g, input_spec, index, dim: _select_put(filled(g, input_spec.shape, 0), g, index, dim),
)
def _select_at(xp, input: T, index: T, dim):
    """The slice of `input` at the position `index` (0-d) of dimension `dim`, which goes."""
    place, size = int(index) if xp.host else index, input.shape[dim]
    xp.refuse(
        (place < -size) | (place >= size),
        lambda: IndexError(f"index {place} is out of bounds for dimension {dim} with size {size}"),
    )
    return input[(*[slice(None)] * dim, place)]


@composite("torch method inplace")
def index_put(input, indices, values, accumulate=False):
    """`input` with `values` written to (or added at) the positions that the tensors `indices` name."""
    found, at = [], 0
    for index in indices:
        if index is not None and index.dtype in (dtypes.bool_, dtypes.uint8):
            found += masked_indices(index, input.shape, at)
            at += index.ndim
        else:
            found.append(index)
            at += 1
    return _index_put(input, tuple(found), values, bool(accumulate))


def masked_indices(mask: Any, shape: tuple, at: int) -> list:
    """Where `mask`, over the dimensions of `shape` from `at` on, is true: an index tensor for each dimension."""
    if mask.ndim + at > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    for i, size in enumerate(mask.shape):
        if size != shape[at + i]:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {i} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {at + i}"
            )
    found = _true_places(mask)
    return list(found) if type(found) is tuple else [found]


@op(None, api="", eager=True)
def _true_places(xp, input: T):
    """The positions of the elements that are not zero, as an index tensor for each dimension."""
    if not input.ndim:
        return (xp.zeros(int(bool(input)), "int64"),)
    return xp.nonzero(input)


# ---- along one dimension


def _indexed(input: Spec, dim: int, index: Spec) -> Spec:
    dim = wrap(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    if input.ndim == 0:
        if index.numel != 1:
            raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.numel} value(s)")
        return input.like()
    return input.like([index.numel if i == dim else size for i, size in enumerate(input.shape)])


def check_range(xp: Any, index: Any, shape: tuple, dim: int) -> None:
    """Refuses, in PyTorch's words, values of `index` that are negative or reach the size of dimension `dim`."""
    size = shape[dim] if shape else 1

    def error() -> Exception:
        if dim % max(len(shape), 1) == 0:
            return IndexError("index out of range in self")
        bad = first_outside(xp, index, 0, size)
        return RuntimeError(f"INDICES element is out of DATA bounds, id={bad} axis_dim={size}")

    xp.refuse(outside(xp, index, 0, size), error)


@op(
    _indexed,
    api="torch method out",
    upcast=False,
    checks=True,
    grad=lambda g, input_spec, dim, index: filled(g, input_spec.shape, 0).index_add(dim, index, g),
    cases=[(S(4, 3), 0, S(5, dtype="int64")), (S(4, 3), -1, S(2, dtype="int32"))],
    wrong=[((S(4, 3), 0, S(2, dtype="int64", low=4, high=6)), IndexError, "index out of range in self")],
)
def index_select(xp, input: T, dim, index: T):
    """The slices of `input` at the positions `index` (a vector) along `dim`; a position may come twice."""
    input = xp.asarray(input)
    check_range(xp, index, input.shape, dim)
    return xp.take(input, xp.reshape(index, (-1,)), axis=dim) if input.ndim else input


@op(
    lambda input, index: input.like(index.shape),
    api="",
    upcast=False,
    checks=True,
    shown="Take",
    grad=lambda g, input_spec, index: _view(
        _index_put(filled(g, (input_spec.numel,), 0), (index,), g, True), input_spec.shape
    ),
    cases=[(S(4, 3), S(5, dtype="int64"))],
)
def _take(xp, input: T, index: T):
    """The elements of `input`, read as flat, at the positions `index`."""
    flat = xp.reshape(input, (-1,))
    size = flat.size
    xp.refuse(
        outside(xp, index, -size, size),
        lambda: IndexError(
            f"out of range: tried to access index {first_outside(xp, index, -size, size)} on a tensor of {size} "
            "elements."
        ),
    )
    return flat[index]


@composite("torch method out")
def take(input, index):
    """The elements of `input`, read as if flat, at the positions `index`."""
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {title(index.dtype)}")
    if not math.prod(input.shape) and math.prod(index.shape):
        raise IndexError("take(): tried to take from an empty tensor")
    return _take(input, index)


@composite("method inplace torch")
def put(input, index, source, accumulate=False):
    """`input`, read as if flat, with the elements of `source` written to (or added at) the positions `index`."""
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {title(index.dtype)}")
    if input.dtype is not source.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {title(input.dtype)} and "
            f"source.dtype = {title(source.dtype)}"
        )
    if math.prod(index.shape) != math.prod(source.shape):
        raise IndexError(
            f"put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{math.prod(source.shape)}, index.numel() = {math.prod(index.shape)}"
        )
    size = math.prod(input.shape)
    return _view(
        _index_put(
            _view(input, (size,)),
            (_within(_view(index, (math.prod(index.shape),)), -size, size, TAKEN_BEYOND + f"{size} elements."),),
            _view(source, (math.prod(source.shape),)),
            bool(accumulate),
        ),
        tuple(input.shape),
    )


TAKEN_BEYOND = "out of range: tried to access index %d on a tensor of "


@op(
    lambda input, low, end, text: input.like(),
    api="",
    upcast=False,
    checks=True,
    detaches=True,
    cases=[(S(3, dtype="int64"), 0, 4, "%d is out of range")],
    wrong=[((S(3, dtype="int64", low=4, high=6), 0, 4, "%d is out of range"), IndexError, "is out of range")],
)
def _within(xp, input: T, low, end, text):
    """`input`, positions that must not be below `low` nor reach `end`; else IndexError with the text."""
    xp.refuse(
        outside(xp, input, low, end),
        lambda: IndexError(text % first_outside(xp, input, low, end) if "%d" in text else text),
    )
    return input


# ---- masks

C_NAMES = {
    "float32": "float",
    "float64": "double",
    "int64": "long int",
    "int32": "int",
    "int16": "short int",
    "uint8": "unsigned char",
    "int8": "signed char",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
}


def _masked(input: Spec, mask: Spec, value: Spec) -> Spec:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            "masked_fill_ only supports boolean masks, but got mask with dtype "
            f"{C_NAMES.get(mask.dtype.name, mask.dtype.name)}"
        )
    if value.ndim:
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if value.is_complex and not input.is_complex:
        raise RuntimeError(
            f"value cannot be converted to type {C_NAMES.get(input.dtype.name, input.dtype.name)} without overflow"
        )
    return broadcast(input, mask)


@op(
    _masked,
    api="torch method inplace",
    upcast=False,
    promote="value",
    grad=dict(
        input=lambda g, mask: masked_fill(g, mask, 0), value=lambda g, mask: masked_fill(g, mask.logical_not(), 0)
    ),
    cases=[(S(4, 3), S(3, dtype="bool", high=2), 2.0), (S(4, 3), S(4, 1, dtype="bool", high=2), S())],
    wrong=[((S(4, 3), S(3), 1.0), RuntimeError, "boolean masks")],
)
def masked_fill(xp, input: T, mask: T, value: T):
    """`input` with `value` where `mask` is true, broadcast to a common shape."""
    return xp.where(mask, converted(xp, value, input.dtype), input)


@composite("torch method out")
def masked_select(input, mask):
    """The elements of `input` where `mask` is true (both broadcast), as a vector. The length depends on values."""
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    found = masked_indices(_expand(mask, shape), shape, 0)
    return _index(_expand(input, shape), tuple(found)) if shape else _index(_view(input, (1,)), tuple(found))


@op(
    lambda input, mask, source: broadcast(input, mask),
    api="",
    checks=True,
    upcast=False,
    shown="MaskedScatter",
    grad=dict(
        input=lambda g, mask: masked_fill(g, mask, 0),
        source=lambda g, mask, source_spec: _gathered_masked(g, mask, source_spec.shape),
    ),
    cases=[(S(4, 3), S(4, 3, dtype="bool", high=2), S(12))],
)
def _masked_scatter(xp, input: T, mask: T, source: T):
    """`input` with the elements of `source`, in order, where `mask` is true."""
    mask = xp.broadcast_to(mask, xp.broadcast_shapes(input.shape, mask.shape))
    order = xp.cumsum(xp.reshape(mask, (-1,))) - 1
    xp.refuse(
        order[-1:] >= source.size,
        lambda: RuntimeError(
            "masked_scatter: expected self and source to have same dtypes and source to have enough elements: "
            "Number of elements of source < number of ones in mask"
        ),
    )
    if not source.size:
        return xp.broadcast_to(input, mask.shape)
    values = xp.reshape(source, (-1,))[xp.maximum(order, 0)]
    return xp.where(mask, xp.reshape(values, mask.shape), input)


@op(
    lambda input, mask, shape: input.like(shape),
    api="",
    upcast=False,
    grad=lambda g, mask, input_spec: _masked_scatter(filled(g, input_spec.shape, 0), mask, g),
    cases=[(S(4, 3), S(4, 3, dtype="bool", high=2), (12,))],
)
def _gathered_masked(xp, input: T, mask: T, shape):
    """The elements of `input` where `mask` is true, in order, filled up with zeros to `shape`."""
    chosen = xp.reshape(xp.broadcast_to(mask, input.shape), (-1,))
    size = math.prod(shape)
    order = xp.where(chosen, xp.cumsum(chosen) - 1, size)
    return xp.reshape(xp.at_set(xp.zeros(size + 1, input.dtype), order, xp.reshape(input, (-1,)))[:size], shape)


@composite("torch method inplace")
def masked_scatter(input, mask, source):
    """`input` with the elements of `source`, in order, where `mask` is true."""
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.name}")
    if input.dtype is not source.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {title(input.dtype)} and "
            f"{title(source.dtype)}"
        )
    return _masked_scatter(input, mask, source)
