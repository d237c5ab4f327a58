"""Pooling to a given size, pooling with windows drawn at random, and the way back from a maximum to its place."""

from __future__ import annotations

import inspect
import itertools
import math
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import first_outside, outside
from ._op import S, T, composite, op
from ._rules import pair, title
from .resampling import _resample, adaptive_windows

# ---- elements of planes by their flat position, and the adjoint


def _flat(x: Any, n: int) -> Any:
    return x.reshape(*x.shape[: x.ndim - n], math.prod(x.shape[x.ndim - n :]))


def _reached(input: Spec, indices: Spec, n) -> Spec:
    return input.like(indices.shape)


@op(
    _reached,
    api="",
    shown=lambda kind: kind.env["shown"],
    upcast=False,
    cases=[(S(2, 3, 4), S(2, 2, 2, dtype="int64", high=12), 2, "Pool")],
    grad=lambda g, input_spec, indices, n, shown: _plane_put(g, indices, input_spec.shape[-n:]),
)
def _plane_take(xp, input: T, indices: T, n, shown):
    """The elements of `input` at `indices`, positions in its last `n` dimensions, flattened."""
    return xp.take_along_axis(_flat(input, n), _flat(indices, n), -1).reshape(indices.shape)


@op(
    lambda input, indices, sizes: input.like((*input.shape[: -len(sizes)], *sizes)),
    api="",
    shown="PlanePut",
    cases=[(S(2, 2, 2), S(2, 2, 2, dtype="int64", high=12), (3, 4))],
    grad=lambda g, indices, sizes: _plane_take(g, indices, len(sizes), "PlaneTake"),
)
def _plane_put(xp, input: T, indices: T, sizes):
    """The adjoint of `_plane_take`: zeros of the last dimensions `sizes`, with `input` added at `indices`."""
    n, size = len(sizes), math.prod(sizes)
    lead = input.shape[: input.ndim - n]
    rows = math.prod(lead)
    at = indices.reshape(rows, math.prod(indices.shape[len(lead) :])) + xp.arange(rows)[:, None] * size
    return xp.at_add(xp.zeros(rows * size, dtype=input.dtype), at.ravel(), input.ravel()).reshape(*lead, *sizes)


# ---- adaptive pooling


def _target(form: str, n: int, input: Spec, output_size: Any) -> tuple[int, ...]:
    """The size asked for, None being the size there is."""
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if len(sizes) == 1 and n == 1 or len(sizes) == n:
        return tuple(have if s is None else s for s, have in zip(sizes, input.shape[-n:], strict=True))
    raise RuntimeError(f"{form}: output_size must be {n}")


def _adaptive(form: str, n: int, input: Any, output_size: Any) -> tuple[int, ...]:
    if input.ndim not in (n + 1, n + 2):
        if n == 1:
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' "
                f"(while checking arguments for {form})"
            )
        colon = ":" if "max" in form else ""
        raise RuntimeError(f"{form}(): Expected {n + 1}D or {n + 2}D tensor, but got{colon} {list(input.shape)}")
    sizes = _target(form, n, input, output_size)
    for i in range(input.ndim - n, input.ndim):
        if input.shape[i] == 0:
            raise RuntimeError(
                f"{form}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(input.shape)} with dimension {i} being empty"
            )
    if min(sizes) < 0:
        if "max" in form:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {min(sizes)}: {[*input.shape[:-n], *sizes]}"
            )
        raise RuntimeError(
            f"{form}: elements of output_size must be greater than or equal to 0 but received "
            "{" + ", ".join(map(str, sizes)) + "}"
        )
    return sizes


def _adaptive_mean(n, input, output_size):
    sizes = _adaptive(f"adaptive_avg_pool{n}d", n, input, output_size)
    if all(s == 1 for s in sizes) and n > 1:
        return input.mean(tuple(range(-n, 0)), keepdim=True)
    plans = tuple(None if have == s else ("area", have, s) for have, s in zip(input.shape[-n:], sizes, strict=True))
    return _resample(input, plans, False, f"AdaptiveAvgPool{max(2, n)}D")


