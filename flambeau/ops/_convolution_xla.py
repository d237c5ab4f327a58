"""Convolution on XLA: its own, which GPUs have libraries for, and on CPUs what is quicker there.

On CPUs XLA's convolution wants the channels last, and is up to fifty times slower with groups. There a sum of shifted
products, which becomes one loop, does well with few terms; matrix products with more.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Pads = Sequence[tuple[int, int]]
FEW = 64  # terms of a product up to which it is written as a sum
MANY_GROUPS = 16  # beyond which there is no convolution for each


def _spec(first: str, second: str, n: int) -> str:
    return first + second + "DHW"[-n:]


def _last(xp: Any, x: Any) -> Any:
    """Channels behind the sizes: (N, C, *sizes) -> (N, *sizes, C)."""
    return xp.moveaxis(x, 1, -1)


def _convolved(xp: Any, x: Any, w: Any, stride: Any, pads: Pads, spread: Any, dilation: Any, groups: int) -> Any:
    """XLA's own: x (N, C, *sizes) with zeros between its elements, w (O, C / groups, *kernel).

    On CPUs twice as quick with the channels last; the turning costs little, since XLA joins it with what is beside it.
    """
    n = len(stride)
    if xp.cpu:
        numbers = _last_spec("N", "C", n), _last_spec("O", "I", n), _last_spec("N", "C", n)
        y = xp.lax.conv_general_dilated(
            _last(xp, x), _last(xp, w), stride, pads, spread, dilation, numbers, groups
        )
        return xp.moveaxis(y, -1, 1)
    numbers = _spec("N", "C", n), _spec("O", "I", n), _spec("N", "C", n)
    return xp.lax.conv_general_dilated(x, w, stride, pads, spread, dilation, numbers, groups)


def _last_spec(first: str, second: str, n: int) -> str:
    return first + "DHW"[-n:] + second


def _by_group(xp: Any, function: Callable, groups: int, *given: tuple[Any, int]) -> Any:
    """`function` of each group's part of arrays, which are split at the dimension given with them."""
    parts = [xp.split(x, groups, axis=axis) for x, axis in given]
    return [function(*p) for p in zip(*parts, strict=True)]


def _framed(xp: Any, x: Any, pads: Pads, spread: Sequence[int]) -> Any:
    """Images with zeros around them and between their elements; a negative padding crops."""
    if not any(lo or hi for lo, hi in pads) and all(s == 1 for s in spread):
        return x
    around = [(0, 0, 0), (0, 0, 0), *[(lo, hi, s - 1) for (lo, hi), s in zip(pads, spread, strict=True)]]
    return xp.lax.pad(x, xp.zeros((), x.dtype), around)


def _taps(kernel: Sequence[int], stride: Any, dilation: Any, out: Sequence[int]) -> Iterator[tuple[tuple, tuple]]:
    """Each place in the kernel, and what of the padded images is there."""
    for place in itertools.product(*map(range, kernel)):
        starts = [k * d for k, d in zip(place, dilation, strict=True)]
        yield place, tuple([slice(a, a + s * (m - 1) + 1, s) for a, s, m in zip(starts, stride, out, strict=True)])


def _out(sizes: Sequence[int], kernel: Any, stride: Any, dilation: Any) -> list[int]:
    return [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)]


def _summed(xp: Any, x: Any, w: Any, stride: Any, pads: Pads, spread: Any, dilation: Any, groups: int) -> Any:
    """The same as a sum over channels and places in the kernel."""
    x, kernel = _framed(xp, x, pads, spread), w.shape[2:]
    out = _out(x.shape[2:], kernel, stride, dilation)
    x = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
    w = w.reshape(groups, -1, *w.shape[1:])
    total = None
    for channel in range(w.shape[2]):
        for place, key in _taps(kernel, stride, dilation, out):
            factor = w[(slice(None), slice(None), channel, *place)]
            term = x[(slice(None), slice(None), channel, None, *key)] * factor.reshape(*factor.shape, *(1,) * len(out))
            total = term if total is None else total + term
    assert total is not None
    return total.reshape(x.shape[0], -1, *out)


def _spreading(xp: Any, x: Any, w: Any, stride: Any, pads: Pads, spread: Any, dilation: Any, groups: int) -> Any:
    """A cross-correlation of images with zeros between their elements, by the quickest way there is."""
    terms = w.shape[1] * math.prod(w.shape[2:])
    if xp.cpu and groups > 1 and terms <= FEW:
        return _summed(xp, x, w, stride, pads, spread, dilation, groups)
    if xp.cpu and 1 < groups <= MANY_GROUPS:
        parts = _by_group(
            xp, lambda x, w: _convolved(xp, x, w, stride, pads, spread, dilation, 1), groups, (x, 1), (w, 0)
        )
        return xp.concatenate(parts, axis=1)
    return _convolved(xp, x, w, stride, pads, spread, dilation, groups)


