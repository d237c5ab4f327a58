"""Activations in common use: relu and its kin, sigmoid, silu, gelu, and softmax in its forms."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._op import S, T, composite, op
from ._rules import broadcast, floating, need_floating, same, wrap
from .core import _to_copy, filled
from .elementwise import conj


def no_bool(words: str):
    """A rule: as the operand, which must not be boolean (PyTorch's error is `words`) or complex."""

    def rule(input: Spec) -> Spec:
        if input.dtype is dtypes.bool_:
            raise RuntimeError(words)
        if input.is_complex:
            raise NotImplementedError("clamp is not supported for complex types")
        return input.like()

    return rule


def overwrite(input, operation, *arguments):
    """`operation` of `input`, written to `input`. What its gradient reads of the old values is kept in a copy."""
    return input.copy_(operation(input.clone() if input.requires_grad else input, *arguments))


def kept(xp: Any, x: Any, mask: Any) -> Any:
    """`x` where `mask`, else 0; not `x * mask`, which makes NaN of an infinite `x`."""
    if xp.host and x.ndim and x.dtype.kind == "f":
        bits = x.view("int32" if x.dtype.itemsize == 4 else "int64")  # times 0 or 1: NumPy's where is ten times slower
        return (bits * mask).view(x.dtype)
    return xp.where(mask, x, 0)


# ---- relu and leaky_relu


@op(
    no_bool("Boolean inputs not supported for relu"),
    api="torch method inplace",
    fresh=True,
    grad=lambda g, out: relu_backward(g, out),
    wrong=[((S(2, dtype="bool"),), RuntimeError, "Boolean inputs not supported for relu")],
)
def relu(xp, input: T):
    """max(x, 0)."""
    return xp.maximum(input, 0)


@op(
    broadcast,
    api="",
    fresh=True,
    grad=dict(
        input=lambda g, other: relu_backward(g, other), other=lambda g, other_spec: filled(g, other_spec.shape, 0)
    ),
)
def relu_backward(xp, input: T, other: T):
    """`input` where `other` (a result of relu) is above zero or NaN, else 0."""
    return kept(xp, input, ~(other <= 0))


@relu_backward.lower("numpy.into")
def _relu_backward_into(xp, into, input, other):
    if into is input and into.size < 4096 and other.shape == into.shape:
        xp.putmask(into, other <= 0, 0)
        return into
    return kept(xp, input, ~(other <= 0))


@composite("", alias="nn.functional.relu", cases=[(S(2, 3, low=-1, high=1),)])
def _functional_relu(input, inplace=False):
    """max(x, 0)."""
    return input.relu_() if inplace else relu(input)


@composite("torch nn.functional")
def relu_(input):
    """max(x, 0), written to `input`."""
    return input.relu_()


@op(
    floating("leaky_relu_cpu"),
    api="",
    shown="LeakyRelu",
    cases=[(S(2, 3, low=-1, high=1), 0.1)],
    grad=lambda g, input, negative_slope: _leaky_relu_backward(g, input, negative_slope),
)
def _leaky_relu(xp, input: T, negative_slope=0.01):
    """x above zero, `negative_slope * x` below."""
    return xp.maximum(input, 0) + negative_slope * xp.minimum(input, 0)


@op(
    broadcast,
    api="",
    cases=[(S(2, 3), S(2, 3, low=-1, high=1), 0.1)],
    grad=dict(
        input=lambda g, other, negative_slope: _leaky_relu_backward(g, other, negative_slope),
        other=lambda g, other_spec: filled(g, other_spec.shape, 0),
    ),
)
def _leaky_relu_backward(xp, input: T, other: T, negative_slope=0.01):
    """`input` where `other` is above zero, else `negative_slope * input`."""
    above = other > 0
    return kept(xp, input, above) + negative_slope * kept(xp, input, ~above)


@composite("nn.functional", cases=[(S(2, 3, low=-1, high=1), 0.2)])
def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x above zero, `negative_slope * x` below."""
    return overwrite(input, _leaky_relu, negative_slope) if inplace else _leaky_relu(input, negative_slope)


@composite("nn.functional")
def leaky_relu_(input, negative_slope=0.01):
    """x above zero, `negative_slope * x` below, written to `input`."""
    return overwrite(input, _leaky_relu, negative_slope)


# ---- sigmoid, silu


def _sigmoid_grad(g, out):
    return g * conj(out * (1 - out)) if out.spec.is_complex else _sigmoid_backward(g, out)


@op(
    same,
    promote=True,
    to_float=True,
    api="torch method inplace out",
    alias="special.expit nn.functional.sigmoid",
    ufunc="special.expit",
    grad=_sigmoid_grad,
)
def sigmoid(xp, input: T):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + xp.exp(-input))


@op(
    broadcast,
    api="",
    grad=dict(
        input=lambda g, other: _sigmoid_backward(g, other), other=lambda g, input, other: g * input * (1 - 2 * other)
    ),
)
def _sigmoid_backward(xp, input: T, other: T):
    """`input` times the slope of sigmoid where its result is `other`."""
    return input * (other * (1 - other))


def _silu_grad(g, input):
    if not input.spec.is_complex:
        return _silu_backward(g, input)
    s = sigmoid(input)
    return g * conj(s * (1 + input * (1 - s)))


@op(floating("silu_cpu", complex=True), api="", shown="Silu", grad=_silu_grad)
def _silu(xp, input: T):
    """x * sigmoid(x)."""
    return input / (1 + xp.exp(-input))


def _silu_second(g, input, other):
    s = sigmoid(other)
    return g * input * (s * (1 - s) * (2 + other * (1 - 2 * s)))


@op(broadcast, api="", grad=dict(input=lambda g, other: _silu_backward(g, other), other=_silu_second))
def _silu_backward(xp, input: T, other: T):
    """`input` times the slope of silu at `other`."""
    s = 1 / (1 + xp.exp(-other))
    return input * (s * (1 + other * (1 - s)))


@composite("nn.functional", cases=[(S(2, 3, low=-1, high=1),)])
def silu(input, inplace=False):
    """x * sigmoid(x). Elfwing et al., arXiv 1702.03118."""
    return overwrite(input, _silu) if inplace else _silu(input)


# ---- gelu

_ROOT = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def _below(xp: Any, x: Any) -> Any:
    """The normal distribution's mass below x."""
    if not xp.host or x.size < 1 << 12 or x.dtype != "float32":
        return 0.5 + 0.5 * xp.special.erf(x * math.sqrt(0.5))
    flat, out = x.reshape(-1), xp.empty(x.size, "float32")
    for start in range(0, x.size, 1 << 14):  # in pieces that stay in the processor's cache
        out[start : start + (1 << 14)] = _below_single(xp, flat[start : start + (1 << 14)])
    return out.reshape(x.shape)


def _below_single(xp: Any, x: Any) -> Any:
    """As `_below`, to single precision: Abramowitz and Stegun, 7.1.26, whose exponential NumPy vectorizes."""
    y = xp.abs(x)
    y *= math.sqrt(0.5)
    t = y * 0.3275911
    t += 1
    xp.divide(1, t, out=t)
    tail = t * 1.061405429
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail += coefficient
        tail *= t
    y *= y
    tail *= xp.exp(xp.negative(y, out=y), out=y)
    tail *= 0.5
    return xp.copysign(tail, -x) + (x >= 0)


def _gelu_rule(input: Spec, approximate: str) -> Spec:
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    need_floating("GeluKernelImpl", input)
    return input.like()


@op(
    _gelu_rule,
    api="nn.functional",
    grad=lambda g, input, approximate: _gelu_backward(g, input, approximate),
    cases=[(S(2, 3, low=-2, high=2),), (S(4, low=-2, high=2), {"approximate": "tanh"})],
    wrong=[((S(2), {"approximate": "other"}), RuntimeError, "approximate argument must be either none or tanh")],
)
def gelu(xp, input: T, *, approximate="none"):
    """x times the normal distribution's mass below x; "tanh" approximates. Hendrycks and Gimpel, arXiv 1606.08415."""
    if approximate == "none":
        return input * _below(xp, input)
    return input * (0.5 + 0.5 * xp.tanh(_ROOT * input * (1 + _CUBIC * (input * input))))


def _gelu_second(g, input, other, approximate):
    squared = other * other
    if approximate == "none":
        return g * input * ((-0.5 * squared).exp() * (2 - squared) * (1 / math.sqrt(2 * math.pi)))
    t = 2 * sigmoid(2 * _ROOT * other * (1 + _CUBIC * squared)) - 1
    inner = _ROOT * (1 + 3 * _CUBIC * squared)
    bend = (1 - t * t) * (inner + 0.5 * other * (6 * _ROOT * _CUBIC * other - 2 * t * inner * inner))
    return g * input * bend


@op(
    lambda input, other: broadcast(input, other),
    api="",
    cases=[(S(2, 3), S(2, 3)), (S(2, 3), S(2, 3), "tanh")],
    grad=dict(input=lambda g, other, approximate: _gelu_backward(g, other, approximate), other=_gelu_second),
)
def _gelu_backward(xp, input: T, other: T, approximate="none"):
    """`input` times the slope of gelu at `other`."""
    squared = other * other
    if approximate == "none":
        density = xp.exp(-0.5 * squared) * (1 / math.sqrt(2 * math.pi))
        return input * (_below(xp, other) + other * density)
    t = xp.tanh(_ROOT * other * (1 + _CUBIC * squared))
    return input * (0.5 + 0.5 * t + 0.5 * other * ((1 - t * t) * (_ROOT * (1 + 3 * _CUBIC * squared))))


# ---- softmax


def _along(kernel: str):
    def rule(input: Spec, dim: int) -> Spec:
        last = wrap(dim, input.ndim) == max(input.ndim - 1, 0)
        need_floating(f"{kernel}_{'lastdim_' if last else ''}kernel_impl", input)
        return input.like()

    return rule


@op(
    _along("softmax"),
    api="",
    shown="Softmax",
    grad=lambda g, out, dim: _softmax_backward(g, out, dim),
    cases=[(S(2, 3), 1), (S(2, 3, 4), -2), (S(), 0)],
)
def _softmax(xp, input: T, dim):
    """exp(x_i) / sum_j exp(x_j) along `dim`, shifted by the maximum so that nothing overflows."""
    if not input.ndim or not input.size:
        return xp.ones_like(input)
    e = xp.exp(input - xp.max(input, axis=dim, keepdims=True))
    return e / xp.sum(e, axis=dim, keepdims=True)


@_softmax.lower("numpy")
def _softmax_numpy(xp, input, dim):
    if not input.ndim or not input.size:
        return xp.ones_like(input)
    e = input - xp.maximum.reduce(input, axis=dim, keepdims=True)
    xp.exp(e, out=e)
    e /= xp.add.reduce(e, axis=dim, keepdims=True)
    return e


def _softmax_second(g, input, other, dim):
    return g * (input - (input * other).sum(dim, True)) - input * (g * other).sum(dim, True)


@op(
    broadcast,
    api="",
    cases=[(S(2, 3), S(2, 3), 1)],
    grad=dict(input=lambda g, other, dim: _softmax_backward(g, other, dim), other=_softmax_second),
)
def _softmax_backward(xp, input: T, other: T, dim):
    """The gradient of softmax along `dim`, whose result is `other`: other * (input - sum(input * other))."""
    if not other.ndim or not other.size:
        return xp.zeros_like(input)
    y = input * other
    return y - other * y.sum(axis=dim, keepdims=True)


@op(
    _along("log_softmax"),
    api="",
    shown="LogSoftmax",
    grad=lambda g, out, dim: _log_softmax_backward(g, out, dim),
    cases=[(S(2, 3), 1), (S(2, 3, 4), -2), (S(), 0)],
)
def _log_softmax(xp, input: T, dim):
    """x_i - log(sum_j exp(x_j)) along `dim`."""
    if not input.ndim or not input.size:
        return xp.zeros_like(input)
    x = input - xp.max(input, axis=dim, keepdims=True)
    return x - xp.log(xp.sum(xp.exp(x), axis=dim, keepdims=True))


@_log_softmax.lower("numpy")
def _log_softmax_numpy(xp, input, dim):
    if not input.ndim or not input.size:
        return xp.zeros_like(input)
    x = input - xp.maximum.reduce(input, axis=dim, keepdims=True)
    x -= xp.log(xp.add.reduce(xp.exp(x), axis=dim, keepdims=True))
    return x


@op(
    broadcast,
    api="",
    cases=[(S(2, 3), S(2, 3), 1)],
    grad=dict(
        input=lambda g, other, dim: g - (g * other.exp()).sum(dim, True),
        other=lambda g, input, other, dim: -(g * other.exp()) * input.sum(dim, True),
    ),
)
def _log_softmax_backward(xp, input: T, other: T, dim):
    """The gradient of log_softmax along `dim`, whose result is `other`: input - exp(other) * sum(input)."""
    if not other.ndim or not other.size:
        return xp.zeros_like(input)
    return input - xp.exp(other) * input.sum(axis=dim, keepdims=True)


def chosen(name: str, input, dim):
    """`dim`, or the dimension that PyTorch takes where none is given, with its warning."""
    if dim is None:
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. "
            "Change the call to include dim=X as an argument.",
            stacklevel=3,
        )
        dim = 0 if input.ndim in (0, 1, 3) else 1
    return dim


