"""Losses: a prediction and a target in, what training lowers out."""
from __future__ import annotations

from ..graph import Spec
from ._op import T, op
from ._rules import broadcast

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")


def _loss(input: Spec, target: Spec, reduction: str) -> Spec:
    check_reduction(reduction)
    out = broadcast(input, target)
    return out if reduction == "none" else out.like(())


def _mse_grad(g, input, target, reduction):
    difference = input - target
    return difference * (g * (2 / max(1, difference.spec.numel) if reduction == "mean" else 2))


@op(_loss, promote="input target", api="", shown="MseLoss", grad=dict(input=_mse_grad, target=lambda g, input, target, reduction:
                                                                     _mse_grad(g, target, input, reduction)))
def _mse_loss(xp, input: T, target: T, reduction="mean"):
    """(input - target) ** 2, each, summed or averaged."""
    d = input - target
    d = d * d
    return d if reduction == "none" else xp.sum(d) if reduction == "sum" else xp.mean(d)


@_mse_loss.lower("numpy")
def _mse_numpy(xp, input, target, reduction):
    d = input - target
    if reduction == "none":
        return d * d
    total = xp.add.reduce((d * d).ravel())
    return total if reduction == "sum" else total / max(1, d.size) if d.size else total * xp.nan
