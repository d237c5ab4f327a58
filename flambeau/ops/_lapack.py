"""What the matrix operations share: their errors, checks of arguments, and SciPy's LAPACK applied to batches."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ._rules import title


class _LinAlgError(RuntimeError):
    """Raised when the numbers in a matrix do not allow what is asked, such as the inverse of a singular one."""


LinAlgError = _LinAlgError


def check_square(name: str, a: Any, argument: str = "A") -> None:
    """Raises PyTorch's error unless `a` (a Spec, node or tensor) is one or more square matrices."""
    check_matrix(name, a, argument)
    if a.shape[-1] != a.shape[-2]:
        raise RuntimeError(
            f"{name}: {argument} must be batches of square matrices, but they are {a.shape[-2]} by {a.shape[-1]} "
            "matrices"
        )


def check_matrix(name: str, a: Any, argument: str = "A") -> None:
    """Raises PyTorch's error unless `a` has two dimensions or more."""
    if a.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")


def check_floating(name: str, a: Any, low: bool = False) -> None:
    """Raises PyTorch's error unless `a` holds floats or complex numbers, of 32 bits or more unless `low`."""
    if a.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {title(a.dtype)}")
    if a.dtype.half and not low:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {title(a.dtype)}")


def check_alike(name: str, a: Any, b: Any, first: str = "A", second: str = "B") -> None:
    """Raises PyTorch's error unless two operands have one dtype."""
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"{name}: Expected {first} and {second} to have the same dtype, but found {first} of type "
            f"{title(a.dtype)} and "
            f"{second} of type {title(b.dtype)} instead"
        )


def failed(name: str, info: np.ndarray, text: str) -> LinAlgError:
    """The error for the first matrix whose `info` is not 0; `text` may say `{info}`."""
    flat = info.reshape(-1)
    place = int(np.flatnonzero(flat)[0])
    where = f"(Batch element {place}): " if info.ndim else ""
    return LinAlgError(f"{name}: {where}{text.format(info=int(flat[place]))}")


@functools.cache
def _routine(name: str, dtype: np.dtype, blas: bool) -> Any:
    from scipy.linalg import get_blas_funcs, get_lapack_funcs
    return (get_blas_funcs if blas else get_lapack_funcs)(name, dtype=dtype)


def lapack(name: str, like: np.ndarray) -> Any:
    """LAPACK's routine `name` for the element type of an array."""
    return _routine(name, like.dtype, False)


def blas(name: str, like: np.ndarray) -> Any:
    """BLAS's routine `name` for the element type of an array."""
    return _routine(name, like.dtype, True)


def over_batch(function: Callable, *operands: tuple[np.ndarray, int]) -> tuple[np.ndarray, ...]:
    """`function` of each matrix of a batch, stacked; operands are pairs (array, dimensions that one call takes)."""
    batch = np.broadcast_shapes(*[x.shape[:x.ndim - k] for x, k in operands])
    spread = [np.broadcast_to(x, (*batch, *x.shape[x.ndim - k:])) for x, k in operands]
    if not batch:
        return tuple(np.asarray(r) for r in function(*spread))
    results = [function(*[x[place] for x in spread]) for place in np.ndindex(*batch)]
    if not results:                       # an empty batch: the shapes of the results of one matrix of zeros
        one = function(*[np.zeros(x.shape[x.ndim - k:], x.dtype) for x, k in operands])
        return tuple(np.zeros((*batch, *np.shape(r)), np.asarray(r).dtype) for r in one)
    return tuple(
        np.stack([np.asarray(r[i]) for r in results]).reshape(*batch, *np.shape(results[0][i]))
        for i in range(len(results[0]))
    )
