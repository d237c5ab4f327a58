"""Tensors put together, and taken apart into views."""

from __future__ import annotations

import itertools
import math
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._op import S, T, Ts, composite, op
from ._rules import broadcast_shapes, wrap
from .core import filled
from .indexing import _basic, narrow, placed
from .shape import _expand, _view, sizes


def _skipped(s: Any) -> bool:
    """Whether an operand is an empty vector, which may be joined to anything."""
    return len(s.shape) == 1 and s.shape[0] == 0


def _joined(tensors: tuple, dim: int) -> Spec:
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, s in enumerate(tensors):
        if s.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    first = next((s for s in tensors if not _skipped(s)), tensors[0])
    dim, total = wrap(dim, first.ndim), 0
    for i, s in enumerate(tensors):
        if _skipped(s):
            continue
        if s.ndim != first.ndim:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {first.ndim} and {s.ndim}")
        for d, (size, expected) in enumerate(zip(s.shape, first.shape, strict=True)):
            if d != dim and size != expected:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {expected} but got "
                    f"size {size} for tensor number {i} in the list."
                )
        total += s.shape[dim]
    return first.like([total if d == dim else size for d, size in enumerate(first.shape)])


def _taken_apart(g, tensors, dim):
    dim, start, found = dim % g.ndim, 0, []
    for s in tensors:
        if _skipped(s):
            found.append(filled(g, s.shape, 0))
            continue
        found.append(_basic(g, placed(g, dim, (start, start + s.shape[dim], 1))))
        start += s.shape[dim]
    return found


@op(
    _joined,
    promote=True,
    api="torch out",
    alias="concat concatenate",
    upcast=False,
    grad=dict(tensors=_taken_apart),
    cases=[((S(2, 3), S(4, 3)), 0), ((S(2, 3), S(2, 1), S(0)), -1)],
    wrong=[
        (((S(2, 3), S(2, 4)), 0), RuntimeError, "Sizes of tensors must match"),
        (((S(2, 3), S(2)), 0), RuntimeError, "same number of dimensions"),
    ],
)
def cat(xp, tensors: Ts, dim=0):
    """Tensors joined along `dim`; they agree in every other size. Empty vectors are left out."""
    kept = [t for t in tensors if t.ndim != 1 or t.shape[0]]
    return xp.concatenate(kept or tensors, axis=dim)


def _stacked(tensors: tuple, dim: int) -> Spec:
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0]
    dim = wrap(dim, first.ndim + 1)
    for i, s in enumerate(tensors):
        if s.shape != first.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 and "
                f"{list(s.shape)} "
                f"at entry {i}"
            )
    return first.like([*first.shape[:dim], len(tensors), *first.shape[dim:]])


@op(
    _stacked,
    promote=True,
    api="torch out",
    upcast=False,
    grad=dict(tensors=lambda g, tensors, dim: [_basic(g, placed(g, dim % g.ndim, i)) for i in range(len(tensors))]),
    cases=[((S(2, 3), S(2, 3)), 0), ((S(2, 3), S(2, 3), S(2, 3)), -1), ((S(), S()), 0)],
    wrong=[(((S(2, 3), S(2, 4)), 0), RuntimeError, "expects each tensor to be equal size")],
)
def stack(xp, tensors: Ts, dim=0):
    """Tensors of one shape joined along a new dimension."""
    return xp.stack(tensors, axis=dim)


# ---- at least so many dimensions


