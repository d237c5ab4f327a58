"""Gathering along a dimension by an index tensor, and scattering back: set, added, reduced."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import first_outside, outside
from ._op import S, T, composite, op, registry
from ._rules import title, wrap
from .core import filled
from .indexing import C_NAMES, add_at, converted


def check_index(name: str, input: Spec, dim: int, index: Spec, src: Spec | None = None) -> int:
    """The dimension meant by `dim`; PyTorch's errors unless `index` fits `input` (and `src`) in every other."""
    dim = wrap(dim, input.ndim)
    if not index.numel:
        return dim
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as {'input' if name == 'gather' else 'self'} tensor"
        )
    for i, size in enumerate(index.shape):
        if input.ndim and i != dim and size > input.shape[i]:
            if name == "gather":
                raise RuntimeError(
                    f"Size does not match at dimension {i} expected index {list(index.shape)} to be no larger than "
                    "self "
                    f"{list(input.shape)} apart from dimension {dim}"
                )
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from "
                f"dimension {dim}"
                + (f" and to be no larger size than src {list(src.shape)}" if src is not None and not src.weak else "")
            )
    if src is not None and not src.weak:
        if max(src.ndim, 1) != max(index.ndim, 1):
            raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
        if any(i > s for i, s in zip(index.shape, src.shape, strict=False)):
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from "
                f"dimension {dim} "
                f"and to be no larger size than src {list(src.shape)}"
            )
    return dim


def grid(xp: Any, index: Any, dim: int) -> tuple:
    """The positions that an index tensor names along `dim`, the other coordinates being its own."""
    found = [
        xp.reshape(xp.arange(size), [-1 if i == j else 1 for j in range(index.ndim)])
        for i, size in enumerate(index.shape)
    ]
    found[dim] = index
    return tuple(found)


def check_values(xp: Any, index: Any, size: int, dim: int) -> None:
    """Refuses a value of `index` that lies outside of a dimension of that size."""
    xp.refuse(
        outside(xp, index, 0, size),
        lambda: RuntimeError(
            f"index {first_outside(xp, index, 0, size)} is out of bounds for dimension {dim} with size {size}"
        ),
    )


def lifted(xp: Any, *arrays: Any) -> list:
    """Arrays with at least one dimension."""
    return [xp.atleast_1d(xp.asarray(a)) for a in arrays]


def trimmed(src: Any, shape: tuple) -> Any:
    """The part of `src` that an index of that shape reads."""
    return src if src.shape == shape else src[tuple([slice(0, size) for size in shape])]


def _gathered(input: Spec, dim: int, index: Spec) -> Spec:
    check_index("gather", input, dim, index)
    return input.like(index.shape)


@op(
    _gathered,
    api="torch method out",
    upcast=False,
    checks=True,
    grad=lambda g, input_spec, dim, index: filled(g, input_spec.shape, 0).scatter_add(dim, index, g),
    cases=[(S(4, 3), 0, S(2, 3, dtype="int64")), (S(4, 3), -1, S(2, 5, dtype="int64"))],
    wrong=[((S(4, 3), 0, S(2, dtype="int64")), RuntimeError, "same number of dimensions")],
)
def gather(xp, input: T, dim, index: T, *, sparse_grad=False):
    """`out[i][j] = input[index[i][j]][j]` for dim 0, and so on: the elements of `input` at `index` along `dim`."""
    shape = index.shape
    input, index = lifted(xp, input, index)
    if not index.size:
        return xp.zeros(shape, input.dtype)
    dim %= input.ndim
    check_values(xp, index, input.shape[dim], dim)
    return xp.reshape(input[grid(xp, index, dim)], shape)


def _scattered(name: str) -> Any:
    def rule(input: Spec, dim: int, index: Spec, src: Spec) -> Spec:
        check_index(name, input, dim, index, src)
        if not src.weak and src.dtype is not input.dtype:
            raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
        return input.like()

    return rule


@op(
    _scattered("scatter"),
    api="",
    upcast=False,
    checks=True,
    shown="Scatter",
    promote="src",
    grad=dict(
        input=lambda g, dim, index: _scatter(g, dim, index, 0),
        src=lambda g, dim, index, src_spec: read_back(g, dim, index, src_spec),
    ),
    cases=[(S(4, 3), 0, S(1, 3, dtype="int64"), S(2, 3)), (S(4, 3), 1, S(2, 1, dtype="int64"), 2.5)],
)
def _scatter(xp, input: T, dim, index: T, src: T):
    """`input` with the elements of `src` written at `index` along `dim`."""
    return _written(xp, input, dim, index, src, xp.at_set)


def _written(xp: Any, input: Any, dim: int, index: Any, src: Any, put: Any) -> Any:
    shape, dtype = xp.asarray(input).shape, input.dtype
    input, index = lifted(xp, input, index)
    if not index.size:
        return xp.reshape(input, shape)
    dim %= input.ndim
    check_values(xp, index, input.shape[dim], dim)
    src = converted(xp, src, dtype)
    if src.ndim or src.size != 1:
        src = trimmed(xp.atleast_1d(src), index.shape)
    return xp.reshape(put(input, grid(xp, index, dim), src), shape)