def converted(input, dtype):
    """`input` with elements of `dtype` if one is given."""
    return input if dtype is None or dtype is input.dtype else _to_copy(input, dtype)


@composite("torch method out", alias="special.softmax", cases=[(S(2, 3), 1)])
def softmax(input, dim, dtype=None):
    """exp(x_i) / sum_j exp(x_j) along `dim`, of `input` converted to `dtype` if given."""
    return _softmax(converted(input, dtype), dim)


@composite("torch method out", alias="special.log_softmax", cases=[(S(2, 3), 1)])
def log_softmax(input, dim, dtype=None):
    """log(softmax(x)) along `dim`, computed without overflow, of `input` converted to `dtype` if given."""
    return _log_softmax(converted(input, dtype), dim)


@composite("", alias="nn.functional.softmax", cases=[(S(2, 3), 1)])
def _functional_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x_i) / sum_j exp(x_j) along `dim`, of `input` converted to `dtype` if given."""
    if dim is None:
        dim = chosen("softmax", input, dim)
    return _softmax(input if dtype is None else converted(input, dtype), dim)


@composite("", alias="nn.functional.log_softmax", cases=[(S(2, 3), 1)])
def _functional_log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log(softmax(x)) along `dim`, computed without overflow, of `input` converted to `dtype` if given."""
    if dim is None:
        dim = chosen("log_softmax", input, dim)
    return _log_softmax(input if dtype is None else converted(input, dtype), dim)