@composite("torch nn.functional", cases=[(S(2, 3, 7), 3)])
def adaptive_avg_pool1d(input, output_size):
    """The means of `output_size` windows that cover the signal: (N, C, L) -> (N, C, output_size)."""
    return _adaptive_mean(1, input, output_size)


@composite(
    "nn.functional",
    cases=[(S(2, 3, 6, 5), (2, 3)), (S(2, 3, 6, 5), 1), (S(3, 6, 5), (None, 2))],
    wrong=[
        ((S(5, 5), 2), RuntimeError, "Expected 3D or 4D tensor, but got"),
        ((S(1, 2, 4, 4), -1), RuntimeError, "greater than or equal to 0"),
    ],
)
def adaptive_avg_pool2d(input, output_size):
    """The means of H' by W' windows that cover the image: (N, C, H, W) -> (N, C, H', W').

    Window i reaches from i H / H' to (i + 1) H / H'.
    """
    return _adaptive_mean(2, input, output_size)


@composite("nn.functional", cases=[(S(2, 3, 4, 6, 5), (2, 3, 2))])
def adaptive_avg_pool3d(input, output_size):
    """The means of D' by H' by W' windows that cover the volume: (N, C, D, H, W) -> (N, C, D', H', W')."""
    return _adaptive_mean(3, input, output_size)


def _best(xp: Any, input: Any, tables: list, sizes: tuple) -> Any:
    """Flat positions of the maxima of windows: per dimension a table (..., out, k) of the places that they hold."""
    n = len(sizes)
    flat = _flat(input, n)
    lead = input.shape[: input.ndim - n]
    best = found = None
    for place in itertools.product(*(range(t.shape[-1]) for t in tables)):
        at: Any = 0
        for i, (table, k) in enumerate(zip(tables, place, strict=True)):
            part = table[..., k] * math.prod(sizes[i + 1 :])
            at = at + part.reshape(*part.shape[:-1], *(1,) * i, part.shape[-1], *(1,) * (n - i - 1))
        outs = at.shape[at.ndim - n :]
        at = xp.broadcast_to(at.reshape(*at.shape[: at.ndim - n], math.prod(outs)), (*lead, math.prod(outs)))
        value = xp.take_along_axis(flat, at, -1)
        if best is None:
            best, found = value, at
        else:
            better = (value > best) | (value != value)
            best, found = xp.where(better, value, best), xp.where(better, at, found)
    return found.reshape(*lead, *outs)


@op(
    lambda input, sizes: input.like((*input.shape[: -len(sizes)], *sizes), dtypes.int64),
    api="",
    detaches=True,
    cases=[(S(2, 3, 5), (2, 3))],
)
def _adaptive_max_indices(xp, input: T, sizes):
    """Where the maxima of the windows of an adaptive pooling are: flat positions in the last dimensions."""
    have = input.shape[-len(sizes) :]
    if 0 in sizes or input.size == 0:
        return xp.zeros((*input.shape[: -len(sizes)], *sizes), dtype="int64")
    return _best(xp, input, [xp.asarray(adaptive_windows(h, s)[0]) for h, s in zip(have, sizes, strict=True)], have)


def _adaptive_max(n, input, output_size, return_indices):
    sizes = _adaptive(f"adaptive_max_pool{n}d", n, input, output_size)
    indices = _adaptive_max_indices(input, sizes)
    found = _plane_take(input, indices, n, f"AdaptiveMaxPool{max(2, n)}D")
    return (found, indices) if return_indices else found


@composite("nn.functional", cases=[(S(2, 3, 7), 3)])
def adaptive_max_pool1d(input, output_size, return_indices=False):
    """The maxima of `output_size` windows that cover the signal: (N, C, L) -> (N, C, output_size)."""
    return _adaptive_max(1, input, output_size, return_indices)


