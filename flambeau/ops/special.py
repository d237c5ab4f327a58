"""Special functions: error functions, gamma functions and their kin, by SciPy."""
from __future__ import annotations

import math
from typing import Any

from ..graph import Spec
from ._checks import refusing, tensors_only
from ._op import S, T, composite, op
from ._rules import broadcast, same
from .elementwise import exp, log

UNARY = "torch method inplace out"
ROOT_PI = math.sqrt(math.pi)
WIDE = S(2, 3, low=1.2, high=3)


# ---- the normal distribution

@op(refusing("c", "erf_vml_cpu", same), promote=True, to_float=True, api=UNARY, alias="special.erf",
    grad=lambda g, input: g * (exp(-input * input) * (2 / ROOT_PI)))
def erf(xp, input: T):
    """Error function of each element: 2 / sqrt(pi) times the integral of exp(-t * t) from 0 to it."""
    return xp.special.erf(input)


@op(refusing("c", "erfc_vml_cpu", same), promote=True, to_float=True, api=UNARY, alias="special.erfc",
    grad=lambda g, input: g * (exp(-input * input) * (-2 / ROOT_PI)))
def erfc(xp, input: T):
    """1 - erf(x), exact for large x."""
    return xp.special.erfc(input)


@op(refusing("c", "erfinv_vml_cpu", same), promote=True, to_float=True, api=UNARY, alias="special.erfinv",
    grad=lambda g, out: g * (exp(out * out) * (ROOT_PI / 2)))
def erfinv(xp, input: T):
    """The number whose erf each element is; NaN outside [-1, 1]."""
    return xp.special.erfinv(input)


@op(refusing("c", "erfcx_cpu", same), promote=True, to_float=True, api="out", alias="special.erfcx",
    grad=lambda g, input, out: g * (2 * input * out - 2 / ROOT_PI))
def _special_erfcx(xp, input: T):
    """exp(x * x) * erfc(x)."""
    return xp.special.erfcx(input)


@_special_erfcx.lower("xla")
def _erfcx(xp, input):
    # exp(x * x) overflows further out, where seven terms of the asymptotic series are exact to rounding
    turn = 26 if input.dtype == "float64" else 5
    near, far = xp.minimum(input, turn), xp.maximum(input, turn)
    square, series = 1 / (2 * far * far), 1.0
    for odd in (13, 11, 9, 7, 5, 3, 1):
        series = 1 - odd * square * series
    return xp.where(input < turn, xp.exp(near * near) * xp.special.erfc(near), series / (far * ROOT_PI))


@op(refusing("c", "erf_vml_cpu", same), promote=True, to_float=True, api="out", alias="special.ndtr",
    grad=lambda g, input: g * (exp(input * input * -0.5) / math.sqrt(2 * math.pi)))
def _special_ndtr(xp, input: T):
    """The part of a standard normal distribution below each element."""
    return xp.special.ndtr(input)


@op(refusing("c", "ndtri_cpu", same), promote=True, to_float=True, api="out", alias="special.ndtri",
    grad=lambda g, out: g * (exp(out * out * 0.5) * math.sqrt(2 * math.pi)))
def _special_ndtri(xp, input: T):
    """The number below which that part of a standard normal distribution lies."""
    return xp.special.ndtri(input)


@op(refusing("c", "log_ndtr_cpu", same), promote=True, to_float=True, api="out", alias="special.log_ndtr",
    grad=lambda g, input: g * math.sqrt(2 / math.pi) / _special_erfcx(input * -math.sqrt(0.5)))
def _special_log_ndtr(xp, input: T):
    """The logarithm of `ndtr`, exact far below 0."""
    return xp.special.log_ndtr(input)


@op(refusing("c", "logit_cpu", same), promote="input", to_float=True, static="eps", api=UNARY, alias="special.logit",
    grad=lambda g, input, eps: g * _logit_slope(input, eps))
def logit(xp, input: T, eps=None):
    """log(x / (1 - x)), x brought into [eps, 1 - eps] if `eps` is given."""
    if eps is not None and eps >= 0:
        input = xp.where(input < eps, eps, xp.where(input > 1 - eps, 1 - eps, input))
    return xp.log(input / (1 - input))


@op(lambda input, eps: input.like(), static="eps", api="", cases=[(S(3), None), (S(3), 0.4)],
    grad=lambda g, input, eps, out: g * (out * out * (2 * input - 1)))
def _logit_slope(xp, input: T, eps):
    """1 / (x * (1 - x)), 0 outside of [eps, 1 - eps]."""
    slope = 1 / (input * (1 - input))
    if eps is None:
        return xp.where((input < 0) | (input > 1), xp.full_like(input, xp.nan), slope)
    return xp.where((input < eps) | (input > 1 - eps), xp.zeros_like(input), slope)


# ---- the gamma function and its kin

