"""Trigonometric and hyperbolic functions and their inverses, lengths and angles."""
from __future__ import annotations

import math

from ._checks import flat_other, refusing, tensors_only
from ._op import S, T, op
from ._rules import broadcast, same
from .elementwise import conj, rsqrt

UNARY = "torch method inplace out"


@op(same, promote=True, to_float=True, api=UNARY, grad=lambda g, input: g * cos(conj(input)))
def sin(xp, input: T):
    """Sine of each element, in radians."""
    return xp.sin(input)


@op(same, promote=True, to_float=True, api=UNARY, grad=lambda g, input: -g * sin(conj(input)))
def cos(xp, input: T):
    """Cosine of each element, in radians."""
    return xp.cos(input)


@op(same, promote=True, to_float=True, api=UNARY, grad=lambda g, out: g * conj(1 + out * out))
def tan(xp, input: T):
    """Tangent of each element, in radians."""
    return xp.tan(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="arcsin",
    grad=lambda g, input: g * conj(rsqrt(1 - input * input)))
def asin(xp, input: T):
    """The angle whose sine each element is; NaN outside [-1, 1]."""
    return xp.arcsin(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="arccos",
    grad=lambda g, input: -g * conj(rsqrt(1 - input * input)))
def acos(xp, input: T):
    """The angle whose cosine each element is; NaN outside [-1, 1]."""
    return xp.arccos(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="arctan", grad=lambda g, input: g / conj(1 + input * input))
def atan(xp, input: T):
    """The angle whose tangent each element is."""
    return xp.arctan(input)


@op(same, promote=True, to_float=True, api=UNARY, grad=lambda g, input: g * cosh(conj(input)))
def sinh(xp, input: T):
    """Hyperbolic sine of each element."""
    return xp.sinh(input)


@op(same, promote=True, to_float=True, api=UNARY, grad=lambda g, input: g * sinh(conj(input)))
def cosh(xp, input: T):
    """Hyperbolic cosine of each element."""
    return xp.cosh(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="nn.functional.tanh", ufunc="tanh",
    grad=lambda g, out: g * conj(1 - out * out))
def tanh(xp, input: T):
    """Hyperbolic tangent of each element."""
    return xp.tanh(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="arcsinh",
    grad=lambda g, input: g * conj(rsqrt(input * input + 1)))
def asinh(xp, input: T):
    """Inverse hyperbolic sine of each element."""
    return xp.arcsinh(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="arccosh",
    grad=lambda g, input: g * conj(rsqrt(input - 1) * rsqrt(input + 1)),
    cases=[(S(2, 3, low=1.5, high=4),)])
def acosh(xp, input: T):
    """Inverse hyperbolic cosine of each element; NaN below 1."""
    return xp.arccosh(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="arctanh", grad=lambda g, input: g / conj(1 - input * input))
def atanh(xp, input: T):
    """Inverse hyperbolic tangent of each element; NaN outside [-1, 1]."""
    return xp.arctanh(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="special.sinc",
    grad=lambda g, input: g * conj(_sinc_derivative(input, 1)))
def sinc(xp, input: T):
    """sin(pi * x) / (pi * x), 1 at 0."""
    scaled = xp.where(input == 0, xp.ones_like(input), input) * math.pi
    return xp.where(input == 0, xp.ones_like(input), xp.sin(scaled) / scaled)


@op(lambda input, n: input.like(), api="", cases=[(S(2, 3), 1), (S(2, 3), 2)],
    grad=lambda g, input, n: g * conj(_sinc_derivative(input, n + 1)))
def _sinc_derivative(xp, input: T, n):
    """The n-th derivative of sinc, from that of `x * sinc(x) = sin(pi * x) / pi`."""
    x = xp.where(input == 0, xp.ones_like(input), input)
    value = xp.sin(math.pi * x) / (math.pi * x)
    for k in range(1, n + 1):
        value = (math.pi ** (k - 1) * xp.sin(math.pi * x + k * math.pi / 2) - k * value) / x
    at_zero = math.pi ** n * (0, 1, 0, -1)[(n + 1) % 4] / (n + 1)
    return xp.where(input == 0, xp.full_like(input, at_zero), value)


@op(refusing("c", "deg2rad is not supported for complex tensors.", same, RuntimeError), promote=True, to_float=True,
    api=UNARY,
    grad=lambda g: g * (math.pi / 180))
def deg2rad(xp, input: T):
    """Degrees as radians."""
    return input * (math.pi / 180)


@op(refusing("c", "rad2deg is not supported for complex tensors.", same, RuntimeError), promote=True, to_float=True,
    api=UNARY,
    grad=lambda g: g * (180 / math.pi))
def rad2deg(xp, input: T):
    """Radians as degrees."""
    return input * (180 / math.pi)


def _angle_slope(g, input, other):
    return g / (input * input + other * other)


@op(tensors_only("atan2", refusing("c", "atan2_cpu", broadcast)), promote=True, to_float=True, api=UNARY,
    alias="arctan2", grad=dict(
    input=lambda g, input, other: _angle_slope(g, input, other) * other,
    other=lambda g, input, other: _angle_slope(g, input, other) * -input))
def atan2(xp, input: T, other: T):
    """The angle of the point (other, input), in radians, in its quadrant."""
    return xp.arctan2(input, other)


@op(tensors_only("hypot", refusing("bic", "hypot_cpu", broadcast)), promote=True, api=UNARY, grad=dict(
    input=lambda g, input, out: g * (input / out), other=lambda g, other, out: g * (other / out)))
def hypot(xp, input: T, other: T):
    """sqrt(input ** 2 + other ** 2), without overflow."""
    return xp.hypot(input, other)


def _copied_sign(g, input, out):
    # out is |input| with a sign: the sign of out against that of input, 0 at 0
    return g * (out * input).sign()


@op(refusing("c", "copysign_cpu", broadcast), promote=True, to_float=True, api=UNARY, grad=dict(
    input=_copied_sign, other=lambda g, input: g * 0), cases=[(S(2, 3), S(3)), (S(2, 3), -1.5)])
def copysign(xp, input: T, other: T):
    """The size of `input` with the sign of `other`, that of -0.0 included."""
    return xp.copysign(input, other)


@op(tensors_only("nextafter", refusing("bic", "nextafter_cpu", broadcast)), promote=True, api=UNARY, upcast=False,
    grad=dict(
    input=lambda g: g, other=lambda g, other_spec: flat_other(g, other_spec)))
def nextafter(xp, input: T, other: T):
    """The number next to `input` in the direction of `other`."""
    return xp.nextafter(input, other)