@composite("nn.functional", cases=[(S(2, 3), 1)])
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-x) along `dim`."""
    dim = chosen("softmin", input, dim)
    return _softmax(converted(-input, dtype), dim)


# ---- elu, selu, celu


@op(
    floating("elu_cpu"),
    api="",
    shown="Elu",
    cases=[(S(2, 3, low=-1, high=1), 1.5, 2.0, 0.5)],
    grad=lambda g, input, alpha, scale, input_scale: _elu_backward(g, input, alpha, scale, input_scale),
)
def _elu(xp, input: T, alpha=1.0, scale=1.0, input_scale=1.0):
    """`scale * x` above zero, `scale * alpha * (exp(input_scale * x) - 1)` below."""
    return scale * xp.maximum(input, 0) + (scale * alpha) * xp.expm1(input_scale * xp.minimum(input, 0))


def _elu_second(g, input, other, alpha, scale, input_scale):
    below = g * input * (input_scale * other).exp()
    return relu_backward(below, -other) * (alpha * scale * input_scale * input_scale)


@op(
    lambda input, other: broadcast(input, other),
    api="",
    cases=[(S(2, 3), S(2, 3, low=-1, high=1), 1.5, 2.0, 0.5)],
    grad=dict(
        input=lambda g, other, alpha, scale, input_scale: _elu_backward(g, other, alpha, scale, input_scale),
        other=_elu_second,
    ),
)
def _elu_backward(xp, input: T, other: T, alpha=1.0, scale=1.0, input_scale=1.0):
    """`input` times the slope of elu at `other`."""
    above = other > 0
    below = (scale * alpha * input_scale) * xp.exp(input_scale * xp.minimum(other, 0))
    return scale * (input * above) + input * (below * ~above)


_SELU = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@composite("nn.functional", cases=[(S(2, 3, low=-1, high=1), 0.5)])
def elu(input, alpha=1.0, inplace=False):
    """x above zero, `alpha * (exp(x) - 1)` below. Clevert et al., arXiv 1511.07289."""
    return overwrite(input, _elu, alpha) if inplace else _elu(input, alpha)


@composite("nn.functional")
def elu_(input, alpha=1.0):
    """x above zero, `alpha * (exp(x) - 1)` below, written to `input`."""
    return overwrite(input, _elu, alpha)


@composite("torch nn.functional", cases=[(S(2, 3, low=-1, high=1),)])
def selu(input, inplace=False):
    """elu with the factors that keep mean 0 and variance 1 from layer to layer. Klambauer et al., arXiv 1706.02515."""
    return overwrite(input, _elu, *_SELU) if inplace else _elu(input, *_SELU)


@composite("torch nn.functional")
def selu_(input):
    """As selu, written to `input`."""
    return overwrite(input, _elu, *_SELU)


def _celu(input, alpha):
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _elu(input, alpha, 1.0, 1.0 / alpha)


@composite("torch nn.functional", cases=[(S(2, 3, low=-1, high=1), 0.5)])
def celu(input, alpha=1.0, inplace=False):
    """x above zero, `alpha * (exp(x / alpha) - 1)` below. Barron, arXiv 1704.07483."""
    return overwrite(input, _celu, alpha) if inplace else _celu(input, alpha)


@composite("torch nn.functional")
def celu_(input, alpha=1.0):
    """As celu, written to `input`."""
    return overwrite(input, _celu, alpha)
