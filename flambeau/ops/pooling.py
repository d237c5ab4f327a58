"""Pooling: the maximum or the mean of windows, in one, two and three dimensions."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..graph import Spec
from ._op import S, T, composite, op
from ._rules import pair

COUNTS = {1: "one", 2: "two", 3: "three"}


class Windows(NamedTuple):
    """Where a pooling looks, for each dimension; `high` is what windows that reach over the end miss there."""

    sizes: tuple
    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    out: tuple
    high: tuple

    def places(self) -> Iterator[tuple]:
        """For each place in the kernel, the padded elements that are there, in the order of memory."""
        for place in itertools.product(*map(range, self.kernel)):
            yield (..., *(self.slot(i, k) for i, k in enumerate(place)))

    def slot(self, dim: int, place: int) -> slice:
        """Along one dimension, the padded elements at `place` in the kernel."""
        first = place * self.dilation[dim]
        return slice(first, first + self.stride[dim] * (self.out[dim] - 1) + 1, self.stride[dim])

    @property
    def padded(self) -> tuple:
        return tuple(p + n + h for p, n, h in zip(self.padding, self.sizes, self.high, strict=True))

    @property
    def inner(self) -> tuple:
        return (..., *(slice(p, p + n) for p, n in zip(self.padding, self.sizes, strict=True)))


@functools.lru_cache(1024)
def windows(sizes: tuple, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Windows:
    """The windows of a pooling. With `ceil_mode` the last may reach over the end, but must start before it."""
    n = len(sizes)
    kernel = pair(kernel_size, n)
    stride = kernel if stride is None or stride == () else pair(stride, n)
    padding, dilation = pair(padding, n), pair(dilation, n)
    out, high = [], []
    for size, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= size + p:
            count -= 1
        out.append(count)
        high.append(max(0, (count - 1) * s + d * (k - 1) + 1 - size - p))
    return Windows(tuple(sizes), kernel, stride, padding, dilation, tuple(out), tuple(high))


def _sized(form: str, name: str, value: Any, n: int) -> None:
    if isinstance(value, tuple) and len(value) not in (1, n) and not (name == "stride" and not value):
        kind = (
            "be omitted, a single int, or a tuple of" if name == "stride" else "either be a single int, or a tuple of"
        )
        raise RuntimeError(f"{form}: {name} must {kind} {COUNTS[n]} ints")


def _checked(
    form: str, n: int, input: Spec, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Spec:
    """The result's Spec; PyTorch's errors for windows that make no sense."""
    for name, value in (("kernel_size", kernel_size), ("stride", stride), ("padding", padding), ("dilation", dilation)):
        _sized(form, name, value, n)
    kernel = pair(kernel_size, n)
    steps = kernel if stride is None or stride == () else pair(stride, n)
    if min(steps) <= 0:
        raise RuntimeError("stride should not be zero" if min(steps) == 0 else "stride should be greater than zero")
    if min(kernel) <= 0:
        raise RuntimeError("kernel size should be greater than zero")
    if min(pair(dilation, n)) <= 0:
        raise RuntimeError(
            "dilation should be greater than zero, but got "
            + " ".join(f"dilation{a}: {d}" for a, d in zip("THW"[-n:], pair(dilation, n), strict=True))
        )
    _ranked(form, n, input)
    for p, k, d in zip(pair(padding, n), kernel, pair(dilation, n), strict=True):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (k - 1) + 1) // 2:
            if n == 1 and form == "max_pool1d":
                raise RuntimeError(
                    f"max_pool1d() padding should be at most half of kernel size, but got padding={p} and "
                    f"kernel_size={k}"
                )
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )
    found = windows(input.shape[-n:], kernel_size, stride, padding, dilation, bool(ceil_mode))
    if min(found.out) < 1:
        if form == "max_pool1d":
            raise RuntimeError(f"max_pool1d() Invalid computed output size: {found.out[0]}")
        if form == "avg_pool3d":
            raise RuntimeError(
                "input image ("
                + " ".join(f"{a}: {s}" for a, s in zip("THW", found.sizes, strict=True))
                + ") smaller than "
                "kernel size (" + " ".join(f"k{a}: {k}" for a, k in zip("THW", kernel, strict=True)) + ")"
            )
        extra = (1,) if n == 1 else ()
        before, after = (input.shape[-n - 1], *extra, *found.sizes), (input.shape[-n - 1], *extra, *found.out)
        raise RuntimeError(
            f"Given input size: ({'x'.join(map(str, before))}). Calculated output size: ({'x'.join(map(str, after))}). "
            "Output size is too small"
        )
    return input.like((*input.shape[:-n], *found.out))


def _ranked(form: str, n: int, input: Spec) -> None:
    if n == 1:
        if input.ndim not in (2, 3) or form == "max_pool1d" and 0 in input.shape[-2:]:
            if form == "max_pool1d":
                raise RuntimeError(
                    "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but "
                    "got:"
                    f"{list(input.shape)}"
                )
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' "
                f"(while checking arguments for {form})"
            )
    elif input.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"non-empty {n + 1}D or {n + 2}D (batch mode) tensor expected for input")
    elif 0 in input.shape[1 if input.ndim == n + 2 else 0 :]:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got:"
            f"{list(input.shape)}"
        )


# ---- what the kernels share


def _lowest(dtype: Any) -> Any:
    return -math.inf if dtype.kind in "fV" else np.iinfo(dtype).min


def _framed(xp: Any, x: Any, w: Windows, fill: Any) -> Any:
    """`x` with `fill` around it, so that all windows lie inside."""
    if not any(w.padding) and not any(w.high):
        return x
    around = [(0, 0)] * (x.ndim - len(w.sizes)) + list(zip(w.padding, w.high, strict=True))
    return xp.pad(x, around, constant_values=fill)


def _added(xp: Any, frame: Any, key: tuple, value: Any) -> Any:
    """`frame` with `value` added at `key`; in place where arrays can be written."""
    if not xp.host:
        return xp.at_add(frame, key, value)
    frame[key] += value
    return frame


def _folded(xp: Any, x: Any, w: Windows, join: Any) -> Any:
    """The elements of each window joined by `join`, one dimension after the other."""
    n = len(w.sizes)
    for dim in range(n):
        after = (slice(None),) * (n - dim - 1)
        total = x[(..., w.slot(dim, 0), *after)]
        for place in range(1, w.kernel[dim]):
            total = join(total, x[(..., w.slot(dim, place), *after)])
        x = total
    return x


# ---- maxima


def _pooled(input: Spec, n, kernel_size, stride, padding, dilation, ceil_mode) -> Spec:
    return _checked(f"max_pool{n}d", n, input, kernel_size, stride, padding, dilation, ceil_mode)


@op(
    _pooled,
    api="",
    shown=lambda kind: f"MaxPool{max(2, kind.env['n'])}DWithIndices",
    grad=lambda g, input, out, n, kernel_size, stride, padding, dilation, ceil_mode: _max_pool_back(
        g, input, out, n, kernel_size, stride, padding, dilation, ceil_mode
    ),
    cases=[(S(2, 3, 4, 6), 2, 2, None, 0, 1, False), (S(2, 3, 5), 1, 3, 2, 1, 1, True)],
)
def _max_pool(xp, input: T, n, kernel_size, stride, padding, dilation, ceil_mode):
    """The maximum of each window over the last `n` dimensions."""
    w = windows(input.shape[-n:], kernel_size, stride, padding, dilation, ceil_mode)
    return xp.array(_folded(xp, _framed(xp, input, w, _lowest(input.dtype)), w, xp.maximum))


def _hits(xp: Any, frame: Any, result: Any, w: Windows) -> Iterator[tuple[tuple, Any]]:
    """For each place in the kernel, where the first maximum of a window is there."""
    free = None
    for key in w.places():
        hit = frame[key] == result
        if free is None:
            free = ~hit
        else:
            hit = hit & free
            free = free & ~hit
        yield key, hit


@op(
    lambda value, input: value.like(input.shape),
    api="",
    shown="MaxPoolBackward",
    grad=dict(
        value=lambda g, input, result, n, kernel_size, stride, padding, dilation, ceil_mode: _max_pool_taken(
            g, input, result, n, kernel_size, stride, padding, dilation, ceil_mode
        )
    ),
    cases=[(S(2, 2, 3), S(2, 4, 6), S(2, 2, 3), 2, 2, None, 0, 1, False)],
)
def _max_pool_back(xp, value: T, input: T, result: T, n, kernel_size, stride, padding, dilation, ceil_mode):
    """The adjoint of a pooling of `input` that gave `result`: each value goes to the first maximum of its window."""
    w = windows(input.shape[-n:], kernel_size, stride, padding, dilation, ceil_mode)
    frame = _framed(xp, input, w, _lowest(input.dtype))
    total = xp.zeros(frame.shape, dtype=value.dtype)
    apart = xp.host and all(s >= k for s, k in zip(w.stride, w.kernel, strict=True)) and set(w.dilation) == {1}
    for key, hit in _hits(xp, frame, result, w):
        if apart:
            np.multiply(value, hit, out=total[key])
        else:
            total = _added(xp, total, key, value * hit)  # a fifth of the time of a choice by `where`
    return total if total.shape == input.shape else total[w.inner]


def _is_tiled(input: Any, w: Windows) -> bool:
    """Whether the windows lie side by side and cover all."""
    exact = all(m * k == size for m, k, size in zip(w.out, w.kernel, input.shape[-len(w.out) :], strict=True))
    return exact and w.stride == w.kernel and set(w.dilation) == {1} and not any(w.padding) and not any(w.high)


def _tiles(xp: Any, x: Any, w: Windows) -> Any:
    """(N, C, *sizes) -> (N, H', kH, W', kW, C), as compilers for CPUs like it."""
    n = len(w.out)
    x = xp.moveaxis(x.reshape(-1, *x.shape[-n - 1 :]), 1, -1)
    return x.reshape(x.shape[0], *(v for pair in zip(w.out, w.kernel, strict=True) for v in pair), x.shape[-1])


def _untiled(xp: Any, tiles: Any, shape: tuple) -> Any:
    n = (tiles.ndim - 2) // 2
    return xp.moveaxis(tiles.reshape(tiles.shape[0], *shape[-n:], tiles.shape[-1]), -1, 1).reshape(shape)


@_max_pool.lower("xla")
def _max_pool_xla(xp, input, n, kernel_size, stride, padding, dilation, ceil_mode):
    w = windows(input.shape[-n:], kernel_size, stride, padding, dilation, ceil_mode)
    if input.ndim > n and input.size and _is_tiled(input, w):
        tiles = xp.max(_tiles(xp, input, w), axis=tuple(range(2, 2 * n + 1, 2)))
        return xp.moveaxis(tiles, -1, 1).reshape(*input.shape[:-n], *w.out)
    return _max_pool.body(xp, input, n, kernel_size, stride, padding, dilation, ceil_mode)


@_max_pool_back.lower("xla")
def _max_pool_back_xla(xp, value, input, result, n, kernel_size, stride, padding, dilation, ceil_mode):
    w = windows(input.shape[-n:], kernel_size, stride, padding, dilation, ceil_mode)
    if input.ndim > n and input.size and _is_tiled(input, w):
        tiles, dims = _tiles(xp, input, w), tuple(range(2, 2 * n + 1, 2))
        value, result = [
            xp.expand_dims(xp.moveaxis(x.reshape(-1, *x.shape[-n - 1 :]), 1, -1), dims) for x in (value, result)
        ]
        hits, taken, free = tiles == result, [], True
        for place in itertools.product(*map(range, w.kernel)):  # the first maximum of a window, not its equals
            key = tuple([slice(None), *(v for p in place for v in (slice(None), slice(p, p + 1))), slice(None)])
            taken.append(hits[key] & free)
            free = free & ~taken[-1]
        joined = _joined(xp, taken, w.kernel)
        return _untiled(xp, xp.where(joined, value, 0), input.shape)
    frame, lead = _framed(xp, input, w, _lowest(input.dtype)), input.shape[:-n]
    keys = list(w.places())
    place = xp.full(result.shape, len(keys), "int32")  # the place of the first maximum in its window
    for i, key in reversed(list(enumerate(keys))):
        place = xp.where(frame[key] == result, i, place)
    if xp.cpu or w.stride != w.kernel or set(w.dilation) != {1}:
        total = _scattered(xp, xp.where(place < len(keys), value, 0), place % len(keys), w)
    else:  # GPUs prefer choices to scattering
        value, place = [xp.expand_dims(x, tuple(range(len(lead) + 1, len(lead) + 2 * n, 2))) for x in (value, place)]
        own = xp.arange(len(keys)).reshape([k if j else 1 for k in w.kernel for j in (0, 1)])
        total = xp.where(place == own, value, 0).reshape(
            *lead, *(m * k for m, k in zip(w.out, w.kernel, strict=True))
        )
        around = [(0, size - m * k) for size, m, k in zip(w.padded, w.out, w.kernel, strict=True)]
        total = xp.pad(total, [(0, 0)] * len(lead) + around)
    return total[w.inner]


def _joined(xp: Any, parts: list, kernel: tuple) -> Any:
    """The parts of tiles, one for each place, put side by side."""
    for axis in range(len(kernel), 0, -1):
        size = kernel[axis - 1]
        parts = [xp.concatenate(parts[i : i + size], axis=2 * axis) for i in range(0, len(parts), size)]
    return parts[0]


def _scattered(xp: Any, value: Any, place: Any, w: Windows) -> Any:
    """The padded elements, each value added at its place in its window."""
    n, lead = len(w.sizes), value.shape[: value.ndim - len(w.sizes)]
    rows, size, flat = math.prod(lead), math.prod(w.padded), 0
    whole = "int32" if rows * size < 1 << 31 else "int64"
    for i in range(n):
        after = math.prod(w.kernel[i + 1 :])
        start = (xp.arange(w.out[i], dtype=whole) * w.stride[i]).reshape(-1, *(1,) * (n - i - 1))
        flat = flat * w.padded[i] + start + place // after % w.kernel[i] * w.dilation[i]
    flat = xp.reshape(flat, (rows, -1)) + xp.arange(rows, dtype=whole)[:, None] * size
    total = xp.zeros(rows * size, value.dtype).at[flat.ravel()]
    return total.add(value.ravel(), mode="promise_in_bounds").reshape(*lead, *w.padded)


@op(
    lambda value, result: value.like(result.shape),
    api="",
    shown="MaxPoolBackwardBackward",
    grad=dict(
        value=lambda g, input, result, n, kernel_size, stride, padding, dilation, ceil_mode: _max_pool_back(
            g, input, result, n, kernel_size, stride, padding, dilation, ceil_mode
        )
    ),
    cases=[(S(2, 4, 6), S(2, 4, 6), S(2, 2, 3), 2, 2, None, 0, 1, False)],
)
def _max_pool_taken(xp, value: T, input: T, result: T, n, kernel_size, stride, padding, dilation, ceil_mode):
    """The elements of `value` at the places where a pooling of `input` that gave `result` found its maxima."""
    w = windows(input.shape[-n:], kernel_size, stride, padding, dilation, ceil_mode)
    frame, values = _framed(xp, input, w, _lowest(input.dtype)), _framed(xp, value, w, 0)
    total = xp.zeros(result.shape, dtype=value.dtype)
    for key, hit in _hits(xp, frame, result, w):
        total = total + values[key] * hit
    return total


@op(
    lambda input, result: result.like(dtype=dtypes.int64),
    api="",
    detaches=True,
    cases=[(S(2, 4, 6), S(2, 2, 3), 2, 2, None, 0, 1, False)],
)
def _max_pool_indices(xp, input: T, result: T, n, kernel_size, stride, padding, dilation, ceil_mode):
    """Where a pooling of `input` that gave `result` found its maxima: flat positions in the last `n` dimensions."""
    w = windows(input.shape[-n:], kernel_size, stride, padding, dilation, ceil_mode)
    frame = _framed(xp, input, w, _lowest(input.dtype))
    positions = _framed(xp, xp.arange(math.prod(w.sizes)).reshape(w.sizes), w, -1)
    found = xp.full(result.shape, -1)
    for key, hit in _hits(xp, frame, result, w):
        if frame.dtype.kind in "fV":
            hit = hit | (frame[key] != frame[key])
        found = xp.where(hit & (positions[key] >= 0), positions[key], found)
    return found


def _max_pooling(n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    found = _max_pool(input, n, kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        return found
    return found, _max_pool_indices(input, found, n, kernel_size, stride, padding, dilation, ceil_mode)


@composite(
    "torch nn.functional",
    cases=[(S(2, 3, 7), 3, 2, 1, 1, True)],
    wrong=[
        ((S(5), 2), RuntimeError, "max_pool1d: Expected 2D or 3D"),
        ((S(1, 4, 5), 6), RuntimeError, "Invalid computed output size"),
    ],
)
def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The maximum of windows: (N, C, L) -> (N, C, L'); see max_pool2d."""
    return _max_pooling(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite(
    "torch nn.functional",
    cases=[(S(2, 3, 4, 6), 2), (S(3, 5, 6), (3, 2), 2, 1, 1, True), (S(1, 2, 6, 6), 2, 1, 0, 2)],
    wrong=[
        ((S(1, 4, 5, 5), 2, 1, 2), RuntimeError, "pad should be at most half of effective kernel size"),
        ((S(1, 4, 5, 5), 6), RuntimeError, "Output size is too small"),
        ((S(5, 5), 2), RuntimeError, "non-empty 3D or 4D"),
    ],
)
def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The maximum of windows: (N, C, H, W) -> (N, C, H', W'); with `return_indices` also its flat position.

    `stride` is `kernel_size` if None. H' = (H + 2 * padding - dilation * (kH - 1) - 1) / stride + 1, rounded down,
    or up with `ceil_mode`.
    RuntimeError if a size does not fit.
    """
    return _max_pooling(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite("torch nn.functional", cases=[(S(1, 2, 4, 4, 5), 2), (S(2, 4, 4, 5), 3, 2, 1)])
def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The maximum of windows: (N, C, D, H, W) -> (N, C, D', H', W'); see max_pool2d."""
    return _max_pooling(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _with_indices(n: int) -> None:
    """Registers the form that always returns both, under torch's name for it."""

    def both(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True):
        return _max_pooling(n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    both.__name__, both.__doc__ = f"max_pool{n}d_with_indices", f"max_pool{n}d with return_indices."
    composite("torch nn.functional" if n == 1 else "nn.functional")(both)


for _n in (1, 2, 3):
    _with_indices(_n)


# ---- means


def _averaged(input: Spec, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override) -> Spec:
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    return _checked(f"avg_pool{n}d", n, input, kernel_size, stride, padding, 1, ceil_mode)


@functools.lru_cache(512)
def _divisor(w: Windows, include: bool, override: int | None) -> Any:
    """How many elements each window holds: a number, or an array over the output."""
    if override is not None:
        return override
    total: Any = 1
    for i, (size, k, s, p, out) in enumerate(zip(w.sizes, w.kernel, w.stride, w.padding, w.out, strict=True)):
        first = np.arange(out) * s - p
        last = np.minimum(first + k, size + p)
        count = last - first if include else np.minimum(last, size) - np.maximum(first, 0)
        total = total * (
            int(count[0]) if (count == count[0]).all() else count.reshape(-1, *(1,) * (len(w.sizes) - i - 1))
        )
    return total


def _divided(xp: Any, x: Any, w: Windows, include: bool, override: int | None) -> Any:
    divisor = _divisor(w, include, override)
    if x.dtype.kind in "iu":
        return xp.sign(x) * xp.sign(divisor) * (xp.abs(x) // xp.abs(divisor))  # toward zero
    return x / divisor if type(divisor) is int else x / xp.asarray(divisor, dtype=x.dtype)


@op(
    _averaged,
    api="",
    shown=lambda kind: f"AvgPool{max(2, kind.env['n'])}D",
    grad=lambda g, input_spec, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: (
        _avg_pool_back(
            g, input_spec.shape[-n:], kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )
    ),
    cases=[(S(2, 4, 6), 2, 2, None, 0, False, True, None), (S(2, 3, 5), 1, 3, 2, 1, True, False, None)],
)
def _avg_pool(xp, input: T, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of each window over the last `n` dimensions."""
    w = windows(input.shape[-n:], kernel_size, stride, padding, 1, ceil_mode)
    return _divided(xp, _folded(xp, _framed(xp, input, w, 0), w, xp.add), w, count_include_pad, divisor_override)


@op(
    lambda input, sizes: input.like((*input.shape[: -len(sizes)], *sizes)),
    api="",
    shown="AvgPoolBackward",
    grad=lambda g, sizes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: _avg_pool(
        g, len(sizes), kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ),
    cases=[(S(2, 2, 3), (4, 6), 2, None, 0, False, True, None), (S(2, 3), (5,), 3, 2, 1, True, False, None)],
)
def _avg_pool_back(xp, input: T, sizes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The adjoint of `_avg_pool`: each mean spread over its window."""
    w = windows(sizes, kernel_size, stride, padding, 1, ceil_mode)
    x = _divided(xp, input, w, count_include_pad, divisor_override)
    lead = input.ndim - len(sizes)
    for dim in reversed(range(len(sizes))):
        if w.kernel[dim] == w.stride[dim] and w.padded[dim] == w.kernel[dim] * w.out[dim]:
            x = xp.repeat(x, w.kernel[dim], axis=lead + dim)
            continue
        frame = xp.zeros((*x.shape[: lead + dim], w.padded[dim], *x.shape[lead + dim + 1 :]), dtype=x.dtype)
        for place in range(w.kernel[dim]):
            frame = _added(xp, frame, (*(slice(None),) * (lead + dim), w.slot(dim, place)), x)
        x = frame
    return x if w.padded == w.sizes else x[w.inner]


@composite(
    "torch nn.functional",
    cases=[(S(2, 3, 7), 3, 2, 1, True, False)],
    wrong=[((S(5), 2), RuntimeError, "Expected 2 to 3 dimensions")],
)
def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of windows: (N, C, L) -> (N, C, L'). See avg_pool2d."""
    return _avg_pool(input, 1, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@composite(
    "nn.functional",
    cases=[(S(2, 3, 4, 6), 2), (S(3, 5, 6), (3, 2), 2, 1, True, False), (S(1, 2, 6, 6), 3, 1, 1, False, True, 5)],
    wrong=[
        ((S(1, 4, 5, 5), 2, 1, 0, False, True, 0), RuntimeError, "divisor must be not zero"),
        ((S(1, 4, 5, 5), 6), RuntimeError, "Output size is too small"),
    ],
)
def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """The mean of windows: (N, C, H, W) -> (N, C, H', W'), sizes as for max_pool2d.

    The sum is divided by `divisor_override`, or else by the number of elements in the window, those of the padding
    included with `count_include_pad`.
    """
    return _avg_pool(input, 2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@composite("nn.functional", cases=[(S(1, 2, 4, 4, 5), 2), (S(2, 4, 4, 5), 3, 2, 1, True, False)])
def avg_pool3d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """The mean of windows: (N, C, D, H, W) -> (N, C, D', H', W'). See avg_pool2d."""
    return _avg_pool(input, 3, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _powered(n, input, norm_type, kernel_size, stride, ceil_mode):
    mean = _avg_pool(input.pow(norm_type), n, kernel_size, stride, 0, ceil_mode, True, None)
    return (mean.sign() * mean.abs().relu()).mul(math.prod(pair(kernel_size, n))).pow(1.0 / norm_type)


@composite("nn.functional", cases=[(S(2, 3, 6), 2, 2)])
def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of windows, (sum of x ** p) ** (1 / p): (N, C, L) -> (N, C, L')."""
    return _powered(1, input, norm_type, kernel_size, stride, ceil_mode)


@composite("nn.functional", cases=[(S(2, 3, 4, 6), 2, 2)])
def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of windows, (sum of x ** p) ** (1 / p): (N, C, H, W) -> (N, C, H', W')."""
    return _powered(2, input, norm_type, kernel_size, stride, ceil_mode)


@composite("nn.functional", cases=[(S(1, 2, 4, 4, 5), 3, 2)])
def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of windows, (sum of x ** p) ** (1 / p): (N, C, D, H, W) -> (N, C, D', H', W')."""
    return _powered(3, input, norm_type, kernel_size, stride, ceil_mode)
