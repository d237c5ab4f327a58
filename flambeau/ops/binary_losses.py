"""Losses for yes or no: binary cross-entropy from probabilities and from logits, and the soft margins."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._losses import (
    check_reduction,
    finish,
    gathered,
    legacy,
    reduced,
    reduced_spec,
    refuse_weight,
    shared_out,
    size_of,
)
from ._op import S, T, composite, op
from ._rules import broadcast, broadcast_shapes, need_floating, title
from .activation import sigmoid
from .core import filled
from .smooth import logsigmoid, softplus

PAIR = (S(2, 3), S(2, 3))


# ---- from probabilities


def _bce_spec(input: Spec, target: Spec, weight: Spec | None, reduction: str) -> Spec:
    check_reduction(reduction)
    if target.dtype is not input.dtype:
        raise RuntimeError(f"Found dtype {title(target.dtype)} but expected {title(input.dtype)}")
    refuse_weight("binary_cross_entropy", weight)
    need_floating("binary_cross_entropy", input)
    if weight is not None and (weight.ndim > input.ndim or broadcast_shapes(input.shape, weight.shape) != input.shape):
        raise RuntimeError(
            f"Attempting to broadcast a dimension of length {weight.shape[-1]} at -1! Mismatching argument at "
            f"index 1 had {list(weight.shape)}; but expected shape should be broadcastable to {list(input.shape)}"
        )
    return reduced_spec(input.like(), reduction)


def _bce_to_target(g, input, weight, reduction):
    g = shared_out(g, input.spec.numel, reduction)
    slope = (1 - input).log().clamp(min=-100) - input.log().clamp(min=-100)
    return g * (slope if weight is None else slope * weight)


@op(
    _bce_spec,
    api="",
    checks=True,
    shown="BinaryCrossEntropy",
    cases=[(*PAIR, None, "mean"), (*PAIR, None, "none")],
    grad=dict(
        input=lambda g, input, target, weight, reduction: _bce_backward(g, input, target, weight, reduction),
        target=_bce_to_target,
    ),
    wrong=[((S(2), S(2, dtype="float64")), RuntimeError, "Found dtype Double but expected Float")],
)
def _binary_cross_entropy(xp, input: T, target: T, weight: T = None, reduction="mean"):
    """-(target * log(input) + (1 - target) * log(1 - input)), logarithms at least -100."""
    for name, x in (("input", input), ("target", target)):
        xp.refuse(
            ~((x >= 0) & (x <= 1)), lambda name=name: RuntimeError(f"all elements of {name} should be between 0 and 1")
        )
    loss = (target - 1) * xp.maximum(xp.log1p(-input), -100) - target * xp.maximum(xp.log(input), -100)
    return reduced(xp, loss if weight is None else loss * weight, reduction)


def _bce_to_g(g, input, other, target, weight, reduction):
    return gathered(g * _bce_backward(filled(input, (), 1), other, target, weight, reduction), reduction)


def _bce_second(g, input, other, target, weight, reduction):
    g = g * shared_out(input, other.spec.numel, reduction)
    spread = other * (1 - other)
    slope = (spread - (other - target) * (1 - 2 * other)) / (spread * spread).clamp(min=1e-12)
    return g * (slope if weight is None else slope * weight)


@op(
    lambda input, other: other.like(),
    api="",
    cases=[(S(), *PAIR, None, "mean"), (*PAIR, S(2, 3), None, "none")],
    grad=dict(
        input=_bce_to_g,
        other=_bce_second,
        target=lambda g, input, other, weight, reduction: _bce_mixed(g, input, other, weight, reduction),
    ),
)
def _bce_backward(xp, input: T, other: T, target: T, weight: T = None, reduction="mean"):
    """The gradient of binary cross-entropy with respect to the probabilities `other`."""
    slope = (other - target) / xp.maximum((1 - other) * other, 1e-12)
    if weight is not None:
        slope = slope * weight
    return slope * (input / max(1, slope.size) if reduction == "mean" else input)


def _bce_mixed(g, input, other, weight, reduction):
    slope = -shared_out(input, other.spec.numel, reduction) / ((1 - other) * other).clamp(min=1e-12)
    return g * (slope if weight is None else slope * weight)


@composite("nn.functional", cases=[PAIR])
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-(target * log(input) + (1 - target) * log(1 - input)), averaged, summed, or each with reduction "none".

    Raises RuntimeError for probabilities outside 0 to 1.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    if size_of(target) != size_of(input):
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is "
            "deprecated. Please ensure they have the same size."
        )
    return _binary_cross_entropy(input, target, weight, reduction)


# ---- from logits


def _logits_spec(input: Spec, target: Spec, weight: Spec | None, pos_weight: Spec | None, reduction: str) -> Spec:
    check_reduction(reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"Target size (torch.Size({list(target.shape)})) must be the same as input size "
            f"(torch.Size({list(input.shape)}))"
        )
    refuse_weight("binary_cross_entropy_with_logits", weight)
    refuse_weight("binary_cross_entropy_with_logits", pos_weight, "pos_weight")
    need_floating("log_sigmoid_cpu", input)
    if target.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {title(target.dtype)}")
    shape = input.shape
    for s in (pos_weight, weight):
        if s is not None:
            shape = broadcast_shapes(s.shape, shape)
    return reduced_spec(input.like(shape, target.dtype), reduction)


def _elements(input, target, weight, pos_weight) -> int:
    shape = broadcast_shapes(input.shape, target.shape)
    for s in (weight, pos_weight):
        if s is not None:
            shape = broadcast_shapes(shape, s.shape)
    count = 1
    for n in shape:
        count *= n
    return count


def _logits_to_target(g, input, target, weight, pos_weight, reduction):
    g = shared_out(g, _elements(input, target, weight, pos_weight), reduction)
    slope = -input if pos_weight is None else (pos_weight - 1) * softplus(-input) - input
    return g * (slope if weight is None else slope * weight)


@op(
    _logits_spec,
    api="",
    shown="BinaryCrossEntropyWithLogits",
    cases=[(*PAIR, None, None, "mean"), (*PAIR, None, None, "none")],
    grad=dict(
        input=lambda g, input, target, weight, pos_weight, reduction: _logits_backward(
            g, input, target, weight, pos_weight, reduction
        ),
        target=_logits_to_target,
    ),
)
def _bce_logits(xp, input: T, target: T, weight: T = None, pos_weight: T = None, reduction="mean"):
    """Binary cross-entropy of sigmoid(input), computed together so that nothing overflows."""
    tail = xp.log1p(xp.exp(-xp.abs(input))) + xp.maximum(-input, 0)
    if pos_weight is not None:
        tail = tail * (1 + (pos_weight - 1) * target)
    loss = (1 - target) * input + tail
    if weight is not None:
        loss = loss * weight
    return reduced(xp, loss.astype(target.dtype, copy=False), reduction)


def _logits_to_g(g, input, other, target, weight, pos_weight, reduction):
    return gathered(g * _logits_backward(filled(input, (), 1), other, target, weight, pos_weight, reduction), reduction)


def _logits_second(g, input, other, target, weight, pos_weight, reduction):
    s = sigmoid(other)
    slope = s * (1 - s)
    if pos_weight is not None:
        slope = slope * (1 + (pos_weight - 1) * target)
    if weight is not None:
        slope = slope * weight
    return g * shared_out(input, _elements(other, target, weight, pos_weight), reduction) * slope


def _logits_mixed(g, input, other, target, weight, pos_weight, reduction):
    slope = -1 if pos_weight is None else (1 - pos_weight) * sigmoid(-other) - 1
    slope = slope if weight is None else weight * slope
    return g * shared_out(input, _elements(other, target, weight, pos_weight), reduction) * slope


def _backward_shape(input: Spec, other: Spec, target: Spec, weight: Spec | None, pos_weight: Spec | None) -> Spec:
    shape = other.shape
    for s in (weight, pos_weight):
        if s is not None:
            shape = broadcast_shapes(shape, s.shape)
    return target.like(shape)


@op(
    _backward_shape,
    api="",
    cases=[(S(), *PAIR, None, None, "mean"), (*PAIR, S(2, 3), None, None, "none")],
    grad=dict(input=_logits_to_g, other=_logits_second, target=_logits_mixed),
)
def _logits_backward(xp, input: T, other: T, target: T, weight: T = None, pos_weight: T = None, reduction="mean"):
    """The gradient of binary cross-entropy with respect to the logits `other`."""
    slope = (
        1 / (1 + xp.exp(-other)) - target
        if pos_weight is None
        else 1 - target - (1 + (pos_weight - 1) * target) / (1 + xp.exp(other))
    )
    if weight is not None:
        slope = slope * weight
    share = input / max(1, slope.size) if reduction == "mean" else input
    return (slope * share).astype(target.dtype, copy=False)


@composite("nn.functional", cases=[PAIR])
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """Binary cross-entropy of sigmoid(input), averaged, summed, or each with reduction "none".

    `pos_weight` multiplies the terms of positive targets.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    return _bce_logits(input, target, weight, pos_weight, reduction)


