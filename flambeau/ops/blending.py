"""Elementwise functions of several tensors or with odd rules: blends, nearness, parts of floating-point numbers."""
from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import TITLES, need_tensors
from ._op import S, T, composite, op
from ._rules import broadcast, broadcast_shapes
from .comparison import _where, eq, isfinite
from .elementwise import conj, pow

UNARY = "torch method inplace out"
SPOKEN = {"float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
          "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char", "uint8": "unsigned char",
          "bool": "bool", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>"}


def _blended(input: Spec, end: Spec, weight: Spec, given: tuple) -> Spec:
    for name, s in (("end", end), ("weight", given[2])):
        if s.dtype is not input.dtype and not s.weak and (name == "end" or s.ndim):
            raise RuntimeError(f"expected dtype {SPOKEN[input.dtype.name]} for `{name}` but got dtype "
                               f"{SPOKEN[s.dtype.name]}")
    if input.dtype.category < dtypes.FLOATING:
        kernel = "lerp_kernel_scalar" if weight.ndim == 0 else "lerp_kernel_tensor"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{TITLES[input.dtype.name]}'")
    if weight.is_complex and not input.is_complex:
        raise RuntimeError("value cannot be converted to type float without overflow")
    return input.like(broadcast_shapes(input.shape, end.shape, weight.shape))


@op(_blended, promote="weight", api=UNARY, grad=dict(
    input=lambda g, weight: g * conj(1 - weight), end=lambda g, weight: g * conj(weight),
    weight=lambda g, input, end: g * conj(end - input)),
    cases=[(S(2, 3), S(2, 3), 0.25), (S(2, 3), S(2, 3), 0.75), (S(2, 3), S(3), S(2, 3))],
    wrong=[((S(2), S(2, dtype="float64"), 0.5), RuntimeError, "expected dtype float for `end` but got dtype double")])
def lerp(xp, input: T, end: T, weight: T):
    """`input + weight * (end - input)`: from `input` at 0 to `end` at 1."""
    reach = end - input
    if type(weight) in (int, float):                    # from the nearer side, so that 1 gives exactly `end`
        return input + weight * reach if -0.5 < weight < 0.5 else end - reach * (1 - weight)
    weight = xp.asarray(weight, dtype=input.dtype)
    return xp.where(xp.abs(weight) < 0.5, input + weight * reach, end - reach * (1 - weight))


def _multiplied(input: Spec, tensor1: Spec, tensor2: Spec) -> Spec:
    if input.dtype is dtypes.bool_:
        raise NotImplementedError("\"addcmul_cpu_out\" not implemented for 'Bool'")
    return _three(input, tensor1, tensor2)


def _three(input: Spec, tensor1: Spec, tensor2: Spec) -> Spec:
    return input.like(broadcast_shapes(input.shape, tensor1.shape, tensor2.shape))


@op(_multiplied, promote="input tensor1 tensor2", api=UNARY, grad=dict(
    input=lambda g: g, tensor1=lambda g, tensor2, value: g * conj(tensor2 * value),
    tensor2=lambda g, tensor1, value: g * conj(tensor1 * value)),
    cases=[(S(2, 3), S(2, 3), S(3)), (S(2, 3), S(2, 3), S(3), {"value": 0.5})])
def addcmul(xp, input: T, tensor1: T, tensor2: T, *, value=1):
    """`input + value * tensor1 * tensor2`."""
    product = tensor1 * tensor2
    return input + (product if type(value) is int and value == 1 else _scaled(product, value))


def _scaled(product: Any, value: Any) -> Any:
    """`value * product`; for integers `value` counts as one."""
    return product * (int(value) if product.dtype.kind in "iu" else value)


_NO_DIVISION = (
    "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true "
    "division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * "
    "torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for "
    "float inputs. The future addcdiv behavior is just the latter implementation: (input + value * tensor1 / tensor2), "
    "for all dtypes.")


def _divided(input: Spec, tensor1: Spec, tensor2: Spec, given: tuple) -> Spec:
    if given[1].dtype.category < dtypes.FLOATING and given[2].dtype.category < dtypes.FLOATING:
        raise RuntimeError(_NO_DIVISION)
    return _three(input, tensor1, tensor2)


@op(_divided, promote="input tensor1 tensor2", api=UNARY, grad=dict(
    input=lambda g: g, tensor1=lambda g, tensor2, value: g * conj(value / tensor2),
    tensor2=lambda g, tensor1, tensor2, value: -g * conj(tensor1 * value / (tensor2 * tensor2))),
    cases=[(S(2, 3), S(2, 3), S(3)), (S(2, 3), S(2, 3), S(3), {"value": 0.5})],
    wrong=[((S(2), S(2, dtype="int64"), S(2, dtype="int64")), RuntimeError,
    "Integer division with addcdiv is no longer supported")])
def addcdiv(xp, input: T, tensor1: T, tensor2: T, *, value=1):
    """`input + value * tensor1 / tensor2`."""
    quotient = tensor1 / tensor2
    return input + (quotient if type(value) is int and value == 1 else value * quotient)


# ---- the odd numbers

@op(lambda input: input.like(), api=UNARY, upcast=False, static="nan posinf neginf",
    grad=lambda g, input: _where(isfinite(input), g, 0),
    cases=[(S(2, 3),), (S(2, 3), 1.0, 2.0, -2.0)])
def nan_to_num(xp, input: T, nan=None, posinf=None, neginf=None):
    """`nan` (0) for NaN, `posinf` (the largest number of the dtype) and `neginf` (the smallest) for infinities."""
    if input.dtype.kind in "biu":
        return input
    if input.dtype.kind == "c":
        parts = [nan_to_num.body(xp, part, nan, posinf, neginf) for part in (xp.real(input), xp.imag(input))]
        return parts[0] + 1j * parts[1]
    largest = 3.3895313892515355e38 if input.dtype.name == "bfloat16" else float(xp.finfo(input.dtype).max)
    chosen = [(xp.isnan(input), nan or 0.0), (input == xp.inf, largest if posinf is None else posinf),
              (input == -xp.inf, -largest if neginf is None else neginf)]
    for where, value in chosen:
        input = xp.where(where, xp.asarray(value).astype(input.dtype), input)
    return input


def _stepped(input: Spec, values: Spec) -> Spec:
    if input.is_complex or values.is_complex:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return broadcast(input, values)


@op(_stepped, api=UNARY, cases=[(S(2, 3, low=-1, high=1), S(3))],
    wrong=[((S(2), S(2, dtype="int64")), RuntimeError,
    "heaviside is not yet implemented for tensors with different dtypes.")])
def heaviside(xp, input: T, values: T):
    """0 below zero, 1 above, `values` at it."""
    return xp.where(input == 0, values, (input > 0).astype(input.dtype))


# ---- mantissa and exponent

@op(lambda input, other: broadcast(input, other.like(dtype=input.dtype)), api="", shown="Ldexp",
    grad=lambda g, other: _scaled_by_power(g, other),
    cases=[(S(2, 3), S(3, dtype="int64", low=-3, high=4))])
def _scaled_by_power(xp, input: T, other: T):
    """`input * 2 ** other`, `other` being whole."""
    return xp.ldexp(input, other.astype("int32"))


@composite(UNARY, cases=[(S(2, 3), S(3, dtype="int64", low=-3, high=4)), (S(2, 3), S(3))])
def ldexp(input, other):
    """`input * 2 ** other`."""
    need_tensors("ldexp", input=input, other=other)
    if input.dtype.is_floating_point and other.dtype is dtypes.bool_:
        raise NotImplementedError('"ldexp_cpu_exp" not implemented for \'Bool\'')
    if input.dtype.is_floating_point and other.dtype.category == dtypes.INTEGER:
        return _scaled_by_power(input, other)
    return input * pow(2.0, other)


def _split(input: Spec) -> tuple[Spec, Spec]:
    if input.dtype.category != dtypes.FLOATING:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    return input.like(), input.like(dtype=dtypes.int32)


@op(_split, names="mantissa exponent", api="torch method out", grad=lambda g, out: _scaled_by_power(g[0], -out[1]))
def frexp(xp, input: T):
    """Mantissa in [0.5, 1) and exponent of each element: `input = mantissa * 2 ** exponent`."""
    return xp.frexp(input)


# ---- nearness

def _near(input: Spec, other: Spec, rtol: float, atol: float) -> Spec:
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{TITLES[input.dtype.name]} did not match {TITLES[other.dtype.name]}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value:g}")
    return broadcast(input, other).like(dtype=dtypes.bool_)


