"""Smooth activations: softplus, logsigmoid, mish, softsign, and the gated glu."""

from __future__ import annotations

from typing import Any

from ..graph import Spec
from ._op import S, T, composite, op
from ._rules import broadcast, floating, need_floating, wrap
from .activation import _sigmoid_backward, overwrite, relu_backward, sigmoid
from .joining import cat

WIDE = S(2, 3, low=-4, high=4)


# ---- softplus


@op(
    floating("softplus_cpu"),
    api="nn.functional",
    cases=[(WIDE,), (WIDE, 2.0, 3.0)],
    grad=lambda g, input, beta, threshold: _softplus_backward(g, input, beta, threshold),
)
def softplus(xp, input: T, beta=1.0, threshold=20.0):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x is above `threshold`."""
    z = input * beta
    return xp.where(z > threshold, input, xp.log1p(xp.exp(xp.minimum(z, threshold))) / beta)


def _softplus_second(g, input, other, beta, threshold):
    s = sigmoid(other * beta)
    return relu_backward(g * input * beta * (s * (1 - s)), threshold - other * beta)


@op(
    broadcast,
    api="",
    cases=[(S(2, 3), WIDE, 2.0, 3.0)],
    grad=dict(
        input=lambda g, other, beta, threshold: _softplus_backward(g, other, beta, threshold), other=_softplus_second
    ),
)
def _softplus_backward(xp, input: T, other: T, beta=1.0, threshold=20.0):
    """`input` times the slope of softplus at `other`."""
    z = other * beta
    return xp.where(z > threshold, input, input / (1 + xp.exp(-z)))


# ---- logsigmoid


@op(
    floating("log_sigmoid_cpu"),
    api="nn.functional",
    shown="LogSigmoid",
    cases=[(WIDE,)],
    grad=lambda g, input: g * sigmoid(-input),
)
def logsigmoid(xp, input: T):
    """log(1 / (1 + exp(-x))), computed without overflow."""
    return xp.minimum(input, 0) - xp.log1p(xp.exp(-xp.abs(input)))


# ---- mish


def _gate(xp: Any, x: Any) -> Any:
    """tanh(log(1 + exp(x))), as a quotient of polynomials of exp(x)."""
    e = xp.exp(xp.minimum(x, 20))
    n = e * (e + 2)
    return n / (n + 2)


@op(floating("mish_cpu"), api="", shown="Mish", cases=[(WIDE,)], grad=lambda g, input: _mish_backward(g, input))
def _mish(xp, input: T):
    """x * tanh(log(1 + exp(x)))."""
    return input * _gate(xp, input)


def _mish_second(g, input, other):
    s = sigmoid(other)
    t = softplus(other).tanh()
    bend = (1 - t * t) * s * (2 + other * ((1 - s) - 2 * s * t))
    return g * input * bend


@op(
    broadcast,
    api="",
    cases=[(S(2, 3), WIDE)],
    grad=dict(input=lambda g, other: _mish_backward(g, other), other=_mish_second),
)
def _mish_backward(xp, input: T, other: T):
    """`input` times the slope of mish at `other`."""
    t = _gate(xp, other)
    return input * (t + other * (1 - t * t) / (1 + xp.exp(-other)))


@composite("nn.functional", cases=[(WIDE,)])
def mish(input, inplace=False):
    """x * tanh(softplus(x)). Misra, arXiv 1908.08681."""
    return overwrite(input, _mish) if inplace else _mish(input)


@composite("nn.functional", cases=[(WIDE,)])
def softsign(input):
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


# ---- glu


def _halved(input: Spec, dim: int) -> Spec:
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    place = wrap(dim, input.ndim)
    if input.shape[place] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {place} is size {input.shape[place]}")
    need_floating("glu_cpu", input)
    return input.like([s // 2 if i == place else s for i, s in enumerate(input.shape)])


def _halves(x: Any, dim: int) -> tuple[Any, Any]:
    """The two halves of an array along `dim`."""
    place = dim % x.ndim
    half = x.shape[place] // 2
    ahead = (slice(None),) * place
    return x[(*ahead, slice(None, half))], x[(*ahead, slice(half, None))]


@op(
    _halved,
    api="nn.functional",
    cases=[(S(2, 4),), (S(2, 4, 3), 1)],
    grad=lambda g, input, dim: _glu_backward(g, input, dim),
    wrong=[((S(2, 3),), RuntimeError, "Halving dimension must be even, but dimension 1 is size 3")],
)
def glu(xp, input: T, dim=-1):
    """a * sigmoid(b), where a and b are the halves of `input` along `dim`. Dauphin et al., arXiv 1612.08083."""
    a, b = _halves(input, dim)
    return a / (1 + xp.exp(-b))


def _glu_second(g, input, other, dim):
    half = other.shape[dim] // 2
    a, b = other.narrow(dim, 0, half), other.narrow(dim, half, half)
    p, q = g.narrow(dim, 0, half), g.narrow(dim, half, half)
    slope = _sigmoid_backward(input, sigmoid(b))
    bend = p + q * a * (1 - 2 * sigmoid(b))
    return cat((q * slope, slope * bend), dim)


def _glu_to_g(g, other, dim):
    half = other.shape[dim] // 2
    a, b = other.narrow(dim, 0, half), other.narrow(dim, half, half)
    s = sigmoid(b)
    return g.narrow(dim, 0, half) * s + g.narrow(dim, half, half) * (a * s * (1 - s))


@op(
    lambda input, other: other.like(),
    api="",
    cases=[(S(2, 2), S(2, 4), -1)],
    grad=dict(input=_glu_to_g, other=_glu_second),
)
def _glu_backward(xp, input: T, other: T, dim):
    """The gradient of glu at `other`, `input` being that of its result."""
    a, b = _halves(other, dim)
    s = 1 / (1 + xp.exp(-b))
    return xp.concatenate((input * s, input * (a * s * (1 - s))), axis=dim)
