"""Arithmetic, powers and rounding: one number out for each number in. Exponentials have a file of their own."""

from __future__ import annotations

import functools
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import flat, refusing
from ._op import S, T, composite, op, registry
from ._rules import broadcast, same

ARITHMETIC = "torch method inplace out"
_NO_MINUS = (
    "a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` "
    "operator instead."
)


def conj(x):
    """The complex conjugate of a node; a real one as it is."""
    if isinstance(x, (int, float, complex)):
        return x.conjugate()
    return x.conj() if x.spec.is_complex else x


def _check_alpha(result: Spec, alpha: Any) -> None:
    if isinstance(alpha, bool) and result.dtype is not dtypes.bool_:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, float) and result.dtype.category < dtypes.FLOATING:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if isinstance(alpha, complex) and not result.is_complex:
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")


def _multiple(xp: Any, alpha: Any, value: Any, beside: Any) -> Any:
    """`alpha * value`, around the end of the range for integers."""
    if _number_kind(value, beside) not in "iu":
        return alpha * value
    dtype = (value if hasattr(value, "dtype") else beside).dtype
    return xp.asarray(alpha).astype(dtype) * xp.asarray(value).astype(dtype)


def _added(input: Spec, other: Spec, alpha: Any) -> Spec:
    _check_alpha(input, alpha)
    return broadcast(input, other)


@op(
    _added,
    promote="input other",
    number_first=True,
    api=ARITHMETIC,
    inline="{input} + {other}",
    ufunc="add",
    grad=dict(input=lambda g: g, other=lambda g, alpha: g if alpha == 1 else g * conj(alpha)),
)
def add(xp, input: T, other: T, *, alpha=1):
    """`input + alpha * other`, broadcast to a common shape."""
    return input + (other if type(alpha) is int and alpha == 1 else _multiple(xp, alpha, other, input))


def _subtracted(input: Spec, other: Spec, alpha: Any, given: tuple) -> Spec:
    if given[0].dtype is dtypes.bool_ and given[1].dtype is dtypes.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    if given[0].dtype is dtypes.bool_ or given[1].dtype is dtypes.bool_:
        raise RuntimeError("Subtraction, the `-` operator, with " + _NO_MINUS)
    return _added(input, other, alpha)


@op(
    _subtracted,
    promote="input other",
    number_first=True,
    api=ARITHMETIC,
    alias="subtract",
    inline="{input} - {other}",
    ufunc="subtract",
    grad=dict(input=lambda g: g, other=lambda g, alpha: -g if alpha == 1 else g * conj(-alpha)),
)
def sub(xp, input: T, other: T, *, alpha=1):
    """`input - alpha * other`, broadcast to a common shape."""
    return input - (other if type(alpha) is int and alpha == 1 else _multiple(xp, alpha, other, input))


@op(
    _subtracted,
    promote="input other",
    api="torch",
    shown="Rsub1",
    grad=dict(other=lambda g: g, input=lambda g, alpha: g * conj(-alpha)),
)
def rsub(xp, input: T, other: T, *, alpha=1):
    """`other - alpha * input`, broadcast to a common shape."""
    return other - (input if type(alpha) is int and alpha == 1 else _multiple(xp, alpha, input, other))


@op(
    broadcast,
    promote=True,
    number_first=True,
    api=ARITHMETIC,
    alias="multiply",
    inline="{input} * {other}",
    ufunc="multiply",
    grad=dict(input=lambda g, other: g * conj(other), other=lambda g, input: g * conj(input)),
)
def mul(xp, input: T, other: T):
    """`input * other`, broadcast to a common shape."""
    return input * other


@op(
    refusing("b", "Negation, the `-` operator, on " + _NO_MINUS, same, RuntimeError),
    promote=True,
    api=ARITHMETIC,
    ufunc="negative",
    alias="negative",
    grad=lambda g: -g,
)
def neg(xp, input: T):
    """`-input`."""
    return -input


@composite("torch method")
def positive(input):
    """`input` itself; not for bool."""
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# ---- division


def _check_divisor(xp: Any, result_kind: str, other: Any) -> None:
    """Integers have no infinity to stand for a quotient by zero."""
    if result_kind in "iu":
        xp.refuse(not xp.all(other) if xp.host else other == 0, lambda: RuntimeError("ZeroDivisionError"))


def _number_kind(*values: Any) -> str:
    """The kind of NumPy's dtype that an operation on arrays and Python numbers has: of the first array.

    (A number that a compiler traces has a dtype too, a weak one.)
    """
    return next((v.dtype.kind for v in values if hasattr(v, "dtype") and not getattr(v, "weak_type", False)), "f")


