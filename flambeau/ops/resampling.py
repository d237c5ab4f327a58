"""Linear maps along single dimensions, such as interpolation, adaptive means, padding by reflection: one operation."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..graph import Spec
from ._op import S, T, op

DENSE = 1 << 15  # elements of a matrix up to which a product with it is quicker than taking and adding


# ---- tables: for each place of the result the places it reads, and their weights (None: one place, as it is)

Table = tuple[np.ndarray, np.ndarray | None]


def _steps(size: int, out: int, scale: float | None, align: bool, precise: bool) -> np.ndarray:
    """Positions in the input, of the centres of the output's elements, worked out in PyTorch's precision."""
    real = np.float64 if precise else np.float32
    places = np.arange(out, dtype=real)
    if align:
        return places * real((size - 1) / (out - 1) if out > 1 else 0)
    return (places + real(0.5)) * real(scale if scale else size / out) - real(0.5)


def _nearest(size: int, out: int, scale: float | None, exact: bool) -> Table:
    step = np.float32(scale if scale else np.float32(size) / np.float32(out))
    places = np.arange(out, dtype=np.float32)
    index = np.floor((places + np.float32(0.5)) * step if exact else places * step).astype(np.int64)
    return np.minimum(index, size - 1)[:, None], None


def _linear(size: int, out: int, scale: float | None, align: bool, precise: bool) -> Table:
    if size == out:
        return np.arange(out)[:, None], None
    at = np.maximum(_steps(size, out, scale, align, precise), 0)
    low = np.minimum(at.astype(np.int64), size - 1)
    share = np.clip(at - low, 0, 1).astype(np.float64)
    return np.stack([low, np.minimum(low + 1, size - 1)], 1), np.stack([1 - share, share], 1)


def _cubic_weight(t: np.ndarray, a: float) -> np.ndarray:
    """Keys's convolution kernel (IEEE Trans. ASSP 29, 1981) at distance `t`."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = (((t - 5) * t + 8) * t - 4) * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _cubic(size: int, out: int, scale: float | None, align: bool, precise: bool) -> Table:
    at = _steps(size, out, scale, align, precise).astype(np.float64)
    low = np.floor(at)
    taps = low[:, None] + np.arange(-1, 3)
    return np.clip(taps, 0, size - 1).astype(np.int64), _cubic_weight(at[:, None] - taps, -0.75)


def _smooth(size: int, out: int, scale: float | None, align: bool, precise: bool, cubic: bool) -> Table:
    """Antialiased: the filter is as wide as the step between elements if that is above 1; weights sum to 1."""
    step = ((size - 1) / (out - 1) if out > 1 else 0.0) if align else scale if scale else size / out
    wide = max(step, 1.0)
    support = (2.0 if cubic else 1.0) * wide
    centre = step * (np.arange(out) + 0.5)
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), size)
    taps = first[:, None] + np.arange(int(max(1, (last - first).max())))
    distance = (taps - centre[:, None] + 0.5) / wide
    weight = _cubic_weight(distance, -0.5) if cubic else np.maximum(1 - np.abs(distance), 0)
    weight = np.where(taps < last[:, None], weight, 0.0)
    return np.minimum(taps, size - 1), weight / weight.sum(1, keepdims=True)


def _area(size: int, out: int) -> Table:
    index, inside = adaptive_windows(size, out)
    return index, inside / inside.sum(1, keepdims=True)


