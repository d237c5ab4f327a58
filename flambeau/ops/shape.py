"""The same elements in another arrangement: views, and the copies that rearrange."""

from __future__ import annotations

import math
import operator
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._layout import viewable
from ._op import S, T, composite, op
from ._rules import title, wrap, wrap_all


def resolved(shape: tuple, numel: int) -> tuple[int, ...]:
    """`shape` with its -1 worked out; PyTorch's error if it cannot hold `numel` elements."""
    known = math.prod(s for s in shape if s != -1)
    if any(s < -1 for s in shape):
        raise RuntimeError(
            f"invalid shape dimension {next(s for s in shape if s < -1)} at index "
            f"{next(i for i, s in enumerate(shape) if s < -1)} of shape {list(shape)}"
        )
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if -1 in shape:
        if known == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension "
                "size -1 "
                "can be any value and is ambiguous"
            )
        if numel % known == 0:
            return tuple(numel // known if s == -1 else s for s in shape)
    elif known == numel:
        return tuple(shape)
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")


@op(
    lambda input, shape: input.like(resolved(shape, input.numel)),
    api="",
    view=True,
    upcast=False,
    shown=lambda kind: kind.env["named"],
    grad=lambda g, input_spec: _view(g, input_spec.shape),
    put=lambda input, value, shape, named: _view(value, input.shape),
)
def _view(xp, input: T, shape, named="View"):
    """`input` with another shape of as many elements. `named`: what `grad_fn` calls it."""
    return xp.reshape(input, resolved(shape, input.size))


@op(
    lambda input, shape: input.like(resolved(shape, input.numel)),
    api="",
    upcast=False,
    shown="UnsafeView",
    grad=lambda g, input_spec: _view(g, input_spec.shape),
)
def _unsafe_view(xp, input: T, shape):
    """`input` with another shape, as a copy: where its elements do not lie in order."""
    return xp.reshape(input, resolved(shape, input.size))


@op(
    lambda input, dtype: input.like(_recut(input, dtype), dtype),
    api="",
    view=True,
    upcast=False,
    shown="View",
    put=lambda input, value, dtype: _view_dtype(value, input.dtype),
    cases=[(S(2, 4), dtypes.int32), (S(2, 4), dtypes.int64)],
    detaches=True,
)
def _view_dtype(xp, input: T, dtype):
    """The bytes of `input` read as another type."""
    return xp.array(input).view(dtype.numpy)


def _recut(input: Spec, dtype: dtypes.dtype) -> list[int]:
    old, new = input.dtype.itemsize, dtype.itemsize
    if old == new:
        return list(input.shape)
    if not input.ndim:
        raise RuntimeError("self.dim() cannot be 0 to view " + f"{input.dtype} as {dtype} (different element sizes)")
    if input.shape[-1] * old % new:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {new // old} to view {title(input.dtype)} as {title(dtype)} "
            "(different element "
            f"sizes), but got {input.shape[-1]}"
        )
    return [*input.shape[:-1], input.shape[-1] * old // new]


def sizes(shape: tuple) -> tuple[int, ...]:
    """Sizes given one by one, or as one sequence."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    for n in shape:
        if type(n) is not int:
            return tuple([_whole(n) for n in shape])
    return shape


def _whole(n: Any) -> int:
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"sizes must be tuple of ints, but found element of type {type(n).__name__}")
    return operator.index(n)


@composite("method")
def view(input, *given, size=None, dtype=None):
    """`input` with another shape (one size may be -1), sharing its memory; or its bytes as another dtype."""
    if dtype is None and len(given) == 1 and isinstance(given[0], dtypes.dtype):
        dtype = given[0]
    if dtype is not None:
        return input if dtype is input.dtype else _view_dtype(input, dtype)
    wanted = sizes(given if size is None else (size,))
    if getattr(input, "_chain", ()) and not viewable(input, resolved(wanted, math.prod(input.shape))):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return _view(input, wanted)


@composite("torch method")
def reshape(input, *given, shape=None):
    """`input` with another shape (one size may be -1): a view where the memory allows it, else a copy."""
    wanted = sizes(given if shape is None else (shape,))
    if getattr(input, "_chain", ()) and not viewable(input, resolved(wanted, math.prod(input.shape))):
        return _unsafe_view(input, wanted)
    return _view(input, wanted)


def _permuted(input: Spec, dims: tuple) -> Spec:
    if len(dims) != input.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
            "desired ordering "
            f"of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(dims)}"
        )
    order = [wrap(d, input.ndim) for d in dims]
    if len(set(order)) != len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return input.like([input.shape[d] for d in order])


def _inverse(dims: tuple) -> tuple[int, ...]:
    order = [d % len(dims) for d in dims]
    return tuple(order.index(i) for i in range(len(dims)))


@op(
    _permuted,
    api="",
    view=True,
    upcast=False,
    shown=lambda kind: kind.env["named"],
    grad=lambda g, dims: _permute(g, _inverse(dims)),
    put=lambda input, value, dims, named: _permute(value, _inverse(dims)),
)
def _permute(xp, input: T, dims, named="Permute"):
    """`input` with its dimensions in another order. `named`: what `grad_fn` calls it."""
    return xp.transpose(input, dims)


@composite("torch method")
def permute(input, *given, dims=None):
    """`input` with its dimensions in the order `dims`."""
    return _permute(input, sizes(given if dims is None else (dims,)))


@composite("torch method", alias="swapaxes swapdims")
def transpose(input, dim0, dim1):
    """`input` with two dimensions exchanged."""
    order = list(range(input.ndim))
    a, b = wrap(dim0, input.ndim), wrap(dim1, input.ndim)
    if not order:
        return _permute(input, (), "Transpose")
    order[a], order[b] = b, a
    return _permute(input, tuple(order), "Transpose")


@composite("torch method")
def t(input):
    """The transpose of a matrix; a vector or scalar as it is."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return _permute(input, (1, 0), "T") if input.ndim == 2 else _view(input, tuple(input.shape), "T")


def _expanded(input: Spec, shape: tuple) -> Spec:
    ahead = len(shape) - input.ndim
    if ahead < 0:
        raise RuntimeError(
            f"expand(torch.{title(input.dtype)}Tensor{{{list(input.shape)}}}, size={list(shape)}): the number of sizes "
            f"provided ({len(shape)}) must be greater or equal to the number of dimensions in the tensor ({input.ndim})"
        )
    out = []
    for i, size in enumerate(shape):
        own = input.shape[i - ahead] if i >= ahead else None
        if size == -1:
            if own is None:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            size = own
        elif own is not None and own != size and own != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) must match the existing size ({own}) at non-singleton "
                f"dimension {i}. "
                f" Target sizes: {list(shape)}.  Tensor sizes: {list(input.shape)}"
            )
        out.append(size)
    return input.like(out)


