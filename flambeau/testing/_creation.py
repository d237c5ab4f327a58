"""make_tensor: random tensors of any dtype, to test with."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..creation import empty
from ..info import finfo, iinfo
from ..ops import registry
from ..random import randint
from ..tensor import Tensor


def make_tensor(
    *shape: int | Sequence[int],
    dtype: dtypes.dtype,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor with elements drawn evenly from [low, high): from -9 to 9 where nothing is said (10 is out, for integers
    from -9 or 0 on), False and True for booleans.

    `noncontiguous` gives every second element of a larger tensor; `exclude_zero` puts 1, or the smallest normal number,
    where 0 was drawn.
    """
    sizes: Any = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    sizes = tuple(sizes)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, "
            f"but got noncontiguous={noncontiguous} and memory_format={memory_format}"
        )
    real = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not real:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype}"
        )
    noncontiguous = noncontiguous and math.prod(sizes) > 1
    if noncontiguous:
        sizes = (*sizes[:-1], 2 * sizes[-1])
    if real:
        made: Any = empty(sizes, dtype=dtype, device=device)
        least, most = finfo(dtype).min, finfo(dtype).max
        bounds = _bounds(low, high, dtype, least, most, -9, 9)
        if dtype.is_complex:
            parts: Any = empty((*sizes, 2), dtype=dtypes.float32 if dtype is dtypes.complex64 else dtypes.float64)
            made = registry["view_as_complex"](parts.uniform_(*bounds)).clone()  # type: ignore[operator]
        else:
            made = made.uniform_(*bounds)
    else:
        if dtype is dtypes.bool_:
            bounds = _bounds(low, high, dtype, 0, 2, 0, 2)
        else:
            limits = iinfo(dtype)
            bounds = _bounds(low, high, dtype, limits.min, limits.max + (dtype is not dtypes.int64), -9, 10)
        made = randint(math.ceil(bounds[0]), math.ceil(bounds[1]), sizes, dtype=dtype, device=device)
    if noncontiguous:
        made = made[..., 1::2]
    elif memory_format is not None:
        made = made.clone(memory_format=memory_format)
    if exclude_zero:
        made[made == 0] = finfo(dtype).tiny if real else 1
    return made.requires_grad_() if requires_grad else made


def _bounds(
    low: float | None, high: float | None, dtype: Any, least: float, end: float, low_default: float, high_default: float
) -> tuple[float, float]:
    """The interval to draw from, within what the dtype holds."""
    low = low_default if low is None else low
    high = high_default if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low} and high={high}")
    if low == high and (dtype.is_floating_point or dtype.is_complex):
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated since 2.1 "
            "and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < least or low >= end:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), "
            f"but {dtype} only supports [{least}, {end})"
        )
    return min(max(low, least), end), min(max(high, least), end)
