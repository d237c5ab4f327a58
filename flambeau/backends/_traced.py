"""Arrays without values: the kernels of operations, run on them, leave behind what is to be computed.

An `Array` knows its shape, its dtype and how an element of it is found. `arrays` is the namespace `xp` over them. What
it does not know raises, and the program is left to another backend.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

BOOL, INT, FLOAT = np.dtype(bool), np.dtype(np.int64), np.dtype(np.float64)
DTYPES = frozenset(map(np.dtype, ("bool", "int8", "int16", "int32", "int64", "uint8", "float32", "float64")))
_STANDS_FOR = {"b": False, "i": 0, "f": 0.0}  # a Python number of a kind, for promotion


def _arrays() -> Any:
    """The functions that stand on those here."""
    from . import _arrays

    return _arrays


class Unsupported(Exception):
    """Something that native code is not made for."""


class Array:
    """An array that is to be computed. `kind` says how, from `args` and `how`:

    input (how: number), fixed (how: an array), number (how: place among the numbers), constant (how: value), iota;
    map (how: name of a function of elements); view (how: for each dimension of the source an offset and pairs of a
    dimension and a factor, or the place in `args` of an index and the dimensions it goes by); reshape; reduce (how:
    name, axes); product; steps (how: index maps and modes of writing, in order); scan (how: name).
    """

    __slots__ = ("kind", "shape", "dtype", "weak_type", "args", "how", "forced", "place", "strides", "offset")
    __array_ufunc__ = None  # NumPy's operators leave the work to those here

    def __init__(
        self, kind: str, shape: Iterable[int], dtype: Any, args: tuple = (), how: Any = None, weak: bool = False
    ) -> None:
        self.kind, self.shape, self.dtype, self.args, self.how = kind, tuple(shape), np.dtype(dtype), args, how
        self.weak_type = weak
        self.forced = False  # is to lie in memory
        self.place: Any = None  # where it does: a buffer
        self.strides: tuple[int, ...] = ()
        self.offset = 0
        if self.dtype not in DTYPES or 0 in self.shape:
            raise Unsupported(f"{self.dtype}{list(self.shape)}")

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    nbytes = property(lambda self: self.size * self.dtype.itemsize)
    itemsize = property(lambda self: self.dtype.itemsize)
    T = property(lambda self: transpose(self))
    mT = property(lambda self: swapaxes(self, -1, -2))
    real = property(lambda self: self)

    def _refuse(self, *args: Any, **words: Any) -> Any:
        raise Unsupported("the value is needed")

    __array__ = __array_function__ = __bool__ = __int__ = __float__ = __index__ = __setitem__ = item = tolist = _refuse

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(self.shape[0])])

    def __getitem__(self, key: Any) -> Array:
        return indexed(self, key)

    __hash__ = object.__hash__

    def __eq__(self, other: Any) -> Any:
        return apply("eq", self, other, result=BOOL)

    def __ne__(self, other: Any) -> Any:
        return apply("ne", self, other, result=BOOL)

    def __lt__(self, other: Any) -> Array:
        return apply("lt", self, other, result=BOOL)

    def __le__(self, other: Any) -> Array:
        return apply("le", self, other, result=BOOL)

    def __gt__(self, other: Any) -> Array:
        return apply("lt", other, self, result=BOOL)

    def __ge__(self, other: Any) -> Array:
        return apply("le", other, self, result=BOOL)

    def __add__(self, other: Any) -> Array:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Array:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Array:
        return apply("sub", self, other)

    def __rsub__(self, other: Any) -> Array:
        return apply("sub", other, self)

    def __mul__(self, other: Any) -> Array:
        return apply("mul", self, other)

    def __rmul__(self, other: Any) -> Array:
        return apply("mul", other, self)

    def __truediv__(self, other: Any) -> Array:
        return apply("div", self, other, floats=True)

    def __rtruediv__(self, other: Any) -> Array:
        return apply("div", other, self, floats=True)

    def __floordiv__(self, other: Any) -> Array:
        return apply("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Array:
        return apply("floor_divide", other, self)

    def __mod__(self, other: Any) -> Array:
        return apply("remainder", self, other)

    def __rmod__(self, other: Any) -> Array:
        return apply("remainder", other, self)

    def __pow__(self, other: Any) -> Array:
        return power(self, other)

    def __rpow__(self, other: Any) -> Array:
        return power(other, self)

    def __matmul__(self, other: Any) -> Array:
        return _arrays().matmul(self, other)

    def __and__(self, other: Any) -> Array:
        return apply("and", self, other)

    def __rand__(self, other: Any) -> Array:
        return apply("and", other, self)

    def __or__(self, other: Any) -> Array:
        return apply("or", self, other)

    def __ror__(self, other: Any) -> Array:
        return apply("or", other, self)

    def __xor__(self, other: Any) -> Array:
        return apply("xor", self, other)

    def __rxor__(self, other: Any) -> Array:
        return apply("xor", other, self)

    def __invert__(self) -> Array:
        return apply("not", self)

    def __neg__(self) -> Array:
        return apply("neg", self)

    def __pos__(self) -> Array:
        return self

    def __abs__(self) -> Array:
        return apply("abs", self)

    def astype(self, dtype: Any, copy: bool = True) -> Array:
        return cast(self, np.dtype(dtype))

    def conj(self) -> Array:
        return self

    conjugate = conj

    def copy(self, order: str = "C") -> Array:
        return self

    def view(self, dtype: Any) -> Array:
        dtype = np.dtype(dtype)
        if dtype.itemsize != self.dtype.itemsize or "b" in (dtype.kind, self.dtype.kind):
            raise Unsupported("bytes as another type")
        return Array("map", self.shape, dtype, (self,), "bits")

    def reshape(self, *shape: Any, order: str = "C") -> Array:
        return reshape(self, shape[0] if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape)

    def ravel(self) -> Array:
        return reshape(self, (-1,))

    flatten = ravel

    def transpose(self, *axes: Any) -> Array:
        return transpose(self, (axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes) or None)

    def swapaxes(self, a: int, b: int) -> Array:
        return swapaxes(self, a, b)

    def squeeze(self, axis: Any = None) -> Array:
        return squeeze(self, axis)

    def dot(self, other: Any) -> Array:
        return _arrays().dot(self, other)

    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Array:
        return _arrays().total(self, axis, dtype, keepdims=keepdims)

    def mean(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Array:
        return _arrays().mean(self, axis, dtype, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Array:
        return _arrays().reduction("max")(self, axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Array:
        return _arrays().reduction("min")(self, axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Array:
        return _arrays().reduction("any")(self, axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Array:
        return _arrays().reduction("all")(self, axis, keepdims=keepdims)


# ---- elements


def lift(value: Any) -> Array:
    """Anything that can be an operand, as an `Array`."""
    if type(value) is Array:
        return value
    if type(value) in (bool, int, float):
        return Array("constant", (), type(value) if type(value) is not int else INT, (), value, True)
    if isinstance(value, np.generic):
        return Array("constant", (), value.dtype, (), value.item())
    if isinstance(value, np.ndarray):
        if not value.ndim:
            return Array("constant", (), value.dtype, (), value.item())
        return Array("fixed", value.shape, value.dtype, (), np.ascontiguousarray(value))
    if isinstance(value, (list, tuple)) and value:
        if any(type(v) is Array for v in value):
            return _arrays().stack(value)
        return lift(np.asarray(value))
    raise Unsupported(f"an operand of type {type(value).__name__}")


def common(arrays: Sequence[Array]) -> np.dtype:
    """The dtype that NumPy promotes operands to; Python numbers count by their kind only."""
    if all(a.weak_type for a in arrays):
        return max((a.dtype for a in arrays), key=lambda d: "bif".index(d.kind))
    found = np.result_type(*[_STANDS_FOR[a.dtype.kind] if a.weak_type else a.dtype for a in arrays])
    return np.dtype(found)


def cast(value: Any, dtype: Any, weak: bool = False) -> Array:
    """`value` with elements of another type."""
    value = lift(value)
    if value.dtype == dtype and value.weak_type == weak:
        return value
    if value.kind == "constant":
        if isinstance(value.how, float) and dtype.kind in "iu" and not math.isfinite(value.how):
            raise Unsupported("no such integer")
        number = {"b": bool, "i": int, "u": int, "f": float}[dtype.kind](value.how)
        return Array("constant", (), dtype, (), number, weak)
    return Array("map", value.shape, dtype, (value,), "cast" if value.dtype != dtype else "copy", weak)


def apply(name: str, *given: Any, floats: bool = False, result: Any = None) -> Array:
    """A function of elements, over operands that NumPy would promote and broadcast."""
    arrays = [lift(v) for v in given]
    dtype = common(arrays)
    if floats and dtype.kind != "f":
        dtype = FLOAT
    weak = all(a.weak_type for a in arrays)
    if weak and dtype == BOOL and name in ("add", "sub", "mul", "neg", "floor_divide", "remainder"):
        dtype = INT
    if dtype == BOOL:
        if name in ("sub", "neg", "floor_divide", "remainder"):
            raise Unsupported(f"{name} of bool")
        name = {"add": "or", "mul": "and", "max": "or", "min": "and"}.get(name, name)
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return Array(
        "map", shape, result or dtype, tuple([broadcast_to(cast(a, dtype, weak), shape) for a in arrays]), name, weak
    )


def unary(name: str, floats: bool = False, result: Any = None) -> Any:
    def function(x: Any, out: Any = None, **words: Any) -> Array:
        if words or out is not None:
            raise Unsupported("where=")
        return apply(name, x, floats=floats, result=result)

    return function


def binary(name: str, floats: bool = False, result: Any = None) -> Any:
    def function(x: Any, y: Any, out: Any = None, **words: Any) -> Array:
        if words or out is not None:
            raise Unsupported("where=")
        return apply(name, x, y, floats=floats, result=result)

    return function


def rounding(name: str) -> Any:
    return lambda x: lift(x) if lift(x).dtype.kind in "biu" else apply(name, x)


def where(condition: Any, x: Any, y: Any) -> Array:
    a, b = lift(x), lift(y)
    dtype = common([a, b])
    condition = cast(apply("ne", condition, 0, result=BOOL) if lift(condition).dtype != BOOL else condition, BOOL)
    shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
    parts = [broadcast_to(v, shape) for v in (condition, cast(a, dtype), cast(b, dtype))]
    return Array("map", shape, dtype, tuple(parts), "where")


def power(x: Any, y: Any) -> Array:
    x, y = lift(x), lift(y)
    if common([x, y]).kind != "f":
        raise Unsupported("powers of integers")
    if y.kind == "constant" and y.how == 2:
        return apply("mul", cast(x, common([x, y]), x.weak_type and y.weak_type), x)
    if y.kind == "constant" and y.how == 0.5:
        return apply("sqrt", cast(x, common([x, y]), x.weak_type and y.weak_type))
    return apply("pow", x, y)


def sign(x: Any) -> Array:
    x = lift(x)
    if x.dtype == BOOL:
        raise Unsupported("sign of bool")
    one, zero = cast(1, x.dtype), cast(0, x.dtype)
    found = where(x > 0, one, where(x < 0, apply("neg", one), zero))
    return where(x != x, x, found) if x.dtype.kind == "f" else found


def truth(name: str) -> Any:
    def function(*given: Any) -> Array:
        return apply(name, *[cast(v, BOOL) if lift(v).dtype != BOOL else lift(v) for v in given])

    return function


def clip(x: Any, low: Any, high: Any) -> Array:
    if low is not None:
        x = apply("max", x, low)
    return x if high is None else apply("min", x, high)


def isclose_to_inf(x: Any) -> Array:
    return apply("abs", x) == math.inf


# ---- shape


def view(x: Array, shape: Iterable[int], entries: Iterable[Any], indices: tuple = ()) -> Array:
    """`x` seen at other places; see `Array`."""
    return Array("view", shape, x.dtype, (x, *indices), tuple(entries), x.weak_type and tuple(shape) == ())


def broadcast_to(x: Any, shape: Any) -> Array:
    x, shape = lift(x), (shape,) if isinstance(shape, int) else tuple(shape)
    if x.shape == shape:
        return x
    ahead = len(shape) - x.ndim
    if ahead < 0 or any(s not in (1, shape[i + ahead]) for i, s in enumerate(x.shape)):
        raise Unsupported("shapes that do not fit")
    return view(x, shape, [(0, () if s == 1 else ((i + ahead, 1),)) for i, s in enumerate(x.shape)])


def transpose(x: Any, axes: Any = None) -> Array:
    x = lift(x)
    axes = tuple(range(x.ndim))[::-1] if axes is None else tuple([a % x.ndim for a in axes])
    if axes == tuple(range(x.ndim)):
        return x
    return view(x, [x.shape[a] for a in axes], [(0, ((axes.index(i), 1),)) for i in range(x.ndim)])


def swapaxes(x: Any, a: int, b: int) -> Array:
    axes = list(range(lift(x).ndim))
    axes[a], axes[b] = axes[b], axes[a]
    return transpose(x, axes)


def moveaxis(x: Any, source: Any, destination: Any) -> Array:
    n = lift(x).ndim
    come = [s % n for s in ([source] if isinstance(source, int) else source)]
    go = [d % n for d in ([destination] if isinstance(destination, int) else destination)]
    axes = [i for i in range(n) if i not in come]
    for d, s in sorted(zip(go, come, strict=True)):
        axes.insert(d, s)
    return transpose(x, axes)


def reshape(x: Any, shape: Any, order: str = "C") -> Array:
    x, shape = lift(x), [shape] if hasattr(shape, "__index__") else [int(s) for s in shape]
    if -1 in shape:
        rest = math.prod([s for s in shape if s != -1])
        shape[shape.index(-1)] = x.size // rest if rest else 0
    if math.prod(shape) != x.size or order != "C":
        raise Unsupported("reshape")
    if tuple(shape) == x.shape:
        return x
    old, new = [i for i, s in enumerate(x.shape) if s != 1], [i for i, s in enumerate(shape) if s != 1]
    if [x.shape[i] for i in old] == [shape[i] for i in new]:
        at = dict(zip(old, new, strict=True))
        return view(x, shape, [(0, ((at[i], 1),) if i in at else ()) for i in range(x.ndim)])
    return Array("reshape", shape, x.dtype, (in_order(x),))


def in_order(x: Array) -> Array:
    """`x` as something whose elements will lie in memory in order."""
    if x.kind in ("reduce", "product", "steps", "scan", "fixed", "reshape"):
        return x
    if x.kind == "input" and x.strides == contiguous(x.shape):
        return x
    if x.kind != "map":
        x = Array("map", x.shape, x.dtype, (x,), "copy")
    x.forced = True
    return x


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, of an array that lies in order."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step if size != 1 else 0)
        step *= size
    return tuple(strides[::-1])


def expand_dims(x: Any, axis: Any) -> Array:
    x = lift(x)
    axes = [axis] if isinstance(axis, int) else list(axis)
    n = x.ndim + len(axes)
    axes = [a % n for a in axes]
    sizes = iter(x.shape)
    return reshape(x, [1 if i in axes else next(sizes) for i in range(n)])


def squeeze(x: Any, axis: Any = None) -> Array:
    x = lift(x)
    axes = (
        [i for i, s in enumerate(x.shape) if s == 1]
        if axis is None
        else [a % x.ndim for a in ([axis] if isinstance(axis, int) else axis)]
    )
    return reshape(x, [s for i, s in enumerate(x.shape) if i not in axes])


def flip(x: Any, axis: Any = None) -> Array:
    x = lift(x)
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in ([axis] if isinstance(axis, int) else axis)]
    return x[tuple([slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim)])]


def indexed(x: Array, key: Any) -> Array:
    """`x[key]` for numbers, slices, None, Ellipsis and arrays of integers."""
    key = list(key) if type(key) is tuple else [key]
    key = [lift(k) if isinstance(k, (Array, np.ndarray, np.integer, list)) else k for k in key]
    taken = sum(k is not None and k is not Ellipsis for k in key)
    if any(k is Ellipsis for k in key):
        at = next(i for i, k in enumerate(key) if k is Ellipsis)
        key[at : at + 1] = [slice(None)] * (x.ndim - taken)
    else:
        key += [slice(None)] * (x.ndim - taken)
    advanced = any(type(k) is Array for k in key)
    entries: list[Any] = []
    shape: list[int] = []
    special: list[tuple[int, Array]] = []  # the dimension of x, its index
    places: list[int] = []  # where in the key they stand
    first = -1
    for i, k in enumerate(key):
        if k is None:
            shape.append(1)
            continue
        size = x.shape[len(entries)]
        if isinstance(k, slice):
            start, stop, step = k.indices(size)
            count = len(range(start, stop, step))
            if not count:
                raise Unsupported("an empty slice")
            entries.append((start, ((len(shape), step),)))
            shape.append(count)
        elif type(k) is not Array:
            k = k.__index__() if not isinstance(k, bool) else None
            if k is None or not -size <= k < size:
                raise Unsupported("index")
            entries.append((k % size, ()))
            if advanced:
                places.append(i)
                first = len(shape) if first < 0 else first
        else:
            if k.dtype.kind not in "iu":
                raise Unsupported("a mask as index")
            special.append((len(entries), k))
            places.append(i)
            first = len(shape) if first < 0 else first
            entries.append(None)
    if not special:
        return view(x, shape, entries)
    broad = np.broadcast_shapes(*[k.shape for _, k in special])
    if places != list(range(places[0], places[-1] + 1)):
        first = 0
    shape[first:first] = broad
    moved: list[Any] = [
        e if e is None else (e[0], tuple([(d + len(broad) if d >= first else d, f) for d, f in e[1]])) for e in entries
    ]
    indices = []
    for dim, k in special:
        indices.append(wrapped(k, x.shape[dim]))
        ahead = first + len(broad) - k.ndim
        moved[dim] = (len(indices), tuple([ahead + j if s != 1 else None for j, s in enumerate(k.shape)]), None)
    return view(x, shape, moved, tuple(indices))


def wrapped(index: Array, size: int) -> Array:
    """An index counted from the front, and surely within: checks on it come later."""
    index = cast(index, INT)
    index = where(index < 0, index + size, index)
    return apply("max", apply("min", index, size - 1), 0)


def take(x: Any, index: Any, axis: Any = None, mode: str = "raise") -> Array:
    x = lift(x)
    if axis is None:
        return reshape(x, (-1,))[index]
    return x[(*[slice(None)] * (axis % x.ndim), lift(index))]


def take_along_axis(x: Any, index: Any, axis: int) -> Array:
    x, index = lift(x), lift(index)
    axis %= x.ndim
    shape = [index.shape[i] if i == axis else max(s, index.shape[i]) for i, s in enumerate(x.shape)]
    index = broadcast_to(index, shape)
    entries: list[Any] = [(0, ((i, 1),) if x.shape[i] != 1 else ()) for i in range(x.ndim)]
    entries[axis] = (1, tuple(range(len(shape))), None)
    return view(x, shape, entries, (wrapped(index, x.shape[axis]),))


def pick_diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    x = lift(x)
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    down, right = max(-offset, 0), max(offset, 0)
    count = min(rows - down, columns - right)
    if count < 1:
        raise Unsupported("an empty diagonal")
    n = x.ndim - 2
    entries = [(0, ((i, 1),)) for i in range(n)] + [(down, ((n, 1),)), (right, ((n, 1),))]
    return view(x, (*x.shape[:-2], count), entries)


def tri(x: Any, k: int, lower: bool) -> Array:
    x = lift(x)
    arange = _arrays().arange
    rows, columns = arange(x.shape[-2])[:, None], arange(x.shape[-1])
    inside = rows + k >= columns if lower else rows + k <= columns
    return where(inside, x, cast(0, x.dtype))


def repeat(x: Any, count: Any, axis: Any = None) -> Array:
    x = lift(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    if not isinstance(count, int):
        raise Unsupported("repeats")
    axis %= x.ndim
    wide = broadcast_to(expand_dims(x, axis + 1), (*x.shape[: axis + 1], count, *x.shape[axis + 1 :]))
    return reshape(wide, [s * count if i == axis else s for i, s in enumerate(x.shape)])
