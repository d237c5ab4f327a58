"""Exponentials and logarithms, and sums written in them."""
from __future__ import annotations

import math
from typing import Any

from ._checks import refusing, tensors_only
from ._op import S, T, op
from ._rules import broadcast, same
from .elementwise import conj, exp, log

UNARY = "torch method inplace out"
LN2 = math.log(2)


@op(same, promote=True, to_float=True, api=UNARY, alias="special.exp2", grad=lambda g, out: g * (conj(out) * LN2))
def exp2(xp, input: T):
    """2 to the power of each element."""
    return xp.exp2(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="special.expm1", grad=lambda g, out: g * conj(out + 1))
def expm1(xp, input: T):
    """exp(x) - 1, exact for small x."""
    return xp.expm1(input)


@op(same, promote=True, to_float=True, api=UNARY, alias="special.log1p", grad=lambda g, input: g / conj(input + 1))
def log1p(xp, input: T):
    """log(1 + x), exact for small x."""
    return xp.log1p(input)


@op(same, promote=True, to_float=True, api=UNARY, grad=lambda g, input: g / (conj(input) * LN2))
def log2(xp, input: T):
    """Logarithm to base 2."""
    return xp.log2(input)


@op(same, promote=True, to_float=True, api=UNARY, grad=lambda g, input: g / (conj(input) * math.log(10)))
def log10(xp, input: T):
    """Logarithm to base 10."""
    return xp.log10(input)


def _floating(name: str, kinds: str) -> Any:
    return tensors_only(name, refusing(kinds, name + "_cpu", broadcast))


def _complex_sum(xp: Any, input: Any, other: Any) -> Any:
    """log(exp(input) + exp(other)), the larger real part taken out."""
    first = xp.real(input) >= xp.real(other)
    high, low = xp.where(first, input, other), xp.where(first, other, input)
    return high + xp.log1p(xp.exp(low - high))


@op(_floating("logaddexp", "bi"), promote=True, api="torch method out", grad=dict(
    input=lambda g, input, other: g / conj(1 + exp(other - input)),
    other=lambda g, input, other: g / conj(1 + exp(input - other))))
def logaddexp(xp, input: T, other: T):
    """log(exp(input) + exp(other)), without overflow."""
    return xp.logaddexp(input, other) if input.dtype.kind != "c" else _complex_sum(xp, input, other)


@op(_floating("logaddexp2", "bic"), promote=True, api="torch method out", grad=dict(
    input=lambda g, input, other: g / (1 + exp2(other - input)),
    other=lambda g, input, other: g / (1 + exp2(input - other))))
def logaddexp2(xp, input: T, other: T):
    """log2(2 ** input + 2 ** other), without overflow."""
    return xp.logaddexp2(input, other)


# ---- products with a logarithm that are 0 where the factor is

def _product(xp: Any, input: Any, other: Any, logarithm: Any) -> Any:
    """`input * logarithm(other)`, 0 where `input` is 0."""
    dtype = (input if hasattr(input, "dtype") else other).dtype
    other = xp.asarray(other, dtype=dtype)
    y = input * logarithm(other)
    return xp.where((input == 0) & ~xp.isnan(other), xp.zeros_like(y), y)


@op(refusing("c", "xlogy_cpu", broadcast), promote=True, to_float=True, number_first=True, api=UNARY,
    alias="special.xlogy", grad=dict(
    input=lambda g, input, other: g * _log_where_used(input, other, 0),
    other=lambda g, input, other: g * input / other),
    cases=[(S(2, 3), S(2, 3)), (S(2, 3), 2.5), (1.5, S(3))])
def xlogy(xp, input: T, other: T):
    """`input * log(other)`, 0 where `input` is 0."""
    return _product(xp, input, other, xp.log)


@op(refusing("c", "xlog1py_cpu", broadcast), promote=True, to_float=True, number_first=True, api="",
    alias="special.xlog1py", grad=dict(
    input=lambda g, input, other: g * _log_where_used(input, other, 1),
    other=lambda g, input, other: g * input / (1 + other)),
    cases=[(S(2, 3), S(2, 3)), (S(2, 3), 2.5), (1.5, S(3))])
def _special_xlog1py(xp, input: T, other: T):
    """`input * log1p(other)`, 0 where `input` is 0."""
    return _product(xp, input, other, xp.log1p)


@op(lambda input, other, offset: broadcast(input, other), promote="input other", api="", grad=dict(
    other=lambda g, input, other, offset: g * _where_used(input, other, offset)), cases=[(S(2, 3), S(2, 3), 0)])
def _log_where_used(xp, input: T, other: T, offset):
    """log(offset + other), but 0 where `input` is 0 and `other` not above -offset."""
    other = xp.asarray(other, dtype=input.dtype if hasattr(input, "dtype") else other.dtype)
    y = xp.log1p(other) if offset else xp.log(other)
    return xp.where((input == 0) & (other <= -offset), xp.zeros_like(y + input), y + xp.zeros_like(input))


@op(lambda input, other, offset: broadcast(input, other), promote="input other", api="", grad=dict(
    other=lambda g, out: -g * out * out), cases=[(S(2, 3), S(2, 3), 0)])
def _where_used(xp, input: T, other: T, offset):
    """1 / (offset + other), but 0 where `input` is 0 and `other` not above -offset."""
    y = 1 / (other + offset)
    return xp.where((input == 0) & (other <= -offset), xp.zeros_like(y + input), y + xp.zeros_like(input))


@op(refusing("c", "entr_cpu", same), promote=True, to_float=True, api="", alias="special.entr",
    grad=lambda g, input: -g * (1 + log(input)))
def _special_entr(xp, input: T):
    """`-input * log(input)`; 0 at 0, -inf below."""
    y = -input * xp.log(input)
    return xp.where(input == 0, xp.zeros_like(y), xp.where(input < 0, xp.full_like(y, -xp.inf), y))
