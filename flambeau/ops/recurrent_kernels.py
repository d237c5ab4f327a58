"""Kernels of recurrent layers for NumPy: as those in recurrent.py, written into arrays made once.

New memory costs more here than the arithmetic: a page that is touched for the first time is as dear as a thousand sums.
Rows that end early are left to the kernels there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._loops import times
from .recurrent import (
    _before,
    _gru,
    _gru_backward,
    _joined,
    _lstm,
    _lstm_backward,
    _returned,
    _selected,
    _start,
    _sum,
    _turned,
    _weight_gradients,
)


@_lstm.lower("numpy")
def _lstm_numpy(xp: Any, tensors: tuple, reverse: bool = False, lengths: Any = None) -> tuple:
    if lengths is not None:
        return _lstm.body(xp, tensors, reverse, lengths)
    input, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr = tensors
    (steps, rows, _), units = input.shape, w_hh.shape[0] // 4
    scale = np.ones(4 * units, input.dtype)
    scale[: 3 * units] = 0.5
    scales = np.tile(scale, (rows, 1))  # whole, since a product that broadcasts takes twice the time
    shifts = 1 - scales
    bias = _sum(b_ih, b_hh)
    gates = _joined(
        xp,
        input,
        _turned(xp, w_ih, units) * scale[:, None],
        None if bias is None else _turned(xp, bias, units) * scale,
    )
    inner = np.multiply(_turned(xp, w_hh, units).T, scale, order="C")
    cells, outputs = np.empty((steps, rows, units), input.dtype), np.empty((steps, rows, w_hh.shape[1]), input.dtype)
    h, c = _start(xp, h0, input, w_hh.shape[1]), _start(xp, c0, input, units)
    half, total = np.empty((rows, units), input.dtype), np.empty((rows, 4 * units), input.dtype)
    for t in times(steps, reverse):
        a, cell = gates[t], cells[t]
        a += np.dot(h, inner, out=total)
        np.tanh(a, out=a)
        a *= scales
        a += shifts
        np.multiply(a[:, 2 * units : 3 * units], c, out=cell)
        np.multiply(a[:, units : 2 * units], a[:, 3 * units :], out=half)
        cell += half
        np.tanh(cell, out=half)
        if w_hr is None:
            h = np.multiply(a[:, :units], half, out=outputs[t])
        else:
            half *= a[:, :units]
            h = np.dot(half, w_hr.T, out=outputs[t])
        c = cell
    return outputs, h.copy(), c.copy(), gates, cells


@_lstm_backward.lower("numpy")
def _lstm_backward_numpy(
    xp: Any, tensors: tuple, reverse: bool = False, lengths: Any = None, wanted: tuple = ()
) -> tuple:
    if lengths is not None:
        return _lstm_backward.body(xp, tensors, reverse, lengths, wanted)
    g, dh, dc, *given, output, gates, cells = tensors
    h0, c0, w_hh, w_hr = given[1], given[2], given[4], given[7]
    steps, rows, units = cells.shape
    acts = gates.reshape(steps, rows, 4, units)
    o, i, f, u = [acts[:, :, k] for k in range(4)]
    squashed = np.tanh(cells)
    # the slopes of the gates become their gradients, step by step: by way of the output for o, of the cell for i, f, g
    d = np.subtract(1, acts)
    d *= acts
    d[:, :, 0] *= squashed
    d[:, :, 1] *= u
    d[:, :, 2] *= _before(xp, cells, c0, None, reverse)
    last = d[:, :, 3]
    np.multiply(u, u, out=last)
    np.subtract(1, last, out=last)
    last *= i
    by_cell = np.multiply(squashed, squashed)
    np.subtract(1, by_cell, out=by_cell)
    by_cell *= o
    inner = _turned(xp, w_hh, units)
    heads = np.empty(output.shape if w_hr is not None else output.shape[1:], output.dtype)
    dc = dc.copy()
    to_cell, column = np.empty((rows, units), dc.dtype), dc[:, None]
    flat = d.reshape(steps, rows, 4 * units)
    for t in times(steps, not reverse):
        if w_hr is None:
            dy = np.add(g[t], dh, out=heads)
        else:
            dy = np.dot(np.add(g[t], dh, out=heads[t]), w_hr)
        dc += np.multiply(dy, by_cell[t], out=to_cell)
        here = d[t]
        here[:, 0] *= dy
        here[:, 1:] *= column
        dc *= f[t]
        dh = np.dot(flat[t], inner)
    x, w_ih, into_hh, b_ih, b_hh = _weight_gradients(
        xp, given, wanted, flat, flat, _before(xp, output, h0, None, reverse),
        lambda w, forth: (_turned if forth else _returned)(xp, w, units),
    )  # fmt: skip
    w_hh = None if into_hh is None else _returned(xp, into_hh, units)
    b_hh = None if b_hh is None else _returned(xp, b_hh, units)
    if wanted[7]:
        squashed *= o
        w_hr = np.dot(heads.reshape(steps * rows, -1).T, squashed.reshape(steps * rows, units))
    return _selected((x, dh, dc, w_ih, w_hh, b_ih, b_hh, w_hr), wanted)


@_gru.lower("numpy")
def _gru_numpy(xp: Any, tensors: tuple, reverse: bool = False, lengths: Any = None) -> tuple:
    if lengths is not None:
        return _gru.body(xp, tensors, reverse, lengths)
    input, h0, _, w_ih, w_hh, b_ih, b_hh, _ = tensors
    (steps, rows, _), units = input.shape, w_hh.shape[1]
    two = 2 * units
    scale = np.ones(3 * units, input.dtype)
    scale[:two] = 0.5
    joint = _joined(xp, input, w_ih * scale[:, None], None if b_ih is None else b_ih * scale)
    inner = np.multiply(w_hh.T, scale, order="C")
    bias = None if b_hh is None else b_hh * scale
    outputs, candidates, inners = np.empty((3, steps, rows, units), input.dtype)
    gates = np.empty((steps, rows, two), input.dtype)
    m = np.empty((rows, 3 * units), input.dtype)
    h = _start(xp, h0, input, units)
    for t in times(steps, reverse):
        np.dot(h, inner, out=m)
        if bias is not None:
            m += bias
        a, n, new = gates[t], candidates[t], outputs[t]
        np.add(joint[t, :, :two], m[:, :two], out=a)
        np.tanh(a, out=a)
        a *= 0.5
        a += 0.5
        inners[t] = m[:, two:]
        np.multiply(a[:, :units], m[:, two:], out=n)
        n += joint[t, :, two:]
        np.tanh(n, out=n)
        np.subtract(h, n, out=new)
        new *= a[:, units:]
        new += n
        h = new
    return outputs, h.copy(), gates, candidates, inners


@_gru_backward.lower("numpy")
def _gru_backward_numpy(
    xp: Any, tensors: tuple, reverse: bool = False, lengths: Any = None, wanted: tuple = ()
) -> tuple:
    if lengths is not None:
        return _gru_backward.body(xp, tensors, reverse, lengths, wanted)
    g, dh, *given, output, gates, n, m = tensors
    h0, w_hh = given[1], given[4]
    steps, rows, units = output.shape
    r, z = gates[:, :, :units], gates[:, :, units:]
    before = _before(xp, output, h0, None, reverse)
    # slopes that become gradients, in the order n, r, z, m (see the kernel in recurrent.py)
    d = np.empty((steps, rows, 4, units), output.dtype)
    by_n, by_r, by_z, by_m = [d[:, :, k] for k in range(4)]
    np.multiply(n, n, out=by_n)
    np.subtract(1, by_n, out=by_n)
    np.subtract(1, z, out=by_z)
    by_n *= by_z
    by_z *= z
    by_z *= before - n
    np.multiply(by_n, r, out=by_m)
    np.subtract(1, r, out=by_r)
    by_r *= by_m
    by_r *= m
    flat = d.reshape(steps, rows, 4 * units)
    dy, kept = np.empty((rows, units), output.dtype), np.empty((rows, units), output.dtype)
    column = dy[:, None]
    for t in times(steps, not reverse):
        np.add(g[t], dh, out=dy)
        here = d[t]
        here *= column
        dh = np.dot(flat[t][:, units:], w_hh)
        dh += np.multiply(dy, z[t], out=kept)
    x, *weights = _weight_gradients(
        xp, given, wanted, flat[:, :, : 3 * units], flat[:, :, units:], before,
        lambda w, forth: xp.concatenate([w[2 * units :], w[: 2 * units]] if forth else [w[units:], w[:units]]),
    )  # fmt: skip
    return _selected((x, dh, None, *weights, None), wanted)
