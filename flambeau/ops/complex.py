"""Complex numbers: their parts, conjugates, angles, and tensors of pairs."""
from __future__ import annotations

from typing import Any

from ..graph import Spec
from ._checks import TITLES
from ._op import S, T, composite, op, registry
from ._rules import broadcast, same
from .elementwise import abs as _abs
from .elementwise import conj as conjugate
from .elementwise import exp

C = S(2, 3, dtype="complex64")


def _part(input: Spec) -> Spec:
    return input.like(dtype=input.dtype.to_real())


def _put_real(input: Any, value: Any) -> Any:
    return complex(value, imag(input)) if input.spec.is_complex else value


@op(_part, api="torch", view=True, upcast=False, grad=lambda g: g, put=_put_real, cases=[(C,), (S(3),)])
def real(xp, input: T):
    """The real part; a real tensor as it is."""
    return xp.real(input)


def _imaginary(input: Spec) -> Spec:
    if not input.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _part(input)


@op(_imaginary, api="torch", view=True, upcast=False, grad=lambda g: g * 1j,
    put=lambda input, value: complex(real(input), value), cases=[(C,)],
    wrong=[((S(2),), RuntimeError, "imag is not implemented for tensors with non-complex dtypes.")])
def imag(xp, input: T):
    """The imaginary part of a complex tensor."""
    return xp.imag(input)


@op(same, promote=True, api="torch method", upcast=False, view=True, put=lambda input, value: conjugate(value),
    grad=lambda g: conjugate(g), cases=[(C,), (S(3),)])
def conj(xp, input: T):
    """The complex conjugate; a real tensor as it is."""
    return input.conjugate()


@op(same, api="torch method inplace out", upcast=False, grad=lambda g: conjugate(g), cases=[(C,), (S(3),)])
def conj_physical(xp, input: T):
    """The complex conjugate, in memory of its own."""
    return input.conjugate()


@composite("torch method")
def resolve_conj(input):
    """`input` itself: conjugates are computed, never only noted."""
    return input


@composite("torch method")
def resolve_neg(input):
    """`input` itself: negatives are computed, never only noted."""
    return input


@composite("torch method")
def is_conj(input):
    """False: conjugates are computed, never only noted."""
    return False


@composite("torch method")
def is_neg(input):
    """False: negatives are computed, never only noted."""
    return False


@composite("torch")
def is_complex(input):
    """Whether the elements are complex numbers."""
    return input.dtype.is_complex


@composite("torch")
def is_floating_point(input):
    """Whether the elements are floating-point numbers."""
    return input.dtype.is_floating_point


@composite("torch")
def is_signed(input):
    """Whether the elements can be negative."""
    return input.dtype.is_signed


@composite("torch method")
def is_nonzero(input):
    """Whether the one element is not zero."""
    if input.numel() != 1:
        many = "no values" if input.numel() == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {many} is ambiguous")
    return bool(input.item())


def _angle_grad(g, input):
    if not input.spec.is_complex:
        return g * 0
    size = _abs(input)
    return registry["_where"](registry["eq"](size, 0), 0, g * 1j * input / (size * size))


@op(lambda input: _part(input), promote=True, to_float=True, api="torch method out", grad=_angle_grad,
    cases=[(C,), (S(3),)])
def angle(xp, input: T):
    """The angle of each complex number, in radians; of a real one 0 or pi."""
    if input.dtype.kind == "c":
        return xp.arctan2(xp.imag(input), xp.real(input))
    return xp.where(xp.isnan(input), input, xp.where(input < 0, input.dtype.type(xp.pi), input.dtype.type(0)))


def _check_parts(first: Spec, second: Spec) -> Spec:
    for s in (first, second):
        if s.dtype.name not in ("float16", "float32", "float64"):
            raise RuntimeError("Expected both inputs to be Half, Float or Double tensors but got "
                               f"{TITLES[first.dtype.name]} and {TITLES[second.dtype.name]}")
    if first.dtype is not second.dtype:
        raise RuntimeError(f"Expected object of scalar type {TITLES[first.dtype.name]} but got scalar type "
                           f"{TITLES[second.dtype.name]} for second argument")
    return broadcast(first, second).like(dtype=first.dtype.to_complex())


def _joined(xp: Any, real: Any, imag: Any) -> Any:
    """A complex array of its parts; by assignment, as `real + 1j * imag` makes NaN of infinities."""
    shape = xp.broadcast_shapes(real.shape, imag.shape)
    if not xp.host:
        return xp.lax.complex(xp.broadcast_to(real, shape), xp.broadcast_to(imag, shape))
    out = xp.empty(shape, xp.result_type(real.dtype, xp.complex64))
    out.real, out.imag = real, imag
    return out


@op(lambda real, imag: _check_parts(real, imag), api="torch out",
    grad=dict(real=lambda g: real(g), imag=lambda g: imag(g)),
    cases=[(S(2, 3), S(2, 3)), (S(2, 1), S(3))], wrong=[((S(2), S(2, dtype="float64")), RuntimeError,
    "Expected object of scalar type Float")])
def complex(xp, real: T, imag: T):
    """`real + 1j * imag`."""
    return _joined(xp, real, imag)


@op(lambda abs, angle: _check_parts(abs, angle), api="torch out", grad=dict(
    abs=lambda g, angle: real(conjugate(g) * exp(angle * 1j)), angle=lambda g, out: real(conjugate(g) * (out * 1j))),
    cases=[(S(2, 3), S(2, 3))])
def polar(xp, abs: T, angle: T):
    """`abs * exp(1j * angle)`."""
    return _joined(xp, abs * xp.cos(angle), abs * xp.sin(angle))


def _as_pairs(input: Spec) -> Spec:
    if not input.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return input.like((*input.shape, 2), input.dtype.to_real())


@op(_as_pairs, api="torch", view=True, upcast=False, grad=lambda g: view_as_complex(g),
    put=lambda input, value: view_as_complex(value),
    cases=[(C,)], wrong=[((S(2),), RuntimeError, "view_as_real is only supported for complex tensors")])
def view_as_real(xp, input: T):
    """Complex numbers as pairs: (*) -> (*, 2)."""
    return xp.stack([xp.real(input), xp.imag(input)], axis=-1)


def _as_complex(input: Spec) -> Spec:
    if input.dtype.name not in ("float16", "float32", "float64"):
        raise RuntimeError("view_as_complex is only supported for half, float and double tensors, but got a tensor of "
                           f"scalar type: {TITLES[input.dtype.name]}")
    if input.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    return input.like(input.shape[:-1], input.dtype.to_complex())


@op(_as_complex, api="torch", view=True, upcast=False, grad=lambda g: view_as_real(g),
    put=lambda input, value: view_as_real(value),
    cases=[(S(2, 3, 2),)], wrong=[((S(3),), RuntimeError, "Tensor must have a last dimension of size 2"),
                                  ((S(),), RuntimeError, "Input tensor must have one or more dimensions")])
def view_as_complex(xp, input: T):
    """Pairs as complex numbers: (*, 2) -> (*)."""
    return _joined(xp, input[..., 0], input[..., 1])