@op(refusing("c", "lgamma_vml_cpu", same), promote=True, to_float=True, api=UNARY, alias="special.gammaln",
    grad=lambda g, input: g * digamma(input))
def lgamma(xp, input: T):
    """Logarithm of the absolute value of the gamma function."""
    return xp.special.gammaln(xp.where(input == -xp.inf, xp.inf, input))


@op(refusing("c", "digamma", same), promote=True, to_float=True, api=UNARY, alias="special.digamma special.psi",
    grad=lambda g, input: g * _polygamma(input, 1), cases=[(WIDE,)])
def digamma(xp, input: T):
    """Derivative of the logarithm of the gamma function."""
    y = xp.special.psi(input) if hasattr(xp.special, "psi") else xp.special.digamma(input)
    return xp.where(input == 0, xp.copysign(xp.full_like(y, xp.inf), -input), y)


def _polygamma_rule(input: Spec, n: int) -> Spec:
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return refusing("c", "digamma" if n == 0 else "trigamma" if n == 1 else "polygamma", same)(input)


@op(_polygamma_rule, promote="input", to_float=True, api="", shown="Polygamma",
    grad=lambda g, input, n: g * _polygamma(input, n + 1),
    cases=[(WIDE, 1), (WIDE, 0)])
def _polygamma(xp, input: T, n):
    """The n-th derivative of digamma."""
    if n == 0:
        return digamma.body(xp, input)
    size = math.factorial(n) * (1 if n % 2 else -1)
    value = size * xp.special.zeta(xp.asarray(n + 1.0), input)
    # zeta of a negative number: by the reflection of trigamma, which is what is asked for there
    if n == 1:
        below = xp.where(input < 0.5, input, xp.asarray(0.25))
        turned = (math.pi / xp.sin(math.pi * below)) ** 2 - xp.special.zeta(xp.asarray(2.0), 1 - below)
        value = xp.where(input < 0.5, turned, value)
    return xp.asarray(value, dtype=input.dtype)


@composite("torch out", alias="special.polygamma", cases=[(1, WIDE), (0, WIDE), (3, WIDE)], wrong=[
    ((-1, S(2)), RuntimeError, "polygamma(n, x) does not support negative n.")])
def polygamma(n, input):
    """The n-th derivative of digamma."""
    return _polygamma(input, n)


@composite("method inplace", alias="polygamma", cases=[(WIDE, 2)])
def _polygamma_of(self, n):
    """The n-th derivative of digamma."""
    return _polygamma(self, n)


@composite(UNARY, alias="special.multigammaln", cases=[(WIDE, 2)], wrong=[
    ((WIDE, 0), RuntimeError, "p has to be greater than or equal to 1")])
def mvlgamma(input, p):
    """Logarithm of the multivariate gamma function: p (p - 1) log(pi) / 4, and lgamma(x - j / 2) for j below p."""
    if not isinstance(p, int):
        raise TypeError(f"mvlgamma(): argument 'p' (position 2) must be int, not {type(p).__name__}")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    total = lgamma(input)
    for j in range(1, p):
        total = total + lgamma(input - 0.5 * j)
    return total + p * (p - 1) / 4 * math.log(math.pi) if p > 1 else total


def _no_gradient(name: str) -> Any:
    def rule(g: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")
    return rule


def _gamma_density(g, input, other):
    return g * exp((input - 1) * log(other) - other - lgamma(input))


def _incomplete(name: str) -> Any:
    return tensors_only(name, refusing("bic", name + "_cpu", broadcast))


@op(_incomplete("igamma"), promote=True, host=True, api=UNARY, alias="special.gammainc", grad=dict(
    input=_no_gradient("igamma: input"), other=_gamma_density))
def igamma(xp, input: T, other: T):
    """The lower incomplete gamma function of `input` up to `other`, over the whole."""
    return xp.special.gammainc(input, other)


@op(_incomplete("igammac"), promote=True, host=True, api=UNARY, alias="special.gammaincc", grad=dict(
    input=_no_gradient("igammac: input"), other=lambda g, input, other: -_gamma_density(g, input, other)))
def igammac(xp, input: T, other: T):
    """The upper incomplete gamma function of `input` from `other`, over the whole."""
    return xp.special.gammaincc(input, other)


@op(refusing("c", "zeta_cpu", broadcast), promote=True, to_float=True, number_first=True, api="out",
    alias="special.zeta", grad=dict(
    input=_no_gradient("special_zeta: input"),
    other=lambda g, input, other: g * (-input * _special_zeta.record(input + 1, other))),
    cases=[(S(2, 3, low=1.5, high=3), 2), (2.5, WIDE)])
def _special_zeta(xp, input: T, other: T):
    """Hurwitz's zeta function: the sum of 1 / (k + other) ** input over k from 0."""
    kind = input.dtype if hasattr(input, "dtype") else other.dtype
    return xp.asarray(xp.special.zeta(xp.asarray(input, dtype=kind), xp.asarray(other, dtype=kind)), dtype=kind)