@op(_near, api="torch method", static="rtol atol", cases=[(S(2, 3), S(3)), (S(2, 3), S(2, 3), 0.5, 0.1, True)],
    wrong=[((S(2), S(2, dtype="float64")), RuntimeError, "Float did not match Double"),
           ((S(2), S(2), -1.0), RuntimeError, "rtol must be greater than or equal to zero, but got -1")])
def isclose(xp, input: T, other: T, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether `|input - other| <= atol + rtol * |other|`, or both are equal."""
    if input.dtype.kind in "biu":
        input, other = input.astype("float64"), other.astype("float64")
    apart = xp.abs(input - other)
    near = (input == other) | (xp.isfinite(apart) & (apart <= atol + xp.abs(rtol * other)))
    return near | (xp.isnan(input) & xp.isnan(other)) if equal_nan else near


@composite("torch method", cases=[(S(2, 3), S(3))])
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are close, see `isclose`: a bool of Python."""
    need_tensors("allclose", input=input, other=other)
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


@composite("torch method", cases=[(S(2, 3), S(2, 3)), (S(2, 3), S(3))])
def equal(input, other):
    """Whether both have the same shape and elements: a bool of Python."""
    need_tensors("equal", input=input, other=other)
    return tuple(input.shape) == tuple(other.shape) and bool(eq(input, other).all().item())


@composite("torch method", cases=[(S(2, 3), S(2, 3))])
def is_same_size(input, other):
    """Whether both have the same shape: a bool of Python."""
    need_tensors("is_same_size", input=input, other=other)
    return tuple(input.shape) == tuple(other.shape)
