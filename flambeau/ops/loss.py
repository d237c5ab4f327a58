"""Losses between numbers: squared, absolute, Huber's, and those of Poisson and Gaussian likelihoods and divergences."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import dtypes
from ..graph import Kind, Spec
from ._losses import (
    check_reduction,
    finish,
    gathered,
    legacy,
    reduced,
    reduced_spec,
    shared_out,
    size_of,
    warn_sizes,
)
from ._op import S, T, composite, op
from ._rules import broadcast, broadcast_shapes, need_floating
from .core import filled
from .hardness import _hardtanh

PAIR = (S(2, 3), S(2, 3))


def _pointwise(kernel: str):
    """A rule: two float operands, broadcast, then reduced."""

    def rule(input: Spec, target: Spec, reduction: str) -> Spec:
        out = broadcast(input, target)
        check_reduction(reduction)
        need_floating(kernel, out)
        return reduced_spec(out, reduction)

    return rule


def both(input: Any, target: Any) -> int:
    """How many numbers two operands broadcast to."""
    return math.prod(broadcast_shapes(input.shape, target.shape))


def weighted(values: Any, input: Any, weight: Any, reduction: str, divide: bool) -> Any:
    """`values` times `weight`, reduced; the mean divides by the weights' sum if `divide`, else by their number."""
    if size_of(weight) != size_of(input):
        raise ValueError("Weights and input must have the same size.")
    values = values * weight
    return values.sum() / weight.sum() if divide and reduction == "mean" else finish(values, reduction)


# ---- squared error


@op(
    _pointwise("mse_cpu"),
    promote="input target",
    api="",
    shown="MseLoss",
    cases=[(*PAIR, "mean"), (*PAIR, "none")],
    grad=dict(
        input=lambda g, input, target, reduction: _mse_backward(g, input, target, reduction),
        target=lambda g, input, target, reduction: _mse_backward(g, target, input, reduction),
    ),
)
def _mse_loss(xp, input: T, target: T, reduction="mean"):
    """(input - target) ** 2, each, summed or averaged."""
    d = input - target
    return reduced(xp, d * d, reduction)


@_mse_loss.lower("numpy")
def _mse_numpy(xp, input, target, reduction):
    d = input - target
    if reduction == "none" or d.size > 4096 or d.dtype.kind != "f":
        return reduced(xp, d * d, reduction)
    d = d.ravel()
    return d.dot(d) if reduction == "sum" else d.dot(d) / d.dtype.type(d.size)


def _mse_to_g(g, input, other, target, reduction):
    return gathered(g * _mse_backward(filled(input, (), 1), other, target, reduction), reduction)


def _mse_second(g, input, other, target, reduction):
    n = both(other, target)
    return g * input * (2 / max(1, n) if reduction == "mean" else 2)


@op(
    lambda input, other, target: input.like(broadcast_shapes(other.shape, target.shape)),
    api="",
    cases=[(S(), *PAIR, "mean"), (*PAIR, S(2, 3), "none")],
    grad=dict(
        input=_mse_to_g,
        other=_mse_second,
        target=lambda g, input, other, target, reduction: -_mse_second(g, input, other, target, reduction),
    ),
)
def _mse_backward(xp, input: T, other: T, target: T, reduction="mean"):
    """The gradient of the squared error with respect to `other`."""
    d = other - target
    return d * (input * (2 / max(1, d.size) if reduction == "mean" else 2))


@composite("nn.functional", cases=[PAIR])
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target) ** 2, averaged, summed, or each with reduction "none"; `weight` weighs them."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    warn_sizes(input, target)
    if weight is not None:
        return weighted(_mse_loss(input, target, "none"), input, weight, reduction, True)
    return _mse_loss(input, target, reduction)


# ---- absolute error


def _absolute(kind: Kind) -> str:
    return {"none": "Abs", "mean": "Mean", "sum": "Sum"}[kind.env["reduction"]]


def _l1_spec(input: Spec, target: Spec, reduction: str) -> Spec:
    out = broadcast(input, target)
    if out.dtype is dtypes.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    return reduced_spec(out, reduction)


@op(
    _l1_spec,
    promote="input target",
    api="",
    shown=_absolute,
    cases=[(*PAIR, "mean"), (*PAIR, "none")],
    grad=dict(
        input=lambda g, input, target, reduction: (
            shared_out(g, both(input, target), reduction) * (input - target).sign()
        ),
        target=lambda g, input, target, reduction: (
            shared_out(g, both(input, target), reduction) * (target - input).sign()
        ),
    ),
)
def _l1_loss(xp, input: T, target: T, reduction="mean"):
    """|input - target|, each, summed or averaged."""
    return reduced(xp, xp.abs(input - target), reduction)


@composite("nn.functional", cases=[PAIR])
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|, averaged, summed, or each with reduction "none"; `weight` weighs them."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    warn_sizes(input, target)
    if weight is not None:
        return weighted(_l1_loss(input, target, "none"), input, weight, reduction, True)
    if input.dtype.category == target.dtype.category == dtypes.FLOATING:
        return _l1_loss(input, target, reduction)
    check_reduction(reduction)
    return finish((input - target).abs(), reduction)


# ---- Huber's, which is squared near zero and absolute beyond


def _huber_grad(g, input, target, reduction, delta, scale):
    return shared_out(g, both(input, target), reduction) * (_hardtanh(input - target, -delta, delta) * scale)


def _huber_spec(input: Spec, target: Spec, reduction: str, scale: Any, kernel: str) -> Spec:
    check_reduction(reduction)
    out = broadcast(input, target)
    need_floating(kernel, out)
    return reduced_spec(out, reduction)