def _each(tensors: tuple, one: Any) -> Any:
    """`one` for each tensor of a call that takes one, several, or a list."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        return tuple(one(t) for t in tensors[0])
    return one(tensors[0]) if len(tensors) == 1 else tuple(one(t) for t in tensors)


def _one(t: Any) -> Any:
    return t if t.ndim >= 1 else _view(t, (1,))


def _two(t: Any) -> Any:
    return t if t.ndim >= 2 else _view(t, (1, *(t.shape or (1,))))


def _three(t: Any) -> Any:
    return t if t.ndim >= 3 else t.unsqueeze(-1) if t.ndim == 2 else _view(t, (1, *(t.shape or (1,)), 1))


@composite("torch")
def atleast_1d(*tensors):
    """Tensors (one, several, or a sequence) with at least one dimension."""
    return _each(tensors, _one)


@composite("torch")
def atleast_2d(*tensors):
    """Tensors (one, several, or a sequence) with at least two dimensions, new ones in front."""
    return _each(tensors, _two)


@composite("torch")
def atleast_3d(*tensors):
    """Tensors (one, several, or a sequence) with at least three dimensions."""
    return _each(tensors, _three)


def _given(name: str, tensors: Any) -> list:
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
        )
    if not len(tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return list(tensors)


@composite("torch out")
def hstack(tensors):
    """Tensors side by side: joined along dimension 1, vectors along 0."""
    found = [_one(t) for t in _given("hstack", tensors)]
    return cat(found, 0 if found[0].ndim == 1 else 1)


@composite("torch out", alias="row_stack")
def vstack(tensors):
    """Tensors one above the other: joined along dimension 0, vectors being rows."""
    return cat([_two(t) for t in _given("vstack", tensors)], 0)


@composite("torch out")
def dstack(tensors):
    """Tensors one behind the other: joined along dimension 2."""
    return cat([_three(t) for t in _given("dstack", tensors)], 2)


@composite("torch out")
def column_stack(tensors):
    """Tensors side by side, vectors being columns."""
    return hstack([t if t.ndim > 1 else _view(t, (math.prod(t.shape), 1)) for t in _given("column_stack", tensors)])


# ---- apart


@composite("torch method", alias="unsafe_split")
def split(tensor, split_size_or_sections=None, dim=0, *, split_size=None):
    """Views of `tensor` along `dim`: of a size each (the last may be smaller), or of the sizes of a list."""
    split_size_or_sections = split_size if split_size_or_sections is None else split_size_or_sections
    if tensor.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap(dim, tensor.ndim)
    size = tensor.shape[dim]
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    if not isinstance(split_size_or_sections, int) and not hasattr(split_size_or_sections, "__index__"):
        raise TypeError(
            f"split(): argument 'split_size' must be int or tuple of ints, not {type(split_size_or_sections).__name__}"
        )
    step = int(split_size_or_sections)
    if step < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={step}")
    if step == 0:
        if size:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}")
        return (narrow(tensor, dim, 0, 0),)
    ahead = placed(tensor, dim, 0)[:-1]
    return tuple(
        [_basic(tensor, (*ahead, (start, min(start + step, size), 1))) for start in range(0, max(size, 1), step)]
    )


@composite("torch method", alias="unsafe_split_with_sizes")
def split_with_sizes(input, split_sizes, dim=0):
    """Views of `input` along `dim`, of the sizes given."""
    dim = wrap(dim, input.ndim)
    wanted, total, start, found = [int(n) for n in split_sizes], input.shape[dim], 0, []
    if sum(wanted) != total:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size at dimension "
            f"{dim}), but got "
            f"split_sizes={wanted}"
        )
    for n in wanted:
        if n < 0:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={wanted}"
            )
        found.append(_basic(input, placed(input, dim, (start, start + n, 1))))
        start += n
    return tuple(found)


@composite("torch method", alias="unsafe_chunk")
def chunk(input, chunks, dim=0):
    """At most `chunks` views of `input` along `dim`, all of one size but the last."""
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = input.shape[wrap(dim, input.ndim)]
    if size == 0:
        return split_with_sizes(input, [0] * chunks, dim)
    return split(input, -(-size // chunks), dim)


@composite("torch method")
def unbind(input, dim=0):
    """The slices of `input` along `dim`, as views without that dimension."""
    if input.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap(dim, input.ndim)
    ahead = placed(input, dim, 0)[:-1]
    return tuple([_basic(input, (*ahead, i)) for i in range(input.shape[dim])])


@composite("torch method")
def tensor_split(input, indices_or_sections=None, dim=0, *, indices=None, sections=None):
    """Views of `input` along `dim`: so many of nearly equal size, or cut at the positions of a list."""
    if indices_or_sections is None:
        indices_or_sections = sections if indices is None else indices
    if input.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = wrap(dim, input.ndim)
    size = input.shape[dim]
    if not isinstance(indices_or_sections, (int, tuple, list)):
        if indices_or_sections.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional "
                "tensor, but got "
                f"a tensor with {indices_or_sections.ndim} dims"
            )
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        if indices_or_sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {indices_or_sections}")
        small, extra = divmod(size, indices_or_sections)
        return split_with_sizes(input, [small + (i < extra) for i in range(indices_or_sections)], dim)
    cuts = [slice(None, int(i)).indices(size)[1] for i in indices_or_sections]
    pairs = zip([0, *cuts], [*cuts, size], strict=True)
    return tuple([_basic(input, placed(input, dim, (a, max(a, b), 1))) for a, b in pairs])


def _split_along(input, indices_or_sections, dim: int, name: str):
    if isinstance(indices_or_sections, int):
        if indices_or_sections <= 0 or input.shape[dim] % indices_or_sections:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
                f"{input.shape[dim]} is not "
                f"divisible by the split_size {indices_or_sections}!"
            )
    return tensor_split(input, indices_or_sections, dim)


@composite("torch method")
def hsplit(input, *indices_or_sections):
    """`tensor_split` along dimension 1 (of a vector: 0)."""
    if input.ndim < 1:
        raise RuntimeError(
            f"torch.hsplit requires a tensor with at least 1 dimension, but got a tensor with {input.ndim} dimensions!"
        )
    return _split_along(input, _sections(indices_or_sections), 0 if input.ndim == 1 else 1, "hsplit")


@composite("torch method")
def vsplit(input, *indices_or_sections):
    """`tensor_split` along dimension 0."""
    if input.ndim < 2:
        raise RuntimeError(
            f"torch.vsplit requires a tensor with at least 2 dimension, but got a tensor with {input.ndim} dimensions!"
        )
    return _split_along(input, _sections(indices_or_sections), 0, "vsplit")


@composite("torch method")
def dsplit(input, *indices_or_sections):
    """`tensor_split` along dimension 2."""
    if input.ndim < 3:
        raise RuntimeError(
            f"torch.dsplit requires a tensor with at least 3 dimension, but got a tensor with {input.ndim} dimensions!"
        )
    return _split_along(input, _sections(indices_or_sections), 2, "dsplit")


def _sections(given: tuple) -> Any:
    found = given[0] if len(given) == 1 else given
    if not isinstance(found, (int, tuple, list)) and not hasattr(found, "ndim"):
        raise TypeError(f"split() received an invalid combination of arguments - got ({type(found).__name__})")
    return found


# ---- grids and products


@composite("torch")
def broadcast_tensors(*tensors):
    """Tensors stretched to their common shape."""
    tensors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = broadcast_shapes(*[tuple(t.shape) for t in tensors])
    return tuple(_expand(t, shape) for t in tensors)


@composite("torch")
def meshgrid(*tensors, indexing=None):
    """The coordinates of a grid with the vectors `tensors` as axes, "xy" exchanging the first two."""
    tensors = tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    if not tensors:
        raise ValueError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if t.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t.ndim}D")
        if t.dtype is not tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(tensors) >= 2
    axes = [tensors[1], tensors[0], *tensors[2:]] if swap else list(tensors)
    shape = tuple(math.prod(t.shape) for t in axes)
    grids = [
        _expand(
            _view(t, tuple(-1 if i == j else 1 for j in range(len(axes))))
            if math.prod(t.shape)
            else _view(t, tuple(0 if i == j else 1 for j in range(len(axes)))),
            shape,
        )
        for i, t in enumerate(axes)
    ]
    return (grids[1], grids[0], *grids[2:]) if swap else tuple(grids)


@composite("torch")
def cartesian_prod(*tensors):
    """Every combination of the elements of vectors, one a row."""
    for t in tensors:
        if t.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([g.reshape(-1) for g in meshgrid(*tensors, indexing="ij")], 1)


@composite("torch")
def combinations(input, r=2, with_replacement=False):
    """The combinations of `r` elements of a vector, one a row."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return narrow(input, 0, 0, 0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = tuple(choose(range(input.shape[0]), r))
    return _rows(input, rows) if rows else _view(narrow(input, 0, 0, 0), (0, r))


