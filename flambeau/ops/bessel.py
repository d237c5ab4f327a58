"""Bessel and Airy functions, and the classical orthogonal polynomials."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._checks import refusing
from ._op import S, T, op, registry
from ._rules import broadcast, same
from .elementwise import sgn

UNARY = "torch method inplace out"


def _real(name: str) -> Any:
    return refusing("c", name + "_cpu", same)


def _or_at_zero(input: Any, value: Any, at_zero: float) -> Any:
    """`value`, but `at_zero` where `input` is 0."""
    return registry["_where"](registry["eq"](input, 0), at_zero, value)


# ---- those that PyTorch differentiates

@op(_real("i0_vml"), promote=True, to_float=True, api=UNARY, alias="special.i0 special.modified_bessel_i0",
    grad=lambda g, input: g * _special_i1(input))
def i0(xp, input: T):
    """Modified Bessel function of the first kind, order 0."""
    return xp.special.i0(input)


@op(_real("i0e"), promote=True, to_float=True, api="out", alias="special.i0e",
    grad=lambda g, input, out: g * (_special_i1e(input) - sgn(input) * out))
def _special_i0e(xp, input: T):
    """exp(-|x|) * i0(x)."""
    return xp.special.i0e(input)


@op(_real("i1"), promote=True, to_float=True, api="out", alias="special.i1 special.modified_bessel_i1",
    grad=lambda g, input, out: g * (i0(input) - _or_at_zero(input, out / input, 0.5)))
def _special_i1(xp, input: T):
    """Modified Bessel function of the first kind, order 1."""
    return xp.special.i1(input)


@op(_real("i1e"), promote=True, to_float=True, api="out", alias="special.i1e",
    grad=lambda g, input, out: g * (_special_i0e(input) - _or_at_zero(input, out * (sgn(input) + 1 / input), 0.5)))
def _special_i1e(xp, input: T):
    """exp(-|x|) * i1(x)."""
    return xp.special.i1e(input)


# ---- those that it does not

@op(_real("bessel_j0"), promote=True, to_float=True, api="out", alias="special.bessel_j0", host=True)
def _special_bessel_j0(xp, input: T):
    """Bessel function of the first kind, order 0."""
    return xp.special.j0(input)


@op(_real("bessel_j1"), promote=True, to_float=True, api="out", alias="special.bessel_j1", host=True)
def _special_bessel_j1(xp, input: T):
    """Bessel function of the first kind, order 1."""
    return xp.special.j1(input)


@op(_real("bessel_y0"), promote=True, to_float=True, api="out", alias="special.bessel_y0", host=True)
def _special_bessel_y0(xp, input: T):
    """Bessel function of the second kind, order 0."""
    return xp.special.y0(input)


@op(_real("bessel_y1"), promote=True, to_float=True, api="out", alias="special.bessel_y1", host=True)
def _special_bessel_y1(xp, input: T):
    """Bessel function of the second kind, order 1."""
    return xp.special.y1(input)


@op(_real("modified_bessel_k0"), promote=True, to_float=True, api="out", alias="special.modified_bessel_k0", host=True)
def _special_modified_bessel_k0(xp, input: T):
    """Modified Bessel function of the second kind, order 0."""
    return xp.special.k0(input)


@op(_real("modified_bessel_k1"), promote=True, to_float=True, api="out", alias="special.modified_bessel_k1", host=True)
def _special_modified_bessel_k1(xp, input: T):
    """Modified Bessel function of the second kind, order 1."""
    return xp.special.k1(input)


@op(_real("scaled_modified_bessel_k0"), promote=True, to_float=True, api="out",
    alias="special.scaled_modified_bessel_k0", host=True)
def _special_scaled_modified_bessel_k0(xp, input: T):
    """exp(x) * k0(x)."""
    return xp.special.k0e(input)


@op(_real("scaled_modified_bessel_k1"), promote=True, to_float=True, api="out",
    alias="special.scaled_modified_bessel_k1", host=True)
def _special_scaled_modified_bessel_k1(xp, input: T):
    """exp(x) * k1(x)."""
    return xp.special.k1e(input)


@op(_real("spherical_bessel_j0"), promote=True, to_float=True, api="out", alias="special.spherical_bessel_j0")
def _special_spherical_bessel_j0(xp, input: T):
    """Spherical Bessel function of the first kind, order 0: sin(x) / x, 1 at 0."""
    x = xp.where(input == 0, xp.ones_like(input), input)
    y = xp.where(xp.isinf(input), xp.zeros_like(input), xp.sin(x) / x)
    return xp.where(input == 0, xp.ones_like(input), y)


@op(_real("airy_ai"), promote=True, to_float=True, api="out", alias="special.airy_ai", host=True)
def _special_airy_ai(xp, input: T):
    """Airy's function Ai."""
    return xp.special.airy(input)[0]


# ---- polynomials of degree n, 0 for a negative degree; Abramowitz and Stegun, chapter 22

POLYNOMIAL = [(S(2, 3), 3), (S(2, 3), S(3, dtype="int64", high=8)), (2.5, S(3, dtype="int64", high=8))]


def _degree(xp: Any, input: Any, n: Any) -> tuple[Any, Any]:
    """The operands as arrays, in double precision, the degree whole."""
    return xp.asarray(input, dtype="float64"), xp.asarray(n, dtype="float64").astype("int64")