@composite("nn.functional", cases=[(S(2, 3, 6, 5), (2, 3)), (S(3, 6, 5), (None, 2))])
def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The maxima of H' by W' windows that cover the image: (N, C, H, W) -> (N, C, H', W')."""
    return _adaptive_max(2, input, output_size, return_indices)


@composite("nn.functional", cases=[(S(1, 2, 4, 6, 5), (2, 3, 2))])
def adaptive_max_pool3d(input, output_size, return_indices=False):
    """The maxima of D' by H' by W' windows that cover the volume: (N, C, D, H, W) -> (N, C, D', H', W')."""
    return _adaptive_max(3, input, output_size, return_indices)


def _with_indices(name: str, function: Any, alias: str) -> None:
    """Registers the form of `function` that always returns the indices too."""
    def both(*args, **kwargs):
        return function(*args, **{**kwargs, "return_indices": True})
    both.__name__, both.__doc__ = f"_{name}_with_indices", f"nn.functional.{name} with return_indices."
    both.__signature__ = inspect.signature(function.function)  # type: ignore[attr-defined]
    composite("", alias=f"nn.functional.{name}_with_indices {alias}".strip())(both)


_with_indices("adaptive_max_pool1d", adaptive_max_pool1d, "torch.adaptive_max_pool1d")
_with_indices("adaptive_max_pool2d", adaptive_max_pool2d, "")
_with_indices("adaptive_max_pool3d", adaptive_max_pool3d, "")


# ---- the inverse of a pooling


def _unpooled(input: Spec, indices: Spec, sizes, n) -> Spec:
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {title(indices.dtype)}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got indices "
            "tensor "
            f"with shape: {list(indices.shape)}"
        )
    return input.like((*input.shape[:-n], *sizes))


@op(
    _unpooled,
    api="",
    checks=True,
    shown=lambda kind: f"MaxUnpool{max(2, kind.env['n'])}D",
    grad=lambda g, indices, n: _plane_take(g, indices, n, "PlaneTake"),
    cases=[(S(2, 1, 1), S(2, 1, 1, dtype="int64"), (3, 3), 2)],
)
def _max_unpool(xp, input: T, indices: T, sizes, n):
    """Zeros of the last dimensions `sizes`, with `input` written at the flat positions `indices`."""
    size, lead = math.prod(sizes), input.shape[: input.ndim - n]
    rows = math.prod(lead)
    xp.refuse(
        outside(xp, indices, 0, size),
        lambda: RuntimeError(
            f"Found an invalid max index: {first_outside(xp, indices, 0, size)} (output volumes are of size "
            f"{'x'.join(map(str, sizes if n > 1 else (*sizes, 1)))})"
        ),
    )
    at = indices.reshape(rows, math.prod(indices.shape[len(lead) :])) + xp.arange(rows)[:, None] * size
    return xp.at_set(xp.zeros(rows * size, dtype=input.dtype), at.ravel(), input.ravel()).reshape(*lead, *sizes)


def _unpooling(n, input, indices, kernel_size, stride, padding, output_size):
    kernel = pair(kernel_size, n)
    steps = kernel if stride is None or stride == () or stride == [] else pair(stride, n)
    usual = [
        (size - 1) * s + k - 2 * p
        for size, s, k, p in zip(input.shape[-n:], steps, kernel, pair(padding, n), strict=True)
    ]
    if output_size is None:
        return _max_unpool(input, indices, tuple(usual), n)
    sizes = tuple(output_size)[-n:] if len(output_size) == n + 2 else tuple(output_size)
    if len(sizes) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of "
            f"'{len(sizes)}'"
        )
    for i, (size, middle, s) in enumerate(zip(sizes, usual, steps, strict=True)):
        if not middle - s < size < middle + s:
            raise ValueError(f'invalid output_size "{sizes}" (dim {i} must be between {middle - s} and {middle + s})')
    return _max_unpool(input, indices, sizes, n)


@composite("nn.functional", cases=[(S(1, 2, 1), S(1, 2, 1, dtype="int64", high=2), 2)])
def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Maxima put back where max_pool1d found them, zeros elsewhere: (N, C, L), indices -> (N, C, L')."""
    return _unpooling(1, input, indices, kernel_size, stride, padding, output_size)