@op(
    _huber_spec,
    promote="input target",
    api="",
    cases=[(*PAIR, "mean", 0.5, 2.0), (*PAIR, "none", 0.1, 1.0)],
    shown=lambda kind: "SmoothL1Loss" if kind.env["kernel"].startswith("smooth") else "HuberLoss",
    grad=dict(
        input=_huber_grad,
        target=lambda g, input, target, reduction, delta, scale: _huber_grad(g, target, input, reduction, delta, scale),
    ),
)
def _huber_loss(xp, input: T, target: T, reduction="mean", delta=1.0, scale=1.0, kernel="huber_cpu"):
    """scale * (d * d / 2 where d = |input - target| is below delta, else delta * (d - delta / 2)), reduced."""
    d = xp.abs(input - target)
    near = xp.minimum(d, delta)
    return reduced(xp, near * (d - 0.5 * near) * scale, reduction)


@composite("nn.functional", cases=[(*PAIR, {"delta": 0.2})])
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """d * d / 2 where d = |input - target| is below delta, else delta * (d - delta / 2). Huber, 1964."""
    check_reduction(reduction)
    warn_sizes(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is not None:
        return weighted(_huber_loss(input, target, "none", float(delta)), input, weight, reduction, False)
    return _huber_loss(input, target, reduction, float(delta))


@composite("nn.functional", cases=[(*PAIR, {"beta": 0.2})])
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """d * d / (2 * beta) where d = |input - target| is below beta, else d - beta / 2. Girshick, arXiv 1504.08083."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    warn_sizes(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return _l1_loss(input, target, reduction)
    return _huber_loss(input, target, reduction, float(beta), 1 / beta, "smooth_l1_cpu")


# ---- likelihoods and divergences


def _kl_spec(input: Spec, target: Spec, reduction: str) -> Spec:
    return reduced_spec(broadcast(input, target), reduction)


def _need_real(operand: Any) -> None:
    """Raises PyTorch's error unless `operand` of kl_div holds floats."""
    if operand.dtype.category != dtypes.FLOATING:
        kind = "Complex" if operand.dtype.is_complex else "Integral"
        raise RuntimeError(f"kl_div: {kind} inputs not supported.")


def _kl_to_input(g, input_spec, target, reduction, log_target):
    return -shared_out(g, both(input_spec, target), reduction) * (target.exp() if log_target else target)


def _kl_to_target(g, input, target, reduction, log_target):
    g = shared_out(g, both(input, target), reduction)
    return g * (target.exp() * (target - input + 1) if log_target else target.log() + 1 - input)


@op(
    _kl_spec,
    promote="input target",
    api="",
    grad=dict(input=_kl_to_input, target=_kl_to_target),
    shown=lambda kind: {"none": "Mul" if kind.env["log_target"] else "Sub", "mean": "Mean", "sum": "Sum"}[
        kind.env["reduction"]
    ],
    cases=[(*PAIR, "mean", False), (*PAIR, "none", True)],
)
def _kl_div(xp, input: T, target: T, reduction="mean", log_target=False):
    """target * (log(target) - input), 0 where target is 0; `log_target` says that target is a logarithm already."""
    return reduced(
        xp,
        xp.exp(target) * (target - input) if log_target else xp.special.xlogy(target, target) - target * input,
        reduction,
    )


@composite("nn.functional", cases=[(*PAIR, {"reduction": "batchmean"})])
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target * (log(target) - input): the terms of the divergence of exp(input) from target.

    "batchmean", their sum divided by the number of rows, is the divergence; `log_target`: target is a logarithm.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' "
            "divides only by the batch size, and aligns with the KL div math definition.'mean' will be changed to "
            "behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    _need_real(input)
    _need_real(target)
    if reduction == "batchmean":
        summed = _kl_div(input, target, "sum", log_target)
        return summed / input.shape[0] if input.ndim else summed
    return _kl_div(input, target, reduction, log_target)


@composite("nn.functional", cases=[(*PAIR, {"full": True}), (*PAIR, {"log_input": False})])
def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    """exp(input) - target * input, or without `log_input` input - target * log(input + eps); `full` adds Stirling's
    approximation of log(target!) for targets above 1."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    check_reduction(reduction)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return finish(loss, reduction)


@composite("nn.functional", cases=[(*PAIR, S(2, 3)), (*PAIR, S(2, 1), {"full": True})])
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log(var) + (input - target) ** 2 / var) / 2, var at least eps; `full` adds log(2 * pi) / 2.

    var has the shape of input, lacks its last dimension, or has 1 there.
    """
    if isinstance(var, (int, float)) and not isinstance(var, bool):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = filled(input, input.shape, float(var))
    elif (var < 0).any():
        raise ValueError("var has negative entry/entries")
    size, own = size_of(input), size_of(var)
    if own != size:
        if size[:-1] == own:
            var = var.unsqueeze(-1)
        elif not (len(size) == len(own) and size[:-1] == own[:-1] and own[-1] == 1) and broadcastless(size, own):
            raise ValueError("var is of incorrect size")
    check_reduction(reduction)
    var = var.detach().clamp(min=eps) + (var - var.detach())  # the bound is not differentiated
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return finish(loss, reduction)


def broadcastless(size: tuple[int, ...], own: tuple[int, ...]) -> bool:
    """Whether `own` differs from `size` in more than sizes of 1."""
    return len(size) != len(own) or any(a != b and b != 1 for a, b in zip(size, own, strict=True))