def correlate(
    xp: Any, x: Any, w: Any, bias: Any, stride: Sequence[int], pads: Pads, dilation: Sequence[int], groups: int
) -> Any:
    """Cross-correlation: x (N, C, *sizes), w (O, C / groups, *kernel) -> (N, O, *out)."""
    n = len(stride)
    if x.size and w.size:
        y = _spreading(xp, x, w, stride, pads, (1,) * n, dilation, groups)
    else:
        padded = [size + lo + hi for size, (lo, hi) in zip(x.shape[2:], pads, strict=True)]
        y = xp.zeros((x.shape[0], w.shape[0], *_out(padded, w.shape[2:], stride, dilation)), x.dtype)
    return y if bias is None else y + bias.reshape(-1, *(1,) * n)


def correlate_input(
    xp: Any,
    g: Any,
    w: Any,
    bias: Any,
    sizes: Sequence[int],
    stride: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: int,
) -> Any:
    """The adjoint of `correlate` in its images: g (N, O, *out), w (O, C / groups, *kernel) -> (N, C, *sizes)."""
    n, kernel = len(stride), w.shape[2:]
    if not g.size or not w.size:
        x = xp.zeros((g.shape[0], w.shape[1] * groups, *sizes), g.dtype)
    elif xp.cpu and groups == 1 and w.shape[1] * math.prod(kernel) <= FEW and g.shape[1] * math.prod(kernel) > FEW // 2:
        x = _columns_added(xp, g, w, sizes, stride, pads, dilation)
    else:
        reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        wide = [(m - 1) * s + 1 for m, s in zip(g.shape[2:], stride, strict=True)]
        around = [(r - p[0], m + p[0] - v) for r, p, m, v in zip(reach, pads, sizes, wide, strict=True)]
        turned = xp.flip(w.reshape(groups, -1, *w.shape[1:]).swapaxes(1, 2), tuple(range(3, n + 3)))
        turned = turned.reshape(-1, *turned.shape[2:])
        x = _spreading(xp, g, turned, (1,) * n, around, stride, dilation, groups)
    return x if bias is None else x + bias.reshape(-1, *(1,) * n)


def _columns_added(xp: Any, g: Any, w: Any, sizes: Any, stride: Any, pads: Pads, dilation: Any) -> Any:
    """Few channels: one matrix product, whose rows are added up where they belong."""
    columns = xp.einsum("ok,nop->nkp", w.reshape(w.shape[0], -1), g.reshape(*g.shape[:2], -1))
    columns = columns.reshape(g.shape[0], *w.shape[1:], *g.shape[2:])
    total, zero = None, xp.zeros((), g.dtype)
    for place in itertools.product(*map(range, w.shape[2:])):
        around = [(0, 0, 0), (0, 0, 0)]
        for k, size, m, s, (lo, _), d in zip(place, sizes, g.shape[2:], stride, pads, dilation, strict=True):
            first = k * d - lo
            around.append((first, size - first - s * (m - 1) - 1, s - 1))
        term = xp.lax.pad(columns[(slice(None), slice(None), *place)], zero, around)
        total = term if total is None else total + term
    return total


def correlate_weight(
    xp: Any,
    x: Any,
    g: Any,
    kernel: Sequence[int],
    stride: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: int,
) -> Any:
    """The adjoint of `correlate` in its kernel: x (N, C, *sizes), g (N, O, *out) -> (O, C / groups, *kernel)."""
    n = len(kernel)
    if not x.size or not g.size:
        return xp.zeros((g.shape[1], x.shape[1] // groups, *kernel), x.dtype)
    if xp.cpu and groups > 1:
        return _weight_by_taps(xp, x, g, kernel, stride, pads, dilation, groups)
    around = []
    for size, k, s, m, d, (lo, _) in zip(x.shape[2:], kernel, stride, g.shape[2:], dilation, pads, strict=True):
        around.append((lo, d * (k - 1) + s * (m - 1) + 1 - size - lo))
    numbers = _spec("C", "N", n), _spec("I", "O", n), _spec("N", "C", n)  # images and channels change places
    if groups == 1 and xp.cpu:
        numbers = _last_spec("C", "N", n), _last_spec("I", "O", n), _last_spec("N", "C", n)
        w = xp.lax.conv_general_dilated(_last(xp, x), _last(xp, g), dilation, around, None, stride, numbers)
        return xp.transpose(w, (n + 1, 0, *range(1, n + 1)))
    if groups == 1:
        w = xp.lax.conv_general_dilated(x, g, dilation, around, None, stride, numbers)
        return xp.swapaxes(w, 0, 1)
    w = xp.lax.conv_general_dilated(x, g, dilation, around, None, stride, numbers, batch_group_count=groups)
    return xp.swapaxes(w, 0, 1)


def _weight_by_taps(
    xp: Any, x: Any, g: Any, kernel: Any, stride: Any, pads: Pads, dilation: Any, groups: int
) -> Any:
    """One matrix product for each place in the kernel."""
    x, out = _framed(xp, x, pads, (1,) * len(kernel)), g.shape[2:]
    x, g = x.reshape(x.shape[0], groups, -1, *x.shape[2:]), g.reshape(g.shape[0], groups, -1, math.prod(out))
    parts = [
        xp.einsum("ngcp,ngop->goc", x[(..., *key)].reshape(*x.shape[:3], -1), g)
        for _, key in _taps(kernel, stride, dilation, out)
    ]
    return xp.stack(parts, axis=-1).reshape(-1, x.shape[2], *kernel)