@op(
    _expanded,
    api="",
    view=True,
    upcast=False,
    shown="Expand",
    grad=lambda g, input_spec: g,
    put=lambda input, value, shape: _unexpanded(input, value),
)
def _expand(xp, input: T, shape):
    """`input` stretched along dimensions of size 1, and along new ones in front."""
    ahead = len(shape) - input.ndim
    return xp.broadcast_to(input, tuple(input.shape[i - ahead] if s == -1 else s for i, s in enumerate(shape)))


def _unexpanded(input, value):
    if math.prod(input.shape) != math.prod(value.shape):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )
    return _view(value, input.shape)


@composite("method")
def expand(input, *given, size=None, implicit=False):
    """`input` stretched along dimensions of size 1 (or new ones in front) to `shape`; -1 keeps a size."""
    return _expand(input, sizes(given if size is None else (size,)))


@composite("torch method")
def unsqueeze(input, dim):
    """`input` with a new dimension of size 1 at `dim`."""
    place = wrap(dim, input.ndim + 1)
    return _view(input, (*input.shape[:place], 1, *input.shape[place:]), "Unsqueeze")


@composite("torch method")
def squeeze(input, dim=None):
    """`input` without its dimensions of size 1: all, or those of `dim` (an int or several)."""
    shape = input.shape
    if dim is None:
        return _view(input, tuple([s for s in shape if s != 1]), "Squeeze")
    wanted = () if dim in ((), []) else wrap_all(dim, len(shape))
    return _view(
        input,
        tuple([s for i, s in enumerate(shape) if s != 1 or i not in wanted]),
        "Squeeze1" if isinstance(dim, int) else "Squeeze2",
    )


@composite("torch method")
def flatten(input, start_dim=0, end_dim=-1):
    """`input` with the dimensions from `start_dim` to `end_dim` made one."""
    shape = tuple(input.shape)
    if not shape:
        return reshape(input, (1,))
    start, end = wrap(start_dim, len(shape)), wrap(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@composite("torch method")
def ravel(input):
    """`input` as a vector."""
    return reshape(input, (math.prod(input.shape),))


@composite("torch method")
def unflatten(input, dim, sizes):
    """`input` with dimension `dim` made several, of the given sizes (one may be -1)."""
    dim = wrap(dim, input.ndim)
    sizes = tuple(sizes) if isinstance(sizes, (tuple, list)) else (sizes,)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    size = input.shape[dim]
    known = math.prod(s for s in sizes if s != -1)
    if sizes.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if known != size if -1 not in sizes else not known or size % known:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({size}) in the "
            "input tensor"
        )
    whole = tuple(size // known if s == -1 else s for s in sizes)
    return _view(input, (*input.shape[:dim], *whole, *input.shape[dim + 1 :]))


@composite("method")
def expand_as(input, other):
    """`input` stretched to the shape of `other`."""
    return _expand(input, tuple(other.shape))


@composite("method")
def view_as(input, other):
    """`input` in the shape of `other`."""
    return view(input, tuple(other.shape))


@composite("method")
def reshape_as(input, other):
    """`input` in the shape of `other`."""
    return reshape(input, tuple(other.shape))


@composite("torch method")
def broadcast_to(input, *given, size=None):
    """`input` stretched to the shape `size`."""
    return _expand(input, sizes(given if size is None else (size,)))


@op(lambda input, memory_format: input.like(), upcast=False, grad=lambda g: g, cases=[(S(2, 3),)])
def clone(xp, input: T, *, memory_format=None):
    """A copy of `input`."""
    return input


@composite("torch method", alias="moveaxis")
def movedim(input, source, destination):
    """`input` with dimensions moved from `source` to `destination`; the others keep their order."""
    come = tuple(source) if isinstance(source, (tuple, list)) else (source,)
    go = tuple(destination) if isinstance(destination, (tuple, list)) else (destination,)
    if len(come) != len(go):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(come)} dims) should contain the same "
            "number of dims as "
            f"destination ({list(go)} dims)"
        )
    come, go = tuple(wrap(d, input.ndim) for d in come), tuple(wrap(d, input.ndim) for d in go)
    for name, dims in (("source", come), ("destination", go)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(dims)})")
    rest = iter([d for d in range(input.ndim) if d not in come])
    return _permute(input, tuple(come[go.index(d)] if d in go else next(rest) for d in range(input.ndim)))


@composite("torch method")
def adjoint(input):
    """The conjugate transpose of the last two dimensions."""
    if input.ndim < 2:
        raise RuntimeError(
            f"tensor.adjoint() is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor."
        )
    turned = transpose(input, -2, -1)
    return turned.conj() if input.dtype.is_complex else turned
