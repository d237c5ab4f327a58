"""One number out for each number in: arithmetic, powers, exponentials, trigonometry."""
from __future__ import annotations

import math

from ..graph import Spec
from ._op import T, composite, op
from ._rules import broadcast, same

ARITHMETIC = "torch method inplace out"


def conj(x):
    """The complex conjugate of a node; a real one as it is."""
    return x.conj() if isinstance(x, complex) or not isinstance(x, (int, float)) and x.spec.is_complex else x


def _added(input: Spec, other: Spec, alpha) -> Spec:
    return broadcast(input, other)


@op(_added, promote="input other", api=ARITHMETIC, grad=dict(input=lambda g: g, other=lambda g, alpha: g if alpha == 1 else g * alpha))
def add(xp, input: T, other: T, *, alpha=1):
    """`input + alpha * other`, broadcast to a common shape."""
    return input + (other if type(alpha) is int and alpha == 1 else alpha * other)


@op(_added, promote="input other", api=ARITHMETIC, alias="subtract",
    grad=dict(input=lambda g: g, other=lambda g, alpha: -g if alpha == 1 else g * -alpha))
def sub(xp, input: T, other: T, *, alpha=1):
    """`input - alpha * other`, broadcast to a common shape."""
    return input - (other if type(alpha) is int and alpha == 1 else alpha * other)


@op(broadcast, promote=True, api=ARITHMETIC, alias="multiply",
    grad=dict(input=lambda g, other: g * conj(other), other=lambda g, input: g * conj(input)))
def mul(xp, input: T, other: T):
    """`input * other`, broadcast to a common shape."""
    return input * other


@op(same, promote=True, api=ARITHMETIC, alias="negative", grad=lambda g: -g)
def neg(xp, input: T):
    """`-input`."""
    return -input


@op(same, promote=True, to_float=True, api=ARITHMETIC, grad=lambda g, out: g * conj(out))
def exp(xp, input: T):
    """e to the power of each element."""
    return xp.exp(input)


@op(same, promote=True, to_float=True, api=ARITHMETIC, grad=lambda g, input: g / conj(input))
def log(xp, input: T):
    """Natural logarithm of each element; NaN below zero."""
    return xp.log(input)


@op(same, promote=True, to_float=True, api=ARITHMETIC, grad=lambda g, out: g / (2 * conj(out)))
def sqrt(xp, input: T):
    """Square root of each element; NaN below zero."""
    return xp.sqrt(input)


@op(same, promote=True, to_float=True, api=ARITHMETIC, alias="special.erf",
    grad=lambda g, input: g * (2 / math.sqrt(math.pi)) * exp(-input * input))
def erf(xp, input: T):
    """Error function of each element: 2 / sqrt(pi) times the integral of exp(-t * t) from 0 to it."""
    return xp.special.erf(input)


@op(broadcast, promote=True, to_float=True, api="", shown="Div",
    grad=dict(input=lambda g, other: g / conj(other), other=lambda g, out, other: -g * conj(out / other)))
def _div(xp, input: T, other: T):
    """`input / other`."""
    return input / other


@composite(ARITHMETIC, alias="divide true_divide")
def div(input, other, *, rounding_mode=None):
    """`input / other`; `rounding_mode` "trunc" rounds toward zero, "floor" down, both keeping integers integers."""
    if rounding_mode is None:
        return _div(input, other)
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
