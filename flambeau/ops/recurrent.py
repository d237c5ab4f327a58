"""Recurrent layers: one layer in one direction over all steps is one operation, and one more for its gradient.

Both are written over time-major arrays (T, N, ...). With `lengths` row n ends after `lengths[n]` steps: its output is 0
from there, and its state stays. What the gradient needs of the way forward are further results of the operation.

`tensors` are always input (T, N, I), h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, None standing for what there is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph import Spec, mode, order
from ._loops import stepped, times
from ._op import S, T, Ts, composite, op
from ._rules import need_floating, title
from .activation import sigmoid
from .comparison import where
from .core import filled
from .joining import stack
from .linalg import linear
from .trigonometry import tanh

# ---- what all of them share


def _check(tensors: tuple, lengths: Spec | None, gates: int) -> tuple[int, int, int, int]:
    """Steps, rows, units and the width of the output; PyTorch's errors where sizes disagree."""
    input, h0, c0, w_ih, w_hh, _, _, w_hr = tensors
    need_floating("addmm_impl_cpu_", input)
    for s in tensors:
        if s is not None and s.dtype is not input.dtype:
            raise RuntimeError(
                f"mat1 and mat2 must have the same dtype, but got {title(input.dtype)} and {title(s.dtype)}"
            )
    if input.shape[-1] != w_ih.shape[-1]:
        raise RuntimeError(f"input has inconsistent input_size: got {input.shape[-1]} expected {w_ih.shape[-1]}")
    units = w_hh.shape[0] // gates
    width = units if w_hr is None else w_hr.shape[0]
    for i, (state, size) in enumerate(((h0, width), (c0, units))):
        if state is None:
            continue
        if state.shape[0] != input.shape[1]:
            raise RuntimeError(f"Input batch size {input.shape[1]} doesn't match hidden{i} batch size {state.shape[0]}")
        if state.shape[1] != size:
            raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {state.shape[1]}, expected {size}")
    return input.shape[0], input.shape[1], units, width