# ---- soft margins


def _soft_margin_spec(input: Spec, target: Spec, reduction: str) -> Spec:
    if input.dtype is dtypes.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {title(input.dtype)}")
    return reduced_spec(broadcast(input, target).like(dtype=input.dtype), reduction)


def _soft_margin_grad(g, input, target, reduction):
    n = 1
    for size in broadcast_shapes(input.shape, target.shape):
        n *= size
    return shared_out(g, n, reduction) * -(target * sigmoid(-(target * input)))


@op(
    _soft_margin_spec,
    api="",
    shown="SoftMarginLoss",
    cases=[(*PAIR, "mean"), (*PAIR, "none")],
    grad=dict(
        input=_soft_margin_grad,
        target=lambda g, input, target, reduction: _soft_margin_grad(g, target, input, reduction),
    ),
)
def _soft_margin(xp, input: T, target: T, reduction="mean"):
    """log(1 + exp(-target * input)), each, summed or averaged."""
    z = -target * input
    loss = xp.log1p(xp.exp(z)) if input.dtype.kind == "c" else xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))
    return reduced(xp, loss.astype(input.dtype, copy=False), reduction)


@composite("nn.functional", cases=[PAIR])
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target * input)) for targets 1 and -1, averaged, summed, or each with reduction "none"."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    return _soft_margin(input, target, reduction)


@composite("nn.functional", cases=[PAIR])
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Binary cross-entropy of sigmoid(input), averaged over the classes (last dimension), then over the rows."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    check_reduction(reduction)
    loss: Any = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return finish(loss.sum(-1) / input.shape[-1], reduction)