def read_back(g: Any, dim: int, index: Any, src: Any) -> Any:
    """The gradient of what was scattered: `g` at the same positions, zero for the part of `src` that was not read."""
    if src.shape == ():
        return gather(g, dim, index)
    found = gather(g, dim, index)
    return found if index.shape == src.shape else _padded(found, src.shape)


@op(
    lambda input, shape: input.like(shape),
    api="",
    upcast=False,
    grad=lambda g, input_spec: _front(g, input_spec.shape),
    cases=[(S(2, 3), (4, 3))],
)
def _padded(xp, input: T, shape):
    """`input` in the corner of a tensor of zeros of another shape."""
    return xp.at_set(xp.zeros(shape, input.dtype), tuple([slice(0, size) for size in input.shape]), input)


@op(
    lambda input, shape: input.like(shape),
    api="",
    upcast=False,
    grad=lambda g, input_spec: _padded(g, input_spec.shape),
    cases=[(S(4, 3), (2, 3))],
)
def _front(xp, input: T, shape):
    """The corner of `input`."""
    return input[tuple([slice(0, size) for size in shape])]


@op(
    _scattered("scatter"),
    api="torch method inplace out",
    upcast=False,
    checks=True,
    grad=dict(input=lambda g: g, src=lambda g, dim, index, src_spec: read_back(g, dim, index, src_spec)),
    cases=[(S(4, 3), 0, S(2, 3, dtype="int64"), S(2, 3)), (S(4, 3), 1, S(4, 5, dtype="int64"), S(4, 6))],
)
def scatter_add(xp, input: T, dim, index: T, src: T):
    """`input` with the elements of `src` added at `index` along `dim`."""
    return _written(xp, input, dim, index, src, xp.at_add)


@scatter_add.lower("numpy")
def _scatter_add_numpy(np, input, dim, index, src):
    def put(x: Any, key: tuple, values: Any) -> Any:
        x = np.array(x, order="C")
        add_at(np, x.reshape(-1), np.arange(x.size).reshape(x.shape)[key], values)
        return x

    return _written(np, input, dim, index, src, put)


# ---- whole slices along a dimension


def _source_rule(name: str) -> Any:
    def rule(input: Spec, dim: int, index: Spec, source: Spec) -> Spec:
        dim = wrap(dim, input.ndim)
        if index.ndim > 1:
            raise (
                IndexError(
                    f"{name}(): Index is supposed to be a vector, but got dim: {index.ndim} with type: "
                    f"{title(index.dtype)} "
                    f"and size: {list(index.shape)}"
                )
                if name == "index_add"
                else IndexError(f"{name}(): Index should have dimension 1 or 0 (got {index.ndim})")
            )
        if index.dtype not in (dtypes.int64, dtypes.int32):
            raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index but got: {title(index.dtype)}")
        if source.dtype is not input.dtype:
            raise RuntimeError(
                f"{name}(): self ({title(input.dtype)}) and source ({title(source.dtype)}) must have the same "
                "scalar type"
            )
        expected = [index.numel if i == dim else size for i, size in enumerate(input.shape)]
        if source.ndim and input.ndim and list(source.shape) != expected:
            if len(expected) == source.ndim and source.shape[dim] != index.numel:
                raise (RuntimeError if name == "index_add" else IndexError)(
                    f"{name}(): Number of indices ({index.numel}) should be equal to source.size(dim): "
                    f"({source.shape[dim]}), for dim: {dim}"
                )
            raise RuntimeError(
                f"{name}(): Source/destination tensor must have same slice shapes. Destination slice shape: "
                f"{[s for i, s in enumerate(input.shape) if i != dim]} at dimension {dim} and source slice shape: "
                f"{[s for i, s in enumerate(source.shape) if i != dim]} at dimension 0."
            )
        return input.like()

    return rule


def _along(index: Any, dim: int, ndim: int) -> tuple:
    return (slice(None),) * (dim % ndim) + (index,)


def _checked(xp: Any, index: Any, shape: tuple, dim: int, name: str) -> None:
    """Refuses values of `index` outside of dimension `dim` with PyTorch's error, which depends on the operation."""
    size = shape[dim] if shape else 1

    def error() -> Exception:
        bad = first_outside(xp, index, 0, size)
        if name == "index_copy":
            return IndexError(
                f"index_copy_(): index {bad} is out of bounds for dimension {dim % len(shape)} with size {size}"
            )
        if len(shape) < 2:
            return IndexError("index out of range in self")
        return RuntimeError(f"index {bad} is out of bounds for dimension {dim % len(shape)} with size {size}")

    xp.refuse(outside(xp, index, 0, size), error)


