"""Elements in another order: strided views, diagonals, windows, turning and rolling, and writing such parts."""

from __future__ import annotations

from typing import Any

from ..graph import Spec
from ._layout import contiguous_strides, layout_of
from ._op import S, T, composite, op
from ._rules import wrap, wrap_all
from .core import filled
from .indexing import _put_basic, placed
from .shape import _permute, sizes


def positions(xp: Any, size: tuple, stride: tuple, offset: int) -> Any:
    """The places in a flat array that sizes and strides mean."""
    found = xp.asarray(offset)
    for i, (n, step) in enumerate(zip(size, stride, strict=True)):
        found = found + xp.reshape(xp.arange(n) * step, [-1 if i == j else 1 for j in range(len(size))])
    return xp.broadcast_to(found, size)


def _strided(input: Spec, size: tuple, stride: tuple, offset: int) -> Spec:
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(n < 0 for n in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    last = 0 if 0 in size else offset + 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last > input.numel:
        item = input.dtype.itemsize
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {item} "
            "requiring a "
            f"storage size of {last * item} are out of bounds for storage of size {input.nbytes}"
        )
    return input.like(size)


@op(
    _strided,
    api="",
    view=True,
    upcast=False,
    shown="AsStrided",
    cases=[(S(3, 4), (2, 2), (1, 5), 1)],
    put=lambda input, value, size, stride, offset: _strided_put(input, value, size, stride, offset, False),
    grad=lambda g, input_spec, size, stride, offset: _strided_put(
        filled(g, input_spec.shape, 0), g, size, stride, offset, True
    ),
)
def _as_strided(xp, input: T, size, stride, offset):
    """The elements of `input`, read as flat, at `offset` plus multiples of `stride`."""
    return xp.reshape(input, (-1,))[positions(xp, size, stride, offset)]


@_as_strided.lower("numpy")
def _as_strided_numpy(np, input, size, stride, offset):
    flat = np.ascontiguousarray(input).reshape(-1)
    if 0 in size:
        return np.zeros(size, flat.dtype)
    return np.lib.stride_tricks.as_strided(flat[offset:], size, [n * flat.itemsize for n in stride], writeable=False)


def _strided_into(input: Spec, size: tuple, stride: tuple, offset: int) -> Spec:
    _strided(input, size, stride, offset)
    return input.like()


@op(
    _strided_into,
    api="",
    upcast=False,
    shown="AsStridedScatter",
    grad=dict(
        input=lambda g, size, stride, offset, accumulate: (
            g if accumulate else _strided_put(g, filled(g, size, 0), size, stride, offset, False)
        ),
        value=lambda g, size, stride, offset: _as_strided(g, size, stride, offset),
    ),
    cases=[(S(3, 4), S(2, 2), (2, 2), (1, 5), 1, False), (S(3, 4), S(2, 2), (2, 2), (1, 1), 1, True)],
)
def _strided_put(xp, input: T, value: T, size, stride, offset, accumulate):
    """`input` with `value` written to (or added at) the places that sizes and strides mean."""
    flat = xp.reshape(input, (-1,))
    put = xp.at_add if accumulate else xp.at_set
    return xp.reshape(put(flat, positions(xp, size, stride, offset), value), input.shape)


@composite("torch method")
def as_strided(input, size, stride, storage_offset=None):
    """The memory under `input` seen with other sizes, strides and offset (all in elements)."""
    base = getattr(input, "_base", None)
    offset = storage_offset if storage_offset is not None else layout_of(input)[0] if base is not None else 0
    return _as_strided(input if base is None else base, sizes((size,)), sizes((stride,)), offset)


@composite("torch method")
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """`input` with `src` written to the elements that `as_strided` would show."""
    size, stride = tuple(size), tuple(stride)
    if tuple(src.shape) != size:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(size)}"
        )
    return _strided_put(input, src, size, stride, storage_offset or 0, False)


@composite("method")
def unfold(input, dimension, size, step):
    """All windows of `size` elements along a dimension, `step` apart; their elements are a new last dimension."""
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    dim = wrap(dimension, input.ndim)
    if input.ndim == 0:
        if size > 1:
            raise RuntimeError(f"maximum size for tensor at dimension 0 is 1 but size is {size}")
        return _as_strided(input, (size,), (1,), 0)
    if size > input.shape[dim]:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {input.shape[dim]} but size is {size}")
    strides = list(contiguous_strides(tuple(input.shape)))
    shape = [*input.shape[:dim], (input.shape[dim] - size) // step + 1, *input.shape[dim + 1 :], size]
    strides.append(strides[dim])
    strides[dim] *= step
    return _as_strided(input, tuple(shape), tuple(strides), 0)


# ---- diagonals


def _diagonal_layout(shape: tuple, offset: int, dim1: int, dim2: int) -> tuple[tuple, tuple, int]:
    a, b = wrap(dim1, len(shape)), wrap(dim2, len(shape))
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    strides = contiguous_strides(shape)
    length = max(0, min(shape[a], shape[b] - offset) if offset >= 0 else min(shape[a] + offset, shape[b]))
    start = (offset * strides[b] if offset >= 0 else -offset * strides[a]) if length else 0
    rest = [i for i in range(len(shape)) if i not in (a, b)]
    return (*[shape[i] for i in rest], length), (*[strides[i] for i in rest], strides[a] + strides[b]), start


@composite("torch method", alias="linalg.diagonal")
def diagonal(input, offset=0, dim1=0, dim2=1):
    """The diagonal of two dimensions, as the last of a view; `offset` above (or, negative, below) the main one."""
    return _as_strided(input, *_diagonal_layout(tuple(input.shape), offset, dim1, dim2))


@composite("torch method")
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """`input` with `src` as a diagonal."""
    size, stride, start = _diagonal_layout(tuple(input.shape), offset, dim1, dim2)
    _same_size(src, size)
    return _strided_put(input, src, size, stride, start, False)


def _same_size(src: Any, size: Any) -> None:
    if tuple(src.shape) != tuple(size):
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(size)}"
        )