def _floored(xp: Any, input: Any, other: Any) -> Any:
    _check_divisor(xp, _number_kind(input, other), other)
    return xp.floor_divide(input, other)


def _truncated(xp: Any, input: Any, other: Any) -> Any:
    kind = _number_kind(input, other)
    if kind not in "iu":
        return xp.trunc(input / other)
    _check_divisor(xp, kind, other)
    down = xp.floor_divide(input, other)
    return down if kind == "u" else down + ((down < 0) & (down * other != input))


def _divided(input: Spec, other: Spec, rounding_mode: Any) -> Spec:
    if rounding_mode is not None:
        if rounding_mode not in ("trunc", "floor"):
            raise RuntimeError(
                f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
            )
        if input.dtype.category in (dtypes.BOOL, dtypes.COMPLEX):
            return refusing("bc", f"div_{rounding_mode}_cpu", broadcast)(input, other)
    return broadcast(input, other)


@op(
    _divided,
    promote=True,
    to_float=lambda rounding_mode: rounding_mode is None,
    number_first=True,
    api=ARITHMETIC,
    alias="divide true_divide",
    inline="{input} / {other}",
    ufunc="divide",
    grad=dict(
        input=lambda g, other, rounding_mode: g / conj(other) if rounding_mode is None else g * 0,
        other=lambda g, out, other, rounding_mode: -g * conj(out / other) if rounding_mode is None else g * 0,
    ),
)
def div(xp, input: T, other: T, *, rounding_mode=None):
    """`input / other`; `rounding_mode` "trunc" rounds toward zero, "floor" down, both keeping integers integers."""
    if rounding_mode is None:
        return input / other
    return _floored(xp, input, other) if rounding_mode == "floor" else _truncated(xp, input, other)


@op(
    refusing("bc", "div_floor_cpu", broadcast),
    promote=True,
    number_first=True,
    checks=True,
    api=ARITHMETIC,
    grad=dict(input=flat, other=lambda g, other_spec: g * 0),
)
def floor_divide(xp, input: T, other: T):
    """The quotient rounded down."""
    return _floored(xp, input, other)


@op(
    refusing("bc", "remainder_cpu", broadcast),
    promote=True,
    number_first=True,
    checks=True,
    api=ARITHMETIC,
    grad=dict(input=lambda g: g, other=lambda g, input, other: -g * div(input, other, rounding_mode="floor")),
)
def remainder(xp, input: T, other: T):
    """What division rounded down leaves: has the sign of `other`."""
    _check_divisor(xp, _number_kind(input, other), other)
    return xp.remainder(input, other)


@op(
    refusing("bc", "fmod_cpu", broadcast),
    promote=True,
    checks=True,
    api=ARITHMETIC,
    grad=dict(input=lambda g: g, other=lambda g, input, other: -g * div(input, other, rounding_mode="trunc")),
)
def fmod(xp, input: T, other: T):
    """What division rounded toward zero leaves: has the sign of `input`."""
    _check_divisor(xp, _number_kind(input, other), other)
    return xp.fmod(input, other)


@op(same, promote=True, to_float=True, api=ARITHMETIC, grad=lambda g, out: -g * conj(out * out))
def reciprocal(xp, input: T):
    """`1 / input`."""
    return 1 / input


# ---- sign and size


@op(
    refusing("b", "abs_cpu", lambda input: input.like(dtype=input.dtype.to_real())),
    api=ARITHMETIC,
    alias="absolute",
    grad=lambda g, input: g * (input.sgn() if input.spec.is_complex else input.sign()),
)
def abs(xp, input: T):
    """The absolute value; of complex numbers the modulus."""
    return xp.abs(input)


_NO_SIGN = "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."


@op(refusing("c", _NO_SIGN, same), api=ARITHMETIC, grad=flat)
def sign(xp, input: T):
    """-1, 0 or 1; 0 for NaN."""
    if input.dtype.kind in "biu":
        return input if input.dtype.kind == "b" else xp.sign(input)
    found = xp.sign(input)
    missing = found != found
    if xp.host and not missing.any():
        return found
    return xp.where(missing, xp.zeros_like(found), found)


def _sgn_grad(g, input, out):
    if not input.spec.is_complex:
        return g * 0
    # what is left of g once its part along the direction `out` is taken away, over the modulus
    along = registry["real"](g * conj(out))
    spread = (g - along * out) / abs(input)
    return registry["where"](registry["eq"](abs(input), 0), g * 0, spread)


