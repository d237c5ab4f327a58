"""Numbers evenly spaced, rounded as PyTorch's compiled kernels round them."""

from __future__ import annotations

import numpy as np


def scale_and_shift(values: np.ndarray, scale: float, shift: float) -> np.ndarray:
    """`values * scale + shift`, rounded once, because PyTorch's kernels are compiled to fused operations."""
    if shift == 0:
        return values if scale == 1 else values * values.dtype.type(scale)
    if values.dtype == np.float32:
        return (values.astype(np.float64) * scale + shift).astype(np.float32)
    if abs(scale) > 1e290:
        return values * scale + shift
    # The product and the sum each with its error (Dekker 1971, Knuth): what they lost is added at the end.
    splitter = 2.0**27 + 1
    high = splitter * values
    high = high - (high - values)
    low = values - high
    scale_high = splitter * scale - (splitter * scale - scale)
    scale_low = scale - scale_high
    product = values * scale
    lost: np.ndarray = ((high * scale_high - product) + high * scale_low + low * scale_high) + low * scale_low
    total: np.ndarray = product + shift
    back = total - product
    lost += (product - (total - back)) + (shift - back)
    total += lost
    return total


def evenly(start: float, end: float, steps: int, dtype: np.dtype) -> np.ndarray:
    """`steps` numbers (two or more) from `start` to `end`, each half counted from its own end."""
    first, last = dtype.type(start), dtype.type(end)
    step = (last - first) / dtype.type(steps - 1)
    half = steps // 2
    forth, back = np.arange(half).astype(dtype), np.arange(steps - 1 - half, -1, -1).astype(dtype)
    if dtype.kind == "c":
        return np.concatenate([first + step * forth, last - step * back])
    return np.concatenate([scale_and_shift(forth, step, first), scale_and_shift(back, -step, last)])
