"""Gradients of gamma, beta and Dirichlet numbers with respect to the parameters that they were drawn with.

A number x drawn with distribution function F(x; a) moves with a so that F stays the same: dx/da = -(dF/da) / (dF/dx)
(implicit reparameterisation: Figurnov, Mohamed and Mnih, NeurIPS 2018). The derivative of the logarithm of F, or of
1 - F where that is the smaller, is taken by differences of fourth order in float64: about ten digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph import Spec
from ._checks import refusing
from ._op import S, T, op
from ._rules import broadcast, same

STEP = 3e-3  # of the differences, as a share of the scale on which a distribution changes with its parameter
POSITIVE = S(2, 3, low=0.2, high=3)


def _log_slope(xp: Any, log_share: Callable, a: Any) -> Any:
    """The derivative of log_share at `a`."""
    step = STEP * xp.minimum(a, xp.sqrt(a))
    near = log_share(a + step) - log_share(a - step)
    far = log_share(a + 2 * step) - log_share(a - 2 * step)
    return (8 * near - far) / (12 * step)


def _wide(xp: Any, *values: Any) -> list:
    return [xp.asarray(value, dtype="float64") for value in values]


def _two(input: Spec, output: Spec) -> Spec:
    return refusing("bic", "_standard_gamma_grad_cpu", broadcast)(input, output)


@op(_two, api="torch", shown="StandardGammaGrad", host=True,
    cases=[(POSITIVE, POSITIVE), (S(low=1, high=2), S(3, low=0.5, high=1)), (S(0, 3), S(0, 3))])
def _standard_gamma_grad(xp, input: T, output: T):
    """How `output`, a gamma number of concentration `input`, moves with it."""
    a, x = _wide(xp, input, output)
    below = x < a

    def log_share(a: Any) -> Any:
        return xp.log(xp.where(below, xp.special.gammainc(a, x), xp.special.gammaincc(a, x)))

    signed = xp.where(below, -xp.special.gammainc(a, x), xp.special.gammaincc(a, x))
    inverse_density = x * xp.exp(x + xp.special.gammaln(a) - a * xp.log(x))
    return xp.asarray(signed * _log_slope(xp, log_share, a) * inverse_density, dtype=input.dtype)


def _three(x: Spec, alpha: Spec, total: Spec) -> Spec:
    return refusing("bic", "_dirichlet_grad_cpu", broadcast)(x, alpha)


@op(_three, api="torch", shown="DirichletGrad", host=True, cases=[
    (S(2, 3, low=0.2, high=0.8), S(2, 3, low=0.5, high=1), S(2, 3, low=2, high=3))])
def _dirichlet_grad(xp, x: T, alpha: T, total: T):
    """How one of several Dirichlet numbers, `x`, moves with its concentration `alpha`, over 1 - x; `total` is the sum
    of the concentrations."""
    y, a, b = _wide(xp, x, alpha, total)
    b = b - a
    below = y * (a + b) < a

    def share(a: Any) -> Any:
        return xp.where(below, xp.special.betainc(a, b, y), xp.special.betainc(b, a, 1 - y))

    slope = _log_slope(xp, lambda a: xp.log(share(a)), a)
    log_beta = xp.special.gammaln(a) + xp.special.gammaln(b) - xp.special.gammaln(a + b)
    inverse_density = xp.exp(log_beta - (a - 1) * xp.log(y) - b * xp.log(1 - y))  # over 1 - y
    return xp.asarray(xp.where(below, -share(a), share(a)) * slope * inverse_density, dtype=x.dtype)


@op(lambda value, concentration, dirichlet: same(value), api="",
    shown=lambda kind: "SampleDirichlet" if kind.env["dirichlet"] else "StandardGamma")
def _drawn_gamma(xp, value: T, concentration: T, dirichlet):
    """Gamma numbers, or Dirichlet numbers along the last dimension, on the tape of their concentrations."""
    return value


def _by_concentration(g: Any, value: Any, concentration: Any, dirichlet: bool) -> Any:
    if not dirichlet:
        return g * _standard_gamma_grad(concentration, value)
    total = concentration.sum(-1, keepdim=True).expand(concentration.shape)
    return _dirichlet_grad(value, concentration, total) * (g - (value * g).sum(-1, keepdim=True))


_drawn_gamma.grad(concentration=_by_concentration)
