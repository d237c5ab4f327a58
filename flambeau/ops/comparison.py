"""Which is larger, what holds, and choices made by it: comparisons, logic, extrema of two tensors, clamp, where."""
from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import TITLES, refusing, tensors_only
from ._op import NUMBERS, S, T, composite, op
from ._rules import broadcast, broadcast_shapes, compared
from .core import filled

COMPARISON = "torch method inplace out"


# ---- comparisons

@op(compared, promote=True, api=COMPARISON)
def eq(xp, input: T, other: T):
    """Whether `input == other`, for each pair of elements."""
    return input == other


@op(compared, promote=True, api=COMPARISON, alias="not_equal")
def ne(xp, input: T, other: T):
    """Whether `input != other`, for each pair of elements."""
    return input != other


@op(refusing("c", "lt_cpu", compared), promote=True, api=COMPARISON, alias="less")
def lt(xp, input: T, other: T):
    """Whether `input < other`, for each pair of elements."""
    return input < other


@op(refusing("c", "le_cpu", compared), promote=True, api=COMPARISON, alias="less_equal")
def le(xp, input: T, other: T):
    """Whether `input <= other`, for each pair of elements."""
    return input <= other


@op(refusing("c", "gt_cpu", compared), promote=True, api=COMPARISON, alias="greater")
def gt(xp, input: T, other: T):
    """Whether `input > other`, for each pair of elements."""
    return input > other


@op(refusing("c", "ge_cpu", compared), promote=True, api=COMPARISON, alias="greater_equal")
def ge(xp, input: T, other: T):
    """Whether `input >= other`, for each pair of elements."""
    return input >= other


# ---- what sort of number

def _judged(input: Spec) -> Spec:
    return input.like(dtype=dtypes.bool_)


@op(_judged, api="torch method")
def isnan(xp, input: T):
    """Whether each element is not a number."""
    return xp.isnan(input)


@op(_judged, api="torch method")
def isinf(xp, input: T):
    """Whether each element is infinite."""
    return xp.isinf(input)


@op(_judged, api="torch method")
def isfinite(xp, input: T):
    """Whether each element is neither infinite nor NaN."""
    return xp.isfinite(input)


@op(refusing("c", "isposinf does not support complex inputs.", _judged, RuntimeError), api="torch method out")
def isposinf(xp, input: T):
    """Whether each element is positive infinity."""
    return input == xp.inf


@op(refusing("c", "isneginf does not support complex inputs.", _judged, RuntimeError), api="torch method out")
def isneginf(xp, input: T):
    """Whether each element is negative infinity."""
    return input == -xp.inf


@op(_judged, api="torch method")
def isreal(xp, input: T):
    """Whether each element has an imaginary part of zero."""
    return xp.imag(input) == 0 if input.dtype.kind == "c" else xp.ones(input.shape, "bool")


# ---- logic

def _logical(name: str) -> Any:
    return tensors_only(name, lambda input, other: compared(input, other))


@op(_judged, api=COMPARISON)
def logical_not(xp, input: T):
    """Whether each element is zero."""
    return xp.logical_not(input)


@op(_logical("logical_and"), promote=True, api=COMPARISON)
def logical_and(xp, input: T, other: T):
    """Whether both are not zero."""
    return xp.logical_and(input, other)


@op(_logical("logical_or"), promote=True, api=COMPARISON)
def logical_or(xp, input: T, other: T):
    """Whether at least one is not zero."""
    return xp.logical_or(input, other)


@op(_logical("logical_xor"), promote=True, api=COMPARISON)
def logical_xor(xp, input: T, other: T):
    """Whether exactly one is not zero."""
    return xp.logical_xor(input, other)


# ---- the larger, the smaller