@composite("torch method")
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices of zeros with the last dimension of `input` as a diagonal."""
    ndim = input.ndim + 1
    a, b = wrap(dim1, ndim), wrap(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rest, n = iter(input.shape[:-1]), input.shape[-1] + abs(offset)
    shape = tuple(n if i in (a, b) else next(rest) for i in range(ndim))
    return _strided_put(filled(input, shape, 0), input, *_diagonal_layout(shape, offset, a, b), False)


@composite("torch method out")
def diag(input, diagonal=0):
    """A matrix with the vector `input` as a diagonal, or the diagonal of a matrix, copied."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return _as_strided(input, *_diagonal_layout(tuple(input.shape), diagonal, 0, 1)).clone()


@composite("torch method")
def diagflat(input, offset=0):
    """A matrix with the elements of `input` as a diagonal."""
    return diag_embed(input.reshape(-1), offset)


@composite("torch method")
def select_scatter(input, src, dim, index):
    """`input` with `src` as the slice at `index` of dimension `dim`."""
    dim = wrap(dim, input.ndim)
    size = input.shape[dim]
    if not -size <= index < size:
        raise IndexError(
            f"select_scatter(): index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}"
        )
    _same_size(src, [s for i, s in enumerate(input.shape) if i != dim])
    return _put_basic(input, src, placed(input, dim, index % size))


@composite("torch method")
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """`input` with `src` as the slice `start:end:step` along `dim`."""
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    dim = wrap(dim, input.ndim)
    start, end, step = slice(start, end, step).indices(input.shape[dim])
    key = (start, max(start, end), step)
    _same_size(src, [max(0, -((start - key[1]) // step)) if i == dim else s for i, s in enumerate(input.shape)])
    return _put_basic(input, src, placed(input, dim, key))


# ---- turning and rolling


@op(
    lambda input, dims: input.like(),
    api="",
    upcast=False,
    shown="Flip",
    grad=lambda g, dims: _flip(g, dims),
    cases=[(S(2, 3), (0,))],
)
def _flip(xp, input: T, dims):
    """`input` with the order along `dims` reversed."""
    return xp.flip(input, dims)


@composite("torch method")
def flip(input, *given, dims=None):
    """`input` with the order along `dims` (ints, or one sequence of them) reversed."""
    wanted = sizes(given if dims is None else (dims,))
    return _flip(input, wrap_all(wanted, input.ndim) if wanted and input.ndim else ())


@composite("torch method")
def fliplr(input):
    """`input` with the order of its columns reversed."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return _flip(input, (1,))


@composite("torch method")
def flipud(input):
    """`input` with the order of its rows reversed."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return _flip(input, (0,))


@op(
    lambda input, shifts, dims: input.like(),
    api="",
    upcast=False,
    shown="Roll",
    cases=[(S(2, 3), (1, -1), (0, 1)), (S(2, 3), (2,), ())],
    grad=lambda g, shifts, dims: _roll(g, tuple([-n for n in shifts]), dims),
)
def _roll(xp, input: T, shifts, dims):
    """`input` with its elements moved along `dims` (none: as if flat) and in again at the other end."""
    return xp.roll(input, shifts, dims) if dims else xp.roll(input, shifts[0])


def _rolled_dim(dim: int, ndim: int) -> int:
    if not ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return wrap(dim, ndim)


@composite("torch method")
def roll(input, shifts, dims=()):
    """`input` with its elements moved by `shifts` along `dims` (none: as if flat) and in again at the other end."""
    shifts = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    dims = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        return _roll(input, shifts, ())
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    return _roll(input, shifts, tuple([_rolled_dim(d, input.ndim) for d in dims]))


@composite("torch method")
def rot90(input, k=1, dims=(0, 1)):
    """`input` turned `k` times by 90 degrees, from the first of `dims` towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    for name, d in zip(("0", "1"), dims, strict=True):
        if not -input.ndim <= d < input.ndim:
            raise RuntimeError(f"Rotation dim{name} out of range, dim{name} = {d}")
    a, b = dims[0] % input.ndim, dims[1] % input.ndim
    order = list(range(input.ndim))
    order[a], order[b] = b, a
    turned = k % 4
    if turned == 1:
        return _permute(_flip(input, (b,)), tuple(order))
    if turned == 2:
        return _flip(input, (a, b))
    return _flip(_permute(input, tuple(order)), (b,)) if turned == 3 else input.clone()


# ---- triangles


def _triangle(input: Spec) -> Spec:
    if input.ndim < 2:
        raise RuntimeError("input tensor must have at least 2 dimensions")
    return input.like()


@op(
    _triangle,
    api="torch method inplace out",
    upcast=False,
    grad=lambda g, diagonal: tril(g, diagonal),
    cases=[(S(3, 4), 1), (S(2, 3, 2), -1)],
    wrong=[((S(3),), RuntimeError, "at least 2 dimensions")],
)
def tril(xp, input: T, diagonal=0):
    """The lower triangle of each matrix, zero above the given diagonal."""
    return xp.tril(input, diagonal)


@op(
    _triangle,
    api="torch method inplace out",
    upcast=False,
    grad=lambda g, diagonal: triu(g, diagonal),
    cases=[(S(3, 4), 1), (S(2, 3, 2), -1)],
)
def triu(xp, input: T, diagonal=0):
    """The upper triangle of each matrix, zero below the given diagonal."""
    return xp.triu(input, diagonal)