def adaptive_windows(size: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """The places (out, k) that each element of an adaptive pooling looks at, and which of them count."""
    first = np.arange(out) * size // out
    last = -(-(np.arange(1, out + 1) * size) // out)
    taps = first[:, None] + np.arange(int((last - first).max(initial=1)))
    return np.minimum(taps, last[:, None] - 1), taps < last[:, None]


def _border(mode: str, size: int, low: int, high: int) -> Table:
    places = np.arange(-low, size + high)
    if mode == "replicate":
        return np.clip(places, 0, size - 1)[:, None], None
    if mode == "circular":  # what a negative border leaves is what wraps around
        first, left = max(-low, 0), size + min(low, 0) + min(high, 0)
        return (first + np.arange(-max(low, 0), left + max(high, 0)) % max(left, 1))[:, None], None
    period = max(1, 2 * size - 2)
    folded = np.abs(places) % period
    return np.minimum(folded, period - folded)[:, None] if size > 1 else np.zeros((len(places), 1), np.int64), None


@functools.lru_cache(512)
def table(plan: tuple) -> Table:
    """The table of a plan: (kind, size, out, ...)."""
    kind, size, out, *rest = plan
    if kind in ("nearest", "nearest-exact"):
        return _nearest(size, out, rest[0], kind == "nearest-exact")
    if kind == "area":
        return _area(size, out)
    if kind in ("reflect", "replicate", "circular"):
        return _border(kind, size, *rest)
    if kind.startswith("smooth"):
        return _smooth(size, out, *rest, kind == "smooth-cubic")
    return _linear(size, out, *rest) if kind == "linear" else _cubic(size, out, *rest)


@functools.lru_cache(128)
def _matrix(plan: tuple, dtype: str) -> np.ndarray:
    """The map as a matrix (out, size)."""
    index, weight = table(plan)
    found = np.zeros((plan[2], plan[1]), np.float64)
    np.add.at(found, (np.arange(plan[2])[:, None], index), 1.0 if weight is None else weight)
    return found.astype(dtype)


@functools.lru_cache(128)
def _sparse(plan: tuple, dtype: str) -> Any:
    """The transpose of the map as a sparse matrix (size, out)."""
    import scipy.sparse

    index, weight = table(plan)
    values = np.ones(index.shape) if weight is None else weight
    rows = np.repeat(np.arange(plan[2]), index.shape[1])
    return scipy.sparse.csr_array((values.ravel().astype(dtype), (index.ravel(), rows)), (plan[1], plan[2]))


# ---- the operation


def _along(xp: Any, x: Any, axis: int, plan: tuple, back: bool) -> Any:
    """`x` mapped along `axis` (or by the transpose)."""
    size, out = plan[1], plan[2]
    index, weight = table(plan)
    if not back and weight is None:
        return xp.take(x, index[:, 0], axis=axis)
    shape = x.shape
    lead, rest = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    real = str(x.real.dtype)
    if size * out <= DENSE or not xp.host and back:
        matrix = _matrix(plan, real)
        matrix = matrix.T if back else matrix
        if rest == 1:
            return xp.matmul(x.reshape(lead, shape[axis]), matrix.T).reshape(
                *shape[:axis], matrix.shape[0], *shape[axis + 1 :]
            )
        return xp.matmul(matrix, x.reshape(lead, shape[axis], rest)).reshape(
            *shape[:axis], matrix.shape[0], *shape[axis + 1 :]
        )
    if back:
        columns = xp.moveaxis(x, axis, 0)
        found = _sparse(plan, real) @ columns.reshape(out, -1)
        return xp.ascontiguousarray(xp.moveaxis(found.reshape(size, *columns.shape[1:]), 0, axis))
    total = None
    for tap in range(index.shape[1]):
        part = xp.take(x, index[:, tap], axis=axis) * weight[:, tap].astype(real).reshape(
            -1, *(1,) * (x.ndim - axis - 1)
        )
        total = part if total is None else total + part
    return total


def _resampled(input: Spec, plans, back) -> Spec:
    ends = [s if p is None else p[1 if back else 2] for p, s in zip(plans, input.shape[-len(plans) :], strict=True)]
    return input.like((*input.shape[: -len(plans)], *ends))


@op(
    _resampled,
    api="",
    shown=lambda kind: kind.env["shown"],
    grad=lambda g, plans, back, shown: _resample(g, plans, not back, shown),
    cases=[
        (S(2, 3, 4), (("linear", 3, 5, None, False, False), ("cubic", 4, 7, None, True, False)), False, "Upsample"),
        (S(2, 6, 4), (("area", 4, 6), None), True, "Upsample"),
        (S(2, 3), (("reflect", 3, 6, 1, 2),), False, "Upsample"),
    ],
)
def _resample(xp, input: T, plans, back, shown):
    """`input` with its last dimensions mapped as `plans` say, one plan or None each; `back` applies the transposes."""
    first = input.ndim - len(plans)
    for i, plan in enumerate(plans):
        if plan is not None:
            input = _along(xp, input, first + i, plan, back)
    return input