@op(lambda input, other: broadcast(input, other), promote=True, api="", detaches=True)
def _share(xp, input: T, other: T):
    """The part of a maximum's gradient that goes to `input`: all where it is larger, half where both are equal."""
    dtype = (input if hasattr(input, "dtype") else other).dtype
    return xp.where(input < other, 0, xp.where(input == other, 0.5, 1)).astype(dtype)


def _extremum(name: str) -> Any:
    return tensors_only(name, refusing("c", f"{name} not implemented for complex tensors.", broadcast, RuntimeError))


@op(_extremum("maximum"), promote=True, api="torch method out", grad=dict(
    input=lambda g, input, other: g * _share(input, other), other=lambda g, input, other: g * _share(other, input)))
def maximum(xp, input: T, other: T):
    """The larger of two elements; NaN if one is."""
    return xp.maximum(input, other)


@op(_extremum("minimum"), promote=True, api="torch method out", grad=dict(
    input=lambda g, input, other: g * _share(-input, -other), other=lambda g, input, other: g * _share(-other, -input)))
def minimum(xp, input: T, other: T):
    """The smaller of two elements; NaN if one is."""
    return xp.minimum(input, other)


@op(_extremum("fmax"), promote=True, api="torch method out", grad=dict(
    input=lambda g, input, other: _where(logical_or(ge(input, other), isnan(other)), g, 0),
    other=lambda g, input, other: _where(logical_or(ge(input, other), isnan(other)), 0, g)))
def fmax(xp, input: T, other: T):
    """The larger of two elements; the other one if one is NaN."""
    return xp.fmax(input, other)


@op(_extremum("fmin"), promote=True, api="torch method out", grad=dict(
    input=lambda g, input, other: _where(logical_or(le(input, other), isnan(other)), g, 0),
    other=lambda g, input, other: _where(logical_or(le(input, other), isnan(other)), 0, g)))
def fmin(xp, input: T, other: T):
    """The smaller of two elements; the other one if one is NaN."""
    return xp.fmin(input, other)


def _clamped(input: Spec, min: Spec | None, max: Spec | None) -> Spec:
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if input.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    return input.like(broadcast_shapes(*[s.shape for s in (input, min, max) if s is not None]))


def _below(input, min, max):
    return lt(input, min) if max is None else logical_and(lt(input, min), lt(min, max))


def _above(input, min, max):
    return gt(input, max) if min is None else logical_or(gt(input, max), lt(max, min))


@op(_clamped, promote=True, api="torch method inplace out", alias="clip", grad=dict(
    input=lambda g, input, min, max: _clamp_backward.record(g, input, min, max),
    min=lambda g, input, min, max: _where(_below(input, min, max), g, 0),
    max=lambda g, input, min, max: _where(_above(input, min, max), g, 0)),
    cases=[(S(2, 3), 0.4, 0.6), (S(2, 3), 0.5), (S(2, 3), None, 0.6), (S(2, 3), S(3), S(2, 1))],
    wrong=[((S(2),), RuntimeError, "At least one of 'min' or 'max' must not be None")])
def clamp(xp, input: T, min: T = None, max: T = None):
    """Each element, but not below `min` and not above `max`."""
    if min is not None:
        input = xp.maximum(input, min)
    return input if max is None else xp.minimum(input, max)


@clamp.lower("numpy")
def _clamp(xp, input, min=None, max=None):
    if min is None or max is None:
        return xp.minimum(input, max) if min is None else xp.maximum(input, min)
    above = xp.maximum(input, min)
    if not isinstance(max, (int, float)) or getattr(above, "ndim", 0) == 0:
        return xp.minimum(above, max)
    return xp.minimum(above, max, out=above)            # the intermediate result is nobody else's


@op(lambda grad, input, min, max: _clamped(grad, input, max if min is None else min), promote="input min max", api="",
    grad=dict(grad=lambda g, input, min, max: _clamp_backward.record(g, input, min, max)),
    cases=[(S(2, 3), S(2, 3), 0.4, 0.6)])
