"""Activations made of straight pieces: hardtanh and relu6, hardsigmoid, hardswish, shrinking, threshold, prelu."""

from __future__ import annotations

from .. import dtypes
from ..graph import Spec
from ._op import S, T, composite, op
from ._rules import broadcast, floating, title
from .activation import kept, no_bool, overwrite, relu_backward
from .core import filled

WIDE = S(2, 3, low=-4, high=4)


def _no_gradient(g, other_spec: Spec):
    """The slope's own slope, which is 0 wherever it exists."""
    return filled(g, other_spec.shape, 0)


# ---- hardtanh, relu6


@op(
    no_bool("Bool inputs not supported for hardtanh"),
    api="",
    shown="Hardtanh",
    cases=[(WIDE, -1.0, 2.0)],
    grad=lambda g, input, min_val, max_val: _inside(g, input, min_val, max_val),
)
def _hardtanh(xp, input: T, min_val=-1.0, max_val=1.0):
    """The nearest number to x in min_val to max_val."""
    out = xp.minimum(xp.maximum(input, min_val), max_val)
    return out if input.dtype.kind in "fV" else out.astype(input.dtype)


@op(
    broadcast,
    api="",
    cases=[(S(2, 3), WIDE, -1.0, 2.0)],
    grad=dict(input=lambda g, other, low, high: _inside(g, other, low, high), other=_no_gradient),
)
def _inside(xp, input: T, other: T, low=-1.0, high=1.0):
    """`input` where `other` lies between `low` and `high`, else 0."""
    return kept(xp, input, (other > low) & (other < high))


def _check_range(input, min_val, max_val):
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype.category == dtypes.INTEGER and not input.dtype.is_signed and (min_val < 0 or max_val < 0):
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")


@composite(
    "nn.functional",
    cases=[(WIDE,), (WIDE, -0.5, 2.0)],
    wrong=[((WIDE, 2.0, 1.0), ValueError, "min_val cannot be greater")],
)
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """The nearest number to x in min_val to max_val."""
    _check_range(input, min_val, max_val)
    return overwrite(input, _hardtanh, min_val, max_val) if inplace else _hardtanh(input, min_val, max_val)


@composite("nn.functional")
def hardtanh_(input, min_val=-1.0, max_val=1.0):
    """As hardtanh, written to `input`."""
    return hardtanh(input, min_val, max_val, True)


@composite("nn.functional", cases=[(WIDE,)])
def relu6(input, inplace=False):
    """min(max(x, 0), 6)."""
    return overwrite(input, _hardtanh, 0.0, 6.0) if inplace else _hardtanh(input, 0.0, 6.0)


# ---- hardsigmoid, hardswish


@op(floating("hardsigmoid_cpu"), api="", shown="Hardsigmoid", grad=lambda g, input: _inside(g / 6, input, -3.0, 3.0))
def _hardsigmoid(xp, input: T):
    """min(max(x + 3, 0), 6) / 6."""
    return xp.minimum(xp.maximum(input + 3, 0), 6) / 6


@composite("nn.functional", cases=[(WIDE,)])
def hardsigmoid(input, inplace=False):
    """min(max(x + 3, 0), 6) / 6."""
    return overwrite(input, _hardsigmoid) if inplace else _hardsigmoid(input)


@op(floating("hardswish_cpu"), api="", shown="Hardswish", grad=lambda g, input: _hardswish_backward(g, input))
def _hardswish(xp, input: T):
    """x * min(max(x + 3, 0), 6) / 6."""
    return input * xp.minimum(xp.maximum(input + 3, 0), 6) / 6


@op(
    broadcast,
    api="",
    cases=[(S(2, 3), WIDE)],
    grad=dict(
        input=lambda g, other: _hardswish_backward(g, other),
        other=lambda g, input, other: _inside(g * input / 3, other, -3.0, 3.0),
    ),
)
def _hardswish_backward(xp, input: T, other: T):
    """`input` times the slope of hardswish at `other`."""
    return kept(xp, input * (other / 3 + 0.5), xp.abs(other) < 3) + kept(xp, input, other >= 3)


@composite("nn.functional", cases=[(WIDE,)])
def hardswish(input, inplace=False):
    """x * min(max(x + 3, 0), 6) / 6. Howard et al., arXiv 1905.02244."""
    return overwrite(input, _hardswish) if inplace else _hardswish(input)


# ---- shrinking


