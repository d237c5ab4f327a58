"""Shape and dtype rules that several operations share, and the errors they raise, in PyTorch's classes and words."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import dtypes
from ..graph import Spec


def same(input: Spec) -> Spec:
    """As the operand."""
    return input.like()


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The common shape of operands; a size of 1 stretches."""
    ndim = max(map(len, shapes), default=0)
    result: list[int] = [1] * ndim
    for shape in shapes:
        for i in range(1, len(shape) + 1):
            size = shape[-i]
            if size != 1 and size != result[-i]:
                if result[-i] != 1:
                    raise RuntimeError(
                        f"The size of tensor a ({result[-i]}) must match the size of tensor b ({size}) "
                        f"at non-singleton dimension {ndim - i}"
                    )
                result[-i] = size
    return tuple(result)


def broadcast(input: Spec, other: Spec) -> Spec:
    """Two operands to their common shape."""
    if input.shape == other.shape:
        return input.like()
    return input.like(broadcast_shapes(input.shape, other.shape))


def compared(input: Spec, other: Spec) -> Spec:
    """As `broadcast`, the result boolean."""
    return broadcast(input, other).like(dtype=dtypes.bool_)


def wrap(dim: int, ndim: int) -> int:
    """A dimension counted from the front; PyTorch's IndexError if there is no such. A 0-d tensor counts as having
    one."""
    ndim = max(ndim, 1)
    dim = operator.index(dim)
    if not -ndim <= dim < ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})")
    return dim % ndim


def wrap_all(dim: int | Iterable[int] | None, ndim: int, name: str = "sum") -> tuple[int, ...]:
    """The dimensions meant by `dim`, in order; all if None or empty."""
    if dim is None:
        return tuple(range(ndim))
    dims = [wrap(d, ndim) for d in ([dim] if not isinstance(dim, (tuple, list)) else dim)]
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return tuple(sorted(dims)) if dims else tuple(range(ndim))


def reduced(input: Spec, dim: Any, keepdim: bool) -> Spec:
    """The shape left by a reduction over `dim` (an int, several, or None for all)."""
    dims = wrap_all(dim, input.ndim)
    return input.like([1 if i in dims else s for i, s in enumerate(input.shape) if keepdim or i not in dims])


def along(input: Spec, dim: int) -> Spec:
    """As the operand, `dim` being one of its dimensions."""
    wrap(dim, input.ndim)
    return input.like()


def axes(dim: Any, ndim: int) -> tuple[int, ...]:
    """What NumPy wants for the dimensions meant by `dim`; a 0-d array has none."""
    return wrap_all(dim, ndim) if ndim else ()


def check_integral(name: str, index: Spec) -> None:
    """Raises PyTorch's error unless `index` holds integers that can index."""
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")


def pair(value: Any, n: int = 2) -> tuple[int, ...]:
    """`value` for each of `n` dimensions, if it is one number."""
    if isinstance(value, (tuple, list)):
        return tuple(value) * n if len(value) == 1 else tuple(value)
    return (value,) * n


def title(dtype: dtypes.dtype) -> str:
    """PyTorch's spoken name of a dtype: Float, Long, ..."""
    return dtype.title


def need_floating(kernel: str, input: Spec, complex: bool = False) -> None:
    """Raises PyTorch's error, which names its kernel, unless `input` holds floats (or complex numbers, where
    allowed)."""
    if input.dtype.category != dtypes.FLOATING and not (complex and input.is_complex):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{title(input.dtype)}'")


def floating(kernel: str, complex: bool = False) -> Callable[[Spec], Spec]:
    """A rule: as the operand, which has to hold floats; `kernel` is what PyTorch's error calls the operation."""

    def rule(input: Spec) -> Spec:
        need_floating(kernel, input, complex)
        return input.like()

    return rule
