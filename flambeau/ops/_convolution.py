"""Convolution on NumPy: windows laid out as columns, a few images at a time, and one matrix product for each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

CACHED = 1 << 19  # bytes of columns that are worked on at a time, so that they stay in the processor's cache
Pads = Sequence[tuple[int, int]]


def out_sizes(
    sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], pads: Pads, dilation: Sequence[int]
) -> tuple[int, ...]:
    """The number of places at which the kernel fits, per dimension."""
    return tuple(
        (n + p[0] + p[1] - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(sizes, kernel, stride, pads, dilation, strict=True)
    )


class Columns:
    """The windows of images (N, C, *sizes) as matrices (m, groups, C / groups * kernel, places), m images at a time.

    With stride 1 the columns are stretches of the flattened padded image, one run for each place in the kernel.
    Between the rows then lie places where the kernel wraps around the border, which the view from `buffer` leaves out.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        channels: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        pads: Pads,
        dilation: Sequence[int],
        groups: int,
        itemsize: int,
    ) -> None:
        self.sizes, self.channels, self.kernel, self.stride, self.pads = (
            tuple(sizes),
            channels,
            tuple(kernel),
            stride,
            pads,
        )
        self.dilation, self.groups = dilation, groups
        self.out = out_sizes(sizes, kernel, stride, pads, dilation)
        self.padded = tuple(n + lo + hi for n, (lo, hi) in zip(sizes, pads, strict=True))
        self.flat = all(s == 1 for s in stride)
        self.bare = not any(lo or hi for lo, hi in pads)
        self.layout = (self.out[0], *self.padded[1:]) if self.flat else self.out
        self.places = (
            1 + sum((n - 1) * math.prod(self.padded[i + 1 :]) for i, n in enumerate(self.out))
            if self.flat
            else math.prod(self.out)
        )
        self.rows = channels // groups * math.prod(kernel)
        self.direct = self.flat and math.prod(kernel) == 1 and self.bare
        self.images = max(1, CACHED // max(1, self.rows * groups * self.places * itemsize))

    def matrices(self, x: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Pairs (which images, their columns); the columns are overwritten by the next."""
        count = x.shape[0]
        if self.direct:
            yield slice(0, count), np.ascontiguousarray(x).reshape(count, self.groups, self.rows, self.places)
            return
        m = min(self.images, count)
        columns = np.empty((m, self.channels, math.prod(self.kernel), self.places), x.dtype)
        frame = (
            np.zeros((m, self.channels, *self.padded), x.dtype)
            if not self.bare or not x.flags.c_contiguous
            else None
        )
        inner, source = self.crops()
        for start in range(0, count, m):
            part = slice(start, min(start + m, count))
            size = part.stop - start
            if frame is None:
                held = x[part]
            else:
                held = frame[:size]
                held[(..., *inner)] = x[(part, slice(None), *source)]
            view = columns[:size]
            view.reshape(size, self.channels, *self.kernel, *((self.places,) if self.flat else self.out))[...] = (
                self.windows(held)
            )
            yield part, view.reshape(size, self.groups, self.rows, self.places)

    def crops(self) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Where an image lies in its padded frame, and which part of it (a negative padding crops)."""
        inner = tuple(slice(max(lo, 0), n + lo + min(hi, 0)) for n, (lo, hi) in zip(self.sizes, self.pads, strict=True))
        source = tuple(slice(max(-lo, 0), n + min(hi, 0)) for n, (lo, hi) in zip(self.sizes, self.pads, strict=True))
        return inner, source

    def windows(self, frame: np.ndarray) -> np.ndarray:
        """A view (m, C, *kernel, *places) of padded images."""
        steps = frame.strides[2:]
        taps = tuple(s * d for s, d in zip(steps, self.dilation, strict=True))
        moves = (frame.itemsize,) if self.flat else tuple(s * k for s, k in zip(steps, self.stride, strict=True))
        places = (self.places,) if self.flat else self.out
        return np.lib.stride_tricks.as_strided(
            frame, (*frame.shape[:2], *self.kernel, *places), (*frame.strides[:2], *taps, *moves)
        )

    def buffer(self, images: int, channels: int, dtype: np.dtype, zero: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Memory for values at all places: as matrices (m, groups, features, places), and as (m, channels, *out)."""
        memory = (np.zeros if zero else np.empty)((images, channels, math.prod(self.layout)), dtype)
        matrix = memory.reshape(images, self.groups, channels // self.groups, -1)[..., : self.places]
        return matrix, memory.reshape(images, channels, *self.layout)[(..., *(slice(0, n) for n in self.out))]


def correlate(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    stride: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: int,
) -> np.ndarray:
    """Cross-correlation: x (N, C, *sizes), w (O, C / groups, *kernel) -> (N, O, *out)."""
    count, features = x.shape[0], w.shape[0]
    columns = Columns(x.shape[2:], x.shape[1], w.shape[2:], stride, pads, dilation, groups, x.itemsize)
    y = np.empty((count, features, *columns.out), x.dtype)
    if y.size == 0:
        return y
    if x.size == 0:
        y.fill(0)
        return y if bias is None else y + bias.reshape(-1, *(1,) * (x.ndim - 2))
    matrix = w.reshape(groups, features // groups, columns.rows)
    shift = None if bias is None else bias.reshape(-1, *(1,) * (x.ndim - 2))
    tight = columns.layout == columns.out
    memory = view = None
    for part, values in columns.matrices(x):
        size = part.stop - part.start
        if tight:
            out = y[part]
            np.matmul(matrix, values, out=out.reshape(size, groups, features // groups, columns.places))
            if shift is not None:
                out += shift
            continue
        if memory is None:
            memory, view = columns.buffer(size, features, y.dtype)
        np.matmul(matrix, values, out=memory[:size])
        if shift is None:
            y[part] = view[:size]
        else:
            np.add(view[:size], shift, out=y[part])
    return y


def correlate_input(
    g: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    sizes: Sequence[int],
    stride: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: int,
) -> np.ndarray:
    """The adjoint of `correlate` in its images: g (N, O, *out), w (O, C / groups, *kernel) -> (N, C, *sizes)."""
    channels = w.shape[1] * groups
    kernel = w.shape[2:]
    grouped = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    if all(s == 1 for s in stride) and 3 * w.shape[1] > grouped.shape[1]:  # cheaper unless channels are few
        reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        ahead = [r - p[0] for r, p in zip(reach, pads, strict=True)]
        around = [(a, n + r - a - o) for a, n, r, o in zip(ahead, sizes, reach, g.shape[2:], strict=True)]
        turned = np.flip(grouped.swapaxes(1, 2), tuple(range(3, 3 + len(kernel))))
        return correlate(
            g, np.ascontiguousarray(turned).reshape(channels, -1, *kernel), bias, stride, around, dilation, groups
        )
    count, features = g.shape[:2]
    columns = Columns(sizes, channels, kernel, stride, pads, dilation, groups, g.itemsize)
    x = np.zeros((count, channels, *sizes), g.dtype)
    if g.size and x.size:
        matrix = np.ascontiguousarray(grouped.reshape(groups, features // groups, columns.rows).swapaxes(1, 2))
        inner, target = columns.crops()
        m = min(columns.images, count)
        frame = np.empty((m, channels, *columns.padded), g.dtype)
        memory, view = columns.buffer(m, features, g.dtype, zero=True)
        values = np.empty((m, groups, columns.rows, columns.places), g.dtype)
        for start in range(0, count, m):
            part = slice(start, min(start + m, count))
            size = part.stop - start
            view[:size] = g[part]
            np.matmul(matrix, memory[:size], out=values[:size])
            held = frame[:size]
            held.fill(0)
            windows = columns.windows(held)
            parts = values[:size].reshape(size, channels, *kernel, *windows.shape[2 + len(kernel) :])
            for place in np.ndindex(*kernel):
                windows[(slice(None), slice(None), *place)] += parts[(slice(None), slice(None), *place)]
            x[(part, slice(None), *target)] = held[(..., *inner)]
    if bias is not None:
        x += bias.reshape(-1, *(1,) * len(kernel))
    return x


def correlate_weight(
    x: np.ndarray,
    g: np.ndarray,
    kernel: Sequence[int],
    stride: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: int,
) -> np.ndarray:
    """The adjoint of `correlate` in its kernel: x (N, C, *sizes), g (N, O, *out) -> (O, C / groups, *kernel)."""
    features = g.shape[1]
    columns = Columns(x.shape[2:], x.shape[1], kernel, stride, pads, dilation, groups, x.itemsize)
    total = np.zeros((groups, features // groups, columns.rows), x.dtype)
    turned = columns.rows > features // groups
    if x.size and g.size:
        tight = columns.layout == columns.out
        memory = view = None
        for part, values in columns.matrices(x):
            size = part.stop - part.start
            if tight:
                matrix = np.ascontiguousarray(g[part]).reshape(size, groups, features // groups, columns.places)
            else:
                if memory is None:
                    memory, view = columns.buffer(size, features, g.dtype, zero=True)
                view[:size] = g[part]
                matrix = memory[:size]
            if turned:                                  # BLAS is quicker with the longer side first
                products = np.matmul(values, matrix.swapaxes(2, 3)).swapaxes(2, 3)
            else:
                products = np.matmul(matrix, values.swapaxes(2, 3))
            total += products[0] if size == 1 else np.add.reduce(products, 0)
    return total.reshape(features, x.shape[1] // groups, *kernel)