@op(
    floating("hardshrink_cpu"),
    api="torch method nn.functional",
    cases=[(WIDE,), (WIDE, 1.5)],
    grad=lambda g, input, lambd: _outside(g, input, lambd),
)
def hardshrink(xp, input: T, lambd=0.5):
    """x where |x| is above `lambd`, else 0."""
    return xp.where(xp.abs(input) <= lambd, xp.zeros_like(input), input)


@op(
    broadcast,
    api="",
    cases=[(S(2, 3), WIDE, 1.5)],
    grad=dict(input=lambda g, other, lambd: _outside(g, other, lambd), other=_no_gradient),
)
def _outside(xp, input: T, other: T, lambd=0.5):
    """`input` where |other| is above `lambd`, else 0."""
    return kept(xp, input, xp.abs(other) > lambd)


@op(
    floating("softshrink_check"),
    api="",
    shown="Softshrink",
    cases=[(WIDE, 1.5)],
    grad=lambda g, input, lambd: _outside(g, input, lambd),
)
def _softshrink(xp, input: T, lambd=0.5):
    """x brought `lambd` nearer to 0, or 0."""
    return input - xp.minimum(xp.maximum(input, -lambd), lambd)


@composite("nn.functional", cases=[(WIDE,), (WIDE, 1.5)])
def softshrink(input, lambd=0.5):
    """x brought `lambd` nearer to 0; 0 where |x| is less."""
    if lambd < 0:
        raise RuntimeError(
            f"lambda must be in range [0, 3.40282e+38] for input dtype {title(input.dtype)}, but found {lambd:g}"
        )
    return _softshrink(input, lambd)


@composite("nn.functional", cases=[(WIDE,)])
def tanhshrink(input):
    """x - tanh(x)."""
    return input - input.tanh()


# ---- threshold


def _threshold_spec(input: Spec) -> Spec:
    if input.dtype is dtypes.bool_ or input.is_complex:
        raise NotImplementedError(f"\"threshold_cpu\" not implemented for '{title(input.dtype)}'")
    return input.like()


@op(
    _threshold_spec,
    api="",
    shown="Threshold",
    cases=[(WIDE, 1.5, 2.0)],
    grad=lambda g, input, threshold: _above(g, input, threshold),
)
def _threshold(xp, input: T, threshold=0.0, value=0.0):
    """x where it is above `threshold`, else `value`."""
    return xp.where(input <= threshold, xp.asarray(value).astype(input.dtype), input)


@op(
    broadcast,
    api="",
    cases=[(S(2, 3), WIDE, 1.5)],
    grad=dict(input=lambda g, other, threshold: _above(g, other, threshold), other=_no_gradient),
)
def _above(xp, input: T, other: T, threshold=0.0):
    """`input` where `other` is above `threshold`, else 0."""
    return kept(xp, input, other > threshold)


@composite("torch nn.functional", cases=[(WIDE, 1.5, 2.0)])
def threshold(input, threshold, value, inplace=False):
    """x where it is above `threshold`, else `value`."""
    return overwrite(input, _threshold, threshold, value) if inplace else _threshold(input, threshold, value)


@composite("torch nn.functional")
def threshold_(input, threshold, value):
    """As threshold, written to `input`."""
    return overwrite(input, _threshold, threshold, value)


# ---- slopes that are learnt


def _prelu_to_input(g, input, weight):
    above = relu_backward(g, input)
    return above + (g - above) * weight


@op(
    lambda input, weight: broadcast(input, weight),
    api="",
    shown="PreluKernel",
    cases=[(WIDE, S(3))],
    grad=dict(input=_prelu_to_input, weight=lambda g, input: (g - relu_backward(g, input)) * input),
)
def _prelu(xp, input: T, weight: T):
    """x above zero, `weight * x` below."""
    return xp.maximum(input, 0) + weight * xp.minimum(input, 0)


@composite("torch method nn.functional", cases=[(WIDE, S(3)), (WIDE, S(1))])
def prelu(input, weight):
    """x above zero, `weight * x` below; one weight, or one a channel (dimension 1). He et al., arXiv 1502.01852."""
    if weight.dtype is not input.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {title(input.dtype)} and {title(weight.dtype)}")
    floating("prelu_cpu")(getattr(input, "_node", input).spec)
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    count = weight.shape[0] if weight.ndim else 1
    if count != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != count:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} and "
                f"channel size = {channels}."
            )
        if input.ndim > 2:
            weight = weight.reshape((count,) + (1,) * (input.ndim - 2))
    elif weight.ndim and input.ndim == 0:
        weight = weight.reshape(())
    return _prelu(input, weight)