@op(same, api=ARITHMETIC, grad=_sgn_grad)
def sgn(xp, input: T):
    """-1, 0 or 1; of complex numbers the direction, `input / abs(input)`."""
    if input.dtype.kind != "c":
        return sign.body(xp, input)
    size = xp.abs(input)
    return xp.where(size == 0, xp.zeros_like(input), input / xp.where(size == 0, xp.ones_like(size), size))


@op(
    refusing("c", "signbit is not implemented for complex tensors.", lambda input: input.like(dtype=dtypes.bool_)),
    api="torch method out",
)
def signbit(xp, input: T):
    """Whether the sign is minus, that of -0.0 included."""
    return xp.signbit(input) if input.dtype.kind not in "biu" else input < input.dtype.type(0)


# ---- powers and roots


def _powered(input: Spec, exponent: Spec) -> Spec:
    if input.dtype is dtypes.bool_ and not exponent.weak:
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")
    return broadcast(input, exponent)


def _exponent_grad(g, input, exponent, out):
    rise = out * log.record(input)
    if not rise.spec.is_complex:  # 0 ** exponent stays 0 as the exponent grows
        at_zero = registry["logical_and"].record(registry["eq"].record(input, 0), registry["ge"].record(exponent, 0))
        rise = registry["_where"].record(at_zero, 0, rise)
    return g * conj(rise)


@op(
    _powered,
    promote=True,
    number_first=True,
    api=ARITHMETIC,
    inline=lambda kind: "{input} ** {exponent}" if kind.spec.weak else None,
    grad=dict(input=lambda g, input, exponent: _pow_backward.record(g, input, exponent), exponent=_exponent_grad),
    cases=[(S(2, 3), 2), (S(2, 3), S(3)), (2.5, S(4)), (S(2, 3), -1.5), (S(3, dtype="int64"), 3)],
    wrong=[
        ((S(2, dtype="int64"), -1), RuntimeError, "Integers to negative integer powers are not allowed."),
        ((S(2, dtype="bool"), S(2, dtype="bool")), NotImplementedError, "not implemented for 'Bool'"),
    ],
)
def pow(xp, input: T, exponent: T):
    """`input ** exponent`, broadcast to a common shape."""
    if type(exponent) in (int, float) and hasattr(input, "dtype"):
        if exponent == 2:
            return input * input
        if exponent == 1:
            return input
        if exponent == 3:
            return input * input * input
        if input.dtype.kind not in "iub":
            if exponent == 0.5:
                return xp.sqrt(input)
            if exponent == -0.5:
                return 1 / xp.sqrt(input)
            if exponent == -1:
                return 1 / input
            return 1 / (input * input) if exponent == -2 else input**exponent
        if exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
    if _number_kind(exponent, input) in "iu" and hasattr(exponent, "dtype"):
        return _whole_power(xp, input, exponent)
    power = xp.power(input, exponent)
    return power.astype("bool") if type(exponent) is bool and input.dtype.kind == "b" else power


def _whole_power(xp: Any, input: Any, exponent: Any) -> Any:
    """Integers to integer powers, negative ones rounding toward zero."""
    power = (xp.power if xp.host else functools.partial(_multiplied, xp))(input, xp.maximum(exponent, 0))
    odd = exponent % 2 != 0
    inverse = (input == 1) + (input == -1) * xp.where(odd, -1, 1)
    return xp.where(exponent < 0, inverse, power).astype(exponent.dtype)


def _multiplied(xp: Any, input: Any, exponent: Any) -> Any:
    """Integers to powers that are not negative, bit by bit. (JAX looks at six bits of the exponent.)"""
    input, exponent = xp.asarray(input, exponent.dtype), xp.asarray(exponent)
    power = xp.ones_like(input)
    for bit in range(8 * exponent.dtype.itemsize - (exponent.dtype.kind == "i")):
        power = xp.where((exponent >> bit) & 1, power * input, power)
        input = input * input
    return power


def _pow_backward_input(g, grad, input, exponent):
    return _pow_backward.record(conj(g) * grad, input, exponent - 1) * conj(exponent)


def _pow_backward_exponent(g, grad, input, exponent):
    rise = pow.record(input, exponent - 1) * (1 + exponent * log.record(input))
    return conj(g) * grad * conj(rise)