def _clamp_backward(xp, grad: T, input: T, min: T = None, max: T = None):
    """`grad` where `input` lies from `min` to `max`, else 0."""
    inside = input <= max if min is None else input >= min if max is None else (input >= min) & (input <= max)
    return xp.where(inside, grad, xp.zeros_like(grad))


def _bounded(kernel: str) -> Any:
    def rule(input: Spec, bound: Spec) -> Spec:
        if bound.weak:
            return refusing("c", "clamp is not supported for complex types", broadcast)(input, bound)
        return refusing("c", kernel, broadcast)(input, bound)
    return rule


@op(lambda input, min: _bounded("maximum_cpu")(input, min), promote=True, api=COMPARISON, grad=dict(
    input=lambda g, input, min: _clamp_backward.record(g, input, min, None),
    min=lambda g, input, min: _where(lt(input, min), g, 0)),
    cases=[(S(2, 3), 0.5), (S(2, 3), S(3))])
def clamp_min(xp, input: T, min: T):
    """Each element, but not below `min`."""
    return xp.maximum(input, min)


@op(lambda input, max: _bounded("minimum_cpu")(input, max), promote=True, api=COMPARISON, grad=dict(
    input=lambda g, input, max: _clamp_backward.record(g, input, None, max),
    max=lambda g, input, max: _where(gt(input, max), g, 0)),
    cases=[(S(2, 3), 0.5), (S(2, 3), S(3))])
def clamp_max(xp, input: T, max: T):
    """Each element, but not above `max`."""
    return xp.minimum(input, max)


# ---- choice

def _chosen(condition: Spec, on_true: Spec, on_false: Spec) -> Spec:
    if condition.dtype not in (dtypes.bool_, dtypes.uint8):
        raise RuntimeError("where expected condition to be a boolean tensor, but got a tensor with dtype "
                           f"{TITLES[condition.dtype.name]}")
    return on_true.like(broadcast_shapes(condition.shape, on_true.shape, on_false.shape))


@op(_chosen, promote="on_true on_false", api="", shown="Where", upcast=False, grad=dict(
    on_true=lambda g, condition: _where(condition, g, 0), on_false=lambda g, condition: _where(condition, 0, g)),
    cases=[(S(2, 3, dtype="bool"), S(2, 3), S(3)), (S(2, 3, dtype="bool"), S(2, 3), 1.5)])
def _where(xp, condition: T, on_true: T, on_false: T):
    """`on_true` where `condition` holds, else `on_false`."""
    numbers = (bool, int, float, complex)
    if type(on_true) in numbers and type(on_false) in numbers:
        level = max(dtypes.of_scalar(type(on_true)).category, dtypes.of_scalar(type(on_false)).category)
        return xp.where(condition, on_true, on_false).astype(dtypes.of_category(level).numpy)
    return xp.where(condition, on_true, on_false)


def _is_number(value: Any) -> bool:
    return type(value) in NUMBERS               # a float64 of NumPy is a float too, but has a dtype of its own


def _choose(condition: Any, on_true: Any, on_false: Any) -> Any:
    numbers = (bool, int, float, complex)
    if type(on_true) in numbers and type(on_false) in numbers:
        kind = dtypes.of_category(max(dtypes.of_scalar(type(v)).category for v in (on_true, on_false)))
        on_true = filled(condition, (), on_true, kind)
    return _where(condition, on_true, on_false)


@composite("torch out", cases=[(S(2, 3, dtype="bool"), S(2, 3), S(3)), (S(2, 3, dtype="bool"), 1.0, S(3)),
    (S(3, dtype="bool"), 1, 2)])
def where(condition, input=None, other=None):
    """`input` where `condition` holds, else `other`; with `condition` alone, the indices where it holds."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    return _choose(condition, input, other)


@composite("method", alias="where")
def _where_of(self, condition, other):
    """`self` where `condition` holds, else `other`."""
    return _choose(condition, self, other)