def _evaluated(xp: Any, input: Any, n: Any, value: Callable) -> Any:
    """`value(x, n)` in the dtype of the operands, 0 where n is negative."""
    dtype = (input if hasattr(input, "dtype") else n).dtype
    x, degree = _degree(xp, input, n)
    found = value(x, xp.maximum(degree, 0))
    return xp.where(degree < 0, xp.zeros_like(found), found).astype(dtype)


def _polynomial(name: str) -> Any:
    return refusing("c", name + "_cpu", lambda input, n: broadcast(input, n))


def _first(xp: Any) -> Callable:
    return lambda x, n: xp.special.eval_chebyt(n, x)


def _second(xp: Any) -> Callable:
    return lambda x, n: xp.special.eval_chebyu(n, x)


def _third(xp: Any) -> Callable:
    return lambda x, n: xp.special.eval_chebyu(n, x) - _before(xp, x, n)


def _fourth(xp: Any) -> Callable:
    return lambda x, n: xp.special.eval_chebyu(n, x) + _before(xp, x, n)


def _before(xp: Any, x: Any, n: Any) -> Any:
    """The polynomial of the second kind one degree lower."""
    return xp.where(n == 0, 0.0, xp.special.eval_chebyu(xp.maximum(n - 1, 0), x))


@op(_polynomial("chebyshev_polynomial_t"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.chebyshev_polynomial_t")
def _special_chebyshev_polynomial_t(xp, input: T, n: T):
    """Chebyshev's polynomial of the first kind, of degree n."""
    return _evaluated(xp, input, n, _first(xp))


@op(_polynomial("chebyshev_polynomial_u"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.chebyshev_polynomial_u")
def _special_chebyshev_polynomial_u(xp, input: T, n: T):
    """Chebyshev's polynomial of the second kind, of degree n."""
    return _evaluated(xp, input, n, _second(xp))


@op(_polynomial("chebyshev_polynomial_v"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.chebyshev_polynomial_v")
def _special_chebyshev_polynomial_v(xp, input: T, n: T):
    """Chebyshev's polynomial of the third kind, of degree n."""
    return _evaluated(xp, input, n, _third(xp))


@op(_polynomial("chebyshev_polynomial_w"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.chebyshev_polynomial_w")
def _special_chebyshev_polynomial_w(xp, input: T, n: T):
    """Chebyshev's polynomial of the fourth kind, of degree n."""
    return _evaluated(xp, input, n, _fourth(xp))


@op(_polynomial("shifted_chebyshev_polynomial_t"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.shifted_chebyshev_polynomial_t")
def _special_shifted_chebyshev_polynomial_t(xp, input: T, n: T):
    """Chebyshev's polynomial of the first kind at 2 x - 1, of degree n."""
    return _evaluated(xp, input, n, lambda x, n: _first(xp)(2 * x - 1, n))


@op(_polynomial("shifted_chebyshev_polynomial_u"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.shifted_chebyshev_polynomial_u")
def _special_shifted_chebyshev_polynomial_u(xp, input: T, n: T):
    """Chebyshev's polynomial of the second kind at 2 x - 1, of degree n."""
    return _evaluated(xp, input, n, lambda x, n: _second(xp)(2 * x - 1, n))


@op(_polynomial("shifted_chebyshev_polynomial_v"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.shifted_chebyshev_polynomial_v")
def _special_shifted_chebyshev_polynomial_v(xp, input: T, n: T):
    """Chebyshev's polynomial of the third kind at 2 x - 1, of degree n."""
    return _evaluated(xp, input, n, lambda x, n: _third(xp)(2 * x - 1, n))


@op(_polynomial("shifted_chebyshev_polynomial_w"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.shifted_chebyshev_polynomial_w")
def _special_shifted_chebyshev_polynomial_w(xp, input: T, n: T):
    """Chebyshev's polynomial of the fourth kind at 2 x - 1, of degree n."""
    return _evaluated(xp, input, n, lambda x, n: _fourth(xp)(2 * x - 1, n))


@op(_polynomial("hermite_polynomial_h"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.hermite_polynomial_h")
def _special_hermite_polynomial_h(xp, input: T, n: T):
    """Hermite's polynomial as physicists have it, of degree n."""
    return _evaluated(xp, input, n, lambda x, n: xp.special.eval_hermite(n, x))


@op(_polynomial("hermite_polynomial_he"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.hermite_polynomial_he")
def _special_hermite_polynomial_he(xp, input: T, n: T):
    """Hermite's polynomial as statisticians have it, of degree n."""
    return _evaluated(xp, input, n, lambda x, n: xp.special.eval_hermitenorm(n, x))


@op(_polynomial("laguerre_polynomial_l"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.laguerre_polynomial_l")
def _special_laguerre_polynomial_l(xp, input: T, n: T):
    """Laguerre's polynomial, of degree n."""
    return _evaluated(xp, input, n, lambda x, n: xp.special.eval_laguerre(n, x))


@op(_polynomial("legendre_polynomial_p"), promote=True, to_float=True, number_first=True, api="out", host=True,
    cases=POLYNOMIAL,
    alias="special.legendre_polynomial_p")
def _special_legendre_polynomial_p(xp, input: T, n: T):
    """Legendre's polynomial, of degree n."""
    return _evaluated(xp, input, n, lambda x, n: xp.special.eval_legendre(n, x))