@op(
    _source_rule("index_add"),
    api="torch method inplace out",
    upcast=False,
    checks=True,
    grad=dict(
        input=lambda g: g,
        source=lambda g, dim, index, source_spec, alpha: _scaled(
            g.index_select(dim, index).reshape(source_spec.shape), alpha
        ),
    ),
    cases=[(S(4, 3), 0, S(5, dtype="int64"), S(5, 3)), (S(4, 3), -1, S(2, dtype="int64"), S(4, 2), {"alpha": 2})],
)
def index_add(xp, input: T, dim, index: T, source: T, *, alpha=1):
    """`input` with `alpha` times the slices of `source` added at the positions `index` along `dim`."""
    shape = input.shape
    input, index, source = lifted(xp, input, index, source)
    _checked(xp, index, input.shape, dim, "index_add")
    scaled = source if type(alpha) is int and alpha == 1 else source * converted(xp, alpha, source.dtype)
    return xp.reshape(xp.at_add(input, _along(index, dim, input.ndim), scaled), shape)


@index_add.lower("numpy")
def _index_add_numpy(np, input, dim, index, source, *, alpha=1):
    shape = input.shape
    out, index, source = np.array(input, order="C"), *lifted(np, index, source)
    _checked(np, index, shape, dim, "index_add")
    scaled = source if type(alpha) is int and alpha == 1 else source * converted(np, alpha, source.dtype)
    flat = np.atleast_1d(out)
    places = np.arange(out.size).reshape(flat.shape)[_along(index, dim, flat.ndim)]
    add_at(np, out.reshape(-1), places, scaled)
    return out


def _scaled(g: Any, alpha: Any) -> Any:
    return g if alpha == 1 else g * alpha


@op(
    _source_rule("index_copy"),
    api="torch method inplace out",
    upcast=False,
    checks=True,
    grad=dict(
        input=lambda g, dim, index: g.index_fill(dim, index, 0),
        source=lambda g, dim, index, source_spec: g.index_select(dim, index).reshape(source_spec.shape),
    ),
    cases=[(S(4, 3), 0, S(1, dtype="int64"), S(1, 3))],
)
def index_copy(xp, input: T, dim, index: T, source: T):
    """`input` with the slices of `source` written at the positions `index` along `dim`."""
    shape = input.shape
    input, index, source = lifted(xp, input, index, source)
    _checked(xp, index, input.shape, dim, "index_copy")
    return xp.reshape(xp.at_set(input, _along(index, dim, input.ndim), source), shape)


def _index_filled(input: Spec, dim: int, index: Spec, value: Spec) -> Spec:
    wrap(dim, input.ndim)
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.ndim > 1:
        raise IndexError("Index is supposed to be a vector")
    if value.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if value.is_complex and not input.is_complex:
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    return input.like()


@op(
    _index_filled,
    api="torch method inplace",
    upcast=False,
    checks=True,
    promote="value",
    grad=dict(
        input=lambda g, dim, index: index_fill(g, dim, index, 0),
        value=lambda g, dim, index: g.masked_fill(
            index_fill(filled(g, g.shape, 1, dtypes.bool_), dim, index, False), 0
        ),
    ),
    cases=[(S(4, 3), 0, S(2, dtype="int64"), 1.5), (S(4, 3), -1, S(1, dtype="int64"), S())],
)
def index_fill(xp, input: T, dim, index: T, value: T):
    """`input` with `value` at the positions `index` along `dim`."""
    shape = input.shape
    input, index = lifted(xp, input, index)
    size = input.shape[dim]
    xp.refuse(
        outside(xp, index, -size, size),
        lambda: IndexError(
            f"index {first_outside(xp, index, -size, size)} is out of bounds for dimension {dim % input.ndim} with "
            f"size {size}"
        ),
    )
    return xp.reshape(xp.at_set(input, _along(index, dim, input.ndim), converted(xp, value, input.dtype)), shape)


@composite("torch method inplace out")
def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """`input` with `src` (a tensor, or a number) written at `index` along `dim`; `reduce`: "add" or "multiply"."""
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter() received an invalid combination of arguments: src or value is missing")
    if reduce is None:
        return _scatter(input, dim, index, src)
    if reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if isinstance(src, (bool, int, float, complex)):
        src = filled(input, index.shape, src, input.dtype)
    return (
        scatter_add(input, dim, index, src)
        if reduce == "add"
        else registry["scatter_reduce"](input, dim, index, src, "prod")
    )


def _filled_with(input: Spec, value: Spec) -> Spec:
    if value.ndim:
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
    if value.is_complex and not input.is_complex:
        raise RuntimeError(
            f"value cannot be converted to type {C_NAMES.get(input.dtype.name, input.dtype.name)} without overflow"
        )
    return input.like()


@op(
    _filled_with,
    api="torch",
    promote="value",
    upcast=False,
    cases=[(S(2, 3), 1.5), (S(2, 3), S())],
    grad=dict(input=lambda g: filled(g, g.shape, 0), value=lambda g: g),
)
def fill(xp, input: T, value: T):
    """`value` in the shape and dtype of `input`."""
    return xp.broadcast_to(converted(xp, value, input.dtype), input.shape)