def _sum(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def _joined(xp: Any, x: Any, weight: Any, bias: Any) -> Any:
    """`x @ weight.T + bias` for all steps at once: (T, N, I) -> (T, N, gates)."""
    y = xp.dot(x.reshape(x.shape[0] * x.shape[1], x.shape[2]), weight.T)
    if bias is not None:
        y += bias
    return y.reshape(x.shape[0], x.shape[1], weight.shape[0])


def _running(xp: Any, lengths: Any, steps: int) -> Any:
    """Whether a row still runs: (T, N, 1)."""
    return None if lengths is None else xp.arange(steps)[:, None, None] < lengths[None, :, None]


def _before(xp: Any, values: Any, first: Any, running: Any, reverse: bool) -> Any:
    """For each step the state that it started from: (T, N, H)."""
    start = xp.zeros(values.shape[1:], dtype=values.dtype) if first is None else first
    if not reverse:
        return xp.concatenate([start[None], values[:-1]])
    found = xp.concatenate([values[1:], start[None]])
    if running is None or first is None:  # rows that have not begun are 0 in `values`
        return found
    return xp.where(xp.concatenate([running[1:], xp.zeros_like(running[:1])]), found, start)


def _start(xp: Any, state: Any, x: Any, width: int) -> Any:
    return xp.zeros((x.shape[1], width), dtype=x.dtype) if state is None else state


def _weight_gradients(xp: Any, tensors: tuple, wanted: tuple, own: Any, inner: Any, before: Any, back: Any) -> list:
    """Gradients of input, w_ih, w_hh, b_ih and b_hh from those of the gates, None where not wanted.

    own and inner: gradients of the gates by way of the input and by way of the state; `back` brings rows of gates into
    the order of the weights, own being in the order that it undoes.
    """
    input, w_ih = tensors[0], tensors[3]
    own, inner = own.reshape(-1, own.shape[-1]), inner.reshape(-1, inner.shape[-1])
    ones = xp.ones(len(own), dtype=own.dtype)
    return [
        xp.dot(own, back(w_ih, True)).reshape(input.shape) if wanted[0] else None,
        back(xp.dot(own.T, input.reshape(len(own), -1)), False) if wanted[3] else None,
        xp.dot(inner.T, before.reshape(len(own), -1)) if wanted[4] else None,
        back(xp.dot(ones, own), False) if wanted[5] else None,
        xp.dot(ones, inner) if wanted[6] else None,
    ]


def _selected(found: tuple, wanted: tuple) -> tuple:
    return tuple([f for f, w in zip(found, wanted, strict=True) if w])


def _gradient(backward: Callable, unrolled: Callable, states: int, kept: Callable) -> Callable:
    """The gradient rule of a layer: its own operation, or the steps one by one where it is to be differentiated again.

    `kept` chooses the results that the operation reads.
    """

    def of(g: tuple, out: tuple, tensors: tuple, reverse: bool, lengths: Any, **how: Any) -> list:
        if any(x is not None for x in g[states + 1 :]):
            raise NotImplementedError("what a recurrent layer keeps for its gradient has no gradient of its own")
        given = [filled(tensors[0], o.shape, 0) if x is None else x for x, o in zip(g, out[: states + 1], strict=False)]
        wanted = tuple([t is not None and t.spec.requires_grad for t in tensors])
        if mode.grad:
            return _by_steps(given, unrolled(tensors, reverse, lengths, **how), tensors, wanted)
        parts = iter(backward((*given, *tensors, *kept(out)), reverse, lengths, wanted, **how))
        return [next(parts) if w else None for w in wanted]

    return of


def _by_steps(given: list, results: tuple, tensors: tuple, wanted: tuple) -> list:
    """The gradient of a layer that was written out step by step, as recorded operations."""
    from ..autograd.walk import pull  # stands above the operations; is there when a rule runs

    targets = [t for t, w in zip(tensors, wanted, strict=True) if w]
    older = set(order(targets, tape=True))
    nodes = [n for n in order(results, tape=True) if n not in older]
    found = pull(nodes, dict(zip(results, given, strict=True)), set(targets))
    return [found.pop(t, None) if w else None for t, w in zip(tensors, wanted, strict=True)]


def _unrolled(step: Callable, states: list, tensors: tuple, reverse: bool, lengths: Any) -> tuple:
    """Output and last states of a layer in recorded operations, one step after another."""
    input, w_ih, b_ih = tensors[0], tensors[3], tensors[5]
    steps, rows = input.shape[0], input.shape[1]
    joint = linear(input, w_ih, b_ih)
    states = [filled(input, (rows, n), 0) if s is None else s for s, n in states]
    outputs: list[Any] = []
    for t in times(steps, reverse):
        new = step(joint.select(0, t), *states)
        if lengths is None:
            outputs.append(new[0])
        else:
            runs = (lengths > t).unsqueeze(-1)
            outputs.append(new[0] * runs)
            new = [where(runs, n, s) for n, s in zip(new, states, strict=True)]
        states = new
    return (stack(tuple(outputs[::-1] if reverse else outputs), 0), *states)


def _back_spec(tensors: tuple, skipped: int, wanted: tuple) -> tuple[Spec, ...]:
    """The gradients have the shapes of what they are the gradients of."""
    return tuple([s.like() for s, w in zip(tensors[skipped : skipped + 8], wanted, strict=True) if w])


X, H0 = S(3, 2, 4), S(2, 3)


def _samples(gates: int, cell: bool) -> list[tuple]:
    """Arguments to try a layer on: without and with states and biases, in both directions, with rows that end early."""
    c0 = H0 if cell else None
    w_ih, w_hh, b = S(3 * gates, 4, low=-0.9), S(3 * gates, 3, low=-0.9), S(3 * gates, low=-0.5)
    found: list[tuple] = [
        ((X, None, None, w_ih, w_hh, None, None, None), False),
        ((X, H0, c0, w_ih, w_hh, b, b, None), True),
        ((X, H0, c0, w_ih, w_hh, b, b, None), False, S(2, dtype="int64", low=1, high=4)),
        ((X, H0, c0, w_ih, w_hh, b, b, None), True, S(2, dtype="int64", low=1, high=3)),
    ]
    if cell:
        found.append(((X, S(2, 2), H0, w_ih, S(12, 2), b, b, S(2, 3)), False))
        found.append(((X, S(2, 2), H0, w_ih, S(12, 2), b, b, S(2, 3)), True, S(2, dtype="int64", low=1, high=3)))
    return found


# ---- the simple layer


def _rnn_spec(tensors: tuple, lengths: Spec | None) -> tuple[Spec, ...]:
    steps, rows, units, _ = _check(tensors, lengths, 1)
    return tensors[0].like((steps, rows, units)), tensors[0].like((rows, units))


def _rnn_steps(tensors, reverse, lengths, rectified):
    w_hh, b_hh = tensors[4], tensors[6]

    def step(joint, h):
        total = joint + linear(h, w_hh, b_hh)
        return [total.relu() if rectified else tanh(total)]

    return _unrolled(step, [(tensors[1], w_hh.shape[0])], tensors, reverse, lengths)


@op(_rnn_spec, api="", shown="Stack")
def _rnn(xp, tensors: Ts, reverse=False, lengths: T = None, rectified=False):
    """h_t = tanh(x_t @ w_ih.T + b_ih + h_{t-1} @ w_hh.T + b_hh), or relu of it: all h_t, and the last.

    Elman, 1990, doi:10.1207/s15516709cog1402_1.
    """
    input, h0, _, w_ih, w_hh, b_ih, b_hh, _ = tensors
    running = _running(xp, lengths, input.shape[0])
    joint = _joined(xp, input, w_ih, _sum(b_ih, b_hh))
    turned = w_hh.T

    def step(carry, x):
        (h,), (joint, runs) = carry, x
        new = joint + xp.dot(h, turned)
        new = xp.maximum(new, 0) if rectified else xp.tanh(new)
        if runs is None:
            return (new,), (new,)
        return (xp.where(runs, new, h),), (xp.where(runs, new, 0),)

    h, outputs = stepped(xp, step, (_start(xp, h0, input, w_hh.shape[0]),), (joint, running), reverse)
    return outputs[0], +h[0]


@op(lambda tensors, wanted: _back_spec(tensors, 2, wanted), api="")
def _rnn_backward(xp, tensors: Ts, reverse=False, lengths: T = None, wanted=(), rectified=False):
    """The gradients of the simple layer that are wanted, back through time."""
    g, dh, *given, output = tensors
    h0, w_hh = given[1], given[4]
    running = _running(xp, lengths, len(output))
    slopes = (output > 0).astype(output.dtype) if rectified else 1 - output * output

    def step(carry, x):
        (dh,), (g, slopes, runs) = carry, x
        d = slopes * (g + dh)
        if runs is None:
            return (xp.dot(d, w_hh),), (d,)
        d = xp.where(runs, d, 0)
        return (xp.where(runs, xp.dot(d, w_hh), dh),), (d,)

    (dh,), (d,) = stepped(xp, step, (dh,), (g, slopes, running), not reverse)
    before = _before(xp, output, h0, running, reverse)
    x, *weights = _weight_gradients(xp, given, wanted, d, d, before, lambda w, _: w)
    return _selected((x, dh, None, *weights, None), wanted)


_rnn.grad(
    tensors=lambda g, out, tensors, reverse, lengths, rectified: _gradient(
        _rnn_backward, _rnn_steps, 1, lambda out: out[:1]
    )(g, out, tensors, reverse, lengths, rectified=rectified)
)


# ---- long short-term memory: inside, the gates stand in the order o, i, f, g, a rotation of PyTorch's i, f, g, o


def _lstm_spec(tensors: tuple, lengths: Spec | None) -> tuple[Spec, ...]:
    steps, rows, units, width = _check(tensors, lengths, 4)
    shapes = (steps, rows, width), (rows, width), (rows, units), (steps, rows, 4 * units), (steps, rows, units)
    return tuple([tensors[0].like(s) for s in shapes])


def _lstm_steps(tensors, reverse, lengths):
    _, h0, c0, _, w_hh, _, b_hh, w_hr = tensors
    units = w_hh.shape[0] // 4

    def step(joint, h, c):
        i, f, g, o = (joint + linear(h, w_hh, b_hh)).chunk(4, 1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return [h if w_hr is None else linear(h, w_hr), c]

    return _unrolled(step, [(h0, w_hh.shape[1]), (c0, units)], tensors, reverse, lengths)


def _turned(xp: Any, w: Any, units: int) -> Any:
    return xp.concatenate([w[3 * units :], w[: 3 * units]])


def _returned(xp: Any, w: Any, units: int) -> Any:
    return xp.concatenate([w[units:], w[:units]])


@op(_lstm_spec, api="", shown="Stack")
def _lstm(xp, tensors: Ts, reverse=False, lengths: T = None):
    """Long short-term memory: all outputs, the last output and cell; and all gates and cells.

    i, f, o = sigmoid and g = tanh of x_t @ w_ih.T + b_ih + h_{t-1} @ w_hh.T + b_hh; c_t = f * c_{t-1} + i * g;
    h_t = o * tanh(c_t), times w_hr.T if there is one. Hochreiter and Schmidhuber, 1997; Sak et al., arXiv 1402.1128.
    """
    input, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr = tensors
    units = w_hh.shape[0] // 4
    running = _running(xp, lengths, input.shape[0])
    # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2, so that one tanh does for all gates
    one = xp.ones(units, dtype=input.dtype)
    half = one / 2
    scale, shift = xp.concatenate([half, half, half, one]), xp.concatenate([half, half, half, one - one])
    bias = _sum(b_ih, b_hh)
    joint = _joined(
        xp,
        input,
        _turned(xp, w_ih, units) * scale[:, None],
        None if bias is None else _turned(xp, bias, units) * scale,
    )
    inner = (_turned(xp, w_hh, units) * scale[:, None]).T

    def step(carry, x):
        (h, c), (joint, runs) = carry, x
        a = xp.dot(h, inner)
        a += joint
        a = xp.tanh(a)
        a *= scale
        a += shift
        new_c = a[:, 2 * units : 3 * units] * c
        new_c += a[:, units : 2 * units] * a[:, 3 * units :]
        new_h = a[:, :units] * xp.tanh(new_c)
        if w_hr is not None:
            new_h = xp.dot(new_h, w_hr.T)
        if runs is None:
            return (new_h, new_c), (new_h, a, new_c)
        shown = xp.where(runs, new_h, 0), a, xp.where(runs, new_c, 0)
        return (xp.where(runs, new_h, h), xp.where(runs, new_c, c)), shown

    start = _start(xp, h0, input, w_hh.shape[1]), _start(xp, c0, input, units)
    (h, c), (outputs, gates, cells) = stepped(xp, step, start, (joint, running), reverse)
    return outputs, +h, +c, gates, cells


@op(lambda tensors, wanted: _back_spec(tensors, 3, wanted), api="")
def _lstm_backward(xp, tensors: Ts, reverse=False, lengths: T = None, wanted=()):
    """The gradients of long short-term memory that are wanted, back through time."""
    g, dh, dc, *given, output, gates, cells = tensors
    h0, c0, w_hh, w_hr = given[1], given[2], given[4], given[7]
    steps, rows, units = cells.shape
    running = _running(xp, lengths, steps)
    o, i, f, u = [gates[:, :, k * units : (k + 1) * units] for k in range(4)]
    squashed = xp.tanh(cells)
    # slopes of the output in gate o and in the cell, and of the cell in gates i, f, g: for all steps at once
    by_o, by_cell = squashed * o * (1 - o), o * (1 - squashed * squashed)
    before = _before(xp, cells, c0, running, reverse)
    by_gates = xp.stack([u * i * (1 - i), before * f * (1 - f), i * (1 - u * u)], axis=2)
    inner = _turned(xp, w_hh, units)

    def step(carry, x):
        (dh, dc), (g, by_o, by_cell, by_gates, f, runs) = carry, x
        dy = head = g + dh
        if w_hr is not None:
            head = dy if runs is None else xp.where(runs, dy, 0)
            dy = xp.dot(dy, w_hr)
        to_cell = dy * by_cell
        to_cell += dc
        d = xp.concatenate([dy * by_o, (to_cell[:, None] * by_gates).reshape(rows, 3 * units)], axis=1)
        if runs is not None:
            d = xp.where(runs, d, 0)
        to_h, to_c = xp.dot(d, inner), to_cell * f
        if runs is not None:
            to_h, to_c = xp.where(runs, to_h, dh), xp.where(runs, to_c, dc)
        return (to_h, to_c), ((d,) if w_hr is None else (d, head))

    (dh, dc), (d, *heads) = stepped(xp, step, (dh, dc), (g, by_o, by_cell, by_gates, f, running), not reverse)
    x, w_ih, into_hh, b_ih, b_hh = _weight_gradients(
        xp, given, wanted, d, d, _before(xp, output, h0, running, reverse),
        lambda w, forth: (_turned if forth else _returned)(xp, w, units),
    )  # fmt: skip
    w_hh = None if into_hh is None else _returned(xp, into_hh, units)
    b_hh = None if b_hh is None else _returned(xp, b_hh, units)
    if wanted[7]:
        w_hr = xp.dot(heads[0].reshape(steps * rows, -1).T, (o * squashed).reshape(steps * rows, units))
    return _selected((x, dh, dc, w_ih, w_hh, b_ih, b_hh, w_hr), wanted)


_lstm.grad(
    tensors=lambda g, out, tensors, reverse, lengths: _gradient(
        _lstm_backward, _lstm_steps, 2, lambda out: (out[0], *out[3:])
    )(g, out, tensors, reverse, lengths)
)


# ---- gated recurrent unit


def _gru_spec(tensors: tuple, lengths: Spec | None) -> tuple[Spec, ...]:
    steps, rows, units, _ = _check(tensors, lengths, 3)
    whole = steps, rows, units
    return tuple([tensors[0].like(s) for s in (whole, (rows, units), (steps, rows, 2 * units), whole, whole)])


def _gru_steps(tensors, reverse, lengths):
    w_hh, b_hh = tensors[4], tensors[6]

    def step(joint, h):
        (r, z, n), (inner_r, inner_z, inner_n) = joint.chunk(3, 1), linear(h, w_hh, b_hh).chunk(3, 1)
        n = tanh(n + sigmoid(r + inner_r) * inner_n)
        z = sigmoid(z + inner_z)
        return [n + z * (h - n)]

    return _unrolled(step, [(tensors[1], w_hh.shape[1])], tensors, reverse, lengths)


@op(_gru_spec, api="", shown="Stack")
def _gru(xp, tensors: Ts, reverse=False, lengths: T = None):
    """Gated recurrent unit: all h_t, the last; and the gates r and z, the candidates n and their part from h_{t-1}.

    r, z = sigmoid(x_t @ w_i.T + b_i + h_{t-1} @ w_h.T + b_h); m = h_{t-1} @ w_hn.T + b_hn;
    n = tanh(x_t @ w_in.T + b_in + r * m); h_t = (1 - z) * n + z * h_{t-1}. Cho et al., arXiv 1406.1078.
    """
    input, h0, _, w_ih, w_hh, b_ih, b_hh, _ = tensors
    units, two = w_hh.shape[1], 2 * w_hh.shape[1]
    running = _running(xp, lengths, input.shape[0])
    scale = xp.concatenate([xp.ones(two, dtype=input.dtype) / 2, xp.ones(units, dtype=input.dtype)])
    joint = _joined(xp, input, w_ih * scale[:, None], None if b_ih is None else b_ih * scale)
    inner, bias = (w_hh * scale[:, None]).T, None if b_hh is None else b_hh * scale

    def step(carry, x):
        (h,), (joint, runs) = carry, x
        m = xp.dot(h, inner)
        if bias is not None:
            m += bias
        a = xp.tanh(joint[:, :two] + m[:, :two])
        a *= 0.5
        a += 0.5
        m = m[:, two:]
        n = a[:, :units] * m
        n += joint[:, two:]
        n = xp.tanh(n)
        new = h - n
        new *= a[:, units:]
        new += n
        if runs is None:
            return (new,), (new, a, n, m)
        return (xp.where(runs, new, h),), (xp.where(runs, new, 0), a, n, m)

    (h,), (output, *kept) = stepped(xp, step, (_start(xp, h0, input, units),), (joint, running), reverse)
    return output, +h, *kept


@op(lambda tensors, wanted: _back_spec(tensors, 2, wanted), api="")
def _gru_backward(xp, tensors: Ts, reverse=False, lengths: T = None, wanted=()):
    """The gradients of a gated recurrent unit that are wanted, back through time."""
    g, dh, *given, output, gates, n, m = tensors
    h0, w_hh = given[1], given[4]
    steps, rows, units = output.shape
    running = _running(xp, lengths, steps)
    r, z = gates[:, :, :units], gates[:, :, units:]
    before = _before(xp, output, h0, running, reverse)
    by_n = (1 - z) * (1 - n * n)
    # in the order n, r, z, m: the first three are gradients by way of the input, the last three by way of the state
    slopes = xp.stack([by_n, by_n * m * r * (1 - r), (before - n) * z * (1 - z), by_n * r], axis=2)

    def step(carry, x):
        (dh,), (g, slopes, z, runs) = carry, x
        dy = g + dh
        if runs is not None:
            dy = xp.where(runs, dy, 0)
        d = (slopes * dy[:, None]).reshape(rows, 4 * units)
        into = xp.dot(d[:, units:], w_hh)
        into += dy * z
        return (into if runs is None else xp.where(runs, into, dh),), (d,)

    (dh,), (d,) = stepped(xp, step, (dh,), (g, slopes, z, running), not reverse)
    x, *weights = _weight_gradients(
        xp, given, wanted, d[:, :, : 3 * units], d[:, :, units:], before,
        lambda w, forth: xp.concatenate([w[2 * units :], w[: 2 * units]] if forth else [w[units:], w[:units]]),
    )  # fmt: skip
    return _selected((x, dh, None, *weights, None), wanted)


_gru.grad(
    tensors=lambda g, out, tensors, reverse, lengths: _gradient(
        _gru_backward, _gru_steps, 1, lambda out: (out[0], *out[2:])
    )(g, out, tensors, reverse, lengths)
)


# ---- what is built of them: a layer's public results, and one step


@composite("", cases=[(case[0], case[1], case[2] if len(case) > 2 else None, bool(i % 2)) for i, case in
                      enumerate(_samples(1, False))])  # fmt: skip
def _rnn_layer(tensors, reverse=False, lengths=None, rectified=False):
    """The output and the last state of a simple layer."""
    return _rnn(tensors, reverse, lengths, rectified)


@composite("", cases=_samples(4, True))
def _lstm_layer(tensors, reverse=False, lengths=None):
    """The output, the last output and the last cell of long short-term memory."""
    return _lstm(tensors, reverse, lengths)[:3]


@composite("", cases=_samples(3, False))
def _gru_layer(tensors, reverse=False, lengths=None):
    """The output and the last state of a gated recurrent unit."""
    return _gru(tensors, reverse, lengths)[:2]


ROW = S(2, 4)


def _one_step(input: Any, state: Any, cell: Any, *weights: Any) -> tuple:
    for name, x in (("input", input), ("hidden", state)):
        if x.ndim != 2:
            raise RuntimeError(f"Expected {name} to be 2D, got {x.ndim}D instead")
    return (input.unsqueeze(0), state, cell, *weights, None)


@composite("torch", cases=[(ROW, H0, S(3, 4), S(3, 3), S(3), S(3))])
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh): input (N, I), hx (N, H) -> (N, H)."""
    return _rnn(_one_step(input, hx, None, w_ih, w_hh, b_ih, b_hh), False, None, False)[1]


@composite("torch", cases=[(ROW, H0, S(3, 4, low=-0.9), S(3, 3, low=-0.9))])
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """relu(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh): input (N, I), hx (N, H) -> (N, H)."""
    return _rnn(_one_step(input, hx, None, w_ih, w_hh, b_ih, b_hh), False, None, True)[1]


@composite("torch", cases=[(ROW, (H0, H0), S(12, 4), S(12, 3), S(12), S(12))])
def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of long short-term memory: input (N, I), hx a pair of (N, H) -> the next such pair."""
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    return _lstm(_one_step(input, *hx, w_ih, w_hh, b_ih, b_hh), False, None)[1:3]


@composite("torch", cases=[(ROW, H0, S(9, 4), S(9, 3), S(9), S(9))])
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a gated recurrent unit: input (N, I), hx (N, H) -> (N, H)."""
    return _gru(_one_step(input, hx, None, w_ih, w_hh, b_ih, b_hh), False, None)[1]