@op(
    lambda grad, input, exponent: broadcast(broadcast(input, exponent), grad),
    promote=True,
    api="",
    grad=dict(
        grad=lambda g, input, exponent: _pow_backward.record(g, conj(input), conj(exponent)),
        input=_pow_backward_input,
        exponent=_pow_backward_exponent,
    ),
    cases=[(S(2, 3), S(2, 3), 2), (S(2, 3), S(2, 3), S(3))],
)
def _pow_backward(xp, grad: T, input: T, exponent: T):
    """The gradient of a power: `grad * conj(exponent * input ** (exponent - 1))`, 0 for an exponent of 0."""
    if type(exponent) in (int, float) and hasattr(input, "dtype") and input.dtype.kind != "c":
        if exponent == 2:
            return (grad + grad) * input
        if exponent == 1:
            return grad + xp.zeros_like(input)
        if exponent == 3:
            return grad * (3 * input * input)
        if exponent == 0.5:
            return grad * (0.5 / xp.sqrt(input))
    if type(exponent) in (int, float) and exponent == 0:
        return xp.zeros_like(grad * input)
    slope = exponent * xp.power(input, exponent - 1)
    return xp.where(exponent == 0, xp.zeros_like(grad), grad * xp.conj(slope))


@composite(ARITHMETIC)
def square(input):
    """`input * input`."""
    return pow(input, 2)


@composite(ARITHMETIC, cases=[(S(2, 3), 2.5), (S(2, 3), S(3)), (2.0, S(3))])
def float_power(input, exponent):
    """`input ** exponent` computed in double precision."""
    wide = any(isinstance(v, complex) or hasattr(v, "dtype") and v.dtype.is_complex for v in (input, exponent))
    kind = dtypes.complex128 if wide else dtypes.float64
    return pow(*[registry["_to_copy"](v, kind) if hasattr(v, "dtype") else v for v in (input, exponent)])


@op(same, promote=True, to_float=True, api=ARITHMETIC, ufunc="sqrt", grad=lambda g, out: g / (2 * conj(out)))
def sqrt(xp, input: T):
    """Square root of each element; NaN below zero."""
    return xp.sqrt(input)


@op(same, promote=True, to_float=True, api=ARITHMETIC, grad=lambda g, out: g * (-0.5 * conj(out * out * out)))
def rsqrt(xp, input: T):
    """1 / sqrt(x); NaN below zero."""
    return 1 / xp.sqrt(input)


# exp and log stand here because powers and every other family are written in them


@op(same, promote=True, to_float=True, api=ARITHMETIC, ufunc="exp", grad=lambda g, out: g * conj(out))
def exp(xp, input: T):
    """e to the power of each element."""
    return xp.exp(input)


@op(same, promote=True, to_float=True, api=ARITHMETIC, ufunc="log", grad=lambda g, input: g / conj(input))
def log(xp, input: T):
    """Natural logarithm of each element; NaN below zero."""
    return xp.log(input)


# ---- rounding


def _rounding(name: str) -> Any:
    return refusing("b", f"{name}_vml_cpu", refusing("c", f"{name} is not supported for complex inputs", same))


@op(_rounding("floor"), api=ARITHMETIC, grad=flat)
def floor(xp, input: T):
    """The largest integer not above each element."""
    return input if input.dtype.kind in "iu" else xp.floor(input)


@op(_rounding("ceil"), api=ARITHMETIC, grad=flat)
def ceil(xp, input: T):
    """The smallest integer not below each element."""
    return input if input.dtype.kind in "iu" else xp.ceil(input)


@op(_rounding("trunc"), api=ARITHMETIC, alias="fix", grad=flat)
def trunc(xp, input: T):
    """Each element without what comes after the point."""
    return input if input.dtype.kind in "iu" else xp.trunc(input)


def _rounded(input: Spec, decimals: int) -> Spec:
    return refusing("bc" if decimals == 0 else "bic", "round_vml_cpu" if decimals == 0 else "round_cpu", same)(input)


@op(_rounded, api=ARITHMETIC, alias="special.round", grad=flat)
def round(xp, input: T, *, decimals=0):
    """Each element to the nearest integer, halves to the even one; or to `decimals` places."""
    if input.dtype.kind in "iu":
        return input
    if decimals == 0:
        return xp.rint(input)
    scale = 10.0 ** (decimals if decimals > 0 else -decimals)
    return xp.rint(input * scale) / scale if decimals > 0 else xp.rint(input / scale) * scale


@op(refusing("bic", "frac_cpu", same), api=ARITHMETIC, grad=lambda g: g)
def frac(xp, input: T):
    """What comes after the point, with the sign of the element."""
    return input - xp.trunc(input)
