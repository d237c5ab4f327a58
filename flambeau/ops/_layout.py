"""Where views lie in the memory that they share: offset and strides, in elements, along a chain of view operations."""

from __future__ import annotations

from typing import Any

from ..dtypes import dtype
from ..graph import Node

_BOUND = 4096
_known: dict[tuple, tuple[int, tuple[int, ...], tuple[int, ...]]] = {}


def contiguous_strides(shape: tuple) -> tuple[int, ...]:
    """The strides of elements that lie in order."""
    steps, total = [], 1
    for size in reversed(shape):
        steps.append(total)
        total *= max(size, 1)
    return tuple(reversed(steps))


def is_contiguous(shape: tuple, strides: tuple) -> bool:
    """Whether elements with these strides lie in order; dimensions of size 1 do not count."""
    if 0 in shape:
        return True
    expected = 1
    for size, step in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if step != expected:
                return False
            expected *= size
    return True


def view_strides(shape: tuple, strides: tuple, wanted: tuple) -> tuple[int, ...] | None:
    """The strides that elements lying so have under the shape `wanted`; None if that takes a copy."""
    if is_contiguous(shape, strides):
        return contiguous_strides(wanted)
    found: list[int] = []
    at = len(wanted) - 1
    count, base = 1, strides[-1]
    chunk = 1
    for d in range(len(shape) - 1, -1, -1):  # runs of dimensions that lie in order together are cut anew
        chunk *= shape[d]
        if d and (shape[d - 1] == 1 or strides[d - 1] == chunk * base):
            continue
        while at >= 0 and (count < chunk or wanted[at] == 1):
            found.append(count * base)
            count *= wanted[at]
            at -= 1
        if count != chunk:
            return None
        if d:
            base, chunk, count = strides[d - 1], 1, 1
    return tuple(reversed(found)) if at == -1 else None


def layout(shape: tuple, chain: tuple, kind: dtype) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Offset, strides and shape after the views `chain` of a contiguous tensor of type `kind`."""
    key = (shape, kind, tuple([(op.name, args) for op, args, _ in chain]))
    found = _known.get(key)
    if found is None:
        offset, strides = 0, contiguous_strides(shape)
        for op, args, _ in chain:
            if op.name in _READ_ANEW:
                seen = _READ_ANEW[op.name](kind, *args)
                offset, strides, shape = read_anew(op.name, kind, seen, offset, strides, shape)
                kind = seen
            else:
                offset, strides, shape = step(op.name, args, offset, strides, shape)
        found = offset, strides, shape
        if not any(type(a) is Node for _, args, _ in chain for a in args):
            if len(_known) >= _BOUND:
                _known.clear()
            _known[key] = found
    return found


# Views that read the memory as another type, which they name.
_READ_ANEW = {
    "_view_dtype": lambda kind, wanted: wanted,
    "view_as_real": dtype.to_real,
    "view_as_complex": dtype.to_complex,
    "real": dtype.to_real,
    "imag": dtype.to_real,
}


def read_anew(
    name: str, kind: dtype, seen: dtype, offset: int, strides: tuple, shape: tuple
) -> tuple[int, tuple, tuple]:
    """Offset, strides and shape of elements of type `kind` seen as `seen`."""
    if kind.itemsize > seen.itemsize:
        parts = kind.itemsize // seen.itemsize
        offset, strides = offset * parts, tuple([n * parts for n in strides])
        if name == "_view_dtype":
            return offset, (*strides[:-1], 1), (*shape[:-1], shape[-1] * parts)
        if name == "view_as_real":
            return offset, (*strides, 1), (*shape, 2)
        return offset + (name == "imag"), strides, shape
    parts = seen.itemsize // kind.itemsize
    if name == "view_as_complex":
        shape, strides = shape[:-1], strides[:-1]
    elif parts > 1:
        shape, strides = (*shape[:-1], shape[-1] // parts), (*strides[:-1], parts)
    return offset // parts, tuple([n // parts for n in strides]), shape


def step(name: str, args: tuple, offset: int, strides: tuple, shape: tuple) -> tuple[int, tuple, tuple]:
    """Offset, strides and shape after one view more."""
    if name in ("detach", "_data", "_conj"):
        return offset, strides, shape
    if name == "_permute":
        return offset, tuple([strides[d] for d in args[0]]), tuple([shape[d] for d in args[0]])
    if name == "_expand":
        ahead = len(args[0]) - len(shape)
        wanted = tuple([shape[i - ahead] if n == -1 else n for i, n in enumerate(args[0])])
        return (
            offset,
            tuple([0 if i < ahead or shape[i - ahead] == 1 != n else strides[i - ahead] for i, n in enumerate(wanted)]),
            wanted,
        )
    if name == "_basic":
        steps: list[int] = []
        sizes: list[int] = []
        at = 0
        for k in args[0]:
            if k is None:
                steps.append(strides[at] * shape[at] if at < len(shape) else 1)
                sizes.append(1)
                continue
            start = k[0] if type(k) is tuple else k
            offset += start * strides[at]
            if type(k) is tuple:
                steps.append(k[2] * strides[at])
                sizes.append(max(0, -((start - k[1]) // k[2])))
            at += 1
        return offset, (*steps, *strides[at:]), (*sizes, *shape[at:])
    if name == "_select_at":
        dim = args[1]
        return offset, (*strides[:dim], *strides[dim + 1 :]), (*shape[:dim], *shape[dim + 1 :])
    if name == "_view":
        from .shape import resolved

        total = 1
        for n in shape:
            total *= n
        wanted = resolved(args[0], total)
        return offset, view_strides(shape, strides, wanted) or contiguous_strides(wanted), wanted
    if name == "_as_strided":
        size, stride, start = args
        if not is_contiguous(shape, strides):
            lies = [
                (c, n) for c, n, size_of in zip(contiguous_strides(shape), strides, shape, strict=True) if size_of > 1
            ]
            start, *moved = [translated(n, lies) for n in (start, *stride)]
            stride = tuple(moved)
        return offset + start, stride, size
    return offset, contiguous_strides(shape), shape


def translated(distance: int, lies: list[tuple[int, int]]) -> int:
    """A distance between elements in order, as one between those that lie otherwise (`lies`: both strides)."""
    total = 0
    for ordered, actual in lies:
        count, distance = divmod(distance, ordered)
        total += count * actual
    return total


def viewable(t: Any, wanted: tuple) -> bool:
    """Whether the tensor (or node) `t` can be seen under the shape `wanted` without a copy."""
    chain = getattr(t, "_chain", ())
    if not chain:
        return True
    _, strides, shape = layout(tuple(t._base_tensor.shape), chain, t._base_tensor.dtype)
    return view_strides(shape, strides, wanted) is not None


def layout_of(t: Any) -> tuple[int, tuple[int, ...]]:
    """Offset and strides of a tensor."""
    if not t._chain:
        return 0, contiguous_strides(tuple(t.shape))
    return layout(tuple(t._base_tensor.shape), t._chain, t._base_tensor.dtype)[:2]
