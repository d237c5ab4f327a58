"""Activations: functions of one tensor, most of them elementwise."""
from __future__ import annotations

from ._op import T, op
from ._rules import along, broadcast, same


@op(same, api="torch method inplace", grad=lambda g, out: relu_backward(g, out))
def relu(xp, input: T):
    """max(x, 0)."""
    return xp.maximum(input, 0)


@op(broadcast, api="", grad=dict(input=lambda g, other: relu_backward(g, other)))
def relu_backward(xp, input: T, other: T):
    """`input` where `other` (a result of relu) is above zero, else 0."""
    return input * (other > 0)


@op(same, promote=True, to_float=True, api="torch method inplace out", alias="special.expit nn.functional.sigmoid",
    grad=lambda g, out: g * out * (1 - out))
def sigmoid(xp, input: T):
    """1 / (1 + exp(-x))."""
    return xp.special.expit(input)


@op(along, api="", shown="Softmax", grad=lambda g, out, dim: out * (g - (g * out).sum(dim, keepdim=True)))
def _softmax(xp, input: T, dim):
    """exp(x_i) / sum_j exp(x_j) along `dim`, shifted by the maximum so that nothing overflows."""
    e = xp.exp(input - xp.max(input, axis=dim, keepdims=True))
    return e / xp.sum(e, axis=dim, keepdims=True)