@op(
    lambda input, rows: input.like((len(rows), len(rows[0]))),
    api="",
    upcast=False,
    cases=[(S(4), ((0, 1), (2, 1)))],
    grad=lambda g, input_spec, rows: filled(g, input_spec.shape, 0).index_add(0, _row_places(g, rows), g.reshape(-1)),
)
def _rows(xp, input: T, rows):
    """The elements of the vector `input` at positions that are known when recording."""
    return input[xp.asarray(rows)]


@op(
    lambda input, rows: input.like((len(rows) * len(rows[0]),), dtype=dtypes.int64),
    api="",
    upcast=False,
    detaches=True,
    cases=[(S(4), ((0, 1), (2, 1)))],
)
def _row_places(xp, input: T, rows):
    """The positions `rows` as one vector, in the company of `input`."""
    return xp.asarray(rows, dtype="int64").reshape(-1)


@composite("torch")
def block_diag(*tensors):
    """Matrices along the diagonal of one, zeros elsewhere."""
    for i, t in enumerate(tensors):
        if t.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {t.ndim} dimensions"
            )
    blocks = [_two(t) for t in tensors]
    return _block_diag(blocks) if blocks else None


def _blocks(tensors: tuple) -> Spec:
    return tensors[0].like((sum(s.shape[0] for s in tensors), sum(s.shape[1] for s in tensors)))