@composite(
    "nn.functional",
    cases=[(S(1, 2, 1, 1), S(1, 2, 1, 1, dtype="int64", high=4), 2)],
    wrong=[
        ((S(1, 4, 5, 5), S(1, 4, 5, 5), 2), RuntimeError, "elements in indices should be type int64 but got: Float")
    ],
)
def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Maxima put back where max_pool2d found them, zeros elsewhere: (N, C, H, W), indices -> (N, C, H', W').

    RuntimeError if an index lies outside; ValueError if `output_size` is further from the usual than the stride.
    """
    return _unpooling(2, input, indices, kernel_size, stride, padding, output_size)


@composite("nn.functional", cases=[(S(1, 2, 1, 1, 1), S(1, 2, 1, 1, 1, dtype="int64", high=8), 2)])
def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Maxima put back where max_pool3d found them, zeros elsewhere: (N, C, D, H, W), indices -> (N, C, D', H', W')."""
    return _unpooling(3, input, indices, kernel_size, stride, padding, output_size)


# ---- windows drawn at random


@op(
    lambda input, samples, kernel, sizes: input.like((*input.shape[: -len(sizes)], *sizes), dtypes.int64),
    api="",
    detaches=True,
    cases=[(S(1, 2, 5, 6), S(1, 2, 2), (2, 2), (3, 3))],
)
def _fractional_indices(xp, input: T, samples: T, kernel, sizes):
    """Flat positions of the maxima of windows whose places follow from `samples`: for each plane and dimension one.

    Graham, Fractional max-pooling, arXiv 1412.6071: the pseudo-random sequences of section 2.
    """
    n = len(sizes)
    have = input.shape[-n:]
    samples = samples.reshape(*input.shape[:-n], n)
    tables = []
    for i, (size, k, out) in enumerate(zip(have, kernel, sizes, strict=True)):
        u = samples[..., (n - 1 - i if n == 2 else i), None]
        step = u.dtype.type((size - k) / (out - 1) if out > 1 else 0)
        first = ((xp.arange(out) + u).astype(u.dtype) * step).astype("int64") - (u * step).astype("int64")
        first = xp.where(xp.arange(out) == out - 1, size - k, first)
        tables.append(first[..., None] + xp.arange(k))
    return _best(xp, input, tables, have)


def _fractional(n, input, kernel_size, output_size, output_ratio, return_indices, samples):
    form = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{form} requires specifying either an output_size or an output_ratio")
    kernel, have = pair(kernel_size, n), tuple(input.shape[-n:])
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"{form}(): Expected {n + 1}D or {n + 2}D tensor, but got: {list(input.shape)}")
    if output_size is None:
        sizes = tuple(int(size * ratio) for size, ratio in zip(have, pair(output_ratio, n), strict=True))
    else:
        sizes = pair(output_size, n)
    for name, size, k, out in zip(("time", "height", "width")[-n:], have, kernel, sizes, strict=True):
        if out + k - 1 > size:
            raise RuntimeError(f"{form}(): pool {name} {k} too large relative to input {name} {size}")
    if samples is None:
        from .. import random

        batch = 1 if input.ndim == n + 1 else input.shape[0]
        samples = random.rand(batch, input.shape[-n - 1], n, dtype=input.dtype)
    indices = _fractional_indices(input, samples, kernel, sizes)
    found = _plane_take(input, indices, n, f"FractionalMaxPool{n}D")
    return (found, indices) if return_indices else found


@composite("nn.functional", cases=[(S(1, 2, 6, 7), 2, (3, 3), {"_random_samples": S(1, 2, 2)})])
def fractional_max_pool2d(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """The maxima of windows at random places that cover the image: (N, C, H, W) -> (N, C, *output_size)."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


@composite("nn.functional", cases=[(S(1, 2, 5, 6, 7), 2, (3, 3, 3), {"_random_samples": S(1, 2, 3)})])
def fractional_max_pool3d(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """The maxima of windows at random places that cover the volume: (N, C, D, H, W) -> (N, C, *output_size)."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


_with_indices("fractional_max_pool2d", fractional_max_pool2d, "")
_with_indices("fractional_max_pool3d", fractional_max_pool3d, "")
