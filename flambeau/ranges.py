"""Tensors of regular content: counted and spaced numbers, unit matrices, the coordinates of triangles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import dtypes
from .creation import finished, kind_of
from .ops._spacing import evenly
from .tensor import Tensor


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, (Tensor, np.generic)) else value


def _kind(values: tuple, dtype: Any, out: Any) -> Any:
    if dtype is not None or out is not None:
        return kind_of(dtype) if dtype is not None else out.dtype
    return dtypes.int64 if all(isinstance(v, int) for v in values) else dtypes.default_dtype()


def arange(
    *bounds: Any,
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers start, start + step, ... before `end`: `arange(end)` or `arange(start, end, step)`.

    >>> import flambeau as torch
    >>> torch.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    if len(bounds) == 1 and end is None:
        end = bounds[0]
    elif bounds:
        names = dict(zip(("start", "end", "step"), bounds, strict=False))
        start, end, step = names.get("start", start), names.get("end", end), names.get("step", step)
    if end is None:
        raise TypeError("arange() received an invalid combination of arguments: end is missing")
    start, end, step = _number(start), _number(end), _number(step)
    kind = _kind((start, end, step), dtype, out)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if kind.category == dtypes.INTEGER:
        whole = start, end, step
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise RuntimeError("step must be nonzero")
        if kind is dtypes.int64:
            count = max(0, -((start - end) // step))
        else:  # PyTorch counts in doubles, unless these are 64-bit integers
            count = math.ceil((whole[1] - whole[0]) / whole[2])
        value = np.arange(count, dtype=np.int64) * step + start
    else:
        value = start + np.arange(math.ceil((end - start) / step)) * float(step)
    return finished(value.astype(kind.numpy), kind, device, requires_grad, out)


def range_(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers start, start + step, ... up to and including `end`."""
    start, end = (0, start) if end is None else (start, end)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    kind = kind_of(dtype) if dtype is not None else dtypes.default_dtype()
    value = start + np.arange(int((end - start) / step) + 1) * float(step)
    return finished(value.astype(kind.numpy), kind, device, requires_grad, out)


range_.__name__ = "range"


def _spaced(ends: tuple, steps: int, kind: Any) -> np.ndarray:
    """`steps` numbers from `start` to `end`, each half counted from its own end, in the precision of `kind`."""
    start, end = ends
    if not hasattr(steps, "__index__"):
        raise TypeError(
            f"linspace() received an invalid combination of arguments - got steps of type {type(steps).__name__}"
        )
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    wide = (
        kind.numpy
        if kind.category >= dtypes.FLOATING and not kind.half
        else np.dtype(np.float32 if kind.half else np.float64)
    )
    if steps < 2:
        return np.full(steps, start, wide)
    return evenly(start, end, steps, np.dtype(wide))


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, evenly spaced."""
    start, end = _number(start), _number(end)
    kind = kind_of(dtype) if dtype is not None else _space_kind(start, end)
    value = _spaced(_ends(start, end, kind), steps, kind)
    return finished(_cast(value, kind), kind, device, requires_grad, out)


def _ends(start: Any, end: Any, kind: Any) -> tuple:
    return (int(start), int(end)) if kind.category < dtypes.FLOATING else (start, end)


def _space_kind(start: Any, end: Any) -> Any:
    default = dtypes.default_dtype()
    return default.to_complex() if isinstance(start, complex) or isinstance(end, complex) else default


def _cast(value: np.ndarray, kind: Any) -> np.ndarray:
    if kind.category < dtypes.FLOATING:
        value = np.trunc(value)
    return value.astype(kind.numpy)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """`base` to the power of `steps` evenly spaced exponents from `start` to `end`."""
    start, end = _number(start), _number(end)
    kind = kind_of(dtype) if dtype is not None else _space_kind(start, end)
    exponents = _spaced(_ends(start, end, kind), steps, kind if kind.category >= dtypes.FLOATING else dtypes.float64)
    with np.errstate(all="ignore"):
        value = np.power(np.asarray(base, exponents.dtype), exponents)
    return finished(_cast(value, kind), kind, device, requires_grad, out)


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A matrix of `n` rows and `m` (or `n`) columns with ones on its diagonal, zeros elsewhere."""
    if n < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}")
    if m is not None and m < 0:
        raise RuntimeError(f"m must be greater or equal to 0, got {m}")
    kind = kind_of(dtype) if dtype is not None else out.dtype if out is not None else dtypes.default_dtype()
    return finished(np.eye(n, m, dtype=kind.numpy), kind, device, requires_grad, out)


def _triangle(found: tuple, row: int, col: int, dtype: Any, device: Any) -> Tensor:
    if row < 0 or col < 0:
        raise RuntimeError(f"{'row' if row < 0 else 'col'} must be non-negative, got {row if row < 0 else col}")
    kind = dtypes.int64 if dtype is None else kind_of(dtype)
    return finished(np.stack(found).astype(kind.numpy), kind, device, False, None)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """The coordinates (2, n) of the lower triangle of a matrix, row by row."""
    return _triangle(np.tril_indices(max(row, 0), offset, max(col, 0)), row, col, dtype, device)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """The coordinates (2, n) of the upper triangle of a matrix, row by row."""
    return _triangle(np.triu_indices(max(row, 0), offset, max(col, 0)), row, col, dtype, device)