def _cut_blocks(g, tensors):
    found, row, column = [], 0, 0
    for s in tensors:
        rows, columns = s.shape
        found.append(_basic(g, ((row, row + rows, 1), (column, column + columns, 1))))
        row, column = row + rows, column + columns
    return found


@op(_blocks, promote=True, api="", upcast=False, grad=dict(tensors=_cut_blocks), cases=[((S(2, 3), S(1, 1)),)])
def _block_diag(xp, tensors: Ts):
    """Matrices along the diagonal of one, zeros elsewhere."""
    width, at, rows = sum(t.shape[1] for t in tensors), 0, []
    for t in tensors:
        rows.append(xp.pad(t, ((0, 0), (at, width - at - t.shape[1]))))
        at += t.shape[1]
    return xp.concatenate(rows)


# ---- again and again


@op(
    lambda input, repeats: input.like(_repeated(input, repeats)),
    api="",
    upcast=False,
    shown="Repeat",
    grad=lambda g, input_spec, repeats: _folded(g, input_spec.shape, repeats),
    cases=[(S(2, 3), (2, 1, 2))],
)
def _repeat(xp, input: T, repeats):
    """`input` laid out so many times along each dimension, new ones in front."""
    return xp.tile(input, repeats)


def _repeated(input: Spec, repeats: tuple) -> list[int]:
    if len(repeats) < input.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    if any(n < 0 for n in repeats):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(repeats)}: {list(repeats)}")
    shape = (1,) * (len(repeats) - input.ndim) + input.shape
    return [size * n for size, n in zip(shape, repeats, strict=True)]


def _folded(g, shape, repeats):
    if 0 in repeats:
        return filled(g, shape, 0)
    full = (1,) * (len(repeats) - len(shape)) + shape
    parts = tuple(itertools.chain.from_iterable(zip(repeats, full, strict=True)))
    return g.reshape(parts).sum(tuple(range(0, 2 * len(repeats), 2))) if repeats else g


@composite("method")
def repeat(input, *given, repeats=None):
    """`input` laid out so many times along each dimension, new ones in front."""
    return _repeat(input, sizes(given if repeats is None else (repeats,)))


@composite("torch method")
def tile(input, *given, dims=None):
    """`input` laid out so many times along its last dimensions, those before once."""
    dims = sizes(given if dims is None else (dims,))
    return _repeat(input, (1,) * (input.ndim - len(dims)) + dims)
